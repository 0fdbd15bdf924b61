//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what a run of bench has found, as it is written as JSON.
type report struct {
	Date    string              `json:"date"`
	Machine string              `json:"machine"`
	Agent   string              `json:"agent"`
	Bytes   int64               `json:"binary_bytes"`
	Runs    int                 `json:"runs"`
	Works   []result            `json:"works"`
	Idle    map[string]idleness `json:"idle"` // by who
	Skipped map[string]string   `json:"skipped,omitempty"`
	Checks  []check             `json:"checks"`
}

// result is one work as it was done by everybody, medians of the runs.
type result struct {
	Work    string           `json:"work"`
	Against string           `json:"against,omitempty"` // the work that is the measure, where it is not the floor
	Units   float64          `json:"units,omitempty"`   // how many things it is, where ratios are of one of them
	Cost    map[string]cost  `json:"cost"`              // by who: floor, agent, peer
	Ratio   map[string]ratio `json:"ratio,omitempty"`   // of the costs to those of the measure, by who
}

// ratio is a cost divided by another one.
type ratio struct {
	Wall float64 `json:"wall"`
	CPU  float64 `json:"cpu"`
}

// bencher measures.
type bencher struct {
	agent, peer, dir string
	runs             int
}

func bench(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	agent := flags.String("agent", "bin/codedeploy-agent", "the binary to measure")
	peer := flags.String("peer", "", "another agent's command line, with {bundle}, {type}, {events} and {config} where it wants them")
	runs := flags.Int("runs", 3, "how often each work is done; the medians count")
	only := flags.String("only", "", "the works whose names match this expression")
	polls := flags.Int("polls", 120, "polls of the idle agent, one a second; 0: none")
	file := flags.String("json", "", "also write the results to this file")
	large := flags.Bool("large", false, "also what takes some 6 GB of memory")
	checked := flags.Bool("check", false, "fail if the agent costs more than a limit allows")
	flags.Parse(args)
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("cannot use -only: %w", err)
	}
	b := &bencher{peer: *peer, runs: max(*runs, 1)}
	if b.agent, err = filepath.Abs(*agent); err != nil {
		return err
	}
	r := report{Date: time.Now().UTC().Format(time.RFC3339), Machine: machine(), Runs: b.runs, Skipped: map[string]string{}}
	if info, err := os.Stat(b.agent); err != nil {
		return fmt.Errorf("cannot measure: %w; run make build", err)
	} else {
		r.Bytes = info.Size()
	}
	if out, err := exec.Command(b.agent, "--version").Output(); err == nil {
		r.Agent = strings.TrimSpace(string(out))
	}
	if b.dir, err = os.MkdirTemp(memoryDir(), "measure-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	chosen := slices.DeleteFunc(slices.Clone(works), func(w work) bool {
		switch {
		case w.from != "" || !pattern.MatchString(w.name):
			return true
		case w.large && !*large:
			r.Skipped[w.name] = "needs -large"
		case w.root && os.Getuid() != 0:
			r.Skipped[w.name] = "needs root"
		default:
			return false
		}
		return true
	})
	if r.Works, err = b.all(chosen); err != nil {
		return err
	}
	if *polls > 0 {
		dir := filepath.Join(b.dir, "idle")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if r.Idle, err = idle(dir, 2*b.runs+1, *polls, idleFloor(), idleAgent(b.agent)); err != nil {
			return err
		}
	}
	r.Checks = r.check()
	r.print()
	if *file != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*file, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if missed := r.missed(); *checked && missed > 0 {
		return fmt.Errorf("%d limits are missed", missed)
	}
	return nil
}

// all does every work as often as is asked for, one after another and then all again, so that a busy minute of the machine hits
// everybody.
func (b *bencher) all(chosen []work) ([]result, error) {
	costs := map[string]map[string][]cost{}
	for range b.runs {
		for _, w := range chosen {
			for _, who := range []string{"floor", "agent", "peer"} {
				c, done, err := b.one(w, who)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", w.name, err)
				}
				if !done {
					continue
				}
				if costs[w.name] == nil {
					costs[w.name] = map[string][]cost{}
				}
				costs[w.name][who] = append(costs[w.name][who], c)
			}
		}
	}
	var all []result
	for _, w := range chosen {
		r := result{Work: w.name, Against: w.against, Units: w.units, Cost: map[string]cost{}}
		for who, c := range costs[w.name] {
			r.Cost[who] = median(c)
		}
		all = append(all, r)
	}
	return compared(all), nil
}

