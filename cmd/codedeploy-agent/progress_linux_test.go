package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/rehearsal"
)

// newTerminal is a terminal of 60 columns and what is to be seen on it.
func newTerminal(t *testing.T) (terminal, screen *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	fd := int(screen.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: 60})
	}
	if err == nil {
		terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("there are no terminals here: %v", err)
	}
	return terminal, screen
}

var plainProgress = regexp.MustCompile(`^downloading: 0 B\n((downloading|unpacking|installing): [ -~]+\n)*$`)

// whatHooksSay are the lines that announce a script.
var whatHooksSay = regexp.MustCompile(`(LifecycleEvent|Script) - .*\n`)

// A person who waits sees how far the work is, in one line that is gone when the work is done. In a file it is plain lines.
func TestProgressIsShown(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	files := h.stopping("one", file{"content/big", noise(1 << 20), 0o644})
	if _, err := h.service.Put("bundles", "app.tgz", rehearsal.Object{Data: pack(t, files)}); err != nil {
		t.Fatal(err)
	}
	command := func(where *os.File) *exec.Cmd {
		h.service.Inject(rehearsal.Fault{Operation: "GetObject", Key: "app.tgz", Kind: rehearsal.Delayed, Delay: 1500 * time.Millisecond})
		cmd := exec.Command(binary, "deploy-local", "-c", h.config, "-g", group, "-t", "tgz", "-l", "s3://bundles/app.tgz", "-b", "OVERWRITE")
		cmd.Env, cmd.Stderr = append(h.env, "TERM=xterm"), where
		return cmd
	}

	terminal, screen := newTerminal(t)
	cmd := command(terminal)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	seen, _ := io.ReadAll(screen) // ends with an error when the terminal's last user has gone
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, seen)
	}
	if !whatHooksSay.Match(seen) {
		t.Errorf("on the terminal %q, want the hooks among it", seen)
	}
	lines := strings.Split(whatHooksSay.ReplaceAllString(string(seen), ""), "\r")
	last := lines[len(lines)-1]
	if len(lines) < 3 || lines[0] != "downloading: 0 B" || !strings.HasPrefix(last, "\x1b[K") || strings.Contains(last, "ing:") {
		t.Errorf("on the terminal %q; want lines that replace each other and are gone at the end", lines)
	}
	for _, line := range lines {
		if len(strings.TrimPrefix(line, "\x1b[K")) > 59 {
			t.Errorf("%q does not fit in a line", line)
		}
	}

	plain, err := os.Create(h.path("stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := command(plain).Run(); err != nil {
		t.Fatalf("%v: %s", err, h.read(h.path("stderr")))
	}
	if got := whatHooksSay.ReplaceAllString(h.read(h.path("stderr")), ""); !plainProgress.MatchString(got) { // more than a line on a machine that is slow
		t.Errorf("in a file %q, want plain lines", got)
	}
}
