//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// A host that goes down takes everything with it: agent, runners and scripts.
func TestRebootDuringHook(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	spec := h.spec(h.revision("two", map[string]string{"AfterInstall": "touch " + h.path("running") + "; while :; do sleep 1; done"}))
	for _, name := range []string{"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install"} {
		if r := h.command(name, spec); !r.Succeeded() {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	c := h.send("AfterInstall", spec)
	h.waitFor(h.path("running"))
	h.powerOff()
	h.start()
	r, err := c.Wait(h.context())
	if err != nil || r.Status != "Failed" || r.ErrorCode != 7 || r.ScriptName != "hooks/AfterInstall.sh" || !strings.Contains(r.Message, "hooks/AfterInstall.sh") {
		t.Errorf("AfterInstall: %+v, %v; want code 7 that names the script", r, err)
	}
	h.deploy(h.revision("three", nil), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- three")
	if h.stop() != 0 {
		t.Error("the agent does not stop well")
	}
	if left, _ := filepath.Glob(h.path("root.state/journal/*")); len(left) != 0 {
		t.Errorf("left in the journal: %v", left)
	}
}

// powerOff ends the agent and everything that it or its hooks have started.
func (h *host) powerOff() {
	h.t.Helper()
	h.kill()
	for range 3 { // a process may start another one meanwhile
		for _, pid := range h.processes() {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				h.t.Fatalf("cannot end process %d: %v", pid, err)
			}
		}
	}
	for end := time.Now().Add(10 * time.Second); len(h.processes()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("processes %v do not end", h.processes())
		}
	}
}

// processes are those whose arguments name something of this host.
func (h *host) processes() []int {
	h.t.Helper()
	var pids []int
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		h.t.Fatal(err)
	}
	if len(all) == 0 {
		h.t.Skip("this system does not list its processes in /proc")
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), h.dir+"/") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// The service takes no results while several deployments end and the agent is restarted twice, once by force; when it is back it gets every
// result once, in the order in which the commands ended.
func TestServiceAwayThroughTwoRestarts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	var specs []rehearsal.SpecOptions
	for i := range 4 {
		label := fmt.Sprintf("app%d", i)
		spec := h.spec(h.revision(label, map[string]string{"AfterInstall": fmt.Sprintf("while [ ! -e %s ]; do sleep 0.05; done", h.path("go-"+label))}))
		spec.GroupID = fmt.Sprintf("%s-%d", group, i)
		if r := h.command("DownloadBundle", spec); !r.Succeeded() {
			t.Fatalf("DownloadBundle: %+v", r)
		}
		specs = append(specs, spec)
	}
	var commands []*rehearsal.Command
	for _, spec := range specs {
		commands = append(commands, h.send("AfterInstall", spec))
	}
	for i := range specs {
		for !strings.Contains(h.read(h.notes), fmt.Sprintf("AfterInstall app%d", i)) {
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, op := range []string{"PollHostCommand", "PutHostCommandComplete", "PutHostCommandAcknowledgement", "GetDeploymentSpecification"} {
		h.service.Inject(rehearsal.Fault{Operation: op, Kind: rehearsal.Dropped, Times: rehearsal.Forever})
	}
	order := []int{2, 0, 3, 1}
	for n, i := range order {
		h.write(fmt.Sprintf("go-app%d", i), "")
		for strings.Count(h.log(), "command succeeded") < 4+n+1 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	h.kill()
	h.start()
	for !strings.Contains(h.log(), "reporting a result that an earlier agent could not") {
		time.Sleep(10 * time.Millisecond)
	}
	if code := h.stop(); code != 0 {
		t.Errorf("exit code %d of an agent whose service is away", code)
	}
	h.start()
	h.service.ClearFaults()
	for i, c := range commands {
		if r, err := c.Wait(h.context()); err != nil || !r.Succeeded() || r.Completions != 1 {
			t.Errorf("app%d: %+v, %v; want its result once", i, r, err)
		}
	}
	var ended []string
	for _, r := range h.service.Requests("PutHostCommandComplete") {
		if r.Fault == "" {
			ended = append(ended, r.Command())
		}
	}
	var want []string
	for _, i := range order {
		want = append(want, commands[i].ID())
	}
	if len(ended) < 4 || !slices.Equal(ended[len(ended)-4:], want) {
		t.Errorf("results came in the order %v, want %v", ended, want)
	}
}
