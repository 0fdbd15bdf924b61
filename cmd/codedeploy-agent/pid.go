package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/durable"
	"codedeploy-agent/hooks/runner"
)

// pidFile is where the official agents leave their process id.
func pidFile(c *config.Config) string { return filepath.Join(c.PidDir, "codedeploy-agent.pid") }

// checkOtherAgent refuses to run beside an agent that has not been stopped, as when an official one still ends a lifecycle event while this one
// takes its place: both would take commands of the same deployment, and this one would report the other's as interrupted. Only Linux tells
// what a process is; elsewhere the service manager has to see to it.
func checkOtherAgent(c *config.Config) error {
	data, err := os.ReadFile(pidFile(c))
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 || pid == os.Getpid() {
		return nil // nobody's, or this agent's own in a container that was started again
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil // it is gone
	}
	args := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
	if !isAgent(args) {
		return nil // another program has got the number, or it is the runner of a hook that outlived its agent
	}
	return fmt.Errorf("cannot start: another agent is running, process %d (%s), as %s says; stop it first (systemctl stop codedeploy-agent), "+
		"or give this one a pid_dir of its own", pid, strings.Join(args, " "), pidFile(c))
}

// isAgent says whether a command line is that of a daemon: "codedeploy-agent: master 123", as the official agent 1.8 calls itself, Ruby that is
// about to become that, or a program with the name of official agent 2.x and of this one.
func isAgent(args []string) bool {
	const name = "codedeploy-agent"
	if strings.HasPrefix(filepath.Base(args[0]), "ruby") {
		return slices.ContainsFunc(args, func(a string) bool { return filepath.Base(a) == name })
	}
	return strings.HasPrefix(filepath.Base(args[0]), name) && !slices.Contains(args, runner.Command)
}

// writePid leaves the process id where the official agents do, for tools that look there. The agent itself relies on a lock.
func writePid(c *config.Config, log *zap.Logger) (remove func()) {
	path := pidFile(c)
	err := os.MkdirAll(c.PidDir, 0o755)
	if err == nil {
		err = durable.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	}
	if err != nil {
		log.Warn("cannot leave the process id for other tools", zap.Error(err))
		return func() {}
	}
	return func() {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			log.Warn("cannot remove the file with the process id", zap.Error(err))
		}
	}
}
