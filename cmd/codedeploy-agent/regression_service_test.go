//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// waitLog waits until the agent's log says a text at least n times.
func (h *host) waitLog(text string, n int) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Count(h.log(), text) >= n {
			return
		}
	}
	h.t.Fatalf("the log does not say %q %d times:\n%s", text, n, h.log())
}

// Several commands are owed a result while the service takes none, over two crashes; each is reported as it ended.
func TestAllResultsSurviveRestartsWithoutTheService(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	var specs []rehearsal.SpecOptions
	for i, script := range []string{"true", "echo broken >&2; exit 7", "touch " + h.path("running") + "; while [ ! -e " + h.path("go") + " ]; do sleep 0.1; done"} {
		spec := h.spec(h.slim("x", map[string]string{"AfterInstall": script}))
		spec.GroupID = group[:len(group)-1] + strconv.Itoa(i+2)
		if r := h.command("DownloadBundle", spec); !r.Succeeded() {
			t.Fatalf("DownloadBundle: %+v", r)
		}
		specs = append(specs, spec)
	}
	h.service.Inject(rehearsal.Fault{Operation: "PutHostCommandComplete", Kind: rehearsal.InternalError, Times: rehearsal.Forever})
	var commands []*rehearsal.Command
	for _, spec := range specs {
		commands = append(commands, h.send("AfterInstall", spec))
	}
	refused := func(n int) {
		err := h.service.WaitFor(h.context(), func(all []rehearsal.Request) bool {
			return len(slices.DeleteFunc(all, func(r rehearsal.Request) bool { return r.Status != http.StatusInternalServerError })) >= n
		})
		if err != nil {
			t.Fatalf("the service was not told %d times: %v", n, err)
		}
	}
	h.waitFor(h.path("running"))
	h.waitLog("command failed", 1)
	h.waitLog("command succeeded", 4) // three downloads and the first
	refused(1)
	h.kill()
	h.start()
	refused(2) // perhaps the first agent's second attempt, then this one's
	h.waitLog("reporting a result that an earlier agent could not", 2)
	h.kill()
	h.write("go", "")
	h.service.ClearFaults()
	h.start()
	for i, want := range []struct {
		status string
		code   int
	}{{"Succeeded", 0}, {"Failed", 4}, {"Succeeded", 0}} {
		r, err := commands[i].Wait(h.context())
		if err != nil || r.Status != want.status || r.ErrorCode != want.code || r.Completions != 1 {
			t.Errorf("command %d: %+v, %v; want %s with code %d, reported once", i+1, r, err, want.status, want.code)
		}
	}
	if n := strings.Count(h.read(h.notes), "AfterInstall x"); n != 3 {
		t.Errorf("the scripts ran %d times together, want once each", n)
	}
}

