package dryrun

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func (u *unit) kind() string { return u.get("Type", "simple") }

// start starts the service in the view, as systemd would.
func (u *unit) start() error {
	if u.running() {
		return nil
	}
	u.callOff() // it may wait for its restart
	env, who, err := u.surroundings()
	if err != nil {
		return err
	}
	if err := u.directories(who); err != nil {
		return err
	}
	if len(u.all("ExecStart")) == 0 && u.kind() != "oneshot" {
		return errors.New("it has no ExecStart=")
	}
	if err := u.startSupervised(); err != nil {
		return err
	}
	return u.runAll("ExecStartPost", env, who, u.timeout("TimeoutStartSec"))
}

// runAll runs the commands of a key, one after the other, until one fails.
func (u *unit) runAll(key string, env []string, who *serviceUser, limit time.Duration) error {
	for _, line := range u.all(key) {
		if err := u.runToEnd(line, env, who, limit); err != nil {
			return fmt.Errorf("%s=%s: %w", key, line, err)
		}
	}
	return nil
}

// launch starts a command of the service and does not wait for it.
func (u *unit) launch(line string, env []string, who *serviceUser) (*exec.Cmd, error) {
	c, err := parseCommand(line, env)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(logFile(u.name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	path := c.argv[0]
	if !filepath.IsAbs(path) {
		if path, err = exec.LookPath(path); err != nil {
			return nil, err
		}
	}
	cmd := &exec.Cmd{Path: path, Args: c.argv, Env: env, Dir: u.directory(who), Stdout: u.output("StandardOutput", log), Stderr: u.output("StandardError", log)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !c.asRoot && who != nil {
		cmd.SysProcAttr.Credential = who.credential
	}
	return cmd, cmd.Start()
}

// output is where a stream of the service goes: to the file that the unit names, or to the log.
func (u *unit) output(key string, log io.Writer) io.Writer {
	how, path, _ := strings.Cut(u.get(key, ""), ":")
	flags := map[string]int{"append": os.O_APPEND, "file": 0, "truncate": os.O_TRUNC}
	flag, ok := flags[how]
	if !ok {
		return log
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, 0o644)
	if err != nil {
		return log
	}
	return f // it is closed with this process, which only starts the service
}

// runToEnd runs a command of the service and waits for it.
func (u *unit) runToEnd(line string, env []string, who *serviceUser, limit time.Duration) error {
	cmd, err := u.launch(line, env, who)
	if err == nil {
		timer := time.AfterFunc(limit, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		err = cmd.Wait()
		timer.Stop()
	}
	if c, bad := parseCommand(line, env); bad == nil && c.mayFail {
		return nil
	}
	return err
}

// stop ends the service's processes.
func (u *unit) stop() error {
	u.callOff()
	pids := processesOf(u.name)
	if len(pids) == 0 && !u.running() {
		_ = os.Remove(stateFile(u.name))
		u.note(func(c *condition) { c.State = unitStopped })
		return nil
	}
	env, who, err := u.surroundings()
	if err != nil {
		return err
	}
	if len(pids) > 0 {
		env = append(env, "MAINPID="+strconv.Itoa(u.mainPID(pids)))
	}
	var failure error
	for _, line := range u.all("ExecStop") {
		if err := u.runToEnd(line, env, who, u.timeout("TimeoutStopSec")); err != nil {
			failure = fmt.Errorf("ExecStop=%s: %w", line, err)
		}
	}
	if mode := u.killMode(); mode != "none" {
		left := endProcesses(func() []int { return u.toSignal(mode) }, syscall.SIGTERM, u.timeout("TimeoutStopSec"))
		if left || mode == "mixed" {
			if mode == "mixed" {
				mode = "control-group"
			}
			endProcesses(func() []int { return u.toSignal(mode) }, syscall.SIGKILL, time.Second)
		}
	}
	if err := u.runAll("ExecStopPost", env, who, u.timeout("TimeoutStopSec")); err != nil && failure == nil {
		failure = err
	}
	_ = os.Remove(stateFile(u.name))
	u.note(func(c *condition) { c.State = unitStopped })
	return failure
}

func (u *unit) killMode() string { return u.get("KillMode", "control-group") }

// endProcesses sends processes a signal and waits until they have ended. It says whether some have not.
func endProcesses(list func() []int, signal syscall.Signal, limit time.Duration) (left bool) {
	for _, pid := range list() {
		_ = syscall.Kill(pid, signal)
	}
	for end := time.Now().Add(limit); len(list()) > 0; time.Sleep(pause) {
		if time.Now().After(end) {
			return true
		}
	}
	return false
}

// toSignal are the processes that stopping concerns. This process is none of the service's, even if the service has called for it.
func (u *unit) toSignal(mode string) []int {
	pids := processesOf(u.name)
	if (mode == "process" || mode == "mixed") && len(pids) > 0 {
		pids = []int{u.mainPID(pids)}
	}
	var others []int
	for _, pid := range pids {
		if pid != os.Getpid() {
			others = append(others, pid)
		}
	}
	return others
}

// mainPID is the service's main process: the one its file names, or the oldest.
func (u *unit) mainPID(pids []int) int {
	if path := u.get("PIDFile", ""); path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join("/run", path)
		}
		if data, err := os.ReadFile(path); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
				for _, p := range pids {
					if p == pid {
						return pid
					}
				}
			}
		}
	}
	return pids[0]
}

// reload tells the service to read its settings again.
func (u *unit) reload() error {
	pids := processesOf(u.name)
	if len(pids) == 0 {
		return fmt.Errorf("%s is not active, cannot reload", u.name)
	}
	env, who, err := u.surroundings()
	if err != nil {
		return err
	}
	env = append(env, "MAINPID="+strconv.Itoa(u.mainPID(pids)))
	lines := u.all("ExecReload")
	if len(lines) == 0 {
		return fmt.Errorf("%s has no ExecReload=, cannot reload", u.name)
	}
	for _, line := range lines {
		if err := u.runToEnd(line, env, who, u.timeout("TimeoutStartSec")); err != nil {
			return fmt.Errorf("ExecReload=%s: %w", line, err)
		}
	}
	return nil
}

// surroundings are the environment and the user of the unit's commands.
func (u *unit) surroundings() ([]string, *serviceUser, error) {
	env, err := u.environment()
	if err != nil {
		return nil, nil, err
	}
	who, err := u.credential()
	if err != nil {
		return nil, nil, err
	}
	return append(env, who.environment()...), who, nil
}

// directory is the service's working directory.
func (u *unit) directory(who *serviceUser) string {
	dir := strings.TrimPrefix(u.get("WorkingDirectory", "/"), "-")
	if dir == "~" {
		dir = "/root"
		if who != nil {
			dir = who.home
		}
	}
	if _, err := os.Stat(dir); err != nil && strings.HasPrefix(u.get("WorkingDirectory", ""), "-") {
		return "/"
	}
	return dir
}

// directories makes what the unit has systemd make for it.
func (u *unit) directories(who *serviceUser) error {
	for key, parent := range map[string]string{"RuntimeDirectory": "/run", "StateDirectory": "/var/lib", "CacheDirectory": "/var/cache",
		"LogsDirectory": "/var/log", "ConfigurationDirectory": "/etc"} {
		for _, names := range u.all(key) {
			for _, name := range strings.Fields(names) {
				dir := filepath.Join(parent, name)
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
				if who != nil && key != "ConfigurationDirectory" {
					if err := os.Chown(dir, int(who.credential.Uid), int(who.credential.Gid)); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}
