package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	readyTimeMax  = 10 * time.Second
	answerTimeMax = 2 * time.Second
	// The models that are tried until they are served, and then compared: none of those that are loaded.
	ready, verified = 999, 1000
)

// verify asks every service the same and compares what they say, answers and changes, as JSON.
func verify(connection *nats.Conn, services []string) error {
	var first []any
	for number, service := range services {
		if err := untilReady(connection, service); err != nil {
			return err
		}
		said, err := transcript(connection, service)
		if err != nil {
			return fmt.Errorf("%s: %w", service, err)
		}
		if number == 0 {
			first = said
		}
		if !reflect.DeepEqual(said, first) {
			return fmt.Errorf("the responders do different work: %s says %v, %s says %v", services[0], first, service, said)
		}
	}
	return nil
}

// untilReady waits until a service answers and announces what changes.
func untilReady(connection *nats.Conn, service string) error {
	changes, err := connection.SubscribeSync(fmt.Sprintf("event.%s.item.%d.change", service, ready))
	if err != nil {
		return err
	}
	defer changes.Unsubscribe()
	for deadline := time.Now().Add(readyTimeMax); ; {
		err := announced(connection, service, changes)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v: %w", service, readyTimeMax, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func announced(connection *nats.Conn, service string, changes *nats.Subscription) error {
	for _, request := range []func(string, int) (string, []byte){getRequest, incrementRequest} {
		subject, payload := request(service, ready)
		if _, err := connection.Request(subject, payload, answerTimeMax); err != nil {
			return fmt.Errorf("%s: %w", subject, err)
		}
	}
	if _, err := changes.NextMsg(answerTimeMax / 10); err != nil {
		return fmt.Errorf("a change was not published: %w", err)
	}
	return nil
}

// transcript is everything that a service says to one of each request, in its order.
func transcript(connection *nats.Conn, service string) ([]any, error) {
	changes, err := connection.SubscribeSync(fmt.Sprintf("event.%s.item.%d.>", service, verified))
	if err != nil {
		return nil, err
	}
	defer changes.Unsubscribe()
	var said []any
	note := func(payload []byte) error {
		var value any
		if err := json.Unmarshal(payload, &value); err != nil {
			return fmt.Errorf("%q is not JSON: %w", payload, err)
		}
		said = append(said, value)
		return nil
	}
	for _, request := range []func(string, int) (string, []byte){
		getRequest, sumRequest, incrementRequest, incrementRequest, getRequest,
	} {
		subject, payload := request(service, verified)
		answer, err := connection.Request(subject, payload, answerTimeMax)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", subject, err)
		}
		if err := note(answer.Data); err != nil {
			return nil, err
		}
	}
	// Both increments are announced, before their answers; a third change would be one too many.
	for range 2 {
		change, err := changes.NextMsg(answerTimeMax)
		if err != nil {
			return nil, fmt.Errorf("a change was not published: %w", err)
		}
		said = append(said, change.Subject[len("event."+service):])
		if err := note(change.Data); err != nil {
			return nil, err
		}
	}
	if pending, _, _ := changes.Pending(); pending != 0 {
		return nil, fmt.Errorf("%d changes too many were published", pending)
	}
	return said, nil
}
