//go:build unix

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codedeploy-agent/agent/rehearsal"
)

// Whoever can write what the agent relies on commands the host. It is refused with the path, the mode and what to do, and goes on when that is done.
func TestFilesThatOthersCanWriteAreRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t, "ca_bundle_file: PLACE/conf/ca.pem")
	h.write("conf/ca.pem", string(newProxy(t, "", nil).authority))
	h.write("conf/agent.yml", strings.ReplaceAll(h.read(h.config), "PLACE", h.dir))
	h.write("conf/signers.pem", h.read(h.path("signers.pem")))
	h.write("conf/agent.yml", strings.Replace(h.read(h.path("conf/agent.yml")), h.path("signers.pem"), h.path("conf/signers.pem"), 1))
	h.config = h.path("conf/agent.yml")
	bundle := h.layOut("bundle", h.revision("local", nil))
	for _, tt := range []struct {
		path string
		mode fs.FileMode
		back fs.FileMode
		code int // of deploy-local
	}{
		{"conf/agent.yml", 0o666, 0o644, 2}, {"conf", 0o777, 0o755, 2}, {"conf/ca.pem", 0o646, 0o644, 1}, {"conf/signers.pem", 0o666, 0o644, 0},
		{"root.state/journal", 0o777, 0o700, 0}, {"root.state", 0o777, 0o711, 1},
	} {
		if err := os.MkdirAll(h.path("root.state/journal"), 0o711); err != nil {
			t.Fatal(err)
		}
		h.chmod(tt.path, tt.mode)
		r := newCommand(h, "run", "--config-file", h.config)
		for _, want := range []string{"cannot trust", h.path(tt.path), fmt.Sprintf("mode %04o", tt.mode), "chmod go-w " + h.path(tt.path)} {
			if r.code != 1 || !strings.Contains(r.stderr, want) {
				t.Errorf("%s with mode %04o: exit code %d, %q does not say %q", tt.path, tt.mode, r.code, r.stderr, want)
			}
		}
		if r := newCommand(h, "deploy-local", "-c", h.config, "-l", bundle, "-g", "local"); r.code != tt.code {
			t.Errorf("deploy-local, %s with mode %04o: %+v, want exit code %d", tt.path, tt.mode, r, tt.code)
		}
		h.chmod(tt.path, tt.back)
	}

	// Through a link the file behind it counts.
	if err := os.Symlink(h.config, h.path("link.yml")); err != nil {
		t.Fatal(err)
	}
	h.config = h.path("link.yml")
	h.chmod("conf/agent.yml", 0o606)
	if r := newCommand(h, "run", "--config-file", h.config); r.code != 1 || !strings.Contains(r.stderr, "chmod go-w "+h.path("conf/agent.yml")) {
		t.Errorf("a link to a configuration that everybody may write: %+v", r)
	}
	h.chmod("conf/agent.yml", 0o600)

	// An on-premises file is waited for.
	h.write("none.yml", "region: us-east-1\niam_user_arn: "+h.metadata.HostIdentifier()+"\naws_access_key_id: AKIAIOSFODNN7EXAMPLE\naws_secret_access_key: wJalrXUtnFEMI\n")
	h.chmod("none.yml", 0o622)
	before := len(h.service.Requests())
	h.start()
	h.waitForLog("chmod go-w " + h.path("none.yml"))
	if n := len(h.service.Requests()) - before; n > 0 {
		t.Errorf("%d requests with somebody else's credentials", n)
	}
	h.chmod("none.yml", 0o644)
	if err := os.RemoveAll(h.path("srv")); err != nil {
		t.Fatal(err)
	}
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	h.waitForLog("chmod 600 " + h.path("none.yml")) // everybody may read it

	// Whose scripts are run, and what is removed.
	pointer := "root/deployment-instructions/" + group + "_last_successful_install"
	h.chmod(pointer, 0o666)
	out := h.deploy(h.revision("two", nil), rehearsal.Failed)
	if f := out.Failure(); f.Name != "ApplicationStop" || f.ErrorCode != 5 || !strings.Contains(f.Message, "chmod go-w "+h.path(pointer)) {
		t.Errorf("a record of what is installed that everybody may write: %+v", f)
	}
	h.chmod(pointer, 0o644)
	h.deploy(h.revision("three", nil), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- three")
	h.chmod("root/deployment-instructions/"+group+"-cleanup", 0o666)
	h.deploy(h.revision("four", nil, file{"content/new.txt", "new", 0o644}), rehearsal.Failed) // nothing says that index.html is ours
	h.waitForLog("the clean-up list is not followed")
	if code := h.stop(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// The switch lets pass what the official agents let pass, with a warning; the configuration file it stands in is refused all the same.
func TestRequireProtectedFilesOff(t *testing.T) {
	t.Parallel()
	h := newHost(t, "require_protected_files: false")
	h.chmod("signers.pem", 0o666)
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	h.chmod("root/deployment-instructions/"+group+"_last_successful_install", 0o666)
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
	h.waitForLog("chmod go-w " + h.path("signers.pem"))
	h.waitForLog("_last_successful_install may be written by everybody")
	h.stop()
	h.chmod("agent.yml", 0o666)
	if r := newCommand(h, "run", "--config-file", h.config); r.code != 1 || !strings.Contains(r.stderr, "chmod go-w "+h.config) {
		t.Errorf("%+v", r)
	}
}

// What the agent keeps for itself is for nobody else; what the official agents show to other tools is shown, unless it is restricted.
func TestModesOfWhatTheAgentKeeps(t *testing.T) {
	t.Parallel()
	for _, restricted := range []bool{false, true} {
		h := newHost(t, fmt.Sprintf("restrict_agent_dir_permissions: %v", restricted), fmt.Sprintf("restrict_log_dir_permissions: %v", restricted), "log_aws_wire: true",
			"state_dir: PLACE/state", "pid_dir: PLACE/state/.pid")
		h.write("agent.yml", strings.ReplaceAll(strings.Replace(h.read(h.config), ":pid_dir: "+h.path("pid")+"\n", "", 1), "PLACE", h.dir))
		h.start()
		h.deploy(h.revision("one", nil), rehearsal.Succeeded)
		h.write("srv/foreign.txt", "x")
		overwrite := func(s *rehearsal.SpecOptions) { s.FileExistsBehavior = "OVERWRITE" }
		h.deploy(h.revision("two", nil, file{"content/foreign.txt", "y", 0o644}), rehearsal.Succeeded, overwrite)
		h.deploy(h.revision("broken", map[string]string{"ValidateService": "exit 1"}), rehearsal.Failed, overwrite)
		if r := newCommand(h, "deploy-local", "-c", h.config, "-l", h.layOut("bundle", h.revision("local", nil)), "-g", "local", "-b", "OVERWRITE"); r.code != 0 {
			t.Errorf("deploy-local: %+v", r)
		}
		// While a hook runs there is more of it.
		spec := h.spec(h.revision("slow", map[string]string{"BeforeInstall": "touch " + h.path("running") + "; while [ ! -e " + h.path("go") + " ]; do sleep 0.05; done"}))
		if r := h.command("DownloadBundle", spec); !r.Succeeded() {
			t.Fatalf("DownloadBundle: %+v", r)
		}
		c := h.send("BeforeInstall", spec)
		h.waitFor(h.path("running"))
		modes := map[string]fs.FileMode{}
		for _, top := range []string{"state", "root", "log"} {
			err := filepath.WalkDir(h.path(top), func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if os.IsNotExist(err) {
					return nil
				}
				if err != nil {
					return err
				}
				rel, err := filepath.Rel(h.dir, path)
				if strings.Contains(rel, "/deployment-archive") || strings.HasPrefix(rel, "state/replaced/") && !d.IsDir() {
					return err // they have the mode they came with, below a directory that is closed
				}
				modes[rel] = info.Mode().Perm()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		seen := map[string]bool{}
		for path, mode := range modes {
			name, rest, _ := strings.Cut(path, "/")
			limit := fs.FileMode(0o755) // what others may at most
			switch {
			case path == "state":
				limit = 0o711
			case strings.HasPrefix(rest, ".pid"):
				seen[".pid"] = true
			case name == "state":
				limit = 0o700
				seen[strings.SplitN(rest, "/", 2)[0]] = true
			case restricted && name == "root" && (strings.HasSuffix(path, "/logs") || strings.Contains(path, "/logs/") || strings.HasPrefix(rest, "deployment-logs")):
				limit = 0o750
			case restricted && name == "root":
				limit = 0o711
			case restricted && name == "log":
				limit = 0o750
			}
			if info, err := os.Lstat(h.path(path)); err == nil && !info.IsDir() {
				limit &^= 0o111
				if restricted && name == "root" && limit != 0o640 {
					limit = 0o600
				}
			}
			if mode&^limit != 0 {
				t.Errorf("restricted %v: %s has mode %04o, want at most %04o", restricted, path, mode, limit)
			}
		}
		for _, want := range []string{"journal", "groups", "agent.lock", "replaced", ".pid"} {
			if !seen[want] {
				t.Errorf("%s is not there: %v", want, modes)
			}
		}
		if !restricted {
			for path, want := range map[string]fs.FileMode{"root": 0o755, "root/deployment-instructions/" + group + "-cleanup": 0o644, "log/codedeploy-agent.log": 0o644,
				"root/ongoing-deployment/" + spec.DeploymentID: 0o644, "state/.pid/codedeploy-agent.pid": 0o644} {
				if modes[path] != want {
					t.Errorf("%s has mode %04o, want the official %04o", path, modes[path], want)
				}
			}
		}
		h.write("go", "")
		if r, err := c.Wait(h.context()); err != nil || !r.Succeeded() {
			t.Errorf("BeforeInstall: %+v, %v", r, err)
		}
		h.stop()
	}
}
