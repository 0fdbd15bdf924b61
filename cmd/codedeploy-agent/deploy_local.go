package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"codedeploy-agent/agent"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/network"
	"codedeploy-agent/hooks/runner"
)

func deployLocalCommand() *cobra.Command {
	var d agent.LocalDeployment
	var events, file string
	cmd := &cobra.Command{
		Use:   "deploy-local",
		Short: "Deploy a bundle to this host without the service",
		Long: `Deploy a bundle to this host without the CodeDeploy service. The same code runs that runs a deployment of the
service: files are really installed and hooks really run. Their output is shown on standard error as it comes.

Also available under the official name codedeploy-local. Exit codes: 0 deployed, 1 a lifecycle event failed,
2 the request is wrong and nothing was done.`,
		Example: `  codedeploy-agent deploy-local
  codedeploy-agent deploy-local -l ./bundle.tgz -t tgz -b OVERWRITE
  codedeploy-agent deploy-local -l s3://bucket/app.zip -t zip -e ApplicationStop,DownloadBundle,Install
  codedeploy-agent deploy-local -l https://github.com/account/repository/tree/main -t tar`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.Events = namedEvents(events)
			err := deployLocal(cmd, &d, file)
			var invalid *agent.InvalidError
			var script *runner.Failure
			switch {
			case errors.As(err, &invalid):
				return &exitError{exitInvalid, err}
			case errors.As(err, &script): // no ERROR, as with the official tool: the agent has done what it was asked to
				fmt.Fprintln(cmd.ErrOrStderr(), safeLine(err.Error()))
				return &exitError{code: exitFailed}
			}
			return failed(err)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&d.Location, "bundle-location", "l", "", "directory or archive, s3://bucket/key, or a GitHub repository's address (default: the current directory)")
	f.StringVarP(&d.Type, "type", "t", "directory", "directory, tar, tgz or zip")
	f.StringVarP(&d.FileExists, "file-exists-behavior", "b", "DISALLOW", "DISALLOW, OVERWRITE or RETAIN")
	f.StringVarP(&d.GroupID, "deployment-group", "g", "default-local-deployment-group", "deployment group's id")
	f.StringVarP(&d.GroupName, "deployment-group-name", "d", "LocalFleet", "deployment group's name, as hooks see it")
	f.StringVarP(&d.Application, "application-name", "a", "", "application's name, as hooks see it (default: the location)")
	f.StringVarP(&events, "events", "e", "", "lifecycle events to run in this order, separated by commas (default: all); DownloadBundle and Install come first if they are not among them")
	f.StringVarP(&file, "agent-configuration-file", "c", "", "the agent's configuration file (default "+config.DefaultPath()+" if it is there)")
	f.StringVarP(&d.AppSpecName, "appspec-filename", "A", "appspec.yml", "AppSpec file in the bundle")
	f.StringVar(&d.GitHubToken, "github-token", os.Getenv("CODEDEPLOY_GITHUB_TOKEN"), "token for private GitHub repositories (also CODEDEPLOY_GITHUB_TOKEN)")
	f.Lookup("github-token").DefValue = "" // the help must not show it
	return cmd
}

func deployLocal(cmd *cobra.Command, d *agent.LocalDeployment, file string) error {
	known.Add(d.GitHubToken)
	c, warnings, err := config.Load(file)
	if err != nil {
		return &exitError{exitInvalid, err}
	}
	learnConfiguration(c)
	console := newConsole(os.Stderr)
	log, closeLog, err := newLocalLog(c, console)
	if err != nil {
		return err
	}
	defer closeLog()
	for _, w := range warnings {
		log.Warn("configuration: " + w.String())
	}
	if cmd.Flags().Changed("github-token") {
		log.Warn("every user of this host can read a token on a command line; give it in the variable CODEDEPLOY_GITHUB_TOKEN instead")
	}
	prepareProcess(c, log)
	guard := custody.NewGuard(c.RequireProtectedFiles, log)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	d.Config, d.Guard, d.Log = c, guard, log
	if d.Sources, err = localSources(ctx, c, log, guard); err != nil {
		return err
	}
	d.Out, d.Console, d.Progress = safeWriter{cmd.OutOrStdout()}, console, console.progress()
	return d.Run(ctx)
}

// namedEvents are the events of a list, nil for an empty one.
func namedEvents(list string) (events []string) {
	if list = strings.TrimRight(list, ", "); list == "" {
		return nil
	}
	for e := range strings.SplitSeq(list, ",") {
		events = append(events, strings.TrimSpace(e))
	}
	return events
}

// localSources are the places where a local deployment's bundle may be.
func localSources(ctx context.Context, c *config.Config, log *zap.Logger, guard *custody.Guard) (agent.Sources, error) {
	transport, err := network.NewTransport(networkSettings(c, guard))
	if err != nil {
		return nil, err
	}
	resolver := identity.New(identity.Options{Config: c, Log: log, Secrets: &known, Guard: guard})
	resolve := sync.OnceValues(func() (*identity.Identity, error) { return resolver.Resolve(ctx) }) // only S3 needs it
	return &agent.BundleSources{
		Config: c, Transport: transport, UserAgent: userAgent(), Log: log,
		Identity: func(context.Context) (*identity.Identity, error) { return resolve() },
	}, nil
}
