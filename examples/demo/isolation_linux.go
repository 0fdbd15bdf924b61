package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolate gives each instance its own files at the same path, in a mount namespace, if the user may mount. A user namespace would let every
// user mount, but the directories of root belong to nobody there, and an agent does not trust a configuration below such directories.
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
	wrap := func(c *exec.Cmd, tree string) {
		// The command's path and arguments go to the demo's own entrance, which mounts and then becomes it.
		c.Args = append([]string{self, enterCommand, tree, shared, c.Path}, c.Args...)
		c.Path = self
		if c.SysProcAttr == nil {
			c.SysProcAttr = &syscall.SysProcAttr{}
		}
		c.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	}
	// A probe that does what an agent will do, down to the exec.
	c := exec.CommandContext(ctx, "/bin/sh", "-c", `cd "$1" && : >entered`, "sh", shared)
	wrap(c, probe)
	text, err := c.CombinedOutput()
	if err == nil {
		// What was written below the common path must have arrived in the instance's own directory.
		err = os.Remove(filepath.Join(probe, "entered"))
	}
	if errors.Is(err, fs.ErrPermission) {
		return noIsolation("only root may mount")
	}
	if err != nil {
		return noIsolation(strings.TrimSpace(fmt.Sprintf("%v %s", err, text)))
	}
	return &isolation{shared: shared, how: "a mount namespace for each", wrap: wrap}
}

// enter runs inside the new namespaces: it puts the directory args[0] at the path args[1] and becomes the command at
// the path args[2] with the arguments args[3:] (the first being its name). It returns only on failure.
func enter(args []string) error {
	if len(args) < 4 {
		return errors.New("cannot enter an instance: this command is the demo's own")
	}
	tree, at := args[0], args[1]
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	if err := unix.Mount(tree, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cannot mount %s at %s: %w", tree, at, err)
	}
	if err := unix.Exec(args[2], args[3:], os.Environ()); err != nil {
		return fmt.Errorf("cannot run %s: %w", args[2], err)
	}
	return nil
}
