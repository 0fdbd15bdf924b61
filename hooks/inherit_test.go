//go:build linux

package hooks

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// blockSignals is a variable that makes the test binary start itself again with these signals blocked, as an odd service manager might.
const blockSignals = "CODEDEPLOY_TEST_BLOCK_SIGNALS"

func init() {
	if os.Getenv(blockSignals) == "" {
		return
	}
	if err := os.Unsetenv(blockSignals); err != nil {
		panic(err)
	}
	runtime.LockOSThread()
	var set unix.Sigset_t
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGUSR1, 40} {
		set.Val[(s-1)/64] |= 1 << ((s - 1) % 64)
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
		panic(err)
	}
	panic(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// What a script finds does not depend on who has started the agent: no open file but its own three, no signal ignored or blocked.
func TestScriptInheritsNothing(t *testing.T) {
	t.Parallel()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip(err)
	}
	r := newRun(t, "#!/bin/sh\nls -l /proc/self/fd\n", "#!"+cat+" /proc/self/status\n") // a shell might mend its signals
	if err := r.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	var fds []string
	signals := map[string]uint64{}
	for lines := bufio.NewScanner(strings.NewReader(r.text(t, r.ScriptsLog))); lines.Scan(); {
		_, line, _ := strings.Cut(lines.Text(), "[stdout]")
		if link, target, ok := strings.Cut(line, " -> "); ok && !strings.HasPrefix(target, "/proc/") { // ls itself reads the directory
			fds = append(fds, link[strings.LastIndex(link, " ")+1:]+" "+strings.TrimRight(target, "0123456789:[]"))
		}
		if name, mask, ok := strings.Cut(line, ":\t"); ok && strings.HasPrefix(name, "Sig") && name != "SigQ" {
			value, err := strconv.ParseUint(mask, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			signals[name] = value
		}
	}
	if got, want := strings.Join(fds, ", "), "0 /dev/null, 1 pipe, 2 pipe"; got != want {
		t.Errorf("open files: %s, want %s", got, want)
	}
	// Signals 32 and 33 are the C library's own: its posix_spawn, with which make starts its commands, leaves the first one ignored,
	// and whoever needs it sets it again.
	const libcSignals = 1<<31 | 1<<32
	for _, name := range []string{"SigIgn", "SigBlk"} {
		if value, ok := signals[name]; !ok || value&^libcSignals != 0 {
			t.Errorf("%s is %016x (%v), want no signal", name, value, ok)
		}
	}
}

func TestScriptInheritsNothingFromAnOddParent(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "odd")
	const odd = "#!/bin/sh\ntrap '' HUP INT QUIT TERM PIPE TSTP TTIN TTOU USR1 USR2 ALRM CHLD CONT\nexec 5</etc/passwd 7>/dev/null 9</dev/null\nexec \"$@\"\n"
	writeProgram(t, script, odd)
	for _, block := range []string{"", "yes"} {
		cmd := exec.Command(script, "/proc/"+strconv.Itoa(os.Getpid())+"/exe", "-test.run=^TestScriptInheritsNothing$", "-test.v")
		cmd.Env = append(os.Environ(), blockSignals+"="+block)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestScriptInheritsNothing")) {
			t.Errorf("signals blocked %q: %v\n%s", block, err, out)
		}
	}
}
