// Package packaging holds what packages and images of the agent are made of. The unit is the one thing of it that the agent itself needs.
package packaging

import _ "embed"

// Unit is the service that the packages install, for systemd.
//
//go:embed systemd/codedeploy-agent.service
var Unit string

// UnitProgram is the program and its arguments as they stand in Unit.
const UnitProgram = "/opt/codedeploy-agent/bin/codedeploy-agent run"
