package dryrun

import (
	"syscall"
	"testing"
	"time"
)

func TestRestart(t *testing.T) {
	exit := func(code int) syscall.WaitStatus { return syscall.WaitStatus(code << 8) }
	signal := func(s syscall.Signal) syscall.WaitStatus { return syscall.WaitStatus(s) }
	for _, c := range []struct {
		settings      string
		status        syscall.WaitStatus
		again, failed bool
	}{
		{"", exit(1), false, true},
		{"Restart=always", exit(0), true, false},
		{"Restart=on-failure", exit(0), false, false},
		{"Restart=on-failure", exit(1), true, true},
		{"Restart=on-failure", signal(syscall.SIGTERM), false, false},
		{"Restart=on-failure", signal(syscall.SIGKILL), true, true},
		{"Restart=on-failure\nSuccessExitStatus=143 SIGKILL", exit(143), false, false},
		{"Restart=always\nRestartPreventExitStatus=78", exit(78), false, true},
		{"RestartForceExitStatus=KILL", signal(syscall.SIGKILL), true, true},
		{"Restart=on-success", exit(0), true, false},
		{"Restart=on-abnormal", exit(1), false, true},
		{"Restart=on-abnormal", signal(syscall.SIGSEGV), true, true},
	} {
		u := &unit{settings: map[string][]string{}}
		u.read([]byte("[Service]\n" + c.settings + "\n"))
		if again, failed := u.again(c.status); again != c.again || failed != c.failed {
			t.Errorf("%q, %s: started again %v, failed %v; want %v, %v", c.settings, howItEnded(c.status), again, failed, c.again, c.failed)
		}
	}
}

func TestStartLimit(t *testing.T) {
	for settings, want := range map[string]int{"": 5, "[Unit]\nStartLimitBurst=2\n": 2, "[Service]\nStartLimitBurst=3\nStartLimitInterval=1min\n": 3,
		"[Unit]\nStartLimitIntervalSec=0\n": 30, "[Unit]\nStartLimitIntervalSec=1\n": 30} {
		u := &unit{settings: map[string][]string{}}
		u.read([]byte(settings))
		l, now, n := u.limiter(), time.Unix(0, 0), 0
		for n < 30 && l.allows(now) {
			n, now = n+1, now.Add(300*time.Millisecond)
		}
		if n != want {
			t.Errorf("%q: %d starts, want %d", settings, n, want)
		}
	}
}

func TestTimeSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 7, "5": 5 * time.Second, "100ms": 100 * time.Millisecond, "250msec": 250 * time.Millisecond,
		"1min 30s": 90 * time.Second, "2 sec": 2 * time.Second, "infinity": 7} {
		if got := timeSpan(text, 7); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
