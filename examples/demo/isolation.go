package main

import (
	"os/exec"
	"path/filepath"
)

// enterCommand is the hidden first argument with which the demo starts itself inside an instance's namespaces.
const enterCommand = "enter-instance"

// isolation is how instances on one machine come by the same destination, as instances of a deployment group have it:
// the AppSpec names an absolute path, and each instance must have its own files there.
type isolation struct {
	// shared is the path that is each instance's own; empty if that cannot be had, see why.
	shared string
	// how and why are for the demo's output.
	how, why string
	// wrap makes a command run inside the namespaces of an instance whose files are in tree.
	wrap func(c *exec.Cmd, tree string)
}

// root is where an instance whose files are in tree finds them.
func (i *isolation) root(tree string) string {
	if i.shared == "" {
		return tree
	}
	return i.shared
}

// noIsolation is what is left when the system offers no way: each instance has a destination of its own, written into
// its bundle.
func noIsolation(why string) *isolation {
	return &isolation{why: why, wrap: func(*exec.Cmd, string) {}}
}

// sharedPath is the common path in the demo's directory.
func sharedPath(dir string) string { return filepath.Join(dir, "srv") }
