//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The demo plays its story to the end, as this user and as an ordinary one, and leaves nothing behind.
func TestDemo(t *testing.T) {
	dir, err := os.MkdirTemp("", "demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // for the ordinary user
		t.Fatal(err)
	}
	revision := filepath.Join(dir, "revision")
	if err := os.CopyFS(revision, os.DirFS("../web")); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"demo": ".", "codedeploy-agent": "../../cmd/codedeploy-agent", "revision/bin/webserver": "../webserver"} {
		build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(dir, to), from)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", from, err, out)
		}
	}
	play := func(t *testing.T, as *syscall.Credential) {
		t.Parallel()
		work := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-"))
		if err := os.Mkdir(work, 0o755); err != nil {
			t.Fatal(err)
		}
		demo := exec.Command(filepath.Join(dir, "demo"), "-agent", filepath.Join(dir, "codedeploy-agent"), "-revision", revision)
		demo.Dir, demo.Env = work, append(os.Environ(), "TMPDIR="+work)
		if as != nil {
			demo.SysProcAttr = &syscall.SysProcAttr{Credential: as}
			if err := os.Chown(work, int(as.Uid), int(as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
		out, err := demo.CombinedOutput()
		text := string(out)
		if err != nil || !strings.Contains(text, "Refused: the traffic never moved.") || strings.Count(text, " lost\n") == 0 || strings.Count(text, " 0 lost\n") != strings.Count(text, " lost\n") ||
			!strings.Contains(text, "nothing is left running") {
			t.Errorf("the demo ended with %v:\n%s", err, text)
		}
		if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
			t.Errorf("the demo left %v behind (%v)", left, err)
		}
	}
	t.Run("this user", func(t *testing.T) { play(t, nil) })
	if os.Geteuid() == 0 { // not nobody, to whom everything of root seems to belong in a user namespace
		t.Run("an ordinary user", func(t *testing.T) { play(t, &syscall.Credential{Uid: 1, Gid: 1}) })
	}
}
