// Package ext holds the places where Traefik lets a build of its own add settings. This build adds none.
package ext

// HTTP adds nothing to the HTTP configuration.
type HTTP struct{}

// Router adds nothing to a router.
type Router struct{}
