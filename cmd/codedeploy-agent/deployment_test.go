package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

func TestInPlaceTwice(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	first := h.deploy(h.revision("one", nil, file{"content/old.txt", "old", 0o644}), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- one", "old.txt -rw-r--r-- old")
	if e := first.Events[0]; e.Name != "ApplicationStop" || !e.Noop {
		t.Errorf("the first ApplicationStop: %+v, want a no-op", e)
	}
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
	h.wantNotes("BeforeInstall one", "AfterInstall one", "ApplicationStart one", "ValidateService one", "ApplicationStop one",
		"BeforeInstall two", "AfterInstall two", "ApplicationStart two", "ValidateService two")
	if code := h.stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	for _, r := range h.service.Requests("PollHostCommand") {
		if r.Problem == "the caller went away" {
			continue // the agent was told to stop while it polled
		}
		if r.Problem != "" || r.AgentVersion == "" || !strings.HasPrefix(r.UserAgent, "codedeploy-agent/") {
			t.Fatalf("a poll that the service would not take: %+v", r)
		}
	}
}

func TestBlueGreenAndRollbackRunTheRightScripts(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	if err := os.Remove(h.notes); err != nil {
		t.Fatal(err)
	}
	// As an original instance of a blue/green deployment: the traffic hooks are those of what is installed.
	two := h.spec(h.revision("two", nil))
	two.Type = rehearsal.TypeBlueGreen
	for _, e := range []string{"BeforeBlockTraffic", "AfterBlockTraffic"} {
		if r := h.command(e, two); !r.Succeeded() || r.Noop {
			t.Errorf("%s: %+v", e, r)
		}
	}
	// A rollback: what was downloaded last gives the traffic up, what was installed last takes it.
	three := h.spec(h.revision("three", nil))
	if r := h.command("DownloadBundle", three); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	back := h.spec(h.revision("back", nil))
	back.Type, back.Creator = rehearsal.TypeBlueGreen, rehearsal.CreatorRollback
	for _, e := range []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeAllowTraffic", "AfterAllowTraffic"} {
		if r := h.command(e, back); !r.Succeeded() {
			t.Errorf("%s: %+v", e, r)
		}
	}
	h.wantNotes("BeforeBlockTraffic one", "AfterBlockTraffic one", "BeforeBlockTraffic three", "AfterBlockTraffic three",
		"ApplicationStop one", "BeforeAllowTraffic one", "AfterAllowTraffic one")
}

func TestFileExistsBehaviors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		behavior string
		stranger bool // a file that no deployment made stands at index.html first
		first    rehearsal.EventStatus
		want     string
	}{
		{"DISALLOW", false, rehearsal.Succeeded, "two"},
		{"OVERWRITE", false, rehearsal.Succeeded, "two"},
		{"RETAIN", false, rehearsal.Succeeded, "two"},
		{"DISALLOW", true, rehearsal.Failed, "stranger"},
		{"OVERWRITE", true, rehearsal.Succeeded, "two"},
		{"RETAIN", true, rehearsal.Succeeded, "stranger"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s stranger=%v", tt.behavior, tt.stranger), func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			if tt.stranger {
				h.write("srv/index.html", "stranger")
			}
			h.start()
			behavior := func(s *rehearsal.SpecOptions) { s.FileExistsBehavior = tt.behavior }
			out := h.deploy(h.revision("one", nil, file{"content/gone-a1b2.js", "1", 0o644}), tt.first, behavior)
			if tt.first == rehearsal.Failed {
				if f := out.Failure(); f.Name != "Install" || !strings.Contains(f.Message, h.dest+"/index.html") {
					t.Errorf("failure %+v, want Install naming the file", f)
				}
			}
			h.deploy(h.revision("two", nil, file{"content/new-c3d4.js", "2", 0o644}), tt.first, behavior)
			if tt.first == rehearsal.Failed {
				h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+tt.want)
				return
			}
			h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+tt.want, "new-c3d4.js -rw-r--r-- 2")
		})
	}
}

func TestStopDuringHook(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	spec := h.spec(h.revision("one", map[string]string{"BeforeInstall": "touch " + h.path("running") + "; sleep 2; echo done >> " + h.notes}))
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	c := h.send("BeforeInstall", spec)
	h.waitFor(h.path("running"))
	if code := h.stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if r := c.Result(); !r.Succeeded() {
		t.Errorf("BeforeInstall: %+v, want it finished and reported before the agent exits", r)
	}
	h.wantNotes("BeforeInstall one", "done")
	h.start()
	if r := h.command("Install", spec); !r.Succeeded() {
		t.Errorf("Install after the restart: %+v", r)
	}
}

func TestKillDuringHook(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	spec := h.spec(h.revision("one", map[string]string{"BeforeInstall": "touch " + h.path("running") + "; sleep 3; echo end; echo done >> " + h.notes}))
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	c := h.send("BeforeInstall", spec)
	h.waitFor(h.path("running"))
	h.kill()
	h.start()
	r, err := c.Wait(h.context())
	if err != nil || !r.Succeeded() {
		t.Errorf("BeforeInstall: %+v, %v; want the next agent to report it as it ended", r, err)
	}
	h.wantNotes("BeforeInstall one", "done")
	log := h.read(h.path("root/" + group + "/" + spec.DeploymentID + "/logs/scripts.log"))
	if strings.Count(log, "[stdout]end") != 1 || strings.Count(log, "LifecycleEvent - BeforeInstall") != 1 {
		t.Errorf("scripts.log: %q, want the whole output once", log)
	}
}

func TestSecondSignalStopsAtOnceAndLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	spec := h.spec(h.revision("one", map[string]string{"BeforeInstall": "touch " + h.path("running") + "; while [ ! -e " + h.path("go") + " ]; do sleep 0.1; done"}))
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	c := h.send("BeforeInstall", spec)
	h.waitFor(h.path("running"))
	h.signal(syscall.SIGTERM)
	for !strings.Contains(h.log(), "no new commands") {
		time.Sleep(10 * time.Millisecond)
	}
	h.signal(syscall.SIGTERM)
	if code := h.wait(); code != 1 {
		t.Errorf("exit code %d, want 1: a command had not ended", code)
	}
	h.start()
	h.write("go", "")
	if r, err := c.Wait(h.context()); err != nil || !r.Succeeded() {
		t.Errorf("BeforeInstall: %+v, %v; want success after the restart", r, err)
	}
	h.wantNotes("BeforeInstall one")
}

func TestLoadBalancerDeploymentHasElevenEvents(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	order := []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall",
		"ApplicationStart", "ValidateService", "BeforeAllowTraffic", "AfterAllowTraffic"}
	for _, label := range []string{"one", "two"} {
		spec := h.spec(h.revision(label, nil))
		for _, e := range order {
			if r := h.command(e, spec); !r.Succeeded() {
				t.Fatalf("%s: %+v", e, r)
			}
		}
	}
	h.wantNotes("BeforeInstall one", "AfterInstall one", "ApplicationStart one", "ValidateService one", "BeforeAllowTraffic one", "AfterAllowTraffic one",
		"BeforeBlockTraffic one", "AfterBlockTraffic one", "ApplicationStop one",
		"BeforeInstall two", "AfterInstall two", "ApplicationStart two", "ValidateService two", "BeforeAllowTraffic two", "AfterAllowTraffic two")
}

func TestFaultsOfTheServiceLoseNothing(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"PollHostCommand", "GetDeploymentSpecification", "PutHostCommandAcknowledgement", "PutHostCommandComplete"} {
		for _, kind := range []rehearsal.FaultKind{rehearsal.InternalError, rehearsal.Throttled, rehearsal.Expired, rehearsal.Dropped, rehearsal.Reset,
			rehearsal.Garbage, rehearsal.AnswerLost} {
			t.Run(op+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				h := newHost(t)
				h.service.Inject(rehearsal.Fault{Operation: op, Kind: kind})
				h.start()
				h.deploy(h.revision("one", nil), rehearsal.Succeeded)
				h.service.Inject(rehearsal.Fault{Operation: op, Kind: kind})
				h.deploy(h.revision("two", nil), rehearsal.Succeeded)
				h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
				if n := strings.Count(h.read(h.notes), "BeforeInstall two"); n != 1 {
					t.Errorf("BeforeInstall ran %d times, want once", n)
				}
			})
		}
	}
}

func TestDuplicateDeliveryRunsOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	spec := h.spec(h.revision("one", map[string]string{"BeforeInstall": "sleep 1"}))
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	r := h.command("BeforeInstall", spec, func(o *rehearsal.CommandOptions) { o.Deliveries = 3 })
	if !r.Succeeded() {
		t.Errorf("BeforeInstall: %+v", r)
	}
	h.wantNotes("BeforeInstall one")
	if r := h.command("Install", spec); !r.Succeeded() {
		t.Errorf("Install: %+v", r)
	}
}

func TestAcknowledgementOfClosedCommand(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	spec := h.spec([]file{{"appspec.yml", "version: 0.0\nos: linux\n", 0o644}})
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	// The service calls a no-op failed: it is completed as done (official agents).
	r := h.command("BeforeInstall", spec, func(o *rehearsal.CommandOptions) { o.AckStatus = "Failed" })
	if !r.Succeeded() || !strings.Contains(r.Message, "CompletedNoopCommand") {
		t.Errorf("result %+v, want CompletedNoopCommand", r)
	}
}

func TestWaitsForIdentityAtBoot(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.metadata.Break(rehearsal.Forever)
	h.start()
	for !strings.Contains(h.log(), "WARN") {
		time.Sleep(20 * time.Millisecond)
	}
	if n := len(h.service.Requests("PollHostCommand")); n != 0 {
		t.Errorf("%d polls without an identity", n)
	}
	h.metadata.Break(0)
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	if code := h.stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestOfficialAgentWasInterrupted starts on a host whose official agent was replaced in the middle of a lifecycle event: there is a
// tracking file, and nothing of ours.
func TestOfficialAgentWasInterrupted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	spec := h.spec(h.revision("one", map[string]string{"BeforeInstall": "touch " + h.path("running") + "; sleep 1"}))
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	c := h.send("BeforeInstall", spec)
	h.waitFor(h.path("running"))
	h.kill()
	if err := os.RemoveAll(h.path("root.state")); err != nil {
		t.Fatal(err)
	}
	h.start()
	r, err := c.Wait(h.context())
	if err != nil || r.Status != "Failed" || r.ErrorCode != 7 {
		t.Errorf("BeforeInstall: %+v, %v; want it failed with code 7", r, err)
	}
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	if left := h.contents("root/ongoing-deployment"); left != "" {
		t.Errorf("ongoing deployments: %s, want none", left)
	}
}

func TestOneDaemonPerState(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	second := newCommand(h, "run", "--config-file", h.config)
	if second.code != 1 || !strings.Contains(second.stderr, "another agent is running") {
		t.Errorf("a second agent: code %d, %s", second.code, second.stderr)
	}
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
}
