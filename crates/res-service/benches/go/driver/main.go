// The driver of the benchmark: sends requests as a gateway does, a constant number of them outstanding, over one
// connection. It is the same for every responder and counted in no figure.
//
// "driver verify" compares what the responders answer; "driver load" loads one of them and prints a JSON object.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 2 {
		return fmt.Errorf("usage: driver verify|load OPTIONS")
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	broker := flags.String("broker", nats.DefaultURL, "address of the nats-server")
	services := flags.String("services", "", "verify: names of the services, with commas between them")
	service := flags.String("service", "", "load: name of the service")
	process := flags.Int("process", 0, "load: id of the service's process, whose CPU time is taken")
	workload := flags.String("workload", "get", "load: get, call or change")
	concurrency := flags.Int("concurrency", 64, "load: outstanding requests, each of a model of its own, 900 at most")
	duration := flags.Duration("duration", 2*time.Second, "load: how long is measured")
	warmUp := flags.Duration("warm-up", 300*time.Millisecond, "load: how long before the measurement")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	connection, err := nats.Connect(*broker)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", *broker, err)
	}
	defer connection.Close()
	switch os.Args[1] {
	case "verify":
		return verify(connection, strings.Split(*services, ","))
	case "load":
		load, err := newLoad(connection, *service, *workload, *concurrency)
		if err != nil {
			return err
		}
		figures, err := load.measure(*process, *warmUp, *duration)
		if err != nil {
			return fmt.Errorf("%s of %s with %d outstanding: %w", *workload, *service, *concurrency, err)
		}
		return json.NewEncoder(os.Stdout).Encode(figures)
	}
	return fmt.Errorf("%q is neither verify nor load", os.Args[1])
}
