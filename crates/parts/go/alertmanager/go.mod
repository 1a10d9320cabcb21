module livehouse.invalid/parts/alertmanager

go 1.26.5

// Built as the main module from its own sources (crates/swarm), so only they are required here; `go mod tidy` would take that away.
require github.com/prometheus/alertmanager v0.34.0
