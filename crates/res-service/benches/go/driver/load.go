package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// endTimeMax is how long the last outstanding requests may take.
const endTimeMax = 5 * time.Second

// caller has one request outstanding, and asks again when it is answered.
type caller struct {
	request *nats.Msg
	sent    time.Time
	// awaited is how many messages are still to come until the request counts as done.
	awaited int
}

// load is a number of callers of one service on a connection.
type load struct {
	connection *nats.Conn
	service    string
	// process is the id of the service's process.
	process  int
	messages chan *nats.Msg
	callers  []caller
	// replies and changes are what stands before the number of a caller in the subjects of what comes in.
	replies, changes string
	// each is how many messages a request brings: its answer, and for a change also that.
	each int
	// latencies are those of the turn that is measured.
	latencies []time.Duration
}

// figures is what is measured in one turn of a load. CPU time and memory are those of the service's process alone.
type figures struct {
	Requests          int     `json:"requests"`
	Seconds           float64 `json:"seconds"`
	P50Microseconds   float64 `json:"p50Microseconds"`
	P99Microseconds   float64 `json:"p99Microseconds"`
	CPUSeconds        float64 `json:"cpuSeconds"`
	ResidentKilobytes int     `json:"residentKilobytes"`
}

func newLoad(connection *nats.Conn, service string, process int, workload string, concurrency int) (*load, error) {
	load := &load{
		connection: connection,
		service:    service,
		process:    process,
		// Room for everything that can be outstanding, twice.
		messages: make(chan *nats.Msg, 4*concurrency),
		callers:  make([]caller, concurrency),
		replies:  nats.NewInbox() + ".",
		changes:  "event." + service + ".item.",
		each:     1,
	}
	request := map[string]func(string, int) (string, []byte){
		"get": getRequest, "call": sumRequest, "change": incrementRequest,
	}[workload]
	if request == nil {
		return nil, fmt.Errorf("%q is neither get, call nor change", workload)
	}
	if _, err := connection.ChanSubscribe(load.replies+"*", load.messages); err != nil {
		return nil, err
	}
	if workload == "change" {
		load.each = 2
		if _, err := connection.ChanSubscribe(load.changes+"*.change", load.messages); err != nil {
			return nil, err
		}
	}
	for number := range load.callers {
		// A gateway hears of changes only of what it has asked for before.
		subject, payload := getRequest(service, number)
		if _, err := connection.Request(subject, payload, answerTimeMax); err != nil {
			return nil, fmt.Errorf("%s: %w", subject, err)
		}
		subject, payload = request(service, number)
		reply := load.replies + strconv.Itoa(number)
		load.callers[number].request = &nats.Msg{Subject: subject, Reply: reply, Data: payload}
	}
	return load, nil
}

// turn loads the service for a while, and takes the figures of the end of that time.
func (load *load) turn(warmUp, duration time.Duration) (figures, error) {
	load.latencies = load.latencies[:0]
	for number := range load.callers {
		if err := load.ask(number, time.Now()); err != nil {
			return figures{}, err
		}
	}
	if err := load.answer(time.Now().Add(warmUp), func(time.Duration) {}); err != nil {
		return figures{}, err
	}
	cpuBefore, err := cpuTime(load.process)
	if err != nil {
		return figures{}, err
	}
	started := time.Now()
	err = load.answer(started.Add(duration), load.note)
	if err != nil {
		return figures{}, err
	}
	elapsed := time.Since(started)
	cpuAfter, err := cpuTime(load.process)
	if err != nil {
		return figures{}, err
	}
	resident, err := residentKilobytes(load.process)
	if err != nil {
		return figures{}, err
	}
	if err := load.end(); err != nil {
		return figures{}, err
	}
	slices.Sort(load.latencies)
	quantile := func(part float64) float64 {
		return float64(load.latencies[int(float64(len(load.latencies)-1)*part)].Nanoseconds()) / 1000
	}
	return figures{
		Requests: len(load.latencies), Seconds: elapsed.Seconds(), P50Microseconds: quantile(0.5),
		P99Microseconds: quantile(0.99), CPUSeconds: (cpuAfter - cpuBefore).Seconds(), ResidentKilobytes: resident,
	}, nil
}

func (load *load) note(latency time.Duration) {
	load.latencies = append(load.latencies, latency)
}

func (load *load) ask(number int, now time.Time) error {
	caller := &load.callers[number]
	caller.sent, caller.awaited = now, load.each
	return load.connection.PublishMsg(caller.request)
}

// answer asks again for whatever is answered, until a time.
func (load *load) answer(until time.Time, record func(time.Duration)) error {
	timeout := time.NewTimer(time.Until(until) + endTimeMax)
	defer timeout.Stop()
	for {
		select {
		case message := <-load.messages:
			number, done, err := load.take(message)
			if err != nil {
				return err
			}
			if !done {
				continue
			}
			now := time.Now()
			record(now.Sub(load.callers[number].sent))
			if err := load.ask(number, now); err != nil {
				return err
			}
			if now.After(until) {
				return nil
			}
		case <-timeout.C:
			return fmt.Errorf("no answer for %v", endTimeMax)
		}
	}
}

// take notes what has come, and says for which caller, and whether that has everything now.
func (load *load) take(message *nats.Msg) (int, bool, error) {
	text, is := strings.CutPrefix(message.Subject, load.replies)
	expected := `{"result":`
	if !is {
		text = strings.TrimSuffix(strings.TrimPrefix(message.Subject, load.changes), ".change")
		expected = `{"values":{"count":`
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 0 || number >= len(load.callers) {
		return 0, false, fmt.Errorf("an unexpected message on %s", message.Subject)
	}
	if !bytes.HasPrefix(message.Data, []byte(expected)) {
		return 0, false, fmt.Errorf("an unexpected message: %s", message.Data)
	}
	caller := &load.callers[number]
	caller.awaited--
	if caller.awaited < 0 {
		return 0, false, errors.New("more messages than were asked for: the responder said something twice")
	}
	return number, caller.awaited == 0, nil
}

// end waits for what is outstanding, so that the next load does not get it.
func (load *load) end() error {
	outstanding := 0
	for _, caller := range load.callers {
		outstanding += caller.awaited
	}
	timeout := time.NewTimer(endTimeMax)
	defer timeout.Stop()
	for ; outstanding > 0; outstanding-- {
		select {
		case message := <-load.messages:
			if _, _, err := load.take(message); err != nil {
				return err
			}
		case <-timeout.C:
			return fmt.Errorf("%d messages are missing after %v", outstanding, endTimeMax)
		}
	}
	return nil
}
