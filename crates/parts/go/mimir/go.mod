module livehouse.invalid/parts/mimir

go 1.26.5

require github.com/grafana/mimir v1.3.1-0.20260423142704-aced80d74930