func median(all []cost) cost {
	return cost{middle(all, func(c cost) float64 { return c.Wall }), middle(all, func(c cost) float64 { return c.CPU }),
		int64(middle(all, func(c cost) float64 { return float64(c.Peak) }))}
}

// middle is the median of a value of all, which are not none.
func middle[T any](all []T, value func(T) float64) float64 {
	values := make([]float64, 0, len(all))
	for _, one := range all {
		values = append(values, value(one))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// one does a work once, on a file system of its own. It returns false if there is nothing to be done by who.
func (b *bencher) one(w work, who string) (c cost, done bool, err error) {
	switch {
	case who == "floor" && w.floor == "", who == "peer" && b.peer == "", w.play != nil && who != "agent":
		return c, false, nil
	case who == "floor" && w.needs != "":
		if _, err := exec.LookPath(w.needs); err != nil {
			return c, false, nil
		}
	}
	dir := filepath.Join(b.dir, "fs")
	release, err := freshFileSystem(dir)
	if err != nil {
		return c, false, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if w.play != nil {
		c, err = w.play(b.agent, dir)
		return c, err == nil, err
	}
	dest, stage := filepath.Join(dir, "dest"), filepath.Join(dir, "stage")
	for _, d := range []string{dest, stage} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return c, false, err
		}
	}
	config, err := configuration(dir)
	if err != nil {
		return c, false, err
	}
	commandLine := func(w work) ([]string, error) {
		bundle, err := b.bundle(w, dir, dest)
		switch {
		case err != nil:
			return nil, err
		case who == "floor":
			return []string{"/usr/bin/env", "BUNDLE=" + bundle, "STAGE=" + stage, "DEST=" + dest, "/bin/sh", "-c", w.floor}, nil
		case who == "peer":
			fill := strings.NewReplacer("{bundle}", bundle, "{type}", w.format, "{events}", w.events, "{config}", config)
			var argv []string
			for _, word := range strings.Fields(b.peer) {
				argv = append(argv, fill.Replace(word))
			}
			return argv, nil
		}
		return []string{b.agent, "deploy-local", "-c", config, "-l", bundle, "-t", w.format, "-e", w.events}, nil
	}
	if w.before != "" {
		before := w
		before.revision = w.before
		argv, err := commandLine(before)
		if err != nil {
			return c, false, err
		}
		if _, err := costOf(argv); err != nil {
			return c, false, err
		}
	}
	argv, err := commandLine(w)
	if err != nil {
		return c, false, err
	}
	if err := warm(dir, w); err != nil {
		return c, false, err
	}
	c, err = costOf(argv)
	return c, err == nil, err
}

// warm fills the file system with as much as a work needs, and empties it. In a virtual machine memory that was free for a while may have gone back to
// the host, and to get it again takes several times as long as to copy a file into it.
func warm(dir string, w work) error {
	path, size := filepath.Join(dir, "warm"), int64(256*mib)
	if w.large {
		size = 2<<30 + 256*mib
	}
	return errors.Join(put(path, 0o600, io.LimitReader(zeros{}, size)), os.Remove(path))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// bundle puts a work's bundle into dir and returns its path. An archive is made once and then copied: compressing takes longer than the work.
func (b *bencher) bundle(w work, dir, dest string) (string, error) {
	path := filepath.Join(dir, "bundle")
	if w.format == "directory" {
		return path, revisions(dest)[w.revision].write(path, dest)
	}
	kept := filepath.Join(b.dir, w.revision)
	archive := kept + "." + w.format
	if _, err := os.Stat(archive); err != nil {
		if err := errors.Join(revisions(dest)[w.revision].write(kept, dest), pack(kept, w.format), os.RemoveAll(kept)); err != nil {
			return "", err
		}
	}
	from, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer from.Close()
	path += "." + w.format
	return path, put(path, 0o644, from)
}

// configuration writes an agent's configuration with everything below dir.
func configuration(dir string, more ...string) (string, error) {
	lines := append([]string{"root_dir: " + filepath.Join(dir, "root"), "log_dir: " + filepath.Join(dir, "log"), "pid_dir: " + filepath.Join(dir, "pid")}, more...)
	path := filepath.Join(dir, "agent.yml")
	return path, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// machine says on what was measured: figures are worth nothing without it.
func machine() string {
	text := fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(info), "model name"); found {
			name, _, _ := strings.Cut(rest, "\n")
			text += ", " + strings.TrimSpace(strings.Trim(name, "\t :"))
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		text += ", load at the start " + strings.Fields(string(load))[0]
	}
	return text
}
