package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/progress"
	"codedeploy-agent/agent/revision"
	"codedeploy-agent/agent/store"
	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks"
	"codedeploy-agent/hooks/runner"
)

// Sources says where a deployment's bundle comes from. The daemon's sources need an identity, a local deployment's may not.
type Sources interface {
	// Source returns the source of the specification's revision; format is the bundle's.
	Source(spec *command.Specification) (s revision.Source, format revision.Format, err error)
}

// Executor executes the commands of deployments on this host. The daemon and local deployments use the same one. Commands
// of different deployment groups may be executed at the same time.
type Executor struct {
	config  *config.Config
	store   *store.Store
	sources Sources
	// display shows how far downloading, unpacking and installing are; nil means that it is logged.
	display *progress.Display
	// live gets a copy of the hooks' output; nil means none.
	live io.Writer
	// host are variables about the host for the hooks; nil means none.
	host map[string]string
	// custom are events that run besides the service's (a local deployment's own).
	custom []string
	// ended gets the result of each script; nil means that nobody wants to know.
	ended func(HookResult)
	log   *zap.Logger
}

// HookResult is what came of one script of a lifecycle event.
type HookResult struct {
	Event string
	// Deployment is whose revision the script is of.
	Deployment string
	Script     appspec.Script
	Record     *runner.Record
}

// watch shows how far a piece of work is until stop is called: to people if some wait for it, else in the log.
func (x *Executor) watch(name string, log *zap.Logger) (work *progress.Work, stop func()) {
	d := x.display
	if d == nil {
		d = &progress.Display{First: 10 * time.Second, Every: 10 * time.Second, Show: func(line string) { log.Info(line) }}
	}
	return d.Watch(name)
}

// NewStore is the deployment root that the configuration names.
func NewStore(c *config.Config, guard *custody.Guard) *store.Store {
	return store.New(store.Options{
		Root: c.RootDir, Program: c.ProgramName, Tracking: c.OngoingDeploymentTracking, Restricted: c.RestrictAgentDirPermissions, Guard: guard,
	})
}

// event says whether the command is a lifecycle event that runs scripts.
func (x *Executor) event(name string) bool {
	if hooks.Scriptable(name) {
		return true
	}
	for _, c := range x.custom {
		if c == name {
			return true
		}
	}
	return false
}

// Noop says whether the command has nothing to do, for the acknowledgement. Like the official agent 1.8 it reads the
// AppSpec whose scripts would run, and calls a command it does not know a no-op. An AppSpec that cannot be read is an error.
func (x *Executor) Noop(name string, spec *command.Specification) (bool, error) {
	if name == hooks.DownloadBundle || name == hooks.Install {
		return false, nil
	}
	if !x.event(name) {
		return true, nil
	}
	_, scripts, err := x.scripts(name, spec)
	return len(scripts) == 0, err
}

// Execution is where one execution of a command leaves its traces.
type Execution struct {
	// Dir is where the command keeps what a later agent needs to take it up again.
	Dir string
	// Note is told what has been begun or has ended; nil means that nobody wants to know.
	Note func(step string)
}

func (e Execution) note(format string, args ...any) {
	if e.Note != nil {
		e.Note(fmt.Sprintf(format, args...))
	}
}

// Execute executes one command and returns a note for the service about its success. A script that failed is a *runner.Failure. A command
// that was cut off by the end of an agent can be executed again with the same Execution.Dir.
func (x *Executor) Execute(ctx context.Context, name string, spec *command.Specification, e Execution) (note string, err error) {
	deployment := x.store.Deployment(spec.GroupID, spec.DeploymentID)
	switch {
	case name == hooks.DownloadBundle:
		if err := deployment.Create(); err != nil {
			return "", err
		}
		return x.download(ctx, spec, deployment, e)
	case name == hooks.Install:
		if err := deployment.Create(); err != nil {
			return "", err
		}
		return "", x.install(ctx, spec, deployment, e)
	case x.event(name):
		if err := deployment.Create(); err != nil {
			return "", err
		}
		return "", x.runEvent(ctx, name, spec, deployment, e)
	default:
		return "", fmt.Errorf("cannot execute command %q: unsupported command type; this agent knows %s", name,
			strings.Join(hooks.Commands(), ", "))
	}
}

