package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"codedeploy-agent/agent/config"
)

// Trace is something that the agent has of the host.
type Trace struct {
	Path string
	// What says for people what it is.
	What string
}

// Traces are all that the agent has of the host, in the order in which it is to be removed: identity and credentials, what is owed to the
// service, what is installed, history and logs. credentials is the file that the on-premises file names, empty if there is none. Configuration
// stays, and so does what was deployed.
func Traces(c *config.Config, credentials string) ([]Trace, error) {
	traces := []Trace{{c.OnPremisesConfigFile, "identity of an on-premises host"}}
	if credentials != "" {
		traces = append(traces, Trace{credentials, "credentials of an on-premises host"})
	}
	traces = append(traces, Trace{filepath.Join(c.PidDir, "codedeploy-agent.pid"), "process id"})
	var problems []error
	below := func(dir, what string, own func() ([]string, error)) {
		names, err := own()
		if err != nil {
			problems = append(problems, err)
		}
		for _, name := range names {
			traces = append(traces, Trace{filepath.Join(dir, name), what})
		}
	}
	below(c.StateDir, "state of the agent", func() ([]string, error) { return hostsOwn(c, c.StateDir) })
	for _, name := range kept { // no agent runs, so no lock is held
		if name != "agent.lock" { // but the one that says so
			traces = append(traces, Trace{filepath.Join(c.StateDir, name), "state of the agent"})
		}
	}
	below(c.RootDir, "revisions and what is installed", func() ([]string, error) { return hostsOwn(c, c.RootDir) })
	below(c.LogDir, "log", func() ([]string, error) { return hostsOwn(c, c.LogDir) })
	traces = slices.DeleteFunc(traces, func(t Trace) bool {
		_, err := os.Lstat(t.Path)
		return errors.Is(err, fs.ErrNotExist)
	})
	return traces, errors.Join(problems...)
}

// Remove removes the traces and tells of each one. It goes on after one that cannot be removed; the error names them all.
func Remove(traces []Trace, removed func(Trace)) error {
	var problems []error
	for _, t := range traces {
		if err := os.RemoveAll(t.Path); err != nil {
			problems = append(problems, fmt.Errorf("cannot remove %s (%s): %w", t.Path, t.What, err))
			continue
		}
		removed(t)
	}
	return errors.Join(problems...)
}
