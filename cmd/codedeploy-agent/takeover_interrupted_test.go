//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// ask is a request of an official agent to the command service.
func (f *former) ask(operation string, body map[string]any) map[string]any {
	f.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		f.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(f.context(), http.MethodPost, f.service.URL(), bytes.NewReader(text))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "CodeDeployCommandService_v20141006."+operation)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20240506/us-east-1/codedeploy-commands/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		f.t.Fatalf("%s: %s %v %v", operation, resp.Status, answer, err)
	}
	return answer
}

// begun is a command that the official agent has acknowledged and tracks when it dies.
func (f *former) begun(name string, spec rehearsal.SpecOptions) *rehearsal.Command {
	f.t.Helper()
	c := f.send(name, spec)
	host := f.metadata.HostIdentifier()
	if got := f.ask("PollHostCommand", map[string]any{"HostIdentifier": host})["HostCommand"]; got == nil {
		f.t.Fatalf("no command %s", name)
	}
	f.ask("PutHostCommandAcknowledgement", map[string]any{"HostCommandIdentifier": c.ID(),
		"Diagnostics": map[string]string{"Format": "JSON", "Payload": `{"IsCommandNoop":false}`}})
	f.track(spec.DeploymentID, c.ID())
	return c
}

func (f *former) track(name, content string) {
	f.t.Helper()
	f.file("root/ongoing-deployment/"+name, content, f.choose(0o644, 0o600))
}

// completions counts the reports about a command.
func (f *former) completions(id string) (n int) {
	for _, r := range f.service.Requests("PutHostCommandComplete") {
		if r.Command() == id {
			n++
		}
	}
	return n
}

// The official agent died during Install: half of the files are there, the list's last line is cut short. The command is reported, once; the
// next deployment removes the half.
func TestTakeOverInterruptedInstall(t *testing.T) {
	t.Parallel()
	for _, r := range []release{ruby, hardened} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			f := newFormer(t, r)
			f.deployed("d-OLD00001", f.stopping("old", file{"content/old.txt", "old", 0o644}))
			half := f.stopping("half", file{"content/half/a.txt", "a", 0o644})
			spec := f.spec(half)
			f.downloaded(spec.DeploymentID, half)
			f.cleanUp()
			f.file("srv/half/a.txt", "", 0o600) // opened, and nothing written yet
			f.file("root/deployment-instructions/"+group+"-cleanup",
				f.dest+"\n"+f.dest+"/half\n"+f.dest+"/half/a.txt\n"+f.dest+"/ind", f.choose(0o644, 0o600))
			c := f.begun("Install", spec)

			f.start()
			result, err := c.Wait(f.context())
			if err != nil || result.Status != "Failed" || result.ErrorCode != 7 || !strings.Contains(result.Message, "in progress") {
				t.Errorf("Install: %+v, %v; want Failed with code 7", result, err)
			}
			f.deploy(f.stopping("two"), rehearsal.Succeeded)
			f.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
			f.deploy(f.stopping("three"), rehearsal.Succeeded)
			f.wantNotes("ApplicationStop old", "BeforeInstall two", "ApplicationStop two", "BeforeInstall three")
			if code := f.stop(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			f.wantOfficialRoot(r.restricted, "d-OLD00001", "d-TEST00001", "d-TEST00002", "d-TEST00003")
			f.start() // reports nothing again
			f.deploy(f.stopping("four"), rehearsal.Succeeded)
			if n := f.completions(c.ID()); n != 1 {
				t.Errorf("Install was reported %d times, want once", n)
			}
			f.stop()
			f.cleanUp()
			f.wantTree()
		})
	}
}

