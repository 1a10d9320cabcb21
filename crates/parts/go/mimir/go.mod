module livehouse.invalid/parts/mimir

go 1.26.5

// Built as the main module from its own sources (crates/swarm), so only they are required here; `go mod tidy` would take that away.
// Releases of this module have no version that Go knows: this is the main branch of April 2026, before 3.1.1, which the stack names.
require github.com/grafana/mimir v1.3.1-0.20260423142704-aced80d74930
