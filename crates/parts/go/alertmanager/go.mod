module livehouse.invalid/parts/alertmanager

go 1.26.5

require github.com/prometheus/alertmanager v0.34.0
