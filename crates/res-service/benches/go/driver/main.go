// The driver of the benchmark: sends requests as a gateway does, a constant number of them outstanding, over one
// connection. It is the same for every responder and counted in no figure.
//
// "driver verify" compares what the responders answer; "driver load" loads one of them after another, in turns, and prints a
// JSON object for each turn.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
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
	services := flags.String("services", "", "names of the services, with commas between them")
	processes := flags.String("processes", "", "load: ids of the services' processes, whose CPU time is taken")
	order := flags.String("order", "0", "load: whose turn it is, one after another: places in the list of services")
	workload := flags.String("workload", "get", "load: get, call or change")
	concurrency := flags.Int("concurrency", 64, "load: outstanding requests, each of a model of its own, 900 at most")
	duration := flags.Duration("duration", 2*time.Second, "load: how long is measured in each turn")
	warmUp := flags.Duration("warm-up", 300*time.Millisecond, "load: how long before that in each turn")
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
		loads := &loads{connection: connection, workload: *workload, concurrency: *concurrency}
		if err := loads.open(strings.Split(*services, ","), strings.Split(*processes, ",")); err != nil {
			return err
		}
		return loads.run(strings.Split(*order, ","), *warmUp, *duration)
	}
	return fmt.Errorf("%q is neither verify nor load", os.Args[1])
}

// loads are alike, of several services.
type loads struct {
	connection  *nats.Conn
	workload    string
	concurrency int
	of          []*load
}

func (loads *loads) open(services, processes []string) error {
	if len(services) != len(processes) {
		return fmt.Errorf("%d services have %d processes", len(services), len(processes))
	}
	for number, service := range services {
		process, err := strconv.Atoi(processes[number])
		if err != nil {
			return fmt.Errorf("the process of %s: %w", service, err)
		}
		load, err := newLoad(loads.connection, service, process, loads.workload, loads.concurrency)
		if err != nil {
			return err
		}
		loads.of = append(loads.of, load)
	}
	return nil
}

// run takes the turns, and prints the figures of each.
func (loads *loads) run(order []string, warmUp, duration time.Duration) error {
	out := json.NewEncoder(os.Stdout)
	for _, text := range order {
		place, err := strconv.Atoi(text)
		if err != nil || place < 0 || place >= len(loads.of) {
			return fmt.Errorf("%q is no place in the list of services", text)
		}
		load := loads.of[place]
		figures, err := load.turn(warmUp, duration)
		if err != nil {
			return fmt.Errorf("%s of %s with %d outstanding: %w", loads.workload, load.service, loads.concurrency, err)
		}
		if err := out.Encode(figures); err != nil {
			return err
		}
	}
	return nil
}
