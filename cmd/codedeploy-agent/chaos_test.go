//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// The crash harness: a real agent, built with fault points, is killed or made to fail at every place between two of its durable steps and
// for every fault of the service, and must come out of it like an agent that was not disturbed. "make chaos" tries all points; the ordinary
// test run tries some of them. CHAOS=all in the environment means all.
func TestChaos(t *testing.T) {
	all := os.Getenv("CHAOS") == "all"
	if dir := inMemory(t); all && dir != "" {
		t.Setenv("TMPDIR", dir) // some eight hundred deployments would wear a disk out; a kill loses nothing here either
	}
	c := &chaos{binary: faultBinary(t), undisturbed: map[bool]string{}}
	points := c.trace(t)
	kills := c.killCases(t, points)
	faults := append(c.diskCases(points), serviceCases()...)
	if !all {
		kills, faults = some(kills, 14), some(faults, 14)
	}
	t.Run("kill", func(t *testing.T) { c.run(t, kills) })
	t.Run("fault", func(t *testing.T) { c.run(t, faults) })
	t.Logf("%d kill points, %d fault points: %d lost results, %d duplicate results, %d damaged files, %d hung",
		len(kills), len(faults), c.lost.Load(), c.duplicate.Load(), c.damaged.Load(), c.hung.Load())
}

// inMemory is a directory of a file system in memory in which scripts may be run, empty if there is none.
func inMemory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "codedeploy-agent-chaos-")
	if err != nil {
		return ""
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	script := filepath.Join(dir, "script")
	if os.Chmod(dir, 0o755) != nil || os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755) != nil || exec.Command(script).Run() != nil {
		return ""
	}
	return dir
}

// some picks n cases evenly.
func some(cases []chaosCase, n int) []chaosCase {
	var out []chaosCase
	for i := range n {
		out = append(out, cases[i*len(cases)/n])
	}
	return slices.CompactFunc(out, func(a, b chaosCase) bool { return a.name == b.name })
}

type chaos struct {
	binary      string
	undisturbed map[bool]string // what a host holds after the second deployment, and after the third

	lost, duplicate, damaged, hung atomic.Int64
}

// chaosCase is one thing that goes wrong during the second of two deployments.
type chaosCase struct {
	name    string
	plans   []string // see package faultpoint, without the file
	service *rehearsal.Fault
	// outcome says what the second deployment may come to.
	outcome outcomeRule
}

type outcomeRule int

const (
	mustSucceed outcomeRule = iota
	// mayBeCutOff: a script was cut off with its runner and is reported with code 7.
	mayBeCutOff
	// mayFail: the disk is in trouble; the event fails with a reason, and the next deployment succeeds.
	mayFail
)

// faultBinary builds the agent with fault points.
func faultBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(binary), "codedeploy-agent-with-faults")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-tags", "faultpoints", "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("cannot build the agent with fault points: %v\n%s", err, out)
	}
	return path
}

// chaosHost is a host on which the first revision is installed. The agent is not running.
func (c *chaos) host(t *testing.T) *host {
	t.Helper()
	h := newHost(t)
	h.program = c.binary
	if err := os.MkdirAll(h.dest, 0o755); err != nil {
		t.Fatal(err)
	}
	h.write("srv/foreign.txt", "not of any deployment\n")
	h.start()
	h.deploy(chaosRevision(h, "one"), rehearsal.Succeeded)
	if code := h.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return h
}

// chaosRevision has files that stay, change, come, go and change their kind from one revision to the next.
func chaosRevision(h *host, label string) []file {
	spec := "version: 0.0\nos: linux\nfile_exists_behavior: OVERWRITE\nfiles:\n  - source: content\n    destination: " + h.dest +
		"\npermissions:\n  - object: " + h.dest + "\n    pattern: \"*.sh\"\n    mode: 750\n    type: [file]\n  - object: " + h.dest +
		"/css\n    mode: 711\n    type: [directory]\nhooks:\n"
	var files []file
	for _, e := range []string{"ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"} {
		spec += fmt.Sprintf("  %s:\n    - location: hooks/%s-1.sh\n      timeout: 60\n    - location: hooks/%s-2.sh\n      timeout: 60\n", e, e, e)
		for n := 1; n <= 2; n++ {
			files = append(files, file{fmt.Sprintf("hooks/%s-%d.sh", e, n), hookNote(h.notes, fmt.Sprintf("%s %d", label, n), "echo out; echo err >&2"), 0o755})
		}
	}
	add := func(name, content string) { files = append(files, file{"content/" + name, content, 0o644}) }
	add("index.html", label)
	add("same.txt", "same")
	add("css/a.css", label)
	add("css/deep/b.css", label)
	add("run.sh", "#!/bin/sh\n# "+label)
	add("large.bin", strings.Repeat(label, 100_000))
	add("only-"+label, label)
	add("dir-of-"+label+"/x/y", label)
	if label == "one" {
		add("kind/was-a-directory", "one")
		add("other-kind", "one")
	} else {
		add("kind", label)
		add("other-kind/is-a-directory", label)
		add("foreign.txt", label)
	}
	return append([]file{{"appspec.yml", spec, 0o644}}, files...)
}

