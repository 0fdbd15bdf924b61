//go:build unix

package agent

import "codedeploy-agent/agent/revision"

// platform is the os of AppSpecs that this host takes. Other Unix systems than Linux are for rehearsals.
func platform() string { return "linux" }

// gitHubFormat is the archive GitHub is asked for when the specification does not say (official agents on Linux).
const gitHubFormat = revision.Tar
