package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// binary is the agent under test, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "codedeploy-agent-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := os.Chmod(dir, 0o755); err != nil { // ordinary users of the tests run the binary too
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binary = filepath.Join(dir, "codedeploy-agent")
		args := []string{"build", "-buildvcs=false", "-o", binary}
		races := filepath.Join(dir, "races")
		if raceDetector {
			args = append(args, "-race")
			if err := watchRaces(races); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		build := exec.Command("go", append(args, ".")...)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build the agent: %v\n%s", err, out)
			return 1
		}
		code := m.Run()
		if n := printRaces(races); n > 0 && code == 0 {
			code = 1
		}
		return code
	}())
}

// watchRaces has every process of the agent, the runners of hooks too, report races into a directory: nobody sees their standard error.
// The race detector's second of patience at the end of a process is taken away, because a hook's runner is a process.
func watchRaces(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		return err
	}
	return os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0 log_path="+filepath.Join(dir, "race")))
}

// printRaces prints what the agent's processes reported and returns how many did.
func printRaces(dir string) int {
	reports, _ := filepath.Glob(filepath.Join(dir, "race.*"))
	for _, path := range reports {
		report, _ := os.ReadFile(path)
		fmt.Fprintf(os.Stderr, "a process of the agent has a data race:\n%s\n", report)
	}
	return len(reports)
}

// group is the deployment group of the tests that need only one.
const group = "1f2e3d4c-0000-4000-8000-000000000001"

// host is a host with the real agent, its own state and destination, and a command service of its own.
type host struct {
	t        testing.TB
	program  string // the agent's binary
	dir      string // everything of this host is below
	dest     string // where bundles install to
	notes    string // file that hooks write to
	config   string
	service  *rehearsal.Service
	metadata *rehearsal.Metadata
	workflow *rehearsal.Workflow
	env      []string
	group    string   // deployment group of its deployments
	user     *account // who the agent runs as; nil means who the tests run as

	n      *atomic.Int64 // numbers its deployments
	shared bool          // by tests that tell their part of its log themselves

	agent  *exec.Cmd
	exited chan error
	output *bytes.Buffer
}

// account is an ordinary user of this machine.
type account struct {
	name     string
	uid, gid int
	become   func(*exec.Cmd) // makes a command a process of the user
}

// process makes a command a process of the host's user.
func (h *host) process(c *exec.Cmd) {
	if h.user != nil {
		h.user.become(c)
	}
}

// newHost makes a host whose agent is not running yet. settings are lines of the agent's configuration.
func newHost(t testing.TB, settings ...string) *host { return newHostOf(t, nil, settings...) }

// newHostOf makes a host whose agent runs as a user.
func newHostOf(t testing.TB, user *account, settings ...string) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "codedeploy-host-") // other users must reach it, which t.TempDir does not allow
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, program: binary, dir: dir, group: group, user: user, n: new(atomic.Int64)}
	h.give(dir)
	h.dest, h.notes, h.config = h.path("srv"), h.path("notes"), h.path("agent.yml")
	h.service, err = rehearsal.NewService(rehearsal.Options{Redeliver: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.service.Close() })
	h.metadata, err = rehearsal.NewMetadata(rehearsal.MetadataOptions{InstanceID: "i-0123456789abcdef0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.metadata.Close() })
	h.workflow = rehearsal.NewWorkflow(h.service, nil, nil)
	h.write("signers.pem", string(h.service.SignerCAPEM()))
	h.write("agent.yml", strings.Join(append([]string{
		":root_dir: " + h.path("root"), ":log_dir: " + h.path("log"), ":pid_dir: " + h.path("pid"),
		":on_premises_config_file: " + h.path("none.yml"), ":deploy_control_endpoint: " + h.service.URL(),
		":s3_endpoint_override: " + h.service.URL(), "deployment_signer_ca_file: " + h.path("signers.pem"),
	}, settings...), "\n")+"\n")
	h.env = append(os.Environ(), "AWS_EC2_METADATA_SERVICE_ENDPOINT="+h.metadata.URL(), "AWS_REGION=", "AWS_HOST_IDENTIFIER=")
	t.Cleanup(func() {
		h.kill()
		if t.Failed() && h.output != nil && !h.shared {
			t.Logf("the agent's log:\n%s", h.log())
		}
	})
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) write(name, content string) {
	h.t.Helper()
	path := h.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		h.t.Fatal(err)
	}
	for at := path; len(at) > len(h.dir); at = filepath.Dir(at) {
		h.give(at)
	}
}

