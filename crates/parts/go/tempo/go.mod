module livehouse.invalid/parts/tempo

go 1.26.5

// Built as the main module from its own sources (crates/swarm), so only they are required here; `go mod tidy` would take that away.
// Releases of this module have no version that Go knows: this is the main branch of April 2026, before 3.0.3, which the stack names.
require github.com/grafana/tempo v1.5.1-0.20260423183749-e1676d825c43
