package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/progress"
	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/expression"
	"codedeploy-agent/appspec/plaintext"
	"codedeploy-agent/hooks"
	"codedeploy-agent/hooks/runner"
)

// LocalDeployment is a deployment of a bundle to this host without the service, as the official codedeploy-local does it.
type LocalDeployment struct {
	Location     string // a path, s3://bucket/key or a GitHub address; empty: the working directory
	Type         string // directory, tar, tgz or zip
	FileExists   string // DISALLOW, OVERWRITE or RETAIN, in any case
	GroupID      string
	GroupName    string
	Application  string   // empty: the location
	Events       []string // none: all; one that is named twice runs twice
	AppSpecName  string
	GitHubToken  string
	Config       *config.Config
	Sources      Sources
	Guard        *custody.Guard // as in Options
	Log          *zap.Logger
	Out, Console io.Writer // Out: what the official tool prints; Console: the hooks' output as it comes
	// Progress shows how far downloading, unpacking and installing are; nil means that it is logged.
	Progress *progress.Display
	// Began is told the deployment's id and the last successful one of its group here, Ended the result of each script; nil means that
	// nobody wants to know.
	Began func(deployment, lastSuccessful string)
	Ended func(HookResult)
}

// InvalidError says that a local deployment cannot be carried out as it was asked for; nothing has been done.
type InvalidError struct{ Problems []error }

func (e *InvalidError) Error() string   { return errors.Join(e.Problems...).Error() }
func (e *InvalidError) Unwrap() []error { return e.Problems }

// Run checks the request, then executes its events in order until one fails.
func (l *LocalDeployment) Run(ctx context.Context) error {
	spec, events, err := l.specification()
	if err == nil {
		err = l.checkBundle(spec, events)
	}
	if err != nil {
		return err
	}
	x := &Executor{
		config: l.Config, store: NewStore(l.Config, l.Guard), sources: l.Sources, live: l.Console, display: l.Progress, custom: events, ended: l.Ended, log: l.Log,
		host: identity.HookVariables(l.Config.OnPremisesConfigFile),
	}
	runs, err := l.runDir(spec.DeploymentID) // first, because its error says what an ordinary user has to do
	if err != nil {
		return err
	}
	unlock, err := NewGroups(l.Config.StateDir).Lock(ctx, spec.GroupID)
	if err != nil {
		return err
	}
	defer unlock()
	defer os.RemoveAll(runs)

	deployment := x.store.Deployment(spec.GroupID, spec.DeploymentID)
	if l.Began != nil {
		last, _, err := x.store.LastSuccessful(spec.GroupID)
		if err != nil {
			return err
		}
		l.Began(deployment.ID, last.ID)
	}
	fmt.Fprintf(l.Out, "Starting to execute deployment from within folder %s\n", deployment.Dir)
	for i, event := range events {
		_, err := x.Execute(ctx, event, spec, Execution{Dir: filepath.Join(runs, fmt.Sprintf("%d-%s", i, event))})
		if err != nil {
			if ctx.Err() != nil && event == hooks.DownloadBundle { // nobody will go on with it: the next deployment has another id
				err = errors.Join(err, discardBundle(deployment))
			}
			var failure *runner.Failure
			if errors.As(err, &failure) {
				whose, _, _ := x.scripts(event, spec)
				fmt.Fprintf(l.Out, "Your local deployment failed while trying to execute your script at %s/%s\n", whose.Archive(), plaintext.Line(failure.Script))
			}
			fmt.Fprintf(l.Out, "See the deployment log at %s for more details\n", deployment.ScriptsLog())
			return fmt.Errorf("%s failed: %w", event, err)
		}
	}
	fmt.Fprintf(l.Out, "See the deployment log at %s for more details\n", deployment.ScriptsLog())
	fmt.Fprintln(l.Out, "AppSpec file valid. Local deployment successful")
	return nil
}

// runDir is where the records of this deployment's scripts are kept while it runs.
func (l *LocalDeployment) runDir(id string) (string, error) {
	parent, err := makeState(l.Config.StateDir, "local")
	if err != nil {
		return "", fmt.Errorf("cannot keep the records of the deployment: %w; as an ordinary user, give a configuration file with a root_dir of your own", err)
	}
	if err := l.Guard.CheckInPlace(parent); err != nil { // what is to be run stands there
		return "", fmt.Errorf("cannot keep the records of the deployment: %w", err)
	}
	return filepath.Join(parent, id), nil
}

