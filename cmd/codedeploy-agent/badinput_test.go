package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// ran is a command that has ended.
type ran struct {
	code           int
	stdout, stderr string
}

// newCommand runs the agent's binary with args in the host's directory.
func newCommand(h *host, args ...string) ran {
	h.t.Helper()
	return runProgram(h, binary, args...)
}

func runProgram(h *host, program string, args ...string) ran {
	h.t.Helper()
	cmd := exec.CommandContext(h.context(), program, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = &out, &errOut, h.env, h.dir
	h.process(cmd)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	tests := []struct {
		name, config string
		want         []string
	}{
		{"a wrong type", "root_dir: /tmp/x\n:max_revisions: many\n", []string{"bad.yml", "2", "max_revisions", "many"}},
		{"out of range", ":max_revisions: -1\n", []string{"bad.yml", "1", "max_revisions"}},
		{"several at once", ":max_revisions: -1\nverbose: perhaps\n", []string{"max_revisions", "verbose", "perhaps"}},
	}
	for _, tt := range tests {
		h.write("bad.yml", tt.config)
		r := newCommand(h, "run", "--config-file", h.path("bad.yml"))
		if r.code != 1 {
			t.Errorf("%s: exit code %d, want 1", tt.name, r.code)
		}
		for _, w := range tt.want {
			if !strings.Contains(r.stderr, w) {
				t.Errorf("%s: %q does not say %q", tt.name, r.stderr, w)
			}
		}
	}
	if r := newCommand(h, "run", "--config-file", h.path("missing.yml")); r.code != 1 || !strings.Contains(r.stderr, "missing.yml") {
		t.Errorf("a named file that is missing: %+v, want exit code 1 and its name", r)
	}
}

func TestMisspeltSettingIsAWarningAndTheAgentRuns(t *testing.T) {
	t.Parallel()
	h := newHost(t, ":max_revision: 3")
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	if log := h.log(); !strings.Contains(log, "max_revision") || !strings.Contains(log, "max_revisions") || !strings.Contains(log, "agent.yml:8") {
		t.Errorf("the log names neither file, line, key nor the nearest key:\n%s", log)
	}
}

func TestBadSpecifications(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	good := h.spec(h.revision("one", nil))
	content, err := good.JSON()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		content  string
		envelope rehearsal.Envelope
		want     string
	}{
		{"tampered", string(content), rehearsal.Tampered, "changed after it was signed"},
		{"a foreign signer", string(content), rehearsal.ForeignSigner, "signer"},
		{"unsigned", string(content), rehearsal.PlainText, "TEXT/JSON"},
		{"an unknown format", string(content), rehearsal.UnknownFormat, "format"},
		{"garbage", string(content), rehearsal.GarbageMessage, "PKCS"},
		{"an empty payload", string(content), rehearsal.EmptyPayload, "empty"},
		{"no envelope", string(content), rehearsal.NoEnvelope, "specification"},
		{"another deployment system", string(content), rehearsal.ForeignSystem, "system"},
		{"not JSON", "certainly not", rehearsal.Signed, "JSON"},
		{"missing fields", `{"DeploymentId":"d-X","Revision":{"RevisionType":"S3"}}`, rehearsal.Signed, "DeploymentGroupId"},
		{"wrong types", `{"DeploymentId":7,"DeploymentGroupId":["x"]}`, rehearsal.Signed, "DeploymentId"},
		{"a field that is there twice", strings.Replace(string(content), "{", `{"DeploymentId":"d-OTHER",`, 1), rehearsal.Signed, `"DeploymentId" twice`},
		{"a field of the revision twice", strings.Replace(string(content), `"Bucket":`, `"Bucket":"other","Bucket":`, 1), rehearsal.Signed, `"Bucket" twice`},
		{"nested deeply", strings.Replace(string(content), "{", `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+",", 1), rehearsal.Signed, "nested more than 32 levels"},
		{"too large", strings.Replace(string(content), "{", `{"x":"`+strings.Repeat("x", 300<<10)+`",`, 1), rehearsal.Signed, "more than the"},
		{"a group id that is a path", strings.Replace(string(content), group, "../../etc", 1), rehearsal.Signed, "DeploymentGroupId"},
		{"a local directory", `{"DeploymentId":"d-X","DeploymentGroupId":"g","DeploymentGroupName":"n","ApplicationName":"a","Revision":{"RevisionType":"Local Directory","LocalRevision":{"Location":"/etc","BundleType":"directory"}}}`,
			rehearsal.Signed, "Local Directory"},
		{"an id that is a path", strings.Replace(string(content), good.DeploymentID, "../../../etc", 1), rehearsal.Signed, "DeploymentId"},
	}
	for _, tt := range tests {
		execution := h.service.ExecutionID(good.DeploymentID)
		if err := h.service.Publish(execution, []byte(tt.content), tt.envelope); err != nil {
			t.Fatal(err)
		}
		r, err := h.queue("DownloadBundle", execution).Wait(h.context())
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if r.Status != "Failed" || r.ErrorCode != 5 || r.Acked || !strings.Contains(r.Message, tt.want) {
			t.Errorf("%s: %+v, want Failed with code 5 before an acknowledgement, saying %q", tt.name, r, tt.want)
		}
	}
	if _, err := os.Stat(h.path("root/" + group)); !os.IsNotExist(err) {
		t.Errorf("a refused specification left something in the deployment root: %v", err)
	}
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
}

func TestBadBundles(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	key := func(s *rehearsal.SpecOptions) string { return s.Revision.S3.Key }
	tests := []struct {
		name   string
		change func(*rehearsal.SpecOptions)
		want   string
		left   string // in the deployment's directory
	}{
		{"a wrong ETag", func(s *rehearsal.SpecOptions) { s.Revision.S3.ETag = "ffffffffffffffffffffffffffffffff" }, "ffffffffffffffffffffffffffffffff",
			"bundle.tar (empty)"},
		{"a truncated bundle", func(s *rehearsal.SpecOptions) {
			s.Revision.S3.ETag = ""
			data := pack(t, h.revision("x", nil))
			if _, err := h.service.Put("bundles", key(s), rehearsal.Object{Data: data[:len(data)/2]}); err != nil {
				t.Fatal(err)
			}
		}, "the bundle ends too early", "bundle.tar, deployment-archive (empty)"},
		{"no archive at all", func(s *rehearsal.SpecOptions) {
			s.Revision.S3.ETag = ""
			if _, err := h.service.Put("bundles", key(s), rehearsal.Object{Data: []byte("<html>hello</html>")}); err != nil {
				t.Fatal(err)
			}
		}, "gzip", "bundle.tar, deployment-archive (empty)"},
		{"a missing object", func(s *rehearsal.SpecOptions) { s.Revision.S3.Key = "nowhere.tgz" }, "nowhere.tgz", "bundle.tar (empty)"},
		{"access denied", func(s *rehearsal.SpecOptions) {
			h.service.Inject(rehearsal.Fault{Key: key(s), Kind: rehearsal.Refused})
		}, "403", "bundle.tar (empty)"},
	}
	for _, tt := range tests {
		spec := h.spec(h.revision("one", nil))
		tt.change(&spec)
		r := h.command("DownloadBundle", spec)
		if r.Status != "Failed" || r.ErrorCode != 5 || !strings.Contains(r.Message, tt.want) {
			t.Errorf("%s: %+v, want Failed with code 5, saying %q", tt.name, r, tt.want)
		}
		if left := h.contents("root/" + group + "/" + spec.DeploymentID); left != tt.left {
			t.Errorf("%s: it leaves %s, want %s", tt.name, left, tt.left)
		}
		// An archive that could not be unpacked is no reason to run the scripts of an earlier revision.
		r = h.command("ApplicationStop", spec)
		if unpacked := strings.Contains(tt.left, "archive"); r.Succeeded() == unpacked {
			t.Errorf("%s: ApplicationStop afterwards: %+v, want it to fail: %v", tt.name, r, unpacked)
		}
	}
	// A body that is cut off once is fetched again.
	spec := h.spec(h.revision("one", nil))
	h.service.Inject(rehearsal.Fault{Key: key(&spec), Kind: rehearsal.Truncated})
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Errorf("a body cut off once: %+v, want success", r)
	}
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	h.deploy(h.revision("three", nil), rehearsal.Succeeded)
}

// contents lists a directory's entries and which of them are empty.
func (h *host) contents(dir string) string {
	h.t.Helper()
	entries, err := os.ReadDir(h.path(dir))
	if err != nil {
		h.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		name, path := e.Name(), h.path(dir+"/"+e.Name())
		below, err := os.ReadDir(path)
		if e.IsDir() && err == nil && len(below) == 0 || !e.IsDir() && h.read(path) == "" {
			name += " (empty)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func TestBadAppSpecs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	const head = "version: 0.0\nos: linux\n"
	tests := []struct {
		name, appspec, event string
		code                 int
		want                 []string
	}{
		{"bad YAML", head + "files:\n  - source: [\n", "BeforeInstall", 5, []string{"appspec.yml:4", "not valid YAML"}},
		{"an unknown os", "version: 0.0\nos: beos\n", "BeforeInstall", 5, []string{"beos", "linux", "2"}},
		{"a missing script", head + "hooks:\n  BeforeInstall:\n    - location: none.sh\n", "BeforeInstall", 1, []string{"none.sh"}},
		{"a missing source", head + "files:\n  - source: a\n    destination: " + h.dest + "\n  - source: b\n    destination: " + h.dest + "\n",
			"Install", 5, []string{"the source a is not", "the source b is not"}},
	}
	for _, tt := range tests {
		spec := h.spec([]file{{"appspec.yml", tt.appspec, 0o644}})
		if r := h.command("DownloadBundle", spec); !r.Succeeded() {
			t.Fatalf("%s: DownloadBundle: %+v", tt.name, r)
		}
		r := h.command(tt.event, spec)
		if r.Status != "Failed" || r.ErrorCode != tt.code {
			t.Errorf("%s: %+v, want Failed with code %d", tt.name, r, tt.code)
		}
		for _, w := range tt.want {
			if !strings.Contains(r.Message, w) {
				t.Errorf("%s: message %q does not say %q", tt.name, r.Message, w)
			}
		}
	}
	if r := h.command("Nonsense", h.spec(h.revision("one", nil))); r.Status != "Failed" || r.ErrorCode != 5 || !strings.Contains(r.Message, "Nonsense") {
		t.Errorf("an unknown command: %+v, want Failed with code 5", r)
	}
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	h.deploy(h.revision("three", nil), rehearsal.Succeeded)
}

func TestHooksThatFail(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	tests := []struct {
		name, script string
		mode         int64
		timeout      int
		status       string
		code         int
		message      []string
		log          []string
	}{
		{"exits with 3", "#!/bin/sh\necho out\necho err >&2\nexit 3\n", 0o755, 20, "Failed", 4, []string{"hook.sh", "exit code 3"}, []string{"[stdout]out", "[stderr]err"}},
		{"is killed", "#!/bin/sh\nkill -9 $$\n", 0o755, 20, "Failed", 4, []string{"hook.sh", "killed"}, nil},
		{"times out", "#!/bin/sh\necho begun\nsleep 30\n", 0o755, 1, "Failed", 3, []string{"hook.sh", "1 seconds"}, []string{"[stdout]begun"}},
		{"keeps its output open", "#!/bin/sh\nsleep 5 &\necho started\n", 0o755, 20, "Succeeded", 0, nil, nil},
		{"has no #! line", "echo fine\n", 0o755, 20, "Succeeded", 0, nil, nil},
		{"is empty", "", 0o755, 20, "Succeeded", 0, nil, nil},
		{"is not executable", "#!/bin/sh\necho fine\n", 0o644, 20, "Succeeded", 0, nil, nil},
		{"has Windows line ends", "#!/bin/sh\r\necho fine\r\n", 0o755, 20, "Failed", 4, []string{"hook.sh", "Windows line ends"}, nil},
	}
	for _, tt := range tests {
		spec := h.spec([]file{
			{"appspec.yml", fmt.Sprintf("version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: hook.sh\n      timeout: %d\n", tt.timeout), 0o644},
			{"hook.sh", tt.script, tt.mode}})
		if r := h.command("DownloadBundle", spec); !r.Succeeded() {
			t.Fatalf("%s: DownloadBundle: %+v", tt.name, r)
		}
		began := time.Now()
		r := h.command("AfterInstall", spec)
		if r.Status != tt.status || r.ErrorCode != tt.code {
			t.Errorf("%s: %+v, want %s with code %d", tt.name, r, tt.status, tt.code)
		}
		if tt.code != 0 && r.ScriptName != "hook.sh" {
			t.Errorf("%s: script name %q, want hook.sh", tt.name, r.ScriptName)
		}
		for _, w := range tt.message {
			if !strings.Contains(r.Message, w) {
				t.Errorf("%s: message %q does not say %q", tt.name, r.Message, w)
			}
		}
		for _, w := range append(tt.log, "") {
			if !strings.Contains(r.Log, w) {
				t.Errorf("%s: log %q does not say %q", tt.name, r.Log, w)
			}
		}
		if tt.name == "keeps its output open" {
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("%s: took %v, want not to wait for the background process", tt.name, took)
			}
			if !strings.Contains(h.log(), "sleep") {
				t.Errorf("%s: the log does not name the process that holds the output", tt.name)
			}
		}
	}
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	h.deploy(h.revision("three", nil), rehearsal.Succeeded)
}