// This agent was killed during Install and the host goes back to the official agent, which finds the command to report and removes all of
// the half.
func TestHandBackAfterKilledInstall(t *testing.T) {
	t.Parallel()
	f := newFormer(t, ruby)
	f.start()
	for _, dir := range []string{"a/", "b/"} { // all in new directories, then partly in one that stays
		files := []file{f.appspec(""), {"content/index.html", dir, 0o644}}
		for i := range 300 {
			files = append(files, file{fmt.Sprintf("content/%sd%d/f%d", dir, i%10, i), strings.Repeat("x", 1000), 0o644})
		}
		spec := f.spec(files)
		if r := f.command("DownloadBundle", spec); !r.Succeeded() {
			t.Fatalf("DownloadBundle: %+v", r)
		}
		c := f.send("Install", spec)
		for !strings.Contains(f.read(f.instructions("-cleanup")), "/.codedeploy-") && c.Result().Status == "" {
			time.Sleep(time.Millisecond)
		}
		f.kill()
		if c.Result().Status == "" {
			if got := f.read(f.path("root/ongoing-deployment/" + spec.DeploymentID)); got != c.ID() {
				t.Errorf("the tracking file holds %q, want the command %s", got, c.ID())
			}
		} else {
			t.Log("Install had ended before the agent could be killed")
		}
		f.cleanUp()
		f.wantTree()
		if c.Result().Status == "" { // it reports what it was interrupted in
			f.ask("PutHostCommandComplete", map[string]any{"HostCommandIdentifier": c.ID(), "CommandStatus": "Failed",
				"Diagnostics": map[string]string{"Format": "JSON", "Payload": `{"error_code":7,"script_name":"","message":"Failing in-progress lifecycle event","log":""}`}})
			if err := os.Remove(f.path("root/ongoing-deployment/" + spec.DeploymentID)); err != nil {
				t.Error(err)
			}
		}
		// What it installs meanwhile is taken over, whatever this agent knows of its own Install.
		f.deployed("d-BACK0001"+dir[:1], f.stopping("back", file{"content/back.txt", dir, 0o644}))
		f.start()
		f.deploy(f.stopping("ours"), rehearsal.Succeeded)
		f.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- ours")
		if n := f.completions(c.ID()); n > 1 {
			t.Errorf("Install was reported %d times", n)
		}
	}
}

// Whatever lies among the tracking files: each that names a command is reported, the others go, and deployments work.
func TestTakeOverTrackingFiles(t *testing.T) {
	t.Parallel()
	f := newFormer(t, rust)
	first, second := f.begun("BeforeInstall", f.spec(f.stopping("one"))), f.begun("AfterInstall", f.spec(f.stopping("two")))
	f.track("d-TEST00002", second.ID()+"\n")
	stale := f.begun("ApplicationStart", f.spec(f.stopping("three")))
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(f.path("root/ongoing-deployment/d-TEST00003"), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	f.track("d-FORGOTTEN", "a-command-that-the-service-does-not-know")
	f.track("d-EMPTY", "")
	f.track("d-BLANK", " \n")
	f.track("d-BINARY", "\x00\x01\xff\xfe")
	f.track("d-LINES", "one\ntwo")
	f.track("d-LONG", strings.Repeat("x", 1<<20))
	f.track(".d-TEST00004.tmp.4711", first.ID())
	f.file("secret", "a-secret", 0o600)
	f.track("d-LINK", "-> "+f.path("secret"))
	f.dir("root/ongoing-deployment/d-DIRECTORY", 0o755)
	if err := syscall.Mkfifo(f.path("root/ongoing-deployment/d-FIFO"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.start()
	for _, c := range []*rehearsal.Command{first, second} {
		if r, err := c.Wait(f.context()); err != nil || r.Status != "Failed" || r.ErrorCode != 7 {
			t.Errorf("%+v, %v; want Failed with code 7", r, err)
		}
	}
	f.deploy(f.stopping("four"), rehearsal.Succeeded)
	f.deploy(f.stopping("five"), rehearsal.Succeeded)
	f.wantEntries("root/ongoing-deployment", 0o755)
	if n := f.completions(stale.ID()); n != 0 {
		t.Errorf("the stale command was reported %d times, want never", n)
	}
	log := f.log()
	for _, name := range []string{"d-TEST00003", "d-EMPTY", "d-BLANK", "d-BINARY", "d-LINES", "d-LONG", ".d-TEST00004.tmp.4711", "d-LINK", "d-DIRECTORY", "d-FIFO"} {
		if !strings.Contains(log, "nothing is reported for the tracking file "+f.path("root/ongoing-deployment/"+name)+": ") {
			t.Errorf("the log does not say what became of %s", name)
		}
	}
	if got := f.read(f.path("secret")); got != "a-secret" {
		t.Errorf("the link's target holds %q now", got)
	}
}

// The official agent has executed ApplicationStop and DownloadBundle when the agents are changed; this one is handed BeforeInstall next.
func TestTakeOverDeploymentInProgress(t *testing.T) {
	t.Parallel()
	for _, r := range []release{ruby, hardened} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			f := newFormer(t, r)
			f.deployed("d-OLD00001", f.stopping("old", file{"content/old.txt", "old", 0o644}))
			files := f.slim("two", map[string]string{"ApplicationStop": "", "BeforeInstall": "", "AfterInstall": `echo "ETag $BUNDLE_ETAG" >> ` + f.notes})
			spec := f.spec(files)
			etag := spec.Revision.S3.ETag
			if r.rust {
				// 2.x tells hooks the ETag of what it downloaded where the service has none.
				etag, spec.Revision.S3.ETag = "0123456789abcdef0123456789abcdef", ""
			}
			f.downloaded(spec.DeploymentID, files)
			f.start()
			for _, e := range []string{"BeforeInstall", "Install", "AfterInstall", "ApplicationStart", "ValidateService"} {
				if r := f.command(e, spec); !r.Succeeded() {
					t.Fatalf("%s: %+v", e, r)
				}
			}
			f.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
			f.deploy(f.stopping("three"), rehearsal.Succeeded)
			f.wantNotes("BeforeInstall two", "AfterInstall two", "ETag "+etag, "ApplicationStop two", "BeforeInstall three")
			f.stop()
			f.wantOfficialRoot(r.restricted, "d-OLD00001", "d-TEST00001", "d-TEST00002")
			f.cleanUp()
			f.wantTree()
		})
	}
}

