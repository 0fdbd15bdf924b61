// Package hooks is the lifecycle events of a deployment: their order, whose scripts run, and running them one after another. Each is run by a
// small process of its own, the runner, so that it outlives the agent that started it.
package hooks

import "slices"

// The lifecycle events that run scripts, and the two commands between them that do not (AWS user guide).
const (
	BeforeBlockTraffic = "BeforeBlockTraffic"
	AfterBlockTraffic  = "AfterBlockTraffic"
	ApplicationStop    = "ApplicationStop"
	DownloadBundle     = "DownloadBundle"
	BeforeInstall      = "BeforeInstall"
	Install            = "Install"
	AfterInstall       = "AfterInstall"
	ApplicationStart   = "ApplicationStart"
	ValidateService    = "ValidateService"
	BeforeAllowTraffic = "BeforeAllowTraffic"
	AfterAllowTraffic  = "AfterAllowTraffic"
)

// scriptable are the events an AppSpec can name scripts for and the service sends commands for.
var scriptable = []string{
	BeforeBlockTraffic, AfterBlockTraffic, ApplicationStop, BeforeInstall, AfterInstall, ApplicationStart,
	ValidateService, BeforeAllowTraffic, AfterAllowTraffic,
}

// Scriptable says whether the service sends commands for the event and an AppSpec may name scripts for it.
func Scriptable(event string) bool { return slices.Contains(scriptable, event) }

// Commands are all commands of a deployment that the service sends to an instance: the scriptable events, DownloadBundle
// and Install.
func Commands() []string { return append(slices.Clone(scriptable), DownloadBundle, Install) }

// LocalOrder is the order of a local deployment, as the official codedeploy-local has it.
func LocalOrder() []string {
	return []string{
		BeforeBlockTraffic, AfterBlockTraffic, ApplicationStop, DownloadBundle, BeforeInstall, Install, AfterInstall,
		ApplicationStart, ValidateService, BeforeAllowTraffic, AfterAllowTraffic,
	}
}

// Revision says whose scripts an event runs.
type Revision int

// The revisions whose scripts an event can run.
const (
	Current        Revision = iota // the revision being deployed
	LastSuccessful                 // the one whose Install was the group's last to succeed
	MostRecent                     // the one whose DownloadBundle was the group's last to succeed
)

// String names the revision for logs.
func (r Revision) String() string {
	switch r {
	case LastSuccessful:
		return "last successful revision"
	case MostRecent:
		return "most recent revision"
	default:
		return "current revision"
	}
}

// Deployment types and the creator that together make a blue/green rollback.
const (
	TypeBlueGreen   = "BLUE_GREEN"
	CreatorRollback = "codeDeployRollback"
)

// RevisionOf says whose scripts the event runs if the deployment itself has no unpacked revision on this host; if it has
// one, its own scripts run (official agent 1.8 and 2.x). Custom events run the current revision's.
func RevisionOf(event, deploymentType, creator string) Revision {
	rollback := deploymentType == TypeBlueGreen && creator == CreatorRollback
	switch event {
	case BeforeBlockTraffic, AfterBlockTraffic:
		if rollback {
			return MostRecent
		}
		return LastSuccessful
	case ApplicationStop:
		return LastSuccessful
	case BeforeAllowTraffic, AfterAllowTraffic:
		if rollback {
			return LastSuccessful
		}
	}
	return Current
}
