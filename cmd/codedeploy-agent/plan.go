package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"codedeploy-agent/agent"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/revision"
	"codedeploy-agent/hooks"
)

// deploymentTypes are the kinds of deployment by the lifecycle events that run on the host which gets the revision.
var deploymentTypes = map[string][]string{
	"in-place": {hooks.ApplicationStop, hooks.DownloadBundle, hooks.BeforeInstall, hooks.Install, hooks.AfterInstall, hooks.ApplicationStart,
		hooks.ValidateService},
	"in-place-load-balancer": hooks.LocalOrder(),
	"blue-green": {hooks.ApplicationStop, hooks.DownloadBundle, hooks.BeforeInstall, hooks.Install, hooks.AfterInstall, hooks.ApplicationStart,
		hooks.ValidateService, hooks.BeforeAllowTraffic, hooks.AfterAllowTraffic},
}

func planCommand() *cobra.Command {
	var d agent.LocalDeployment
	var file, kind, events string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan [PATH]",
		Short: "Show what a deployment would do on this host, changing nothing",
		Long: `Show what a deployment of a bundle would do on this host: which scripts of which revision run as whom, which files are
created, replaced or removed, which modes, owners and lists are set, and everything that would make it fail.
Nothing is changed. PATH is a directory or an archive (.tar, .tgz, .tar.gz, .zip); the default is the current directory.

With --deployment-group and the agent's configuration the plan is for the revision that is installed here; run it as
the agent's user then. --deployment-type says which lifecycle events run on the host that gets the revision, --events
names them as for deploy-local; by default they are those of deploy-local, which are all. A bundle may also be in S3 or at
GitHub, as for deploy-local; it is fetched to a temporary directory.

What scripts do is not known before they run: files are compared with what is there now, and a script that fails is no
reason here.

Exit codes: 0 the deployment could succeed, 1 it could not, for the reasons shown, 2 wrong command line.`,
		Example: `  codedeploy-agent plan
  codedeploy-agent plan ./bundle.zip --deployment-type blue-green
  sudo codedeploy-agent plan ./bundle.tgz -g 1f2e3d4c-0000-4000-8000-000000000001 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.Location = "."
			if len(args) == 1 {
				d.Location = args[0]
			}
			if d.Type == "" {
				d.Type = bundleType(d.Location)
			}
			var err error
			if d.Events, err = eventsOf(kind); err != nil {
				return &exitError{exitInvalid, err}
			}
			if events != "" {
				if kind != "" {
					return usage("--events and --deployment-type exclude each other")
				}
				d.Events = namedEvents(events)
			}
			return failed(showPlan(cmd, &d, file, asJSON))
		},
	}
	deploymentFlags(cmd, &d.FileExists, &d.GroupID, &kind, &file, &d.AppSpecName)
	f := cmd.Flags()
	f.StringVarP(&events, "events", "e", "", "lifecycle events as for deploy-local, separated by commas")
	f.StringVarP(&d.Type, "type", "t", "", "directory, tar, tgz or zip (default: by the name or content)")
	f.BoolVar(&asJSON, "json", false, "print the plan as JSON")
	return cmd
}

// deploymentFlags adds the flags with which plan and dry-run are told about the deployment; kind is for eventsOf.
func deploymentFlags(cmd *cobra.Command, fileExists, group, kind, file, appSpec *string) {
	f := cmd.Flags()
	f.StringVarP(fileExists, "file-exists-behavior", "b", "DISALLOW", "DISALLOW, OVERWRITE or RETAIN")
	f.StringVarP(group, "deployment-group", "g", "default-local-deployment-group", "deployment group's id")
	f.StringVar(kind, "deployment-type", "", "in-place, in-place-load-balancer or blue-green (default: all events)")
	f.StringVarP(file, "agent-configuration-file", "c", "", "the agent's configuration file (default "+config.DefaultPath()+" if it is there)")
	f.StringVarP(appSpec, "appspec-filename", "A", "appspec.yml", "AppSpec file in the bundle")
}

// eventsOf returns the lifecycle events of a deployment type, nil for an empty one: those of deploy-local.
func eventsOf(kind string) ([]string, error) {
	events, ok := deploymentTypes[kind]
	if !ok && kind != "" {
		return nil, fmt.Errorf("cannot use --deployment-type %q: it must be in-place, in-place-load-balancer or blue-green", kind)
	}
	return events, nil
}

// bundleType tells a bundle's type by its name or, if it is a file, by its content.
func bundleType(location string) string {
	if info, err := os.Stat(location); err == nil && info.IsDir() {
		return string(revision.Directory)
	}
	var content io.ReaderAt = strings.NewReader("")
	if f, err := os.Open(location); err == nil {
		defer f.Close()
		content = f
	}
	return cmp.Or(string(archiveFormat(location, content)), string(revision.Directory))
}

func showPlan(cmd *cobra.Command, d *agent.LocalDeployment, file string, asJSON bool) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	c, _, err := config.Load(file)
	if err != nil {
		return &exitError{exitInvalid, err}
	}
	d.Config, d.Log = c, quietLog(c)
	d.Guard = custody.NewGuard(c.RequireProtectedFiles, d.Log)
	learnConfiguration(c)
	if d.Sources, err = localSources(ctx, c, d.Log, d.Guard); err != nil {
		return err
	}
	plan, err := d.Plan(ctx)
	var invalid *agent.InvalidError
	if errors.As(err, &invalid) {
		return &exitError{exitInvalid, err}
	}
	if err != nil {
		return err
	}
	out := safeWriter{cmd.OutOrStdout()} // it has names of the bundle
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(plan)
	} else {
		_, err = plan.WriteTo(out)
	}
	if err == nil && len(plan.Problems) > 0 {
		err = errors.New("the deployment would fail for the reasons shown")
	}
	return err
}
