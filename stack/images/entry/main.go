// The one program that every image without a shell carries: it asks after the health of the program beside it, and gives programs
// that read secrets only from the environment what lies in files.
//
//	entry probe URL...                 exit 0 when every URL answers (http://…: a status below 400; tcp://host:port: it accepts)
//	entry probe --first URL URL...     until the first URL has answered once, only that counts; then only the others
//	entry pages ADDRESS                serves the page that people see while a service behind the edge is away
//	entry run NAME=FILE... -- PROGRAM  puts the content of each file into the environment, then becomes the program
//	entry hide PROGRAM                 runs the program, and takes passwords in URLs out of what it writes
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	probeSecondsMax = 2
	secretBytesMax  = 500 * 1024 // what Swarm allows a secret to have
)

//go:embed away.html
var awayPage []byte

// readyMark is where a probe remembers that the program was ready once; it goes away with the container.
var readyMark = filepath.Join(os.TempDir(), "livehouse-was-ready")

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "entry:", err)
		os.Exit(1)
	}
}

func command(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("say `probe URL...`, `run NAME=FILE... -- PROGRAM`, `hide PROGRAM` or `pages ADDRESS`")
	}
	switch arguments[0] {
	case "probe":
		return probe(arguments[1:])
	case "run":
		return run(arguments[1:])
	case "hide":
		return hide(arguments[1:])
	case "pages":
		return pages(arguments[1:])
	default:
		return fmt.Errorf("unknown command %q: say probe, run, hide or pages", arguments[0])
	}
}

// probe answers nil when all is well. A program that is ready once and then loses what it needs (its database, say) must not be
// killed for that: readiness gates the roll-out, liveness the restart.
func probe(urls []string) error {
	if len(urls) > 2 && urls[0] == "--first" {
		first, later := urls[1], urls[2:]
		if _, err := os.Stat(readyMark); err != nil {
			if err := ask(first); err != nil {
				return err
			}
			return os.WriteFile(readyMark, nil, 0o600)
		}
		urls = later
	}
	if len(urls) == 0 {
		return errors.New("probe needs a URL")
	}
	for _, each := range urls {
		if err := ask(each); err != nil {
			return err
		}
	}
	return nil
}

func ask(address string) error {
	parsed, err := url.Parse(address)
	if err != nil {
		return err
	}
	if parsed.Scheme == "tcp" {
		connection, err := net.DialTimeout("tcp", parsed.Host, probeSecondsMax*time.Second)
		if err != nil {
			return err
		}
		return connection.Close()
	}
	client := http.Client{Timeout: probeSecondsMax * time.Second}
	answer, err := client.Get(address)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 400 {
		return fmt.Errorf("%s answers %s", address, answer.Status)
	}
	return nil
}

// pages answers everything with the same page; Traefik keeps the status of the answer it stands for.
func pages(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("pages needs an address, such as :8080")
	}
	server := http.Server{
		Addr:              arguments[0],
		Handler:           http.HandlerFunc(away),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      5 * time.Second,
		IdleTimeout:       60 * time.Second,
	}
	return server.ListenAndServe()
}

func away(answer http.ResponseWriter, _ *http.Request) {
	answer.Header().Set("Content-Type", "text/html; charset=utf-8")
	answer.Header().Set("Cache-Control", "no-store")
	answer.Header().Set("Retry-After", "5")
	_, _ = answer.Write(awayPage)
}

// run replaces this process, so that signals reach the program itself.
func run(arguments []string) error {
	environment, program, err := prepare(arguments, os.Environ())
	if err != nil {
		return err
	}
	path, err := exec.LookPath(program[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, program, environment)
}

func prepare(arguments, environment []string) ([]string, []string, error) {
	for index, argument := range arguments {
		if argument == "--" {
			if index+1 == len(arguments) {
				return nil, nil, errors.New("there is no program after --")
			}
			return environment, arguments[index+1:], nil
		}
		name, file, found := strings.Cut(argument, "=")
		if !found || name == "" || file == "" {
			return nil, nil, fmt.Errorf("%q is not NAME=FILE", argument)
		}
		content, err := secret(file)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		environment = append(environment, name+"="+content)
	}
	return nil, nil, errors.New("say -- before the program")
}

func secret(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if len(content) > secretBytesMax {
		return "", fmt.Errorf("%s is too large for a secret", file)
	}
	text := strings.TrimRight(string(content), "\r\n")
	if text == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return text, nil
}
