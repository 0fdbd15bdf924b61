//go:build unix

package config

// The official agents' places.
const (
	defaultRootDir    = "/opt/codedeploy-agent/deployment-root"
	defaultStateDir   = "/opt/codedeploy-agent/state"
	defaultPidDir     = "/opt/codedeploy-agent/state/.pid"
	defaultLogDir     = "/var/log/aws/codedeploy-agent"
	defaultOnPremises = "/etc/codedeploy-agent/conf/codedeploy.onpremises.yml"
)

// DefaultPath is where the configuration file is when none is named.
func DefaultPath() string { return "/etc/codedeploy-agent/conf/codedeployagent.yml" }
