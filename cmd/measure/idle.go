//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// idleness is what an agent costs that has nothing to do. Memory is in bytes, CPU in seconds.
type idleness struct {
	FirstPoll  float64 `json:"first_poll_s"` // from starting the process until its first poll has arrived
	StartCPU   float64 `json:"start_cpu_s"`
	Polls      int     `json:"polls"`
	CPUPerPoll float64 `json:"cpu_per_poll_s"`
	Resident   int64   `json:"resident_bytes"`
	Anonymous  int64   `json:"resident_anonymous_bytes"` // without the pages of the binary, which the kernel can drop
	Peak       int64   `json:"peak_bytes"`
	Processes  int     `json:"processes"`
}

// idle lets an agent poll the embedded service over TLS, as an on-premises host: once a second, which is what wait_between_runs may be at
// least. 120 polls are an hour of the default.
func idle(agent, dir string, polls int) (result idleness, err error) {
	d, err := newDaemon(dir, rehearsal.Options{Hold: time.Millisecond})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	onPremises, err := d.file("onpremises.yml", []byte("region: us-east-1\niam_user_arn: arn:aws:iam::123456789012:user/measured\n"+
		"aws_access_key_id: AKIAIOSFODNN7EXAMPLE\naws_secret_access_key: measured\n"))
	if err != nil {
		return result, err
	}
	if err := d.start(agent, []string{"wait_between_runs: 1", "on_premises_config_file: " + onPremises}); err != nil {
		return result, err
	}
	service, cmd := d.service, d.cmd
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute+time.Duration(polls)*5*time.Second)
	defer cancel()
	polled := func(n int) error {
		return service.WaitFor(ctx, func(requests []rehearsal.Request) bool {
			return len(requests) >= n && requests[n-1].Duration > 0
		})
	}
	if err := polled(1); err != nil {
		return result, fmt.Errorf("the agent does not poll: %w", err)
	}
	result.FirstPoll = service.Requests()[0].Time.Sub(d.began).Seconds()
	if err := polled(3); err != nil { // the first polls still bring the connection and what is made once
		return result, err
	}
	time.Sleep(100 * time.Millisecond)
	if result.StartCPU, err = cpu(cmd.Process.Pid); err != nil {
		return result, err
	}
	if err := polled(3 + polls); err != nil {
		return result, fmt.Errorf("the agent has stopped polling: %w", err)
	}
	time.Sleep(100 * time.Millisecond)
	after, err := cpu(cmd.Process.Pid)
	if err != nil {
		return result, err
	}
	result.Polls, result.CPUPerPoll = polls, (after-result.StartCPU)/float64(polls)
	status, err := memory(cmd.Process.Pid)
	if err != nil {
		return result, err
	}
	result.Resident, result.Anonymous, result.Peak = status["VmRSS"], status["RssAnon"], status["VmHWM"]
	result.Processes, err = family(cmd.Process.Pid)
	return result, err
}

// cpu is the time that a process has had, of all of its threads, in seconds.
func cpu(pid int) (float64, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var total float64
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		var ns float64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			return 0, fmt.Errorf("cannot read %s: %w", path, err)
		}
		total += ns / 1e9
	}
	return total, nil
}

// memory reads the sizes in /proc/PID/status, in bytes.
func memory(pid int) (map[string]int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if fields := strings.Fields(rest); len(fields) == 2 && fields[1] == "kB" {
			n, err := strconv.ParseInt(fields[0], 10, 64)
			if err != nil {
				return nil, err
			}
			sizes[name] = n << 10
		}
	}
	return sizes, nil
}

// family counts a process and its children.
func family(pid int) (int, error) {
	n := 1
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		for _, child := range strings.Fields(string(text)) {
			id, err := strconv.Atoi(child)
			if err != nil {
				return 0, err
			}
			below, err := family(id)
			if err != nil {
				return 0, err
			}
			n += below
		}
	}
	return n, nil
}