// give makes something the property of the agent's user.
func (h *host) give(path string) {
	h.t.Helper()
	if h.user != nil {
		if err := os.Lchown(path, h.user.uid, h.user.gid); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *host) read(path string) string {
	h.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	return string(data)
}

func (h *host) log() string { return h.read(h.path("log/codedeploy-agent.log")) }

// start starts the agent.
func (h *host) start() {
	h.t.Helper()
	h.agent = exec.Command(h.program, "run", "--config-file", h.config)
	h.agent.Env, h.agent.Dir = h.env, "/"
	h.process(h.agent)
	h.output = new(bytes.Buffer)
	h.agent.Stdout, h.agent.Stderr = h.output, h.output
	if err := h.agent.Start(); err != nil {
		h.t.Fatal(err)
	}
	exited := make(chan error, 1)
	h.exited = exited
	go func(c *exec.Cmd) { exited <- c.Wait() }(h.agent)
}

// kill ends the agent as a power loss would; hooks go on.
func (h *host) kill() {
	if h.agent != nil && h.agent.Process != nil {
		h.agent.Process.Kill()
		<-h.exited
		h.agent = nil
	}
}

// stop asks the agent to stop and returns its exit code.
func (h *host) stop() int {
	h.t.Helper()
	h.signal(syscall.SIGTERM)
	return h.wait()
}

func (h *host) signal(s syscall.Signal) {
	h.t.Helper()
	if err := h.agent.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
}

// wait waits for the agent to exit by itself.
func (h *host) wait() int {
	h.t.Helper()
	select {
	case <-h.exited:
	case <-time.After(time.Minute):
		h.t.Fatalf("the agent has not stopped after a minute:\n%s", h.output)
	}
	code := h.agent.ProcessState.ExitCode()
	h.agent = nil
	return code
}

// hookNote is a script that notes its event, its revision and what body does.
func hookNote(notes, label, body string) string {
	return fmt.Sprintf("#!/bin/sh\necho \"$LIFECYCLE_EVENT %s\" >> %s\n%s\n", label, notes, body)
}

// revision is a bundle that installs index.html and has a noting script for each of events (all scriptable ones if none).
func (h *host) revision(label string, bodies map[string]string, extra ...file) []file {
	spec := "version: 0.0\nos: linux\nfiles:\n  - source: content\n    destination: " + h.dest + "\nhooks:\n"
	var files []file
	for _, e := range []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeInstall", "AfterInstall",
		"ApplicationStart", "ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic"} {
		spec += fmt.Sprintf("  %s:\n    - location: hooks/%s.sh\n      timeout: 60\n", e, e)
		files = append(files, file{"hooks/" + e + ".sh", hookNote(h.notes, label, bodies[e]), 0o755})
	}
	files = append(files, file{"content/index.html", label + "\n", 0o644})
	return append(append([]file{{"appspec.yml", spec, 0o644}}, files...), extra...)
}

// spec publishes nothing: it puts a bundle and returns what a deployment of it says.
func (h *host) spec(files []file) rehearsal.SpecOptions {
	h.t.Helper()
	return h.specOf(pack(h.t, files), "tgz")
}

// specOf is spec for a bundle that is packed already.
func (h *host) specOf(bundle []byte, format string) rehearsal.SpecOptions {
	h.t.Helper()
	n := h.n.Add(1)
	key := fmt.Sprintf("revision-%d.%s", n, format)
	etag, err := h.service.Put("bundles", key, rehearsal.Object{Data: bundle})
	if err != nil {
		h.t.Fatal(err)
	}
	return rehearsal.SpecOptions{
		DeploymentID: fmt.Sprintf("d-TEST%05d", n), GroupID: h.group, GroupName: "fleet", ApplicationName: "shop",
		Revision: rehearsal.Revision{S3: &rehearsal.S3Location{Bucket: "bundles", Key: key, ETag: etag, BundleType: format}},
	}
}