// specification is what the service would have sent, and the events in order.
func (l *LocalDeployment) specification() (*command.Specification, []string, error) {
	var problems []error
	add := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	location := l.Location
	if location == "" {
		var err error
		if location, err = os.Getwd(); err != nil {
			return nil, nil, err
		}
	}
	events, err := localEvents(l.Events)
	add(err)
	rev, err := localRevision(location, l.Type, l.GitHubToken)
	add(err)
	behavior, err := appspec.ParseFileExistsBehavior(strings.ToUpper(l.FileExists))
	add(err)
	if id := l.GroupID; id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/\\\x00") {
		add(fmt.Errorf("cannot use --deployment-group %q: it names a directory and must be a single path component", id))
	}
	if l.AppSpecName != "" && !filepath.IsLocal(appspec.Clean(l.AppSpecName)) {
		add(fmt.Errorf("cannot use --appspec-filename %q: it must name a file of the bundle", l.AppSpecName))
	}
	if problems != nil {
		return nil, nil, &InvalidError{problems}
	}
	application := l.Application
	if application == "" {
		application = location
	}
	possible := hooks.LocalOrder()
	for _, e := range events {
		if !slices.Contains(possible, e) {
			possible = append(possible, e)
		}
	}
	return &command.Specification{
		DeploymentID: localID(), GroupID: l.GroupID, GroupName: l.GroupName, ApplicationName: application, Creator: "local-user",
		Type: "IN_PLACE", AppSpecFilename: l.AppSpecName, FileExistsBehavior: string(behavior), AllPossibleLifecycleEvents: possible,
		Revision: rev,
	}, events, nil
}

// checkBundle looks for what would make the deployment of a directory fail later. An archive is not looked into.
func (l *LocalDeployment) checkBundle(spec *command.Specification, events []string) error {
	if spec.Revision.Type != command.RevisionLocalDirectory {
		return nil
	}
	a, name, err := readAppSpec(spec.Revision.Location, l.AppSpecName)
	if err != nil {
		return &InvalidError{[]error{err}}
	}
	var problems []error
	for _, err := range []error{asNamed(l.AppSpecName, name), oddEvents(events, a, name)} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	if problems != nil {
		return &InvalidError{problems}
	}
	return nil
}

// localID is a deployment id of the official codedeploy-local 1.8's form.
func localID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := make([]byte, 9)
	rand.Read(b)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return "d-" + string(b) + "-local"
}

// beforeDownload and beforeInstall are the events that may precede DownloadBundle and Install.
var (
	beforeDownload = []string{hooks.BeforeBlockTraffic, hooks.AfterBlockTraffic, hooks.ApplicationStop}
	beforeInstall  = append(slices.Clone(beforeDownload), hooks.DownloadBundle, hooks.BeforeInstall)
)

// localEvents is the order of events for those that were asked for: DownloadBundle and Install come first if they are
// not named, as the official tools have it. Nothing asked for means all.
func localEvents(asked []string) ([]string, error) {
	if len(asked) == 0 {
		return hooks.LocalOrder(), nil
	}
	var events []string
	for _, e := range []string{hooks.DownloadBundle, hooks.Install} {
		if !slices.Contains(asked, e) {
			events = append(events, e)
		}
	}
	events = append(events, asked...)
	download, install := slices.Index(events, hooks.DownloadBundle), slices.Index(events, hooks.Install)
	if install < download && !slices.Contains(asked, hooks.Install) { // it was put before a DownloadBundle that was asked for
		events[install], events[download] = events[download], events[install]
		download, install = install, download
	}
	var problems []error
	check := func(limit int, what string, allowed []string) {
		for _, e := range events[:limit] {
			// Custom events may stand anywhere: nobody but their author knows what they need.
			if (hooks.Scriptable(e) || e == hooks.Install) && !slices.Contains(allowed, e) {
				problems = append(problems, fmt.Errorf("cannot run %s before %s: only %s may come before it", e, what, strings.Join(allowed, ", ")))
			}
		}
	}
	check(download, hooks.DownloadBundle, beforeDownload)
	check(install, hooks.Install, beforeInstall)
	for _, e := range events {
		switch {
		case e == "":
			problems = append(problems, errors.New("cannot run an event without a name"))
		case e == "." || e == ".." || strings.ContainsAny(e, "/\\\x00"):
			problems = append(problems, fmt.Errorf("cannot run the event %q: its name also names a directory of the agent and must be a single path component", e))
		}
		for _, known := range hooks.LocalOrder() {
			if e != known && strings.EqualFold(e, known) {
				problems = append(problems, fmt.Errorf("cannot run the event %s: did you mean %s?", e, known))
			}
		}
	}
	return events, errors.Join(problems...)
}

// pascalCase is the form of an event's name. The official agent 1.8 asks no more of it than the beginning.
var pascalCase = expression.Lazy{Text: `^[A-Z][a-z0-9]`}

// oddEvents refuses events that are no event's name and have no scripts in the AppSpec. Those that could be a name are looked
// at by Install, as in a deployment of the service.
func oddEvents(events []string, a *appspec.AppSpec, name string) error {
	var problems []error
	for _, e := range events {
		if !pascalCase.MatchString(e) && !slices.Contains(a.Events(), e) {
			problems = append(problems, fmt.Errorf("cannot run the event %q: %s has no scripts for it, and it is not the name of an event, "+
				"which begins with a capital letter", e, name))
		}
	}
	return errors.Join(problems...)
}
