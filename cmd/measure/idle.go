//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
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

// idler is a program that polls the embedded service over TLS once a second, which is what wait_between_runs may be at least.
type idler struct {
	who   string
	start func(*daemon) error
}

// idleAgent polls as an on-premises host.
func idleAgent(agent string) idler {
	return idler{"agent", func(d *daemon) error {
		onPremises, err := d.file("onpremises.yml", []byte("region: us-east-1\niam_user_arn: arn:aws:iam::123456789012:user/measured\n"+
			"aws_access_key_id: AKIAIOSFODNN7EXAMPLE\naws_secret_access_key: measured\n"))
		if err != nil {
			return err
		}
		return d.start(agent, []string{"wait_between_runs: 1", "on_premises_config_file: " + onPremises})
	}}
}

// idleFloor does nothing but to post: see poller.
func idleFloor() idler {
	return idler{"floor", func(d *daemon) error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		authority, err := d.service.CAFile(d.dir)
		if err != nil {
			return err
		}
		return d.run([]string{self, "poller", d.service.URL(), authority})
	}}
}

// poller posts to a URL once a second, over one connection whose other end a PEM file vouches for, until a SIGTERM ends it.
func poller(args []string) error {
	if len(args) != 2 {
		return errors.New("poller takes a URL and a file")
	}
	authority, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for {
		r, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(`{"HostIdentifier":"floor"}`))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "CodeDeployCommandService_v20141006.PollHostCommand")
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return err
		}
		select {
		case <-ended.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// idle measures programs: each starts several times, one after another, and the medians count; then all poll side by side, so that
// a busy minute hits everybody. 120 polls are an hour of the default.
func idle(dir string, starts, polls int, programs ...idler) (map[string]idleness, error) {
	done := map[string]idleness{}
	began := map[string][][2]float64{}
	for i := range starts {
		for _, p := range programs {
			first, used, err := firstPoll(filepath.Join(dir, fmt.Sprintf("start-%s-%d", p.who, i)), p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.who, err)
			}
			began[p.who] = append(began[p.who], [2]float64{first, used})
		}
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	var failures []error
	for i, p := range programs {
		all.Go(func() {
			time.Sleep(time.Duration(i) * time.Second / time.Duration(len(programs))) // polls of one are not waited for by another
			is, err := idling(filepath.Join(dir, "idle-"+p.who), polls, p)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", p.who, err))
				return
			}
			is.FirstPoll = middle(began[p.who], func(of [2]float64) float64 { return of[0] })
			is.StartCPU = middle(began[p.who], func(of [2]float64) float64 { return of[1] })
			done[p.who] = is
		})
	}
	all.Wait()
	return done, errors.Join(failures...)
}

// polling starts a program in a directory of its own and lets it be measured. polled waits for the n-th poll to be answered.
func polling(dir string, p idler, within time.Duration, measure func(d *daemon, polled func(n int) error) error) (err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	d, err := newDaemon(dir, rehearsal.Options{Hold: time.Millisecond})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := p.start(d); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return measure(d, func(n int) error {
		err := d.service.WaitFor(ctx, func(requests []rehearsal.Request) bool { return len(requests) >= n && requests[n-1].Duration > 0 })
		if err != nil {
			return fmt.Errorf("there is no poll %d: %w", n, err)
		}
		return nil
	})
}

// firstPoll is how many seconds pass between the start of a program and the arrival of its first poll, and the CPU time it has had soon after.
func firstPoll(dir string, p idler) (first, used float64, err error) {
	err = polling(dir, p, time.Minute, func(d *daemon, polled func(int) error) error {
		if err := polled(1); err != nil {
			return err
		}
		first = d.service.Requests()[0].Time.Sub(d.began).Seconds()
		time.Sleep(50 * time.Millisecond)
		used, err = cpu(d.cmd.Process.Pid)
		return err
	})
	return first, used, err
}

// idling measures all but the start.
func idling(dir string, polls int, p idler) (result idleness, err error) {
	err = polling(dir, p, time.Minute+time.Duration(polls)*5*time.Second, func(d *daemon, polled func(int) error) error {
		if err := polled(3); err != nil { // the first polls still bring the connection and what is made once
			return err
		}
		time.Sleep(100 * time.Millisecond)
		before, err := cpu(d.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if err := polled(3 + polls); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
		after, err := cpu(d.cmd.Process.Pid)
		if err != nil {
			return err
		}
		status, err := memory(d.cmd.Process.Pid)
		if err != nil {
			return err
		}
		result.Polls, result.CPUPerPoll = polls, (after-before)/float64(polls)
		result.Resident, result.Anonymous, result.Peak = status["VmRSS"], status["RssAnon"], status["VmHWM"]
		result.Processes, err = family(d.cmd.Process.Pid)
		return err
	})
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
