//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/rehearsal"
)

// hook is the specification of a deployment that is downloaded and whose only event AfterInstall runs a script; more are lines of its entry.
func (h *host) hook(script string, more ...string) rehearsal.SpecOptions {
	h.t.Helper()
	spec := h.spec([]file{
		{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: hook.sh\n      " + strings.Join(more, "\n      ") + "\n", 0o644},
		{"hook.sh", "#!/bin/sh\n" + script + "\n", 0o755}})
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		h.t.Fatalf("DownloadBundle: %+v", r)
	}
	return spec
}

// All that a script prints is in its log, with time and stream, under the event's and the script's names; the service gets the end of it.
func TestLongOutputIsKeptAndItsEndIsReported(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	for range 2 {
		spec := h.hook("i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo \"line $i of a long output\"; done; echo 'the real reason' >&2; exit 9")
		r := h.command("AfterInstall", spec)
		if r.ErrorCode != 4 || !strings.Contains(r.Message, "exit code 9") {
			t.Errorf("%+v, want code 4 and the exit code", r)
		}
		if !strings.Contains(r.Log, "[stderr]the real reason") || !strings.Contains(r.Log, "[stdout]line 400 of") || strings.Contains(r.Log, "[stdout]line 1 of") {
			t.Errorf("the service gets %q, want the end of the output", r.Log)
		}
		lines := strings.Split(strings.TrimRight(h.read(h.path("root/"+group+"/"+spec.DeploymentID+"/logs/scripts.log")), "\n"), "\n")
		if len(lines) != 403 {
			t.Fatalf("scripts.log has %d lines, want 403", len(lines))
		}
		stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d `)
		counts := map[string]int{}
		for i, line := range lines {
			if !stamp.MatchString(line) {
				t.Errorf("line %d of scripts.log has no time: %q", i+1, line)
			}
			counts[stamp.ReplaceAllString(line, "")]++
		}
		if counts["LifecycleEvent - AfterInstall"] != 1 || counts["Script - hook.sh"] != 1 || counts["[stderr]the real reason"] != 1 {
			t.Errorf("scripts.log lacks a header or the last line: %q ... %q", lines[:2], lines[len(lines)-2:])
		}
		for i := 1; i <= 400; i++ {
			if counts[fmt.Sprintf("[stdout]line %d of a long output", i)] != 1 {
				t.Errorf("scripts.log has line %d of the output %d times", i, counts[fmt.Sprintf("[stdout]line %d of a long output", i)])
			}
		}
	}
}

// The time limit holds for what the script started, too, also while that keeps the output open, and nothing of it goes on.
func TestTimeLimitCountsWhileOutputIsHeldOpen(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	pids := h.path("pids")
	for _, wait := range []string{"wait", "sleep 60"} {
		spec := h.hook("sleep 60 & echo $! > "+pids+"; sleep 60 & echo $! >> "+pids+"; echo waiting; "+wait, "timeout: 1")
		began := time.Now()
		r := h.command("AfterInstall", spec)
		if r.ErrorCode != 3 || !strings.Contains(r.Message, "1 seconds") || !strings.Contains(r.Log, "[stdout]waiting") {
			t.Errorf("%+v, want code 3 with the limit and the output", r)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("the command took %v with a limit of one second", took)
		}
		for _, text := range strings.Fields(h.read(pids)) {
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			h.waitGone(pid)
		}
	}
}

// waitGone waits until a process has ended; one that nobody reaps has.
func (h *host) waitGone(pid int) {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || strings.Contains(h.read(fmt.Sprintf("/proc/%d/stat", pid)), ") Z ") {
			return
		}
	}
	h.t.Errorf("process %d still runs", pid)
}

// runas runs the script as the user, with the user's groups, and refuses what is no user.
func TestRunAsUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root may become another user")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("there is no user nobody")
	}
	h := newHost(t)
	h.start()
	if !reachable(h.dir) {
		t.Skip("the temporary directory cannot be reached by other users")
	}
	for range 2 {
		r := h.command("AfterInstall", h.hook("echo uid $(id -u) gid $(id -g) of $USER; exit 3", "runas: nobody"))
		if want := fmt.Sprintf("[stdout]uid %s gid %s of nobody", nobody.Uid, nobody.Gid); r.ErrorCode != 4 || !strings.Contains(r.Log, want) {
			t.Errorf("%+v, want %q", r, want)
		}
	}
	for _, name := range []string{"--help", "no-such-user-here", "nobody; id", "-c"} {
		r := h.command("AfterInstall", h.hook("echo it ran", "runas: '"+name+"'"))
		if r.Status != "Failed" || strings.Contains(r.Log, "it ran") {
			t.Errorf("runas %q: %+v, want a failure", name, r)
		}
	}
}

// What the user guide documents and what both official agents take: ACLs as a list, a range as text, quoted time limits, empty sections.
func TestDocumentedFormsOfTheAppSpec(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	tools := h.path("tools")
	h.write("tools/semanage", "#!/bin/sh\necho \"$@\" >> "+h.path("contexts")+"\n")
	h.write("tools/restorecon", "#!/bin/sh\n")
	for _, name := range []string{"semanage", "restorecon"} {
		if err := os.Chmod(tools+"/"+name, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"} {
			if _, err := os.Stat(dir + name); err == nil {
				t.Skip("the host's own SELinux tools would be used")
			}
		}
	}
	h.env = append(h.env, "PATH="+tools+":"+os.Getenv("PATH"))
	h.start()
	lists := unix.Setxattr(h.dir, "user.codedeploy", []byte("x"), 0) == nil && aclsWork(h)
	acls := ""
	if lists {
		acls = "    acls:\n      - u:" + strconv.Itoa(os.Getuid()) + ":rwx\n      - m::rwx\n"
	}
	for i, hooks := range []string{"hooks:\n", "hooks: {}\n", "hooks:\n  AfterInstall:\n    - location: hook.sh\n      timeout: \"20\"\n  ApplicationStart:\n"} {
		label := fmt.Sprint(i)
		h.deploy([]file{h.appspec("permissions:\n  - object: " + h.dest + "\n    pattern: \"*.html\"\n    mode: \"640\"\n" + acls +
			"    context:\n      name: system_u\n      type: httpd_sys_content_t\n      range: s0\n" + hooks),
			{"content/index.html", label, 0o644}, {"content/other", label, 0o644}, {"hook.sh", "#!/bin/sh\ntrue\n", 0o755}}, rehearsal.Succeeded)
		mode := "-rw-r-----"
		if lists {
			mode = "-rw-rwx---" // the mask
			if !hasACL(h.dest + "/index.html") {
				t.Errorf("%q: the file has no access control list", hooks)
			}
		}
		h.wantTree(". drwxr-xr-x", "index.html "+mode+" "+label, "other -rw-r--r-- "+label)
	}
	want := "fcontext -a -s system_u -t httpd_sys_content_t -r s0 " + h.dest + "/index.html"
	if got := h.read(h.path("contexts")); strings.Count(got, want) != 3 {
		t.Errorf("semanage was called with %q, want %q each time", got, want)
	}
	// Two rules for one file contradict each other, and Install says so before it touches anything.
	out := h.deploy([]file{h.appspec("permissions:\n  - object: " + h.dest + "\n    mode: \"600\"\n  - object: " + h.dest + "\n    mode: \"644\"\n"),
		{"content/index.html", "never", 0o644}}, rehearsal.Failed)
	if f := out.Failure(); f.Name != "Install" || !strings.Contains(f.Message, h.dest+"/index.html") {
		t.Errorf("failure %+v, want Install naming the file", f)
	}
	if got := h.read(h.dest + "/index.html"); got != "2" {
		t.Errorf("index.html holds %q, want the previous revision", got)
	}
}

// aclsWork says whether the file system of the host's directory has access control lists.
func aclsWork(h *host) bool {
	_, err := unix.Getxattr(h.dir, "system.posix_acl_access", make([]byte, 4096))
	return err == nil || errors.Is(err, unix.ENODATA)
}

func hasACL(path string) bool {
	n, err := unix.Getxattr(path, "system.posix_acl_access", make([]byte, 4096))
	return err == nil && n > 0
}
