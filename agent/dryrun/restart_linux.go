package dryrun

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limiter counts the starts of a service, which systemd gives up when there are too many in a short time (systemd.unit(5)).
type limiter struct {
	burst    int
	interval time.Duration
	starts   []time.Time
}

func (u *unit) limiter() *limiter {
	l := &limiter{interval: timeSpan(u.limit("StartLimitIntervalSec", "StartLimitInterval", "10s"), 10*time.Second)}
	var err error
	if l.burst, err = strconv.Atoi(u.limit("StartLimitBurst", "StartLimitBurst", "5")); err != nil {
		l.burst = 5
	}
	return l
}

// allows notes a start and says whether it is one too many.
func (l *limiter) allows(now time.Time) bool {
	if l.interval <= 0 || l.burst <= 0 {
		return true
	}
	l.starts = slices.DeleteFunc(l.starts, func(t time.Time) bool { return now.Sub(t) > l.interval })
	if len(l.starts) >= l.burst {
		return false
	}
	l.starts = append(l.starts, now)
	return true
}

// again says whether systemd would start the service again after its main process has ended like this (systemd.service(5)), and whether this
// was a failure.
func (u *unit) again(status syscall.WaitStatus) (again, failed bool) {
	clean := status.Exited() && status.ExitStatus() == 0 ||
		status.Signaled() && slices.Contains([]syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}, status.Signal()) ||
		u.names("SuccessExitStatus", status)
	switch {
	case u.names("RestartPreventExitStatus", status):
		return false, !clean
	case u.names("RestartForceExitStatus", status):
		return true, !clean
	}
	switch u.get("Restart", "no") {
	case "always":
		again = true
	case "on-success":
		again = clean
	case "on-failure":
		again = !clean
	case "on-abnormal", "on-abort":
		again = !clean && status.Signaled()
	}
	return again, !clean
}

// names says whether a list of exit codes and signals has this one.
func (u *unit) names(key string, status syscall.WaitStatus) bool {
	for _, value := range u.all(key) {
		for word := range strings.FieldsSeq(value) {
			if status.Exited() && word == strconv.Itoa(status.ExitStatus()) || status.Signaled() && strings.TrimPrefix(word, "SIG") == strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG") {
				return true
			}
		}
	}
	return false
}

// howItEnded is how a process has ended, for people.
func howItEnded(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "it was ended by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("it ended with exit code %d", status.ExitStatus())
}

// watch sees to a service that was started, until it is not to be started again, and returns then.
func (u *unit) watch() {
	starts := u.limiter()
	starts.allows(time.Now())
	calledOff := func() bool {
		_, err := os.Stat(callOffFile(os.Getpid()))
		return err == nil
	}
	for {
		status, known := u.awaitMain()
		if calledOff() {
			return
		}
		rest := u.endRest()
		if calledOff() {
			return
		}
		again, failed := u.again(status)
		if !known { // the last of several processes has ended, nobody knows how
			again, failed = u.get("Restart", "no") == "always", false
		}
		state, why := unitEnded, ""
		if failed {
			state = unitFailed
		}
		if known {
			why = howItEnded(status)
		}
		if again {
			state = unitWaiting
		}
		u.note(func(c *condition) { c.State, c.Why, c.EndedOthers = state, why, rest })
		if !again {
			return
		}
		for end := time.Now().Add(timeSpan(u.get("RestartSec", ""), 100*time.Millisecond)); time.Now().Before(end); time.Sleep(pause) {
			if calledOff() {
				return
			}
		}
		if !starts.allows(time.Now()) {
			u.note(func(c *condition) { c.State = unitGivenUp })
			return
		}
		u.note(func(c *condition) { c.Restarts++ })
		if err := u.supervise(); err != nil {
			u.note(func(c *condition) { c.State, c.Why = unitFailed, err.Error() })
			return
		}
		if env, who, err := u.surroundings(); err == nil {
			_ = u.runAll("ExecStartPost", env, who, u.timeout("TimeoutStartSec"))
		}
	}
}

// awaitMain waits for the end of the service's main process; where that is not known, of all its processes.
func (u *unit) awaitMain() (end syscall.WaitStatus, known bool) {
	main := u.main
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, false // nobody is left
		case pid == main:
			return status, true
		}
	}
}

// endRest ends what a service's main process has left behind, as systemd does. It returns how many processes that were.
func (u *unit) endRest() int {
	if mode := u.killMode(); mode == "process" || mode == "none" {
		return 0
	}
	rest := func() []int {
		for {
			var status syscall.WaitStatus
			if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.EINTR && (err != nil || pid <= 0) {
				return descendants(os.Getpid())
			}
		}
	}
	signal := syscall.SIGTERM
	if u.killMode() == "mixed" {
		signal = syscall.SIGKILL
	}
	n := len(rest())
	if endProcesses(rest, signal, u.timeout("TimeoutStopSec")) {
		endProcesses(rest, syscall.SIGKILL, time.Second)
	}
	return n
}