// runEvent runs the scripts of a lifecycle event.
func (x *Executor) runEvent(ctx context.Context, event string, spec *command.Specification, deployment store.Deployment, e Execution) error {
	whose, scripts, err := x.scripts(event, spec)
	if err != nil || len(scripts) == 0 {
		return err
	}
	if err := deployment.MakeLogs(); err != nil {
		return err
	}
	run := hooks.Run{
		Event:   event,
		Archive: whose.Archive(),
		Scripts: scripts,
		Deployment: hooks.Deployment{
			ID: spec.DeploymentID, GroupID: spec.GroupID, GroupName: spec.GroupName, ApplicationName: spec.ApplicationName,
			Bundle: bundleVariables(spec, deployment), Host: x.host,
		},
		Rules: hooks.EnvironmentRules{
			StripLoader: x.config.StripLoaderEnvInHooks, AllowlistOnly: x.config.RestrictHookEnvToAllowlist,
		},
		NoPowerShellProfile: x.config.DisablePowerShellProfileInHooks,

		Dir:        e.Dir,
		Note:       e.Note,
		ScriptsLog: deployment.ScriptsLog(),
		LogMode:    x.store.LogMode(),
		Raw:        !x.config.SanitizeHookOutput,
		Live:       x.live,
		Log:        x.log.With(logFields(event, spec)...).With(zap.String("revision", whose.ID)),
	}
	if x.ended != nil {
		run.Ended = func(s appspec.Script, r *runner.Record) { x.ended(HookResult{event, whose.ID, s, r}) }
	}
	if x.config.EnableDeploymentsLog {
		if err := x.store.MakeDeploymentLogs(); err != nil {
			return err
		}
		run.DeploymentsLog = x.store.DeploymentsLog()
	}
	return run.Do(ctx)
}

// bundleVariables are what hooks are told about the revision's source (official agent 1.4 and later). An ETag that the specification leaves
// out is the downloaded bundle's (official agent 2.x).
func bundleVariables(spec *command.Specification, d store.Deployment) map[string]string {
	vars := map[string]string{}
	add := func(name, value string) {
		if value != "" {
			vars[name] = value
		}
	}
	r := spec.Revision
	switch r.Type {
	case command.RevisionS3:
		add("BUNDLE_BUCKET", r.Bucket)
		add("BUNDLE_KEY", r.Key)
		add("BUNDLE_VERSION", r.Version)
		add("BUNDLE_ETAG", cmp.Or(r.ETag, d.ETag()))
	case command.RevisionGitHub:
		add("BUNDLE_COMMIT", r.CommitID)
	}
	return vars
}

// scripts finds whose scripts the event runs and which. No scripts and no error means that the event has nothing to do.
func (x *Executor) scripts(event string, spec *command.Specification) (store.Deployment, []appspec.Script, error) {
	whose := x.store.Deployment(spec.GroupID, spec.DeploymentID)
	if !whose.HasArchive() {
		var ok bool
		var err error
		switch hooks.RevisionOf(event, spec.Type, spec.Creator) {
		case hooks.LastSuccessful:
			whose, ok, err = x.store.LastSuccessful(spec.GroupID)
		case hooks.MostRecent:
			whose, ok, err = x.store.MostRecent(spec.GroupID)
		default:
			ok = true
		}
		if err != nil || !ok {
			return whose, nil, err
		}
	}
	a, found, err := readAppSpec(whose.Archive(), spec.AppSpecFilename)
	if err == nil && whose.ID == spec.DeploymentID {
		// An earlier revision may have had its AppSpec under the default name; this one must have what it was deployed with.
		err = asNamed(spec.AppSpecFilename, found)
	}
	if err != nil {
		return whose, nil, fmt.Errorf("cannot find out what %s has to run: %w", event, err)
	}
	return whose, a.Scripts(event), nil
}

// asNamed is an error if an AppSpec that was asked for by a name of its own was only found under a default name.
func asNamed(name, found string) error {
	if name == "" || name == appspec.DefaultName || appspec.Clean(name) == found {
		return nil
	}
	return fmt.Errorf("cannot find the AppSpec %s in the revision; there is %s, but the deployment asks for the other", name, found)
}

// readAppSpec finds and reads the AppSpec of an unpacked revision. It returns the name under which it was found.
func readAppSpec(archive, name string) (*appspec.AppSpec, string, error) {
	root, err := os.OpenRoot(archive)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("the revision is not on this host: %s is missing; if its files were deleted by hand, deploy "+
			"once with the option to ignore ApplicationStop failures", archive)
	}
	if err != nil {
		return nil, "", err
	}
	defer root.Close()
	return parseAppSpec(root.FS(), archive, name)
}

// parseAppSpec is readAppSpec for a revision that is, or will be, at archive.
func parseAppSpec(files fs.FS, archive, name string) (*appspec.AppSpec, string, error) {
	found, err := appspec.Find(files, name)
	if err != nil {
		return nil, "", fmt.Errorf("cannot find the AppSpec in the revision %s: %w", archive, err)
	}
	path := filepath.Join(archive, found)
	data, err := appspec.ReadFile(files, found, path)
	var invalid *appspec.Error
	if errors.As(err, &invalid) {
		return nil, "", err
	}
	if err != nil {
		return nil, "", fmt.Errorf("cannot read the AppSpec: %w", err)
	}
	a, err := appspec.Parse(path, data)
	if err != nil {
		return nil, "", err
	}
	return a, found, a.CheckPlatform(platform())
}

// logFields are what every line about a deployment carries.
func logFields(event string, spec *command.Specification) []zap.Field {
	return []zap.Field{
		zap.String("deployment", spec.DeploymentID), zap.String("group", spec.GroupName),
		zap.String("application", spec.ApplicationName), zap.String("event", event),
	}
}
