//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"codedeploy-agent/agent/rehearsal"
)

// A clean-up list of an official agent, with every form of line, over a host that has changed since.
func TestTakeOverCleanupList(t *testing.T) {
	t.Parallel()
	f := newFormer(t, ruby)
	f.deployed("d-OLD00001", f.stopping("old"))
	files := map[string]string{ // beside index.html
		"plain.txt": "old", "padded.txt": "old", "crlf.txt": "old", "dir/deep/a.txt": "old", "data/ours.txt": "old", "data/strangers.txt": "keep",
		"overwritten.conf": "in place of a stranger's", "cut.txt": "keep", "cut": "keep", "elsewhere/kept.txt": "keep",
		"to-file": "-> elsewhere/kept.txt", "to-dir": "-> elsewhere", "dangling": "-> nowhere", "moved": "-> elsewhere",
	}
	for name, content := range files {
		f.file("srv/"+name, content, 0o644)
	}
	outside := f.path("outside.txt")
	f.write("outside.txt", "keep")
	d := f.dest + "/"
	list := strings.Join([]string{
		f.dest, d + "index.html", d + "plain.txt", d + "plain.txt", "  " + d + "padded.txt \t", d + "crlf.txt\r", "", "   ",
		d + "dir", d + "dir/deep", d + "dir/deep/a.txt", d + "data", d + "data/ours.txt", d + "overwritten.conf",
		d + "to-file", d + "to-dir", d + "dangling", d + "moved", d + "moved/kept.txt", d + "vanished.txt", d + "gone/vanished.txt", d + "gone",
		"semanage\x00" + d + "plain.txt", "../outside.txt", "outside.txt", "/", "/../../.." + outside, d + "nul\x00.txt",
		d + "cut", // and the crash came before the rest of its name and the line feed
	}, "\n")
	f.file("root/deployment-instructions/"+group+"-cleanup", list, 0o644)

	f.start()
	f.deploy(f.stopping("two", file{"content/dir/b.txt", "2", 0o644}), rehearsal.Succeeded)
	strangers := []string{"cut -rw-r--r-- keep", "cut.txt -rw-r--r-- keep", "data drwxr-xr-x", "data/strangers.txt -rw-r--r-- keep"}
	elsewhere := []string{"elsewhere drwxr-xr-x", "elsewhere/kept.txt -rw-r--r-- keep"}
	f.wantTree(join([]string{". drwxr-xr-x"}, strangers, []string{"dir drwxr-xr-x", "dir/b.txt -rw-r--r-- 2"}, elsewhere, []string{"index.html -rw-r--r-- two"})...)
	f.deploy(f.stopping("three"), rehearsal.Succeeded)
	f.wantTree(join([]string{". drwxr-xr-x"}, strangers, elsewhere, []string{"index.html -rw-r--r-- three"})...)
	if got := f.read(outside); got != "keep" {
		t.Errorf("the file outside holds %q", got)
	}
	log := f.log()
	for _, want := range []string{"../outside.txt", "is not an absolute path", "climbs above the root directory", "is a root directory", "NUL byte", "moved/kept.txt"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	f.stop()
	f.wantSameInstructionsAndList()
	f.cleanUp()
	f.wantTree(join([]string{". drwxr-xr-x"}, strangers, elsewhere)...)
}

func join(parts ...[]string) (all []string) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// A list that somebody else can have written is not followed; the files that it names are strangers'.
func TestTakeOverListThatOthersCanWrite(t *testing.T) {
	t.Parallel()
	f := newFormer(t, rust)
	f.deployed("d-OLD00001", f.stopping("old", file{"content/old.txt", "old", 0o644}))
	if err := os.Chmod(f.instructions("-cleanup"), 0o664); err != nil {
		t.Fatal(err)
	}
	f.start()
	if out := f.deploy(f.stopping("two"), rehearsal.Failed); !strings.Contains(out.Failure().Message, f.dest+"/index.html") {
		t.Errorf("failure %+v, want Install naming the file that is in the way", out.Failure())
	}
	f.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- old", "old.txt -rw-r--r-- old")
	if log := f.log(); !strings.Contains(log, "others may write it (mode 0664)") {
		t.Errorf("the log does not say why the list is not followed:\n%s", log)
	}
	overwrite := func(s *rehearsal.SpecOptions) { s.FileExistsBehavior = "OVERWRITE" }
	f.deploy(f.stopping("three", file{"content/new.txt", "3", 0o644}), rehearsal.Succeeded, overwrite)
	f.deploy(f.stopping("four"), rehearsal.Succeeded)
	f.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- four", "old.txt -rw-r--r-- old")
}

// An official agent that has not been stopped, as while it ends a lifecycle event, keeps this one from starting.
func TestOfficialAgentStillRuns(t *testing.T) {
	t.Parallel()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("there is no sleep to play an agent")
	}
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("the system does not tell what a process is")
	}
	f := newFormer(t, ruby)
	play := func(args ...string) (pid func(), end func()) {
		c := &exec.Cmd{Path: sleep, Args: args}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		end = func() { c.Process.Kill(); c.Wait() }
		t.Cleanup(end)
		return func() { f.write("pid/codedeploy-agent.pid", strconv.Itoa(c.Process.Pid)) }, end
	}
	official, endOfficial := play("codedeploy-agent: master 4711", "600")
	official()
	r := newCommand(f.host, "run", "--config-file", f.config)
	if r.code != 1 || !strings.Contains(r.stderr, "another agent is running") || !strings.Contains(r.stderr, "codedeploy-agent: master 4711") {
		t.Errorf("beside the official agent: code %d, %q; want 1 and which process it is", r.code, r.stderr)
	}
	if n := len(f.service.Requests("PollHostCommand")); n != 0 {
		t.Errorf("%d polls beside the official agent", n)
	}
	endOfficial()
	f.start() // the file names a process that is gone
	f.waitLog("polling for commands", 1)
	f.stop()
	other, _ := play("some-other-program", "600")
	other() // the number belongs to another program now
	f.start()
	f.waitLog("polling for commands", 2)
	if got := strings.TrimSpace(f.read(f.path("pid/codedeploy-agent.pid"))); got != strconv.Itoa(f.agent.Process.Pid) {
		t.Errorf("the pid file holds %q, want this agent's %d", got, f.agent.Process.Pid)
	}
	f.stop()
	if _, err := os.Lstat(f.path("pid/codedeploy-agent.pid")); !os.IsNotExist(err) {
		t.Errorf("the pid file stays after the stop: %v", err)
	}
}

