//go:build unix

package agent

import (
	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/revision"
)

// platform is the os of AppSpecs that this host takes. Other Unix systems than Linux are for rehearsals.
func platform() string { return "linux" }

// gitHubFormat is the archive GitHub is asked for when the specification does not say (official agents on Linux).
const gitHubFormat = revision.Tar

// mayChange says whether this process may make something in a directory.
func mayChange(dir string) bool {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS) == nil
}
