package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the time that all threads of a process have run, in the program and in the kernel for it.
func cpuTime(process int) (time.Duration, error) {
	// The clock of another process, as clock_getcpuclockid gives it: the id's complement above three bits that say
	// "all threads, scheduler's time".
	const scheduler = 2
	var clock unix.Timespec
	if err := unix.ClockGettime(int32(^process<<3|scheduler), &clock); err != nil {
		return 0, fmt.Errorf("the CPU time of process %d: %w", process, err)
	}
	return time.Duration(clock.Nano()), nil
}

// residentKilobytes is the memory that a process has now.
func residentKilobytes(process int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		}
	}
	return 0, fmt.Errorf("process %d says no VmRSS", process)
}
