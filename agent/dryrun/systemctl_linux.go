package dryrun

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Exit codes of systemctl for what is asked of a service (systemctl(1), after the LSB).
const (
	notActive = 3
	noSuch    = 4
)

// valued are options of systemctl that have their value as the next word.
var valued = map[string]bool{"-t": true, "-p": true, "-P": true, "-n": true, "-o": true, "-s": true, "-H": true, "-M": true, "--type": true,
	"--property": true, "--lines": true, "--output": true, "--signal": true, "--state": true, "--kill-who": true, "--root": true}

// systemctl stands in for systemd's tool: it starts and stops services in the view, and only notes what has no unit there.
func systemctl(c *call) int {
	var words []string
	now, quiet, user := false, false, false
	for i := 0; i < len(c.args); i++ {
		switch a := c.args[i]; {
		case a == "--user":
			user = true
		case a == "--now":
			now = true
		case a == "-q" || a == "--quiet":
			quiet = true
		case valued[a]:
			i++
		case !strings.HasPrefix(a, "-"):
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return c.record(0, "not done; answered success")
	}
	verb, units := words[0], words[1:]
	if user && len(units) > 0 {
		return c.record(0, "not done, for the services of a user are not started in the view; answered success")
	}
	if c.denied(verb) {
		return c.record(1, "denied, as the host would: only root may")
	}
	switch verb {
	case "daemon-reload", "daemon-reexec":
		return c.record(0, "done: units are read anew each time")
	case "cat", "list-unit-files", "get-default", "help":
		return c.real()
	case "enable", "disable", "reenable", "mask", "unmask", "is-enabled", "preset":
		return c.enablement(verb, units, now)
	case "start", "stop", "restart", "try-restart", "condrestart", "reload", "reload-or-restart", "try-reload-or-restart", "force-reload", "kill",
		"is-active", "is-failed", "status", "show":
		if len(units) > 0 {
			return c.each(verb, units, quiet)
		}
	}
	return c.record(0, "not done; answered success")
}

// asking are what anybody may ask systemd for.
var asking = []string{"cat", "list-unit-files", "list-units", "get-default", "help", "is-enabled", "is-active", "is-failed", "status", "show", "is-system-running"}

// denied says whether the host would not let the caller do that, and tells the caller. In an ordinary user's view everybody is root.
func (c *call) denied(verb string) bool {
	if os.Getuid() == 0 || slices.Contains(asking, verb) {
		return false
	}
	fmt.Fprintf(os.Stderr, "%s %s: access denied: interactive authentication required\n", c.name, verb)
	return true
}

// each does something with each of several units.
func (c *call) each(verb string, units []string, quiet bool) int {
	code := 0
	var answers []string
	c.question = slices.Contains([]string{"is-active", "is-failed", "status", "show"}, verb)
	for _, name := range units {
		result, answer := act(verb, name, quiet)
		if result != 0 {
			code = result
		}
		if !slices.Contains(answers, answer) {
			answers = append(answers, answer)
		}
	}
	return c.record(code, "%s", strings.Join(answers, "; "))
}

// act does something with one unit and says what it did.
func act(verb, name string, quiet bool) (code int, answer string) {
	u, err := loadUnit(name)
	if err != nil {
		return fail(verb, name, err)
	}
	if u == nil {
		return pretend(verb, name, quiet)
	}
	switch verb {
	case "start":
		err, answer = u.start(), "started in the view"
	case "stop", "kill":
		err, answer = u.stop(), "stopped in the view"
	case "restart", "reload-or-restart", "force-reload":
		if err = u.stop(); err == nil {
			err = u.start()
		}
		answer = "restarted in the view"
	case "try-restart", "condrestart", "try-reload-or-restart":
		if !u.running() {
			return 0, "not running in the view; nothing to restart"
		}
		return act("restart", name, quiet)
	case "reload":
		err, answer = u.reload(), "reloaded in the view"
	default:
		return look(verb, u.name, u.running(), true, quiet)
	}
	if err != nil {
		return fail(verb, u.name, err)
	}
	return 0, answer
}

// fail tells the caller why, with the end of what the service wrote.
func fail(verb, name string, err error) (int, string) {
	why := fmt.Sprintf("failed: %v", err)
	if tail := lastLines(logFile(name), 10); tail != "" {
		why += "\n" + tail
	}
	fmt.Fprintf(os.Stderr, "cannot %s %s: %s\n", verb, name, why)
	return 1, why
}

func lastLines(path string, n int) string {
	data, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// pretend answers for a unit that is not in the view.
func pretend(verb, name string, quiet bool) (int, string) {
	if !strings.Contains(name, ".") {
		name += ".service"
	}
	name = filepath.Base(name)
	done := "not done, it has no unit in the view; answered success"
	if !strings.HasSuffix(name, ".service") && slices.ContainsFunc(unitDirectories, func(dir string) bool { return isRegular(filepath.Join(dir, name)) }) {
		done = "not done, only services are started in the view; answered success"
	}
	switch verb {
	case "start", "restart", "reload-or-restart":
		if err := markActive(name, ""); err != nil {
			return fail(verb, name, err)
		}
	case "stop", "kill":
		_ = os.Remove(stateFile(name))
	case "is-active", "is-failed", "status", "show":
		return look(verb, name, wasStarted(name), false, quiet)
	}
	return 0, done
}

// look answers a question about a service.
func look(verb, name string, running, known, quiet bool) (int, string) {
	say := func(format string, args ...any) {
		if !quiet {
			fmt.Printf(format+"\n", args...)
		}
	}
	c := conditionOf(name)
	state, sub := "inactive", "dead"
	switch {
	case running:
		state, sub = "active", "running"
	case c.State == unitWaiting:
		state, sub = "activating", "auto-restart"
	case c.State == unitFailed || c.State == unitGivenUp:
		state, sub = "failed", "failed"
	}
	pid := 0
	if pids := processesOf(name); len(pids) > 0 {
		pid = pids[0]
	}
	code := 0
	switch verb {
	case "is-active":
		say("%s", state)
		if state != "active" {
			code = notActive
		}
	case "is-failed":
		say("%s", state)
		if state != "failed" {
			code = 1
		}
	case "show":
		say("Id=%s\nActiveState=%s\nSubState=%s\nMainPID=%d\nNRestarts=%d", name, state, sub, pid, c.Restarts)
	default:
		if !known && state != "active" {
			fmt.Fprintf(os.Stderr, "Unit %s could not be found.\n", name)
			return noSuch, "there is no such unit in the view"
		}
		say("* %s\n     Active: %s (%s)%s", name, state, sub, map[bool]string{true: ": " + c.Why}[c.Why != "" && !running])
		if pid != 0 {
			say("   Main PID: %d", pid)
		}
		if tail := lastLines(logFile(name), 10); tail != "" {
			say("\n%s", tail)
		}
		if state != "active" {
			code = notActive
		}
	}
	return code, "answered " + state
}

// enablement changes which units are started at boot. That is links in the file system, so the host's own systemctl does it, in the view.
func (c *call) enablement(verb string, units []string, now bool) int {
	code, answer := 0, "not done; answered success"
	known := len(units) > 0
	for _, name := range units {
		u, err := loadUnit(name)
		known = known && (err == nil && u != nil || strings.Contains(name, ".") && !strings.HasSuffix(name, ".service"))
	}
	if path := c.state.Real["systemctl"]; known && path != "" {
		args := []string{verb}
		cmd := exec.Command(path, append(args, units...)...)
		cmd.Env = append(os.Environ(), "SYSTEMD_OFFLINE=1")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err == nil {
			answer = "done in the view"
		} else if cmd.ProcessState != nil {
			code, answer = cmd.ProcessState.ExitCode(), "done in the view, and failed"
		}
	} else if verb == "is-enabled" {
		fmt.Println("disabled")
		return c.record(1, "answered disabled")
	}
	if now && code == 0 {
		for _, name := range units {
			then := map[string]string{"enable": "start", "reenable": "start", "disable": "stop", "mask": "stop"}[verb]
			if then == "" {
				continue
			}
			var more string
			code, more = act(then, name, false)
			if !strings.HasSuffix(answer, "; "+more) {
				answer += "; " + more
			}
		}
	}
	return c.record(code, "%s", answer)
}

// service stands in for service NAME ACTION, and for tools that are called like it.
func service(c *call) int {
	words := c.words()
	if len(words) < 2 {
		return c.record(0, "not done; answered success")
	}
	return c.serve(words[0], words[1], words[2:])
}

// initctl stands in for upstart's initctl ACTION NAME.
func initctl(c *call) int {
	words := c.words()
	if len(words) < 2 {
		return c.record(0, "not done; answered success")
	}
	return c.serve(words[1], words[0], nil)
}

// serve acts on a service by its unit, or by its script of System V.
func (c *call) serve(name, action string, more []string) int {
	if c.denied(action) {
		return c.record(1, "denied, as the host would: only root may")
	}
	u, err := loadUnit(name)
	if u != nil || err != nil {
		return c.each(action, []string{name}, false)
	}
	if path := filepath.Join("/etc/init.d", filepath.Base(name)); isProgram(path) {
		code := c.record(0, "ran %s %s in the view", path, action)
		if code != 0 {
			return code
		}
		return c.exec(path, append([]string{path, action}, more...), os.Environ())
	}
	return c.each(action, []string{name}, false)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
