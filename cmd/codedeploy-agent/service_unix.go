//go:build unix

package main

import (
	"os"
	"syscall"

	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/hooks/runner"
)

// handOverSignals make the agent leave everything to the next one at once.
var handOverSignals = []os.Signal{syscall.SIGUSR2}

// runService runs the agent until the service manager, or whoever started it, sends SIGTERM.
func runService(file string) error {
	stop, abandon, release := untilSignal()
	defer release()
	return daemon(file, stop, abandon)
}

// prepareProcess sets what hooks see of the agent, as the official agents do: umask 0022, and no open file.
func prepareProcess(c *config.Config, log *zap.Logger) {
	syscall.Umask(0o022)
	runner.KeepDescriptors()
	if c.DisableCoreDumps {
		if err := disableCoreDumps(); err != nil {
			log.Warn("cannot disable core dumps", zap.Error(err))
		}
	}
}
