package agent

import "codedeploy-agent/agent/revision"

func platform() string { return "windows" }

// gitHubFormat is the archive GitHub is asked for when the specification does not say (official agents on Windows).
const gitHubFormat = revision.Zip
