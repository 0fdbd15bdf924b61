package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"codedeploy-agent/agent/dryrun"
	"codedeploy-agent/agent/install"
	"codedeploy-agent/hooks/runner"
)

// DryRun is what deployments did on a copy-on-write view of a host. It has the shape of a Plan, and what only shows when hooks run.
type DryRun struct {
	Group string `json:"deployment_group"`
	// LastSuccessful is the deployment that was installed before the first one, empty if there was none.
	LastSuccessful string `json:"last_successful,omitempty"`
	// Runs are the deployments of the bundle, one after the other.
	Runs  []DryRunDeployment `json:"runs"`
	Hooks []DryRunHook       `json:"hooks"`
	// Changes is how the file system differs at the end, without the agent's own state.
	Changes []install.Change `json:"changes"`
	// Services are the calls that would have acted on the host's services or power, Commands other calls that were not really made.
	Services []dryrun.Call `json:"services"`
	Commands []dryrun.Call `json:"commands"`
	// Units are the services that were started in the view.
	Units     []dryrun.Unit    `json:"units"`
	Processes []dryrun.Process `json:"processes"`
	Ports     []dryrun.Port    `json:"ports"`
	// Problems are the reasons why a deployment failed; Warnings are what else a person should know.
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`

	state []string // directories of the agent's own
}

// DryRunDeployment is one deployment of a dry run.
type DryRunDeployment struct {
	Deployment string  `json:"deployment"`
	Result     string  `json:"result"` // succeeded or failed
	Error      string  `json:"error,omitempty"`
	Duration   float64 `json:"duration"` // in seconds
}

// DryRunHook is one script that a dry run has run.
type DryRunHook struct {
	// Run is the number of the deployment, from 1.
	Run        int     `json:"run"`
	Event      string  `json:"event"`
	Location   string  `json:"location"`
	Deployment string  `json:"deployment"` // whose script it is
	RunAs      string  `json:"runas,omitempty"`
	Sudo       bool    `json:"sudo,omitempty"`
	Timeout    int     `json:"timeout"` // in seconds
	Result     string  `json:"result"`  // succeeded or failed
	Code       int     `json:"code"`    // as the service would get it
	ExitCode   int     `json:"exit_code"`
	Duration   float64 `json:"duration"` // in seconds
	// Output is the end of its output, as the service would get it.
	Output string `json:"output"`
}

// The results of deployments and scripts.
const (
	succeeded = "succeeded"
	failed    = "failed"
)

// DryRunMessage is what the deployments that run in the view tell of themselves, each message one thing.
type DryRunMessage struct {
	// State are the directories of the agent's own.
	State []string          `json:"state,omitempty"`
	Began *DryRunBegin      `json:"began,omitempty"`
	Hook  *DryRunHook       `json:"hook,omitempty"`
	Ended *DryRunDeployment `json:"ended,omitempty"`
	// Warnings are about the last script.
	Warnings []string `json:"warnings,omitempty"`
	// Invalid are the reasons why nothing was begun.
	Invalid []string `json:"invalid,omitempty"`
}

// DryRunBegin says that a deployment has begun.
type DryRunBegin struct {
	Deployment, LastSuccessful string
}

// HookMessage is the message about a script that has ended.
func HookMessage(run int, r HookResult) DryRunMessage {
	h := &DryRunHook{Run: run, Event: r.Event, Location: r.Script.Location, Deployment: r.Deployment, RunAs: r.Script.RunAs, Sudo: r.Script.Sudo,
		Timeout: int(r.Script.Timeout.Seconds()), Result: succeeded, Code: r.Record.Code, ExitCode: r.Record.ExitCode,
		Duration: r.Record.Ended.Sub(r.Record.Began).Seconds(), Output: strings.Join(r.Record.Tail, "")}
	if h.Code != runner.CodeSuccess {
		h.Result = failed
	}
	m := DryRunMessage{Hook: h}
	for _, w := range r.Record.Warnings {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s: %s: %s", r.Event, r.Script.Location, w))
	}
	return m
}

// EndMessage is the message about a deployment that has ended.
func EndMessage(took time.Duration, err error) DryRunMessage {
	d := &DryRunDeployment{Result: succeeded, Duration: took.Seconds()}
	if err != nil {
		d.Result, d.Error = failed, err.Error()
	}
	return DryRunMessage{Ended: d}
}

// NewDryRun is the report of a dry run that is about to begin.
func NewDryRun(group string) *DryRun {
	return &DryRun{Group: group, Runs: []DryRunDeployment{}, Hooks: []DryRunHook{}, Changes: []install.Change{}, Services: []dryrun.Call{},
		Commands: []dryrun.Call{}, Units: []dryrun.Unit{}, Processes: []dryrun.Process{}, Ports: []dryrun.Port{}, Problems: []string{}, Warnings: []string{}}
}

// Add takes a message of the deployments.
func (d *DryRun) Add(m DryRunMessage) {
	d.state = append(d.state, m.State...)
	if m.Began != nil {
		if len(d.Runs) == 0 {
			d.LastSuccessful = m.Began.LastSuccessful
		}
		d.Runs = append(d.Runs, DryRunDeployment{Deployment: m.Began.Deployment})
	}
	if m.Hook != nil {
		d.Hooks = append(d.Hooks, *m.Hook)
	}
	d.Warnings = append(d.Warnings, m.Warnings...)
	if m.Ended != nil && len(d.Runs) > 0 {
		last := &d.Runs[len(d.Runs)-1]
		m.Ended.Deployment = last.Deployment
		*last = *m.Ended
		if m.Ended.Error != "" {
			d.Problems = append(d.Problems, which(len(d.Runs))+" failed: "+m.Ended.Error)
		}
	}
}

// which names a deployment by its number.
func which(run int) string {
	if run == 1 {
		return "the deployment"
	}
	return "the next deployment of the same bundle"
}

// Observe takes what was found in the view at the end. A deployment that has not ended by itself was ended by one of its hooks.
func (d *DryRun) Observe(o *dryrun.Observation) {
	if len(d.Runs) > 0 && d.Runs[len(d.Runs)-1].Result == "" {
		d.Add(EndMessage(0, errors.New("a hook has killed the agent: it kills processes that are not its own")))
	}
	for _, c := range o.Changes {
		if !d.ours(c) {
			d.Changes = append(d.Changes, c)
		}
	}
	for _, c := range o.Calls {
		if c.Kind == dryrun.Services || c.Kind == dryrun.Power {
			d.Services = append(d.Services, c)
		} else {
			d.Commands = append(d.Commands, c)
		}
	}
	d.Units, d.Processes, d.Ports = o.Units, o.Processes, o.Ports
	for _, u := range o.Units {
		if !u.Well() {
			d.Warnings = append(d.Warnings, "the service "+u.Name+" is not well: "+fares(u))
		}
	}
	d.Warnings = append(d.Warnings, o.Warnings...)
	d.explainMissing()
	if slices.ContainsFunc(d.Hooks, func(h DryRunHook) bool { return strings.Contains(h.Output, "No space left on device") }) ||
		slices.ContainsFunc(d.Problems, func(p string) bool { return strings.Contains(p, "no space left on device") }) {
		d.Warnings = append(d.Warnings, "something found no room left: in the view that says nothing of the host, for what it changes is kept in memory, "+
			"or on the file system of --scratch")
	}
}

// explainMissing warns that what a failed hook did not find may only be missing because packages were not really installed.
func (d *DryRun) explainMissing() {
	i := slices.IndexFunc(d.Commands, func(c dryrun.Call) bool { return c.Kind == dryrun.Packages && c.Code == 0 })
	if i < 0 {
		return
	}
	for _, h := range d.Hooks {
		missing := slices.ContainsFunc([]string{"not found", "No such file", "No module named", "Cannot find module"}, func(s string) bool { return strings.Contains(h.Output, s) })
		if h.Result == failed && missing {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %s: what it did not find may be missing only because packages were not really installed (%s, say): "+
				"with --network host they are, in the view", h.Event, h.Location, strings.Join(d.Commands[i].Command, " ")))
		}
	}
}

// ours says whether a change is to the agent's own state, or makes a directory on the way to it.
func (d *DryRun) ours(c install.Change) bool {
	for _, dir := range d.state {
		if c.Path == dir || strings.HasPrefix(c.Path, dir+"/") || c.Action == install.Create && c.Kind == install.KindDirectory && strings.HasPrefix(dir, c.Path+"/") {
			return true
		}
	}
	return false
}
