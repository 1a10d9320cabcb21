package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"sync"
	"syscall"
)

// lineBytesMax is what a log may have at once; the rest of a longer line is its own line.
const lineBytesMax = 64 * 1024

// credentials are what stands before the host in a URL.
var credentials = regexp.MustCompile(`://[^/@\s]+@`)

// hide runs a program that writes URLs with passwords to its log, and takes the passwords out on the way. Signals reach the program;
// its exit code is that of this process.
func hide(program []string) error {
	if len(program) == 0 {
		return errors.New("hide needs a program")
	}
	child := exec.Command(program[0], program[1:]...)
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	failures, err := child.StderrPipe()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := child.Start(); err != nil {
		return err
	}
	go func() {
		for each := range signals {
			_ = child.Process.Signal(each)
		}
	}()
	var copies sync.WaitGroup
	copies.Go(func() { withoutCredentials(os.Stdout, out) })
	copies.Go(func() { withoutCredentials(os.Stderr, failures) })
	copies.Wait()
	var ended *exec.ExitError
	if err := child.Wait(); errors.As(err, &ended) {
		if status, known := ended.Sys().(syscall.WaitStatus); known && status.Signaled() {
			os.Exit(128 + int(status.Signal()))
		}
		os.Exit(ended.ExitCode())
	} else if err != nil {
		return err
	}
	return nil
}

// withoutCredentials copies line by line; a line that is longer than lineBytesMax is cut, and a password across the cut would be seen.
func withoutCredentials(to io.Writer, from io.Reader) {
	reader := bufio.NewReaderSize(from, lineBytesMax)
	for {
		line, err := reader.ReadSlice('\n')
		if len(line) > 0 {
			_, _ = to.Write(credentials.ReplaceAll(line, []byte("://")))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
