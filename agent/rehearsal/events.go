package rehearsal

import (
	"slices"
	"strings"
	"time"
)

// The lifecycle events in the orders in which the service plays them (AWS user guide). BlockTraffic and AllowTraffic
// are the service's own: no host gets a command for them.
var (
	installEvents = []string{"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall",
		"ApplicationStart", "ValidateService"}
	blockEvents = []string{"BeforeBlockTraffic", blockTraffic, "AfterBlockTraffic"}
	allowEvents = []string{"BeforeAllowTraffic", allowTraffic, "AfterAllowTraffic"}
)

const (
	blockTraffic = "BlockTraffic"
	allowTraffic = "AllowTraffic"
)

// Event is one line of a deployment's timeline: a lifecycle event on a host, ended or skipped.
type Event struct {
	DeploymentID string
	// Host is the host's name, Name the lifecycle event.
	Host, Name string
	// Revision is the label of the revision whose scripts the event runs. It is empty for the service's own events and
	// where the host has no such revision, for example at the first ApplicationStop.
	Revision string
	// Start is zero for a skipped event.
	Start    time.Time
	Duration time.Duration
	Status   EventStatus
	// Ignored tells that the event failed and the deployment went on because it ignores such failures.
	Ignored bool
	// Noop tells that the host had nothing to do.
	Noop bool
	// ErrorCode, Script and Message are the host's diagnostics, Log the last lines of the scripts' output. For the
	// service's own events ErrorCode is -1.
	ErrorCode       int
	Script, Message string
	Log             []string
}

// EventStatus is how an event ended.
type EventStatus string

// The statuses a timeline can have.
const (
	Succeeded EventStatus = statusSucceeded
	Failed    EventStatus = statusFailed
	Skipped   EventStatus = "Skipped"
)

// logLines is how many lines of a script's output an Event keeps.
const logLines = 10

func eventOf(deployment, host, name, revision string, r Result) Event {
	return Event{DeploymentID: deployment, Host: host, Name: name, Revision: revision, Start: r.Queued,
		Duration: r.Duration, Status: EventStatus(r.Status), Noop: r.Noop, ErrorCode: r.ErrorCode,
		Script: r.ScriptName, Message: r.Message, Log: lastLines(r.Log, logLines)}
}

func lastLines(text string, n int) []string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	return slices.Clone(lines[max(0, len(lines)-n):])
}

// installed is what a host has of one deployment group: the labels behind the agent's pointers.
type installed struct {
	// lastSuccessful is written at the end of Install, mostRecent at the end of DownloadBundle.
	lastSuccessful, mostRecent string
	archives                   map[string]bool // deployments that were downloaded
}

// whose says which revision's scripts an event runs on a host (AWS user guide, official agent 1.8).
func (i *installed) whose(event string, d Deployment) string {
	current := d.label()
	rollback := d.Spec.Creator == CreatorRollback && d.Spec.Type == TypeBlueGreen
	switch {
	case event == blockTraffic || event == allowTraffic:
		return ""
	case i.archives[d.Spec.DeploymentID]:
		return current
	case event == "ApplicationStop":
		return i.lastSuccessful
	case slices.Contains(blockEvents, event):
		if rollback {
			return i.mostRecent
		}
		return i.lastSuccessful
	case slices.Contains(allowEvents, event) && rollback:
		return i.lastSuccessful
	default:
		return current
	}
}

// note keeps up with what an event did to the host.
func (i *installed) note(event string, d Deployment) {
	switch event {
	case "DownloadBundle":
		i.mostRecent = d.label()
		i.archives[d.Spec.DeploymentID] = true
	case "Install":
		i.lastSuccessful = d.label()
	}
}
