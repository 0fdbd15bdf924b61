//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// cost is what one run of a program has cost: seconds, and bytes of memory at its peak.
type cost struct {
	Wall float64 `json:"wall_s"`
	CPU  float64 `json:"cpu_s"`
	Peak int64   `json:"peak_bytes"`
}

// timed runs a program and prints what it has cost. It is a process of its own because the kernel counts a parent's memory as the child's until
// the child executes its program; this one has little.
func timed(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	err := cmd.Run()
	c := cost{Wall: time.Since(began).Seconds()}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, said.Bytes())
	}
	c.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.Peak = usage.Maxrss << 10 // the kernel counts in KiB
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// costOf runs a program through timed.
func costOf(argv []string) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	cmd := exec.Command(self, append([]string{"timed"}, argv...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("cannot measure %q: %w\n%s", argv, err, said.Bytes())
	}
	return c, json.Unmarshal(out, &c)
}