// The files that the official packages install, with keys that were retired since, and an on-premises host's.
func TestTakeOverConfiguration(t *testing.T) {
	t.Parallel()
	f := newFormer(t, ruby)
	f.deployed("d-OLD00001", f.stopping("old"))
	const arn = "arn:aws:iam::123456789012:user/CodeDeploy/rack-7"
	f.write("onpremises.yml", "---\nregion: us-east-1\niam_user_arn: "+arn+"\naws_access_key_id: AKIAEXAMPLE\naws_secret_access_key: secret/of+the=host\n")
	f.write("agent.yml", strings.Join([]string{
		"---", ":log_aws_wire: false", ":log_dir: '" + f.path("log") + "/'", ":pid_dir: '" + f.path("pid") + "/'", ":program_name: codedeploy-agent",
		":root_dir: '" + f.path("root") + "/'", ":on_premises_config_file: '" + f.path("onpremises.yml") + "'", ":verbose: false",
		":wait_between_runs: 1", ":wait_after_error: 1", ":proxy_uri:", ":max_revisions: 5", ":codedeploy_test_profile: prod",
		":children: 1", ":http_read_timeout: 80", ":shared_dir: /tmp", ":user: nobody", ":group: nogroup", ":wait_between_spawning_children: 1",
		":instance_service_region: 'us-east-1'", ":instance_service_endpoint: 'x'", ":instance_service_port: '443'", ":ssl_verify_peer: true",
		":kill_agent_max_wait_time_seconds: 7200", ":ongoing_deployment_tracking: 'ongoing-deployment'", ":enable_auth_policy: false",
		":use_fips_mode: false", ":enable_deployments_log: true", ":disable_imds_v1: false", ":enable_command_port: false",
		":deploy_control_endpoint: " + f.service.URL(), ":s3_endpoint_override: " + f.service.URL(), "",
	}, "\n"))
	f.start()
	host := rehearsal.Host{ID: arn, Name: "rack-7"}
	for _, label := range []string{"two", "three"} {
		out, err := f.workflow.InPlace(f.context(), rehearsal.Deployment{Spec: f.spec(f.stopping(label))}, host)
		if err != nil || out.Status != rehearsal.Succeeded {
			t.Fatalf("deployment of %s to %s: %v\n%s", label, arn, err, describe(out))
		}
	}
	f.wantNotes("ApplicationStop old", "BeforeInstall two", "ApplicationStop two", "BeforeInstall three")
	f.wantOfficialRoot(false, "d-OLD00001", "d-TEST00001", "d-TEST00002")
	if n := len(f.metadata.Requests()); n != 0 {
		t.Errorf("an on-premises host asked instance metadata %d times", n)
	}
	log := f.log()
	for _, key := range []string{"codedeploy_test_profile", "children", "shared_dir", "user", "group", "instance_service_region", "ssl_verify_peer", "wait_after_error"} {
		if !strings.Contains(log, filepath.Base(f.config)+":") || !strings.Contains(log, ": "+key+": it has no effect") {
			t.Errorf("the log does not say that %s has no effect", key)
		}
	}
	if strings.Contains(log, "there is no such setting") || strings.Contains(log, "ERROR") {
		t.Errorf("an official configuration makes complaints:\n%s", log)
	}
}
