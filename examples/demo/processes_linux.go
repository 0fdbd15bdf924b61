package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// markVariable is the environment variable by which the demo knows every process that descends from its agents,
// whatever sessions and process groups they have gone into. Its value is the demo's directory.
const markVariable = "CODEDEPLOY_DEMO"

// marked returns the processes that carry the demo's mark, except the demo itself.
func marked(dir string) ([]int, error) {
	needle := []byte(markVariable + "=" + dir + "\x00")
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// Processes of others and ones that have just ended cannot be read, and are none of ours.
		environment, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "environ"))
		if err == nil && bytes.Contains(append([]byte{0}, environment...), append([]byte{0}, needle...)) {
			found = append(found, pid)
		}
	}
	return found, nil
}

// commandOf is a process's command line as far as it can be read.
func commandOf(pid int) string {
	line, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
}

// kill ends a process without asking. One that is gone already is fine.
func kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// ask asks a process to end; one that is gone already is fine.
func ask(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// ownSession keeps the terminal's signals from an agent: the demo stops its agents in order.
func ownSession(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