func (h *host) self() rehearsal.Host {
	return rehearsal.Host{ID: h.metadata.HostIdentifier(), Name: "web"}
}

func (h *host) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	h.t.Cleanup(cancel)
	return ctx
}

// deploy deploys in place and fails the test if the deployment does not end as wanted.
func (h *host) deploy(files []file, want rehearsal.EventStatus, change ...func(*rehearsal.SpecOptions)) rehearsal.Outcome {
	h.t.Helper()
	spec := h.spec(files)
	for _, c := range change {
		c(&spec)
	}
	out, err := h.workflow.InPlace(h.context(), rehearsal.Deployment{Spec: spec}, h.self())
	if err != nil {
		h.t.Fatalf("cannot play the deployment: %v", err)
	}
	if out.Status != want {
		h.t.Fatalf("deployment %s: status %s, want %s\n%s", spec.DeploymentID, out.Status, want, describe(out))
	}
	return out
}

func describe(out rehearsal.Outcome) string {
	var b strings.Builder
	for _, e := range out.Events {
		fmt.Fprintf(&b, "%s %s code %d noop %v: %s %v\n", e.Name, e.Status, e.ErrorCode, e.Noop, e.Message, e.Log)
	}
	return b.String()
}

// command runs one command and returns its result.
func (h *host) command(name string, spec rehearsal.SpecOptions, options ...func(*rehearsal.CommandOptions)) rehearsal.Result {
	h.t.Helper()
	c := h.send(name, spec, options...)
	r, err := c.Wait(h.context())
	if err != nil {
		h.t.Fatalf("command %s: %v\n%s", name, err, h.output)
	}
	return r
}

// send publishes the specification as it should be and queues a command.
func (h *host) send(name string, spec rehearsal.SpecOptions, options ...func(*rehearsal.CommandOptions)) *rehearsal.Command {
	h.t.Helper()
	return h.queue(name, h.publish(spec), options...)
}

// publish publishes the specification as it should be and returns its execution id.
func (h *host) publish(spec rehearsal.SpecOptions) string {
	h.t.Helper()
	content, err := spec.JSON()
	if err != nil {
		h.t.Fatal(err)
	}
	execution := h.service.ExecutionID(spec.DeploymentID)
	if err := h.service.Publish(execution, content, rehearsal.Signed); err != nil {
		h.t.Fatal(err)
	}
	return execution
}

func (h *host) queue(name, execution string, options ...func(*rehearsal.CommandOptions)) *rehearsal.Command {
	h.t.Helper()
	o := rehearsal.CommandOptions{Name: name, Host: h.metadata.HostIdentifier(), ExecutionID: execution}
	for _, f := range options {
		f(&o)
	}
	c, err := h.service.Queue(o)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// tree lists everything below the destination: path, mode and content or target.
func (h *host) tree() []string {
	h.t.Helper()
	var out []string
	err := filepath.WalkDir(h.dest, func(path string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(h.dest, path)
		line := fmt.Sprintf("%s %v", rel, info.Mode())
		switch {
		case info.Mode().IsRegular():
			line += " " + strings.TrimSpace(h.read(path))
		case info.Mode()&os.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			line += " -> " + target
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *host) wantTree(want ...string) {
	h.t.Helper()
	if got := h.tree(); !slices.Equal(got, want) {
		h.t.Errorf("installed files:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (h *host) wantNotes(want ...string) {
	h.t.Helper()
	got := strings.Split(strings.TrimRight(h.read(h.notes), "\n"), "\n")
	if !slices.Equal(got, want) {
		h.t.Errorf("scripts that ran:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// waitFor waits until the file is there.
func (h *host) waitFor(path string) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	h.t.Fatalf("%s has not appeared\n%s", path, h.output)
}

func (h *host) chmod(name string, mode os.FileMode) {
	h.t.Helper()
	if err := os.Chmod(h.path(name), mode); err != nil {
		h.t.Fatal(err)
	}
}

// waitForLog waits until the log has the text.
func (h *host) waitForLog(text string) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(h.log(), text); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("the log does not say %q:\n%s", text, h.log())
		}
	}
}
