package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolate finds a way to give each instance its own files at the same path: a mount namespace, inside a user namespace
// where the user is not allowed to mount otherwise.
func isolate(ctx context.Context, dir string) *isolation {
	self, err := os.Executable()
	if err != nil {
		return noIsolation(err.Error())
	}
	shared := sharedPath(dir)
	probe := filepath.Join(dir, "probe")
	for _, d := range []string{shared, probe} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return noIsolation(err.Error())
		}
	}
	defer os.Remove(probe)
	var refused []string
	for _, way := range []struct {
		how   string
		apply func(*syscall.SysProcAttr)
	}{
		{"a mount namespace for each", func(a *syscall.SysProcAttr) { a.Cloneflags = syscall.CLONE_NEWNS }},
		{"a user and mount namespace for each", userNamespace},
	} {
		wrap := func(c *exec.Cmd, tree string) {
			// The command's path and arguments go to the demo's own entrance, which mounts and then becomes it.
			c.Args = append([]string{self, enterCommand, tree, shared, c.Path}, c.Args...)
			c.Path = self
			if c.SysProcAttr == nil {
				c.SysProcAttr = &syscall.SysProcAttr{}
			}
			way.apply(c.SysProcAttr)
		}
		// A probe that does what an agent will do, down to the exec.
		c := exec.CommandContext(ctx, "/bin/sh", "-c", `cd "$1" && : >entered`, "sh", shared)
		wrap(c, probe)
		text, err := c.CombinedOutput()
		if err == nil {
			// What was written below the common path must have arrived in the instance's own directory.
			err = os.Remove(filepath.Join(probe, "entered"))
		}
		if err == nil {
			return &isolation{shared: shared, how: way.how, wrap: wrap}
		}
		refused = append(refused, strings.TrimSpace(fmt.Sprintf("%s: %v %s", way.how, err, text)))
	}
	return noIsolation(strings.Join(refused, "; "))
}

// userNamespace makes the command's user the owner of a namespace in which it may mount. The user keeps its id.
func userNamespace(a *syscall.SysProcAttr) {
	a.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	// The exec of the entrance would drop what is not ambient.
	a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN}
}

// enter runs inside the new namespaces: it puts the directory args[0] at the path args[1] and becomes the command at
// the path args[2] with the arguments args[3:] (the first being its name). It returns only on failure.
func enter(args []string) error {
	if len(args) < 4 {
		return errors.New("cannot enter an instance: this command is the demo's own")
	}
	tree, at := args[0], args[1]
	// Capabilities are a thread's own.
	runtime.LockOSThread()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	if err := unix.Mount(tree, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot mount %s at %s: %w", tree, at, err)
	}
	// The agent is to have what its user has, not what mounting took.
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot give up capabilities: %w", err)
	}
	if err := unix.Exec(args[2], args[3:], os.Environ()); err != nil {
		return fmt.Errorf("cannot run %s: %w", args[2], err)
	}
	return nil
}
