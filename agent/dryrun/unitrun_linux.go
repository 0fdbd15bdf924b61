package dryrun

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pause is how long is waited between two looks at a service's processes.
const pause = 10 * time.Millisecond

// stateFile is what is known of a service that was started and has not been stopped since: the process that supervises it, or nothing.
func stateFile(name string) string { return filepath.Join(unitsDir, name+".active") }

// logFile takes what a service writes.
func logFile(name string) string { return filepath.Join(unitsDir, name+".log") }

func markActive(name, supervisor string) error {
	return os.WriteFile(stateFile(name), []byte(supervisor), 0o666)
}

func wasStarted(name string) bool {
	_, err := os.Stat(stateFile(name))
	return err == nil
}

// processesOf are the running processes of a service, the oldest first: all that descend from the one that supervises it.
func processesOf(name string) []int {
	data, err := os.ReadFile(stateFile(name))
	if err != nil {
		return nil
	}
	supervisor, err := strconv.Atoi(string(data))
	if err != nil || !slices.Contains(commandLine(supervisor), superviseCommand) {
		return nil
	}
	return descendants(supervisor)
}

// running says whether the service is active: that it has a process, or is a oneshot that stays.
func (u *unit) running() bool {
	if u.kind() == "oneshot" {
		return wasStarted(u.name) && u.get("RemainAfterExit", "no") != "no"
	}
	return len(processesOf(u.name)) > 0
}

func (u *unit) kind() string { return u.get("Type", "simple") }

// start starts the service in the view, as systemd would.
func (u *unit) start() error {
	if u.running() {
		return nil
	}
	env, who, err := u.surroundings()
	if err != nil {
		return err
	}
	if err := u.directories(who); err != nil {
		return err
	}
	for _, line := range u.all("ExecStartPre") {
		if err := u.runToEnd(line, env, who, u.timeout("TimeoutStartSec")); err != nil {
			return fmt.Errorf("ExecStartPre=%s: %w", line, err)
		}
	}
	if len(u.all("ExecStart")) == 0 && u.kind() != "oneshot" {
		return errors.New("it has no ExecStart=")
	}
	if err := u.startSupervised(); err != nil {
		return err
	}
	for _, line := range u.all("ExecStartPost") {
		if err := u.runToEnd(line, env, who, u.timeout("TimeoutStartSec")); err != nil {
			return fmt.Errorf("ExecStartPost=%s: %w", line, err)
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
	pids := processesOf(u.name)
	if len(pids) == 0 && !u.running() {
		_ = os.Remove(stateFile(u.name))
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
	mode := u.get("KillMode", "control-group")
	if mode != "none" {
		for _, pid := range u.toSignal(mode) {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
		for end := time.Now().Add(u.timeout("TimeoutStopSec")); len(u.toSignal(mode)) > 0 && time.Now().Before(end); {
			time.Sleep(pause)
		}
		if mode == "mixed" {
			mode = "control-group"
		}
		for _, pid := range u.toSignal(mode) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		for end := time.Now().Add(time.Second); len(u.toSignal(mode)) > 0 && time.Now().Before(end); {
			time.Sleep(pause)
		}
	}
	for _, line := range u.all("ExecStopPost") {
		if err := u.runToEnd(line, env, who, u.timeout("TimeoutStopSec")); err != nil && failure == nil {
			failure = fmt.Errorf("ExecStopPost=%s: %w", line, err)
		}
	}
	_ = os.Remove(stateFile(u.name))
	return failure
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

// serviceUser is the user of a service; nil is root.
type serviceUser struct {
	name, home string
	credential *syscall.Credential
}

func (s *serviceUser) environment() []string {
	if s == nil {
		return nil
	}
	return []string{"HOME=" + s.home, "USER=" + s.name, "LOGNAME=" + s.name, "SHELL=/bin/sh"}
}

func (u *unit) credential() (*serviceUser, error) {
	name, groupName := u.get("User", ""), u.get("Group", "")
	if name == "" && groupName == "" {
		return nil, nil
	}
	if name == "" {
		name = "root"
	}
	who, err := user.Lookup(name)
	if err != nil {
		if who, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("there is no user %s (User=)", name)
		}
	}
	gid := who.Gid
	if groupName != "" {
		group, err := user.LookupGroup(groupName)
		if err != nil {
			if group, err = user.LookupGroupId(groupName); err != nil {
				return nil, fmt.Errorf("there is no group %s (Group=)", groupName)
			}
		}
		gid = group.Gid
	}
	s := &serviceUser{name: who.Username, home: who.HomeDir, credential: &syscall.Credential{Uid: number(who.Uid), Gid: number(gid)}}
	ids, _ := who.GroupIds()
	for _, id := range ids {
		s.credential.Groups = append(s.credential.Groups, number(id))
	}
	return s, nil
}

func number(id string) uint32 {
	n, _ := strconv.ParseUint(id, 10, 32)
	return uint32(n)
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
