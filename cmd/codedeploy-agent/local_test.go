//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// layOut writes files as a plain directory and returns its path.
func (h *host) layOut(name string, files []file) string {
	h.t.Helper()
	for _, f := range files {
		h.write(name+"/"+f.name, f.content)
		mode := f.mode
		if mode == 0 {
			mode = 0o644
		}
		if err := os.Chmod(h.path(name+"/"+f.name), os.FileMode(mode)); err != nil {
			h.t.Fatal(err)
		}
	}
	return h.path(name)
}

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
		{[]string{"-l", good, "-b", "overwrite"}, 2, "OVERWRITE"},
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

func TestDeployLocalAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var credential *syscall.Credential
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Skip("running as root and there is no user nobody to be instead")
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if !reachable(h.dir) {
			t.Skip("the temporary directory cannot be reached by other users")
		}
		if err := os.Chown(h.dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	for _, label := range []string{"one", "two"} {
		dir := h.layOut("bundle-"+label, h.revision(label, nil))
		cmd := exec.Command(binary, "deploy-local", "-c", h.config, "-l", dir)
		cmd.Dir, cmd.Env = h.dir, h.env
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("deploy-local as an ordinary user: %v\n%s", err, out)
		}
		h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+label)
	}
}

// reachable says whether other users can get to dir.
func reachable(dir string) bool {
	for d := filepath.Dir(dir); d != "/"; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
	}
	return true
}
