package dryrun

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unitVariable tells the process that supervises a service which one that is. Its command line does not, so that hooks which kill by name do
// not meet it.
const unitVariable = "CODEDEPLOY_DRY_RUN_UNIT"

// supervised is what the process that supervises a service says when the service is started.
type supervised struct{ Error string }

// startSupervised starts the service's processes below one that stays their ancestor whatever they do, so that they can be told from others.
func (u *unit) startSupervised() error {
	said, say, err := os.Pipe()
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.Command(self, superviseCommand)
	cmd.Env = append(os.Environ(), unitVariable+"="+u.name)
	cmd.ExtraFiles = []*os.File{say}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var ready *net.UnixConn
	if strings.HasPrefix(u.kind(), "notify") {
		socket := filepath.Join(unitsDir, u.name+".notify")
		_ = os.Remove(socket)
		if ready, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
			say.Close()
			return err
		}
		defer ready.Close()
		if err := os.Chmod(socket, 0o666); err != nil {
			say.Close()
			return err
		}
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+socket)
	}
	err = cmd.Start()
	say.Close()
	if err != nil {
		return err
	}
	if err := markActive(u.name, strconv.Itoa(cmd.Process.Pid)); err != nil {
		return err
	}
	var s supervised
	if line, err := bufio.NewReader(said).ReadBytes('\n'); err != nil {
		s.Error = "it was killed"
	} else if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	if s.Error != "" {
		return errors.New(s.Error)
	}
	if ready == nil {
		return nil
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // with its last process
		close(ended)
	}()
	return u.awaitReady(ready, ended)
}

// awaitReady waits until the service says that it is ready (sd_notify(3)).
func (u *unit) awaitReady(conn *net.UnixConn, ended <-chan struct{}) error {
	limit := u.timeout("TimeoutStartSec")
	end := time.Now().Add(limit)
	for buf := make([]byte, 4096); ; {
		_ = conn.SetReadDeadline(time.Now().Add(2 * pause))
		n, err := conn.Read(buf)
		for l := range strings.SplitSeq(string(buf[:max(n, 0)]), "\n") {
			if l == "READY=1" {
				return nil
			}
		}
		if err == nil {
			continue
		}
		select {
		case <-ended:
			return errors.New("it ended before it was ready")
		default:
		}
		if c := conditionOf(u.name); c.State != unitRunning {
			return fmt.Errorf("it ended before it was ready: %s", c.Why)
		}
		if time.Now().After(end) {
			return fmt.Errorf("it was not ready after %s", limit)
		}
	}
}

// superviseMain starts a service's processes, says how that went, and stays until the last of them has ended.
func superviseMain() int {
	say := os.NewFile(3, "caller")
	unix.CloseOnExec(3)
	tell := func(err error) {
		var s supervised
		if err != nil {
			s.Error = err.Error()
		}
		_ = json.NewEncoder(say).Encode(s)
		say.Close()
	}
	// Orphans below become this process's children, and not those of the view's first.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		tell(err)
		return 1
	}
	u, err := loadUnit(os.Getenv(unitVariable))
	if err == nil && u == nil {
		err = errors.New("its unit is gone")
	}
	if err == nil {
		err = u.supervise()
	}
	if err != nil && u != nil {
		u.note(func(c *condition) { c.State, c.Why = unitFailed, err.Error() })
	}
	tell(err)
	if err == nil && u.kind() != "oneshot" {
		u.watch()
	}
	for {
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(-1, &status, 0, nil); err != nil && err != syscall.EINTR {
			return 0 // nobody is left
		}
	}
}

// supervise starts the service's commands and waits for those that systemd waits for.
func (u *unit) supervise() error {
	env, who, err := u.surroundings()
	if err != nil {
		return err
	}
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		env = append(env, "NOTIFY_SOCKET="+socket)
	}
	if err := u.runAll("ExecStartPre", env, who, u.timeout("TimeoutStartSec")); err != nil {
		return err
	}
	u.note(func(c *condition) { c.State, c.Began = unitRunning, time.Now() })
	for _, line := range u.all("ExecStart") {
		cmd, err := u.launch(line, env, who)
		if err != nil {
			return fmt.Errorf("ExecStart=%s: %w", line, err)
		}
		if u.kind() != "oneshot" && u.kind() != "forking" {
			u.main = cmd.Process.Pid
			return nil
		}
		if err := u.waitFor(cmd.Process.Pid); err != nil {
			if c, bad := parseCommand(line, env); bad != nil || !c.mayFail {
				return fmt.Errorf("ExecStart=%s: %w", line, err)
			}
		}
	}
	if u.kind() == "oneshot" {
		u.note(func(c *condition) { c.State = unitEnded })
		return nil
	}
	left := descendants(os.Getpid())
	if len(left) == 0 {
		return errors.New("ExecStart= has ended and left no process")
	}
	u.main = 0
	if u.get("PIDFile", "") != "" || len(left) == 1 {
		u.main = u.mainPID(left)
	}
	return nil
}

// waitFor waits for one child and collects others that end meanwhile.
func (u *unit) waitFor(child int) error {
	limit := u.timeout("TimeoutStartSec")
	if u.kind() == "oneshot" && u.get("TimeoutStartSec", "") == "" {
		limit = 24 * time.Hour // systemd: none
	}
	timer := time.AfterFunc(limit, func() { syscall.Kill(-child, syscall.SIGKILL) })
	defer timer.Stop()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR || err == nil && pid != child:
		case err != nil:
			return err
		case status.Signaled():
			return fmt.Errorf("it was ended by signal %s", status.Signal())
		case status.ExitStatus() != 0:
			return fmt.Errorf("it failed with exit code %d", status.ExitStatus())
		default:
			return nil
		}
	}
}
