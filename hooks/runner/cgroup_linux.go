package runner

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroupParent is the control group in which each script has one of its own, as container engines have theirs at the same place.
const cgroupParent = "codedeploy-agent"

// cgroup is a control group (version 2) for everything that one script starts: it can be ended as a whole, also what has left the script's
// session, and none of it counts with the agent's service or ends with it. nil is no control group.
type cgroup struct{ dir string }

// newCgroup makes a control group, or returns nil where that is not possible: for an ordinary user, in most containers, and with
// version 1 only.
func newCgroup() *cgroup {
	c := makeCgroup(fmt.Sprintf("hook-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if c != nil {
		sweepCgroups(filepath.Dir(c.dir))
	}
	return c
}

// runnersCgroup is the control group of the runners, which outlive the agent whatever its service manager ends. It may be nil.
func runnersCgroup() *cgroup { return makeCgroup("runners") }

func makeCgroup(name string) *cgroup {
	root := cgroupRoot()
	if root == "" {
		return nil
	}
	dir := filepath.Join(root, cgroupParent, name)
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Mkdir(d, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil
		}
	}
	return &cgroup{dir}
}

// cgroupRoot is where the hierarchy of version 2 is mounted, empty if it is not.
func cgroupRoot() string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		mount, rest, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(mount); strings.HasPrefix(rest, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			return fields[4]
		}
	}
	return ""
}

// sweepCgroups removes the control groups whose last process has ended since their scripts did.
func sweepCgroups(parent string) {
	old, _ := filepath.Glob(filepath.Join(parent, "hook-*"))
	for _, dir := range old {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Minute { // not one that is just being made
			_ = os.Remove(dir) // fails while a process is in it
		}
	}
}

// start calls f to start a process with the attributes, inside the control group. Where that fails, which in some containers it does for
// the group's sake, it calls f once more without the group.
func (c *cgroup) start(attr *syscall.SysProcAttr, f func(*syscall.SysProcAttr) error) error {
	if c == nil {
		return f(attr)
	}
	if d, err := os.Open(c.dir); err == nil {
		defer d.Close()
		inside := *attr
		inside.UseCgroupFD, inside.CgroupFD = true, int(d.Fd())
		if f(&inside) == nil {
			return nil
		}
	}
	return f(attr)
}

// kill ends every process of the control group.
func (c *cgroup) kill() {
	if c == nil {
		return
	}
	if os.WriteFile(filepath.Join(c.dir, "cgroup.kill"), []byte("1"), 0) == nil {
		return
	}
	// Before Linux 5.14: until no new process is found.
	for range 100 {
		pids, err := os.ReadFile(filepath.Join(c.dir, "cgroup.procs"))
		if err != nil || len(pids) == 0 {
			return
		}
		for _, line := range strings.Fields(string(pids)) {
			if pid, err := strconv.Atoi(line); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// remove removes the control group if nothing runs in it any more; else a later script's runner does.
func (c *cgroup) remove() {
	if c != nil {
		_ = os.Remove(c.dir)
	}
}
