//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What tests put on a host must not depend on the umask of whoever runs them.
func init() { syscall.Umask(0o022) }

func TestDeployLocalTwice(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, label := range []string{"one", "two"} {
		dir := h.layOut("bundle-"+label, h.revision(label, map[string]string{"AfterInstall": "echo live output of " + label}))
		r := newCommand(h, "deploy-local", "-c", h.config, "-l", dir, "-g", group)
		if r.code != 0 {
			t.Fatalf("deploy-local %s: %+v", label, r)
		}
		if !strings.Contains(r.stderr, "[stdout]live output of "+label) {
			t.Errorf("the hooks' output is not shown: %q", r.stderr)
		}
		if !strings.Contains(r.stdout, "/logs/scripts.log") {
			t.Errorf("the log's place is not shown: %q", r.stdout)
		}
	}
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
	h.wantNotes("BeforeInstall one", "AfterInstall one", "ApplicationStart one", "ValidateService one", "BeforeAllowTraffic one", "AfterAllowTraffic one",
		"BeforeBlockTraffic one", "AfterBlockTraffic one", "ApplicationStop one",
		"BeforeInstall two", "AfterInstall two", "ApplicationStart two", "ValidateService two", "BeforeAllowTraffic two", "AfterAllowTraffic two")
}

func TestDeployLocalArchiveUnderItsOfficialName(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	link := h.path("codedeploy-local")
	if err := os.Symlink(binary, link); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"one", "two"} {
		h.write("bundle.tgz", string(pack(t, h.revision(label, nil))))
		cmd := exec.Command(link, "--bundle-location", "bundle.tgz", "--type", "tgz", "--agent-configuration-file", h.config,
			"--events", "BeforeInstall,AfterInstall")
		cmd.Dir, cmd.Env = h.dir, h.env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("codedeploy-local: %v\n%s", err, out)
		}
		h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+label)
	}
	h.wantNotes("BeforeInstall one", "AfterInstall one", "BeforeInstall two", "AfterInstall two")
}

func TestDeployLocalExitCodes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	good := h.layOut("good", h.revision("one", nil))
	bad := h.layOut("bad", h.revision("two", map[string]string{"ValidateService": "echo not healthy; exit 7"}))
	broken := h.layOut("broken", []file{{"appspec.yml", "version: 1.0\nos: linux\n", 0o644}})
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-l", good}, 0, "successful"},
		{[]string{"-l", bad}, 1, "exit code 7"},
		{[]string{"-l", broken}, 2, "1.0"},
		{[]string{"-l", h.path("nowhere")}, 2, "nowhere"},
		{[]string{"-l", good, "-t", "rar"}, 2, "rar"},
		{[]string{"-l", good, "-b", "overwrite"}, 0, "successful"},
		{[]string{"-l", good, "-b", "maybe"}, 2, "OVERWRITE"},
		{[]string{"-l", h.path("srv")}, 2, "cannot find the AppSpec"},
		{[]string{"-l", good, "-A", "other.yml"}, 2, "other.yml"},
		{[]string{"-l", good, "-e", "beforeinstall"}, 2, "did you mean BeforeInstall?"},
		{[]string{"-l", good, "-e", "AfterInstall, AfterInstall,"}, 0, "successful"},
		{[]string{"-l", "http://example.com/x.zip", "-t", "zip"}, 2, "https://"},
		{[]string{"-l", good, "-e", "AfterInstall,Install"}, 2, "AfterInstall"},
		{[]string{"-l", good, "--nonsense"}, 2, "nonsense"},
		{[]string{"-l", good, "-c", h.path("missing.yml")}, 2, "missing.yml"},
	}
	for _, tt := range tests {
		args := append([]string{"deploy-local"}, tt.args...)
		if !strings.Contains(strings.Join(tt.args, " "), "-c ") {
			args = append(args, "-c", h.config)
		}
		r := newCommand(h, args...)
		if r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.want) {
			t.Errorf("deploy-local %v: code %d, want %d saying %q:\n%s%s", tt.args, r.code, tt.code, tt.want, r.stdout, r.stderr)
		}
	}
}