// A job renews the session's credentials while the agent runs.
func TestRenewedOnPremisesCredentials(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	service, err := rehearsal.NewService(rehearsal.Options{Credentials: map[string]string{"ASIANEW": "new"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	config := strings.ReplaceAll(h.read(h.config), h.service.URL(), service.URL())
	config = strings.Replace(config, h.path("none.yml"), h.path("onpremises.yml"), 1)
	h.service, h.workflow = service, rehearsal.NewWorkflow(service, nil, nil)
	h.write("signers.pem", string(service.SignerCAPEM()))
	h.write("agent.yml", config)
	const arn = "arn:aws:sts::123456789012:assumed-role/CodeDeploy/rack-7"
	h.write("onpremises.yml", "region: us-east-1\niam_session_arn: "+arn+"\naws_credentials_file: "+h.path("credentials")+"\n")
	credentials := func(key, secret string) {
		h.write("credentials.new", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = token-of-%s\n", key, secret, key))
		if err := os.Rename(h.path("credentials.new"), h.path("credentials")); err != nil {
			t.Fatal(err)
		}
	}
	credentials("ASIAOLD", "old")
	h.start()
	h.waitLog("cannot poll for commands", 1)
	credentials("ASIANEW", "new")
	for _, label := range []string{"one", "two"} {
		out, err := h.workflow.InPlace(h.context(), rehearsal.Deployment{Spec: h.spec(h.stopping(label))}, rehearsal.Host{ID: arn})
		if err != nil || out.Status != rehearsal.Succeeded {
			t.Fatalf("deployment with renewed credentials: %v\n%s", err, describe(out))
		}
	}
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
	if log := h.log(); strings.Contains(log, "token-of-") {
		t.Errorf("the log has a session token:\n%s", log)
	}
}

// A command that names another host, or none, is neither acknowledged nor executed.
func TestCommandForAnotherHost(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	target, err := url.Parse(h.service.URL())
	if err != nil {
		t.Fatal(err)
	}
	others := make(chan string, 2)
	others <- "arn:aws:ec2:us-east-1:123456789012:instance/i-00000000000000bad"
	others <- ""
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			var answer struct{ HostCommand map[string]any }
			if json.Unmarshal(body, &answer) == nil && answer.HostCommand != nil {
				select {
				case other := <-others:
					answer.HostCommand["HostIdentifier"] = other
					if body, err = json.Marshal(answer); err != nil {
						return err
					}
				default:
				}
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	h.write("agent.yml", strings.Replace(h.read(h.config), ":deploy_control_endpoint: "+h.service.URL(), ":deploy_control_endpoint: "+server.URL, 1))
	h.start()
	c := h.send("DownloadBundle", h.spec(h.stopping("one")))
	h.waitLog("ignoring a command for another host", 2)
	// Nobody has acknowledged it, so it comes again, and now it is this host's.
	if r, err := c.Wait(h.context()); err != nil || !r.Succeeded() || r.Deliveries < 3 || r.Acks != 1 || r.Completions != 1 {
		t.Errorf("a command that was for another host twice: %+v, %v; want it left alone until it was for this one", r, err)
	}
	h.deploy(h.stopping("two"), rehearsal.Succeeded)
	h.deploy(h.stopping("three"), rehearsal.Succeeded)
}

// Ids become directories below the deployment root.
func TestIdsThatArePaths(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	h.waitLog("polling for commands", 1)
	before, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"../../../escaped", "..", ".", "a/b", "/escaped", "", "a\x00b", "ongoing-deployment", "deployment-instructions"} {
		spec := h.spec(h.stopping("one"))
		content, err := spec.JSON()
		if err != nil {
			t.Fatal(err)
		}
		quoted, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		for field, was := range map[string]string{"DeploymentId": spec.DeploymentID, "DeploymentGroupId": group} {
			if field == "DeploymentId" && strings.Contains(id, "-") && !strings.Contains(id, "/") {
				continue // a deployment may be called so
			}
			changed := strings.Replace(string(content), fmt.Sprintf("%q:%q", field, was), fmt.Sprintf("%q:%s", field, quoted), 1)
			execution := h.service.ExecutionID(spec.DeploymentID)
			if err := h.service.Publish(execution, []byte(changed), rehearsal.Signed); err != nil {
				t.Fatal(err)
			}
			r, err := h.queue("DownloadBundle", execution).Wait(h.context())
			if err != nil || r.Status != "Failed" || r.ErrorCode != 5 || !strings.Contains(r.Message, field) {
				t.Errorf("%s %q: %+v, %v; want Failed with code 5 naming the field", field, id, r, err)
			}
		}
	}
	after, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range after {
		if !slices.ContainsFunc(before, func(b os.DirEntry) bool { return b.Name() == e.Name() }) {
			t.Errorf("%s was made for a refused deployment", e.Name())
		}
	}
	h.deploy(h.stopping("one"), rehearsal.Succeeded)
	h.deploy(h.stopping("two"), rehearsal.Succeeded)
}

// With every worker busy the agent still hears that it is to stop, and the command that waited is executed by the next one.
func TestStopWhileEveryWorkerIsBusy(t *testing.T) {
	t.Parallel()
	h := newHost(t, "max_concurrent_commands: 1")
	h.start()
	spec := h.spec(h.slim("one", map[string]string{"BeforeInstall": "touch " + h.path("running") + "; while [ ! -e " + h.path("go") + " ]; do sleep 0.1; done"}))
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	busy := h.send("BeforeInstall", spec)
	h.waitFor(h.path("running"))
	other := h.spec(h.stopping("two"))
	other.GroupID = strings.Repeat("2", 8) + group[8:]
	waiting := h.send("DownloadBundle", other)
	h.signal(syscall.SIGTERM)
	h.waitLog("no new commands", 1)
	h.write("go", "")
	if code := h.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if r := busy.Result(); !r.Succeeded() {
		t.Errorf("BeforeInstall: %+v, want it finished and reported", r)
	}
	if r := waiting.Result(); r.Deliveries != 0 {
		t.Errorf("the command that nobody could execute: %+v, want it left with the service", r)
	}
	h.start()
	if r, err := waiting.Wait(h.context()); err != nil || !r.Succeeded() {
		t.Errorf("the command that waited: %+v, %v", r, err)
	}
}

// The agent is killed in the middle of Install: every file is the old or the new one, and the next deployment leaves nothing of the half.
func TestKillDuringInstall(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	const n = 400
	revision := func(label string) []file {
		files := []file{h.appspec("")}
		for i := range n {
			files = append(files, file{fmt.Sprintf("content/d%d/f%d", i%20, i), strings.Repeat(label, 1000), 0o644})
		}
		return append(files, file{"content/of-" + label, label, 0o644})
	}
	h.wantInstalled(h.spec(revision("one")))
	spec := h.spec(revision("two"))
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	c := h.send("Install", spec)
	list := h.path("root/deployment-instructions/" + group + "-cleanup")
	for !strings.Contains(h.read(list), ".codedeploy-") && c.Result().Status == "" { // from here on files are made
		time.Sleep(time.Millisecond)
	}
	h.kill()
	for _, line := range h.tree() {
		if name, content, ok := strings.Cut(line, " -rw-r--r-- "); ok && !strings.Contains(name, ".codedeploy-") && !strings.Contains(name, "of-") &&
			content != strings.Repeat("one", 1000) && content != strings.Repeat("two", 1000) {
			t.Errorf("%s is neither the old nor the new file", name)
		}
	}
	h.start()
	if r, err := c.Wait(h.context()); err != nil || !r.Succeeded() {
		t.Errorf("Install: %+v, %v; want it taken back and done again", r, err)
	}
	h.wantInstalled(h.spec(revision("three")))
	tree := h.tree()
	if len(tree) != n+20+2 {
		t.Errorf("%d files and directories, want %d: something of the half is left", len(tree), n+20+2)
	}
	for _, line := range tree {
		if strings.Contains(line, "-rw-") && !strings.Contains(line, "of-three") && !strings.HasSuffix(line, strings.Repeat("three", 1000)) {
			t.Errorf("not of the third revision: %.80s", line)
		}
	}
}
