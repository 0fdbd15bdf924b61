package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/install"
	"codedeploy-agent/agent/revision"
	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/plaintext"
	"codedeploy-agent/hooks"
)

// Plan is what a deployment would do on this host, in the order of its lifecycle events.
type Plan struct {
	Group string `json:"deployment_group"`
	// LastSuccessful is the deployment that is installed here now, empty if there is none.
	LastSuccessful string           `json:"last_successful,omitempty"`
	Events         []PlannedEvent   `json:"events"`
	Hooks          []PlannedHook    `json:"hooks"`
	Changes        []install.Change `json:"changes"`
	// Problems are the reasons why the deployment could not succeed; Warnings do not stop it.
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`

	install *install.Plan
}

// PlannedEvent is one lifecycle event of a planned deployment.
type PlannedEvent struct {
	Event string `json:"event"`
	// Revision says whose scripts run: "current revision" and so on, empty for what the agent does itself.
	Revision string `json:"revision,omitempty"`
	// Deployment is the deployment of that revision, empty for the one that is planned.
	Deployment string `json:"deployment,omitempty"`
	// Scripts is how many run.
	Scripts int `json:"scripts"`
}

// PlannedHook is one script of a planned deployment.
type PlannedHook struct {
	Event      string `json:"event"`
	Location   string `json:"location"`
	Revision   string `json:"revision"`
	Deployment string `json:"deployment,omitempty"`
	RunAs      string `json:"runas,omitempty"`
	Sudo       bool   `json:"sudo,omitempty"`
	Timeout    int    `json:"timeout"` // in seconds
}

// Plan finds out what Run would do, and changes nothing. A bundle that is not a directory is unpacked to a temporary directory. An error
// means that there is no plan: the request is wrong (*InvalidError) or the bundle cannot be read; what would make the deployment
// fail is in Plan.Problems.
func (l *LocalDeployment) Plan(ctx context.Context) (*Plan, error) {
	spec, events, err := l.specification()
	if err != nil {
		return nil, err
	}
	x := &Executor{config: l.Config, store: newStore(l.Config, l.Guard), sources: l.Sources, custom: events, log: l.Log}
	archive, cleanUp, err := x.unpackedFor(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer cleanUp()
	b := &planner{x: x, spec: spec, archive: archive, plan: &Plan{Group: spec.GroupID, Events: []PlannedEvent{}, Hooks: []PlannedHook{},
		Changes: []install.Change{}, Problems: []string{}, Warnings: []string{}}}
	return b.plan, b.run(ctx, events)
}

// unpackedFor returns a directory with the unpacked revision.
func (x *Executor) unpackedFor(ctx context.Context, spec *command.Specification) (archive string, cleanUp func(), err error) {
	if spec.Revision.Type == command.RevisionLocalDirectory {
		return spec.Revision.Location, func() {}, nil
	}
	source, format, err := x.sources.Source(spec)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "codedeploy-plan-")
	if err != nil {
		return "", nil, fmt.Errorf("cannot unpack the bundle to look at it: %w", err)
	}
	cleanUp = func() { os.RemoveAll(dir) }
	bundle, archive := filepath.Join(dir, "bundle"), filepath.Join(dir, "archive")
	if _, err = revision.Download(ctx, source, bundle, 0o600, nil); err == nil {
		err = revision.Unpack(ctx, format, bundle, archive, x.unpackOptions(nil))
	}
	if err != nil {
		cleanUp()
		return "", nil, err
	}
	return archive, cleanUp, nil
}

// planner makes a Plan.
type planner struct {
	x       *Executor
	spec    *command.Specification
	archive string // of the revision that is planned
	plan    *Plan
}

func (b *planner) problem(err error) {
	for line := range strings.Lines(err.Error()) {
		b.plan.Problems = append(b.plan.Problems, strings.TrimSpace(line))
	}
}

func (b *planner) run(ctx context.Context, events []string) error {
	x, group := b.x, b.spec.GroupID
	last, ok, err := x.store.LastSuccessful(group)
	if err != nil {
		return err
	}
	if ok {
		b.plan.LastSuccessful = last.ID
	}
	a, name, err := readAppSpec(b.archive, b.spec.AppSpecFilename)
	if err != nil {
		b.problem(err)
	}
	downloaded := false
	for _, event := range events {
		switch event {
		case hooks.DownloadBundle:
			downloaded = true
			b.plan.Events = append(b.plan.Events, PlannedEvent{Event: event})
		case hooks.Install:
			b.plan.Events = append(b.plan.Events, PlannedEvent{Event: event})
			if a != nil {
				if err := b.install(ctx, a, name); err != nil {
					return err
				}
			}
		default:
			b.event(event, a, downloaded)
		}
	}
	return nil
}

// event plans the scripts of a lifecycle event. Before DownloadBundle they are those of an earlier deployment.
func (b *planner) event(event string, current *appspec.AppSpec, downloaded bool) {
	planned := PlannedEvent{Event: event, Revision: hooks.Current.String()}
	archive, scripts := b.archive, []appspec.Script(nil)
	if downloaded {
		if current != nil {
			scripts = current.Scripts(event)
		}
	} else {
		planned.Revision = hooks.RevisionOf(event, b.spec.Type, b.spec.Creator).String()
		whose, s, err := b.x.scripts(event, b.spec)
		if err != nil {
			b.problem(err)
			return
		}
		archive, scripts = whose.Archive(), s
		if whose.ID != b.spec.DeploymentID {
			planned.Deployment = whose.ID
		}
	}
	planned.Scripts = len(scripts)
	b.plan.Events = append(b.plan.Events, planned)
	for _, s := range scripts {
		b.plan.Hooks = append(b.plan.Hooks, PlannedHook{Event: event, Location: s.Location, Revision: planned.Revision, Deployment: planned.Deployment,
			RunAs: s.RunAs, Sudo: s.Sudo, Timeout: int(s.Timeout.Seconds())})
		warning, err := hooks.Check(archive, s)
		if err != nil {
			b.problem(fmt.Errorf("%s: %w", event, err))
		}
		if warning != "" {
			b.plan.Warnings = append(b.plan.Warnings, fmt.Sprintf("%s: %s: %s", event, s.Location, warning))
		}
	}
}

func (b *planner) install(ctx context.Context, a *appspec.AppSpec, name string) error {
	for _, w := range a.Warnings {
		b.plan.Warnings = append(b.plan.Warnings, name+": "+w.String())
	}
	if err := checkEvents(a, name, b.spec.AllPossibleLifecycleEvents); err != nil {
		b.problem(err)
	}
	request, err := b.x.installRequest(b.spec, b.archive, a, name, zap.NewNop())
	if err != nil {
		b.problem(err)
		return nil
	}
	plan, err := install.Build(ctx, request)
	var impossible *install.Error
	if errors.As(err, &impossible) {
		for _, p := range impossible.Problems {
			b.plan.Problems = append(b.plan.Problems, p.String())
		}
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range plan.Warnings() {
		b.plan.Warnings = append(b.plan.Warnings, w.String())
	}
	plan.Explain()
	b.plan.install, b.plan.Changes = plan, plan.Changes()
	return nil
}

// WriteTo prints the plan for people.
func (p *Plan) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Deployment group %s; ", p.Group)
	if p.LastSuccessful == "" {
		b.WriteString("nothing of it was installed here before.\n")
	} else {
		fmt.Fprintf(&b, "installed here is deployment %s.\n", p.LastSuccessful)
	}
	for _, e := range p.Events {
		switch {
		case e.Event == hooks.Install && p.install != nil:
			fmt.Fprintf(&b, "\n%s\n", e.Event)
			out := bufio.NewWriter(&indented{w: &b, prefix: "    "})
			if _, err := p.install.WriteTo(out); err != nil {
				return 0, err
			}
			if err := out.Flush(); err != nil {
				return 0, err
			}
			b.WriteString("\n")
		case e.Revision == "":
			fmt.Fprintf(&b, "%s\n", e.Event)
		case e.Scripts == 0:
			fmt.Fprintf(&b, "%-20s nothing to do\n", e.Event)
		default:
			whose := e.Revision
			if e.Deployment != "" {
				whose += " (" + e.Deployment + ")"
			}
			fmt.Fprintf(&b, "%-20s of the %s\n", e.Event, whose)
			for _, h := range p.Hooks {
				if h.Event == e.Event {
					fmt.Fprintf(&b, "    %s\n", h)
				}
			}
		}
	}
	for _, x := range []struct {
		title string
		lines []string
	}{{"Warnings", p.Warnings}, {"The deployment would fail", p.Problems}} {
		if len(x.lines) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", x.title)
			for _, l := range x.lines {
				fmt.Fprintf(&b, "  - %s\n", plaintext.Line(l))
			}
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// String is one line for people.
func (h PlannedHook) String() string {
	s := plaintext.Line(h.Location)
	if h.RunAs != "" {
		s += " as user " + h.RunAs
	}
	if h.Sudo {
		s += " through sudo"
	}
	return fmt.Sprintf("%s, at most %d s", s, h.Timeout)
}

// indented puts a prefix before each line.
type indented struct {
	w      io.Writer
	prefix string
	inside bool // of a line
}

func (i *indented) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		if !i.inside {
			line = i.prefix + line
		}
		i.inside = !strings.HasSuffix(line, "\n")
		if _, err := io.WriteString(i.w, line); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}