// TestDeployLocalInTheCurrentDirectory deploys without options, as most people do.
func TestDeployLocalInTheCurrentDirectory(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, label := range []string{"one", "two"} {
		dir := h.layOut("bundle-"+label, h.revision(label, map[string]string{
			"AfterInstall":    "echo \"$APPLICATION_NAME $DEPLOYMENT_GROUP_NAME $(pwd)\" >> " + h.notes,
			"ValidateService": "echo not healthy; exit 7",
		}))
		old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
		if err := os.Chtimes(filepath.Join(dir, "content/index.html"), old, old); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary, "deploy-local", "-c", h.config, "-e", "AfterInstall,ValidateService")
		var stdout, stderr strings.Builder
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, h.env, &stdout, &stderr
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 1 {
			t.Fatalf("deploy-local: %v, want exit code 1\n%s%s", err, &stdout, &stderr)
		}
		if strings.Contains(stderr.String(), "ERROR") || !strings.Contains(stderr.String(), "script hooks/ValidateService.sh failed with exit code 7") {
			t.Errorf("standard error %q, want the failure without ERROR: a failing script is no mistake of the request", &stderr)
		}
		for _, want := range []string{"Starting to execute deployment from within folder " + h.path("root/default-local-deployment-group/d-"),
			"Your local deployment failed while trying to execute your script at " + h.path("root/default-local-deployment-group/d-"),
			"-local/deployment-archive/hooks/ValidateService.sh\n", "-local/logs/scripts.log for more details\n"} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("standard output %q has no %q", &stdout, want)
			}
		}
		if info, err := os.Stat(h.path("srv/index.html")); err != nil || info.ModTime().Equal(old) {
			t.Errorf("index.html: %v, want the time at which the directory was copied", err)
		}
		h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+label)
		h.wantNotes("AfterInstall "+label, dir+" LocalFleet "+dir, "ValidateService "+label)
		if err := os.Remove(h.notes); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeployLocalRunsScriptsAsOtherUsers(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root may run scripts as another user")
	}
	h := newHost(t)
	if !reachable(h.dir) {
		t.Skip("the temporary directory cannot be reached by other users")
	}
	h.write("agent.yml", ":root_dir: "+h.path("opt/agent/root")+"\n:log_dir: "+h.path("log")+"\n")
	for _, label := range []string{"one", "two"} {
		dir := h.layOut("bundle-"+label, []file{
			{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: who.sh\n      timeout: 20\n      runas: nobody\n", 0o644},
			{"who.sh", "#!/bin/sh\necho \"" + label + " as $(id -un)\"\n", 0o755},
		})
		r := newCommand(h, "deploy-local", "-c", h.config, "-l", dir)
		if r.code != 0 || !strings.Contains(r.stderr, "[stdout]"+label+" as nobody\n") {
			t.Fatalf("deploy-local: %+v, want the script run by nobody", r)
		}
	}
}

func TestDeployLocalAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	h := newHostOf(t, ordinaryUser(t))
	for _, label := range []string{"one", "two"} {
		dir := h.layOut("bundle-"+label, h.revision(label, nil))
		if r := newCommand(h, "deploy-local", "-c", h.config, "-l", dir); r.code != 0 {
			t.Fatalf("deploy-local as an ordinary user: %+v", r)
		}
		h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+label)
	}
}

// The agent leaves no core dump, which shows in that its files below /proc are root's; what it starts may leave one.
func TestCoreDumps(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows whether a process may leave a core dump")
	}
	for _, disabled := range []bool{true, false} {
		who, id := ordinaryUser(t), strconv.Itoa(os.Getuid())
		if who != nil {
			id = strconv.Itoa(who.uid)
		}
		h := newHostOf(t, who, fmt.Sprintf("disable_core_dumps: %v", disabled))
		for _, label := range []string{"one", "two"} {
			dir := h.layOut("bundle-"+label, h.revision(label, map[string]string{"AfterInstall": "stat -c %u /proc/$$/environ /proc/$PPID/environ /proc/$(awk '/^PPid/ {print $2}' /proc/$PPID/status)/environ > " + h.path("owners")}))
			if r := newCommand(h, "deploy-local", "-c", h.config, "-l", dir); r.code != 0 {
				t.Fatalf("deploy-local: %+v", r)
			}
			owners := strings.Fields(h.read(h.path("owners")))
			if len(owners) != 3 || owners[0] != id || owners[1] != id || (owners[2] == id) == disabled {
				t.Errorf("disable_core_dumps %v: owners of the hook, its runner and the agent %v, want the user %s but for an agent without core dumps", disabled, owners, id)
			}
		}
	}
}

// ordinaryUser is who an agent without root's rights runs as: nobody if the tests run as root, else nil, which is who they run as.
func ordinaryUser(t testing.TB) *account {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("running as root and there is no user nobody to be instead")
	}
	if !reachable(binary) {
		t.Skip("the temporary directory cannot be reached by other users")
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	return &account{nobody.Username, uid, gid, func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}}
}

// reachable says whether other users can get to a file.
func reachable(path string) bool {
	for d := filepath.Dir(path); d != "/"; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
	}
	return true
}