// A RESTART deployment takes the revision over that the official agent downloaded, with what is known of its bundle; the next one takes it
// from there.
func TestTakeOverArchiveForRestart(t *testing.T) {
	t.Parallel()
	f := newFormer(t, rust)
	from := "d-OLD00001"
	f.deployed(from, f.slim("old", map[string]string{"AfterInstall": "echo $BUNDLE_ETAG >> " + f.notes}))
	f.start()
	for range 2 {
		spec := f.spec(f.stopping("not fetched"))
		spec.ReuseArchiveFromDeploymentID, spec.Revision.S3.ETag = from, ""
		if r := f.command("DownloadBundle", spec); !r.Succeeded() || !strings.Contains(r.Message, "archive-reuse") {
			t.Fatalf("DownloadBundle: %+v, want the archive reused", r)
		}
		for _, e := range []string{"Install", "AfterInstall"} {
			if r := f.command(e, spec); !r.Succeeded() {
				t.Fatalf("%s: %+v", e, r)
			}
		}
		f.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- old")
		if info, err := os.Stat(f.path("root/" + group + "/" + spec.DeploymentID + "/bundle.tar")); err != nil || info.Size() == 0 {
			t.Errorf("the bundle did not come along: %v", err)
		}
		from = spec.DeploymentID
	}
	const etag = "0123456789abcdef0123456789abcdef"
	f.wantNotes("AfterInstall old", etag, "AfterInstall old", etag)
	if n := len(f.service.Requests("GetObject")); n != 0 {
		t.Errorf("%d downloads, want none", n)
	}
}

// Hooks get the ETag that the deployment specification names. Without one they get none, as from the official agent 1.8.
func TestETagOfTheSpecification(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	for _, known := range []bool{false, true} {
		want := ""
		h.deploy(h.slim("one", map[string]string{"AfterInstall": fmt.Sprintf("echo ${BUNDLE_ETAG-absent} > %s", h.path("etag"))}), rehearsal.Succeeded, func(s *rehearsal.SpecOptions) {
			if want = s.Revision.S3.ETag; !known {
				want, s.Revision.S3.ETag = "absent", ""
			}
		})
		if got := h.read(h.path("etag")); got != want+"\n" {
			t.Errorf("the specification's ETag is known: %v; hooks get %q, want %q", known, got, want)
		}
	}
	if left, _ := filepath.Glob(h.path("root/" + group + "/*/.bundle-etag")); len(left) != 0 {
		t.Errorf("official agent 1.8 has no %v", left)
	}
}
