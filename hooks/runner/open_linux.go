package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// unread is how many bytes of a pipe nobody has read yet.
func unread(f *os.File) int {
	n := 0
	if conn, err := f.SyscallConn(); err == nil { // f.Fd would make the reads that are under way blocking
		_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return n
}

// leftOpen says which processes still hold the script's output.
func leftOpen(s *script) string {
	var pipes []string
	for _, f := range []*os.File{s.stdout, s.stderr} {
		conn, err := f.SyscallConn() // f.Fd would make the reads that are under way blocking
		if err != nil {
			continue
		}
		conn.Control(func(fd uintptr) {
			if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil {
				pipes = append(pipes, name)
			}
		})
	}
	var holders []string
	procs, _ := filepath.Glob("/proc/[0-9]*/fd")
	self := fmt.Sprintf("/proc/%d/fd", os.Getpid())
	for _, dir := range procs {
		if dir == self || !holds(dir, pipes) {
			continue
		}
		pid := filepath.Base(filepath.Dir(dir))
		comm, _ := os.ReadFile(filepath.Join(filepath.Dir(dir), "comm"))
		holders = append(holders, fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(comm)), pid))
	}
	what := "a process that it started"
	if len(holders) > 0 {
		what = strings.Join(holders, ", ")
	}
	return fmt.Sprintf("the script has ended, but %s still holds its output open; redirect the output of what a hook leaves "+
		"running, e.g. with >/dev/null 2>&1", what)
}

func holds(dir string, pipes []string) bool {
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if name, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && slices.Contains(pipes, name) {
			return true
		}
	}
	return false
}
