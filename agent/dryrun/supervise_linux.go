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
	go func() {
		_ = cmd.Wait() // with its last process
		_ = ready.SetReadDeadline(time.Now())
	}()
	return u.awaitReady(ready)
}

// awaitReady waits until the service says that it is ready (sd_notify(3)).
func (u *unit) awaitReady(conn *net.UnixConn) error {
	limit := u.timeout("TimeoutStartSec")
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	for buf := make([]byte, 4096); ; {
		n, err := conn.Read(buf)
		if err != nil && len(processesOf(u.name)) == 0 {
			return errors.New("it ended before it was ready")
		}
		if err != nil {
			return fmt.Errorf("it was not ready after %s", limit)
		}
		for _, l := range strings.Split(string(buf[:n]), "\n") {
			if l == "READY=1" {
				return nil
			}
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
	tell(err)
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
	for _, line := range u.all("ExecStart") {
		cmd, err := u.launch(line, env, who)
		if err != nil {
			return fmt.Errorf("ExecStart=%s: %w", line, err)
		}
		if u.kind() != "oneshot" && u.kind() != "forking" {
			return nil
		}
		if err := u.waitFor(cmd.Process.Pid); err != nil {
			if c, bad := parseCommand(line, env); bad != nil || !c.mayFail {
				return fmt.Errorf("ExecStart=%s: %w", line, err)
			}
		}
	}
	if u.kind() == "forking" && len(descendants(os.Getpid())) == 0 {
		return errors.New("ExecStart= has ended and left no process")
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