// trace deploys undisturbed and returns the points that the agent and its runners pass in the second deployment.
func (c *chaos) trace(t *testing.T) []string {
	t.Helper()
	h := c.host(t)
	trace := h.path("trace")
	h.env = append(h.env, "CODEDEPLOY_FAULTPOINT_TRACE="+trace)
	h.start()
	h.deploy(chaosRevision(h, "two"), rehearsal.Succeeded)
	h.stop()
	c.undisturbed[false] = c.state(h)
	points := strings.Split(strings.TrimSpace(h.read(trace)), "\n")
	h.env = h.env[:len(h.env)-1]
	h.start()
	h.deploy(chaosRevision(h, "three"), rehearsal.Succeeded)
	h.stop()
	c.undisturbed[true] = c.state(h)
	slices.Sort(points)
	points = slices.Compact(points)
	if len(points) < 100 {
		t.Fatalf("only %d points: %q", len(points), points)
	}
	return points
}

// killCases kills at every point, and once more at every point of the recovery from a kill in the middle of Install.
func (c *chaos) killCases(t *testing.T, points []string) []chaosCase {
	t.Helper()
	var cases []chaosCase
	for _, p := range points {
		k := chaosCase{name: "at " + p, plans: []string{"kill|" + p}}
		if strings.HasPrefix(p, "runner begun") || strings.HasPrefix(p, "runner finish|") {
			k.outcome = mayBeCutOff
		}
		cases = append(cases, k)
	}
	for _, first := range []string{"install put in place|4", "install set the permissions of|2", "install complete the install at|1"} {
		if !slices.Contains(points, first) {
			t.Fatalf("there is no point %s in %q", first, points)
		}
		h := c.host(t)
		trace := h.path("trace")
		h.env = append(h.env, "CODEDEPLOY_FAULTPOINT_TRACE="+trace, c.plan(h, []string{"kill|" + first}))
		second := c.deploy(h, chaosRevision(h, "two"))
		if second.err != nil || second.outcome.Status != rehearsal.Succeeded {
			t.Fatalf("killed at %s: %+v", first, second)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(h.read(trace)) {
			p := strings.TrimSpace(line)
			if strings.HasPrefix(p, "undo") && !seen[p] {
				seen[p] = true
				cases = append(cases, chaosCase{name: "at " + first + " and at " + p, plans: []string{"kill|" + first, "kill|" + p}})
			}
		}
	}
	return cases
}

// diskCases lets the disk fail at every point.
func (c *chaos) diskCases(points []string) []chaosCase {
	errors := []string{"ENOSPC", "EIO", "EROFS", "EMFILE"}
	var cases []chaosCase
	for i, p := range points {
		if name, _, _ := strings.Cut(p, "|"); slices.Contains([]string{"acknowledged", "specification received", "result delivered"}, name) {
			continue // nothing is written there
		}
		e := errors[i%len(errors)]
		cases = append(cases, chaosCase{name: e + " at " + p, plans: []string{e + "|" + p}, outcome: mayFail})
	}
	return cases
}

func serviceCases() []chaosCase {
	var cases []chaosCase
	for _, op := range []string{"PollHostCommand", "GetDeploymentSpecification", "PutHostCommandAcknowledgement", "PutHostCommandComplete", "GetObject"} {
		for _, kind := range []rehearsal.FaultKind{rehearsal.InternalError, rehearsal.Unavailable, rehearsal.TooManyRequests, rehearsal.Throttled,
			rehearsal.Expired, rehearsal.Delayed, rehearsal.Dropped, rehearsal.Reset, rehearsal.Garbage, rehearsal.HTML, rehearsal.Empty,
			rehearsal.AnswerLost, rehearsal.Truncated} {
			s3 := op == "GetObject"
			if kind == rehearsal.Truncated && !s3 || s3 && (kind == rehearsal.Garbage || kind == rehearsal.HTML || kind == rehearsal.Empty) {
				continue // a wrong object is refused by its checksum: that is another test
			}
			cases = append(cases, chaosCase{name: string(kind) + " at " + op, service: &rehearsal.Fault{Operation: op, Kind: kind, Delay: 300 * time.Millisecond}})
		}
	}
	return cases
}

// plan is the environment that arms points.
func (c *chaos) plan(h *host, plans []string) string {
	var armed []string
	for i, p := range plans {
		armed = append(armed, p+"|"+h.path(fmt.Sprintf("happened-%d", i)))
	}
	return "CODEDEPLOY_FAULTPOINT_PLAN=" + strings.Join(armed, ";")
}

// run tries the cases.
func (c *chaos) run(t *testing.T, cases []chaosCase) {
	for _, k := range cases {
		t.Run(strings.ReplaceAll(k.name, "/", "_"), func(t *testing.T) {
			t.Parallel()
			c.try(t, k)
		})
	}
}

// played is how a deployment went under supervision.
type played struct {
	outcome  rehearsal.Outcome
	err      error
	restarts int
	log      string
}

// deploy plays a deployment while the agent is started again whenever it dies, as the service manager does.
func (c *chaos) deploy(h *host, files []file) played {
	spec := h.spec(files)
	var p played
	over := make(chan struct{})
	var supervised sync.WaitGroup
	supervised.Go(func() {
		for {
			output, polls := new(bytes.Buffer), len(h.service.Requests("PollHostCommand"))
			agent := exec.Command(h.program, "run", "--config-file", h.config)
			agent.Env, agent.Dir, agent.Stdout, agent.Stderr = h.env, "/", output, output
			if err := agent.Start(); err != nil {
				p.log += err.Error()
				return
			}
			exited := make(chan struct{})
			go func() { _ = agent.Wait(); close(exited) }()
			ended := false
			h.begun(exited, polls)
			select {
			case <-exited:
			case <-over:
				ended = true
				_ = agent.Process.Signal(syscall.SIGTERM)
				<-exited
			}
			p.log += output.String()
			if ended && agent.ProcessState.ExitCode() >= 0 {
				return
			}
			p.restarts++
		}
	})
	p.outcome, p.err = h.workflow.InPlace(h.context(), rehearsal.Deployment{Spec: spec}, h.self())
	close(over)
	supervised.Wait()
	return p
}

// begun waits until an agent polls, which it does when it has taken up what an earlier one left, or has exited. polls is how often the service
// was polled before.
func (h *host) begun(exited <-chan struct{}, polls int) {
	for len(h.service.Requests("PollHostCommand")) <= polls {
		select {
		case <-exited:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (c *chaos) try(t *testing.T, k chaosCase) {
	h := c.host(t)
	if k.plans != nil {
		h.env = append(h.env, c.plan(h, k.plans))
	}
	if k.service != nil {
		h.service.Inject(*k.service)
	}
	before := c.state(h)
	second := c.deploy(h, chaosRevision(h, "two"))
	fail := func(counter *atomic.Int64, format string, args ...any) {
		counter.Add(1)
		t.Errorf(format+"\n%s\nthe agent's log:\n%s", append(args, describe(second.outcome), second.log)...)
	}
	if second.err != nil {
		fail(&c.hung, "the deployment does not end: %v", second.err)
		return
	}
	if k.plans != nil {
		if _, err := os.Stat(h.path("happened-0")); err != nil {
			t.Skipf("the point was not passed this time") // the order of goroutines is not always the same
		}
	}
	for _, e := range second.outcome.Events {
		if e.Status != rehearsal.Succeeded && e.Status != rehearsal.Failed && e.Status != rehearsal.Skipped {
			fail(&c.lost, "the result of %s is lost: %s", e.Name, e.Status)
		}
	}
	for _, cmd := range h.service.Commands() {
		// An answer that was lost leaves the agent no choice but to say it again.
		if n := cmd.Result().Completions; n > 1 && (k.service == nil || k.service.Kind != rehearsal.AnswerLost) {
			fail(&c.duplicate, "a result was delivered %d times", n)
		}
	}
	after := c.state(h)
	switch {
	case second.outcome.Status == rehearsal.Succeeded:
		want := c.undisturbed[false]
		if k.outcome == mayFail { // what could not be tidied up is told in the log, and tidied up later
			want, after = withoutTidying(want), withoutTidying(after)
		}
		if after != want {
			fail(&c.damaged, "the host is not as after an undisturbed deployment:\n%s", difference(want, after))
		}
		c.wantScriptsOnce(t, h, "two")
		return
	case k.outcome == mustSucceed:
		fail(&c.lost, "the deployment failed")
	case k.outcome == mayBeCutOff:
		f := second.outcome.Failure()
		if f.ErrorCode != 7 || !strings.Contains(f.Message, ".sh") {
			fail(&c.lost, "a script that was cut off is reported with code %d: %s", f.ErrorCode, f.Message)
		}
	case k.outcome == mayFail:
		f := second.outcome.Failure()
		if f.ErrorCode != 5 && f.ErrorCode != 7 || f.Message == "" {
			fail(&c.lost, "a disk in trouble is reported with code %d: %s", f.ErrorCode, f.Message)
		}
	}
	// Whatever was not installed is the old revision, whole.
	files := func(state string) string { dest, _, _ := strings.Cut(state, "\n--"); return dest }
	if got := files(after); got != files(before) && got != files(c.undisturbed[false]) {
		fail(&c.damaged, "the installed files are neither the old revision nor the new:\n%s", difference(files(before), got))
	}
	third := c.deploy(h, chaosRevision(h, "three"))
	if third.err != nil || third.outcome.Status != rehearsal.Succeeded {
		fail(&c.hung, "the next deployment: %v %s\n%s\n%s", third.err, third.outcome.Status, describe(third.outcome), third.log)
		return
	}
	if got := c.state(h); files(got) != files(c.undisturbed[true]) {
		fail(&c.damaged, "after the next deployment:\n%s", difference(files(c.undisturbed[true]), files(got)))
	}
}

// withoutTidying leaves out of a state what is only about what is to be removed later.
func withoutTidying(state string) string {
	lines := strings.Split(state, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool {
		return strings.Contains(l, "-cleanup") || strings.HasPrefix(l, "root.state/journal/")
	}), "\n")
}

// wantScriptsOnce checks that each script of the second deployment ran once and that its output is whole.
func (c *chaos) wantScriptsOnce(t *testing.T, h *host, label string) {
	t.Helper()
	notes := strings.Split(strings.TrimSpace(h.read(h.notes)), "\n")
	want := []string{"ApplicationStop one 1", "ApplicationStop one 2"}
	for _, e := range []string{"BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"} {
		want = append(want, e+" "+label+" 1", e+" "+label+" 2")
	}
	if got := notes[max(0, len(notes)-len(want)):]; !slices.Equal(got, want) {
		c.duplicate.Add(1)
		t.Errorf("scripts that ran: %q, want the last ones to be %q", notes, want)
	}
	log := h.read(h.path("root/" + group + "/d-TEST00002/logs/scripts.log"))
	for mark, n := range map[string]int{"[stdout]out\n": 10, "[stderr]err\n": 10, "LifecycleEvent - ": 5, "Script - ": 10} {
		if got := strings.Count(log, mark); got != n {
			c.damaged.Add(1)
			t.Errorf("scripts.log has %q %d times, want %d:\n%s", mark, got, n, log)
		}
	}
}

// state describes all that a host holds: the installed files, then the deployment root and the agent's state without what differs from
// run to run.
func (c *chaos) state(h *host) string {
	h.t.Helper()
	var b strings.Builder
	for _, top := range []string{"srv", "root", "root.state"} {
		fmt.Fprintf(&b, "-- %s\n", top)
		err := filepath.WalkDir(h.path(top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(h.dir, path)
			line := fmt.Sprintf("%s %v", rel, info.Mode())
			if info.Mode().IsRegular() && !strings.HasSuffix(path, ".log") && !strings.HasSuffix(path, ".lock") {
				content := strings.ReplaceAll(h.read(path), h.dir, "HOST")
				if strings.HasSuffix(path, "-cleanup") {
					content = withoutOrder(h.t, content)
				}
				if len(content) > 2000 {
					content = fmt.Sprintf("%d bytes, %x", len(content), sha256.Sum256([]byte(content)))
				}
				line += fmt.Sprintf(" %q", content)
			}
			if filepath.Base(path) == "bundle.tar" || filepath.Base(path) == "appspec.yml" || strings.HasSuffix(path, "-install.json") {
				line = fmt.Sprintf("%s %v", rel, info.Mode()) // these have the host's own paths, of any length
			}
			fmt.Fprintln(&b, line)
			return nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return b.String()
}

// withoutOrder sorts a clean-up list, which has the file system's order: on some that in which files were made. What matters of it is that
// a directory comes before what is in it, because the list is executed from its end.
func withoutOrder(t testing.TB, list string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(list, "\n"), "\n")
	for i, line := range lines {
		if later := slices.Index(lines[i+1:], filepath.Dir(line)); later >= 0 {
			t.Errorf("the clean-up list has %s before its directory", line)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + list[len(strings.TrimSuffix(list, "\n")):]
}

// difference lists the lines that only one of two texts has.
func difference(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, l := range w {
		if !slices.Contains(g, l) {
			fmt.Fprintln(&b, "- "+l)
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			fmt.Fprintln(&b, "+ "+l)
		}
	}
	return b.String()
}
