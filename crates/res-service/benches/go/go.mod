module livehouse.invalid/res-service/benches

go 1.25.0

require (
	github.com/jirenius/go-res v0.5.1
	github.com/nats-io/nats.go v1.51.0
	golang.org/x/sys v0.42.0
)

require (
	github.com/jirenius/timerqueue v1.0.0 // indirect
	github.com/klauspost/compress v1.18.5 // indirect
	github.com/nats-io/nkeys v0.4.15 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	golang.org/x/crypto v0.49.0 // indirect
)
