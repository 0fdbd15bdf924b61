package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/install"
	"codedeploy-agent/agent/revision"
	"codedeploy-agent/appspec"
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
	// Space is what the unpacked revision and the installed files need of each file system.
	Space []install.Space `json:"space"`
	// Problems are the reasons why the deployment could not succeed; Warnings do not stop it.
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`

	install *install.Plan
	unread  bool // the revision cannot be read, so that nobody knows its scripts
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
	// User is who the script runs as in the end; empty if that is not known.
	User    string `json:"user"`
	Timeout int    `json:"timeout"` // in seconds
}

// Plan finds out what Run would do, and changes nothing: a bundle is read and not unpacked, only one that is not on this host is fetched to a
// temporary directory. An error means that there is no plan because the request is wrong (*InvalidError) or ctx was cancelled; whatever
// would make the deployment fail is in Plan.Problems.
func (l *LocalDeployment) Plan(ctx context.Context) (*Plan, error) {
	spec, events, err := l.specification()
	if err != nil {
		return nil, err
	}
	x := &Executor{config: l.Config, store: NewStore(l.Config, l.Guard), sources: l.Sources, custom: events, log: l.Log}
	b := &planner{x: x, spec: spec, archive: x.store.Deployment(spec.GroupID, spec.DeploymentID).Archive(), shown: cmp.Or(spec.Revision.Location, l.Location),
		told: map[string]bool{},
		plan: &Plan{Group: spec.GroupID, Events: []PlannedEvent{}, Hooks: []PlannedHook{}, Changes: []install.Change{}, Space: []install.Space{},
			Problems: []string{}, Warnings: []string{}}}
	if err := l.checkBundle(spec, events); err != nil {
		b.problem(err)
	}
	defer b.close()
	b.run(ctx, events)
	return b.plan, ctx.Err()
}

// planner makes a Plan.
type planner struct {
	x       *Executor
	spec    *command.Specification
	archive string            // where the revision will be
	shown   string            // where it is now
	content *revision.Preview // what will be there, nil before DownloadBundle and if that fails
	beside  []install.Demand  // what it takes on the disk
	appSpec *appspec.AppSpec  // of the revision, nil if there is none
	name    string            // of its AppSpec
	unread  error             // why there is none
	temp    string            // where the bundle has been fetched to
	planned bool              // the Install
	told    map[string]bool   // problems
	plan    *Plan
}

func (b *planner) close() {
	if b.content != nil {
		b.content.Close()
	}
	if b.temp != "" {
		os.RemoveAll(b.temp)
	}
}

// problem notes why the deployment cannot succeed, each reason once. What is said of files of the revision is said of the bundle, which is where
// they are now.
func (b *planner) problem(err error) {
	for line := range strings.Lines(err.Error()) {
		line = strings.ReplaceAll(strings.TrimSpace(line), b.archive, b.shown)
		if b.told[line] {
			continue
		}
		b.told[line] = true
		b.plan.Problems = append(b.plan.Problems, line)
	}
}

func (b *planner) warn(format string, args ...any) {
	b.plan.Warnings = append(b.plan.Warnings, fmt.Sprintf(format, args...))
}

func (b *planner) run(ctx context.Context, events []string) {
	group := b.spec.GroupID
	b.checkState()
	last, ok, err := b.x.store.LastSuccessful(group)
	if err != nil {
		b.problem(err)
	}
	if ok {
		b.plan.LastSuccessful = last.ID
	}
	downloaded := false
	for _, event := range events {
		switch event {
		case hooks.DownloadBundle:
			b.plan.Events = append(b.plan.Events, PlannedEvent{Event: event})
			if !downloaded {
				b.download(ctx)
			}
			downloaded = true
		case hooks.Install:
			b.plan.Events = append(b.plan.Events, PlannedEvent{Event: event})
			if !b.planned { // a second one finds everything done
				b.install(ctx)
			}
			b.planned = true
		default:
			b.event(event, downloaded)
		}
	}
}

// checkState looks whether the deployment could be kept, and whether an Install is under way.
func (b *planner) checkState() {
	record := b.x.installRecord(b.spec.GroupID)
	for _, dir := range []string{filepath.Dir(filepath.Dir(b.archive)), filepath.Dir(b.x.store.CleanupFile(b.spec.GroupID)),
		filepath.Join(b.x.config.StateDir, "local"), filepath.Dir(record)} {
		if at := disk.Standing(dir); disk.MayChange(at) != nil {
			b.problem(fmt.Errorf("cannot keep the deployment: this user may not write to %s; as an ordinary user, give a configuration file with a root_dir of "+
				"your own", at))
		}
	}
	if _, err := os.Lstat(record); err == nil {
		b.warn("an Install of this group is under way or was cut off (%s): the next one takes it back first, and this plan is for the host as it is now", record)
	}
}

// download reads the bundle as DownloadBundle would unpack it.
func (b *planner) download(ctx context.Context) {
	size, err := b.read(ctx)
	if err != nil {
		b.problem(fmt.Errorf("%s: %w", hooks.DownloadBundle, err))
		b.unread, b.plan.unread = err, true
		return
	}
	const block = 4096
	bytes, files := b.content.Demand(block)
	b.beside = []install.Demand{{Dir: b.archive, Bytes: bytes + size, Files: files}}
	b.appSpec, b.name, b.unread = parseAppSpec(b.content, b.archive, b.spec.AppSpecFilename)
	b.plan.unread = b.unread != nil
}

// read makes the preview of the revision. size is what its bundle takes on the disk, too.
func (b *planner) read(ctx context.Context) (size int64, err error) {
	r, o := b.spec.Revision, b.x.unpackOptions(nil)
	if r.Type == command.RevisionLocalDirectory {
		b.content, err = revision.PreviewDirectory(ctx, r.Location, b.archive, o)
		return 0, err
	}
	source, format, err := b.x.sources.Source(b.spec)
	if err != nil {
		return 0, err
	}
	bundle := r.Location
	if r.Type != command.RevisionLocalFile {
		if b.temp, err = os.MkdirTemp("", "codedeploy-plan-"); err != nil {
			return 0, fmt.Errorf("cannot fetch the bundle to look at it: %w", err)
		}
		bundle = filepath.Join(b.temp, "bundle")
		fetched, err := revision.Download(ctx, source, bundle, 0o600, nil)
		if err != nil {
			return 0, err
		}
		size = fetched.Bytes
	}
	b.content, err = revision.PreviewBundle(ctx, format, bundle, o)
	return size, disk.Explain(err, b.temp, 0)
}

// event plans the scripts of a lifecycle event. Before DownloadBundle they are those of an earlier deployment.
func (b *planner) event(event string, downloaded bool) {
	planned := PlannedEvent{Event: event, Revision: hooks.Current.String()}
	archive, scripts := b.archive, []appspec.Script(nil)
	var contents hooks.Contents
	if downloaded {
		if b.content != nil {
			contents = b.content
		}
		if b.appSpec != nil {
			scripts = b.appSpec.Scripts(event)
			b.unread = asNamed(b.spec.AppSpecFilename, b.name)
		}
		if b.unread != nil && b.content != nil {
			b.once(b.unread, fmt.Errorf("cannot find out what %s has to run: %w", event, b.unread))
			scripts = nil
		}
	} else {
		planned.Revision = hooks.RevisionOf(event, b.spec.Type, b.spec.Creator).String()
		whose, s, err := b.x.scripts(event, b.spec)
		if err != nil {
			b.problem(err)
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
			RunAs: s.RunAs, Sudo: s.Sudo, User: userOf(s), Timeout: int(s.Timeout.Seconds())})
		warning, err := hooks.Check(archive, contents, s)
		if err != nil {
			b.problem(fmt.Errorf("%s: %w", event, err))
		}
		if warning != "" {
			b.warn("%s: %s: %s", event, s.Location, warning)
		}
	}
}

// userOf is who a script runs as: the user it asks for, with sudo root by itself, and else who the agent, like this process, runs as.
func userOf(s appspec.Script) string {
	switch {
	case s.RunAs != "":
		return s.RunAs
	case s.Sudo:
		return "root"
	}
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// once notes a problem that several events have by its cause.
func (b *planner) once(cause, err error) {
	if key := "cause: " + cause.Error(); !b.told[key] {
		b.told[key] = true
		b.problem(err)
	}
}

func (b *planner) install(ctx context.Context) {
	a := b.appSpec
	if a == nil {
		if b.unread != nil && b.content != nil {
			b.once(b.unread, b.unread)
		}
		return
	}
	for _, w := range a.Warnings {
		b.warn("%s: %s", b.name, w)
	}
	if err := checkEvents(a, b.name, b.spec.AllPossibleLifecycleEvents); err != nil {
		b.problem(err)
	}
	request, err := b.x.installRequest(b.spec, b.archive, a, b.name, zap.NewNop())
	if err != nil {
		b.problem(err)
		return
	}
	request.Contents, request.Beside = b.content, b.beside
	plan, err := install.Build(ctx, request)
	var impossible *install.Error
	if errors.As(err, &impossible) {
		for _, p := range impossible.Problems {
			b.problem(errors.New(p.String()))
		}
		b.plan.Space = append(b.plan.Space, impossible.Space...)
		return
	}
	if err != nil {
		if ctx.Err() == nil {
			b.problem(fmt.Errorf("%s: %w", hooks.Install, err))
		}
		return
	}
	for _, w := range plan.Warnings() {
		b.warn("%s", w)
	}
	plan.Explain()
	b.plan.install, b.plan.Changes, b.plan.Space = plan, plan.Changes(), slices.Clone(plan.Space())
}
