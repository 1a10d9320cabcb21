module livehouse.invalid/parts/tempo

go 1.26.5

require github.com/grafana/tempo v1.5.1-0.20260423183749-e1676d825c43
