package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"codedeploy-agent/agent"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/dryrun"
)

// deployInViewCommand is the hidden sub-command that deploys in the view of a dry run.
const deployInViewCommand = "dry-run-deploy"

// trial is what is deployed in the view, as the hidden sub-command gets it.
type trial struct {
	Location, Type, FileExists, GroupID, Application, AppSpecName string
	Events                                                        []string
	ConfigFile                                                    string
	Times                                                         int
	// Foreign says that owners of files in the view are not those of a host: another root file system was unpacked by somebody, and in an
	// ordinary user's namespace the host's root is nobody.
	Foreign bool
}

func dryRunCommand() *cobra.Command {
	var d trial
	var file, kind, root, network, scratch string
	var rules []string
	var asJSON, once, keep bool
	cmd := &cobra.Command{
		Use:   "dry-run [PATH]",
		Short: "Deploy for real on a copy-on-write view of this host",
		Long: `Deploy a bundle for real, hooks included, on a copy-on-write view of this host: the host itself is not touched. The view has the host's
files, processes of its own and a network of its own in which there is only the loopback. PATH is a directory or an archive (.tar, .tgz,
.tar.gz, .zip); the default is the current directory. At the end everything in the view is ended and thrown away, and you are told each
hook's result, which files differ, which services would have been acted on, what was left running and which ports it listens on.

The bundle is deployed twice, because redeploys are where bundles break; --once deploys it once. Programs that reach the host's services,
packages or the network are replaced by stand-ins, which record the call and answer success: systemctl, service, reboot, yum, apt-get, npm
install, docker, aws and more. A service whose unit is in the view is really started, there. --stand-in tells one to answer otherwise:
COMMAND [WORD…]=fail, =fail:CODE, =ok, =print:TEXT, or =real for the program itself.

Works on Linux, as root and as an ordinary user. Where the system forbids it, "codedeploy-agent plan" shows what a deployment would do
without running anything.

Exit codes: 0 all deployments succeeded, 1 one failed, 2 wrong command line or bundle, nothing was begun.`,
		Example: `  codedeploy-agent dry-run
  codedeploy-agent dry-run ./bundle.zip --once --json
  codedeploy-agent dry-run ./bundle --stand-in 'systemctl restart nginx=fail' --stand-in 'npm=real' --network host
  codedeploy-agent dry-run ./bundle --root ./amazon-linux-2023
  sudo codedeploy-agent dry-run ./bundle -g 1f2e3d4c-0000-4000-8000-000000000001 --keep`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.Location, d.Times = ".", 2
			if len(args) == 1 {
				d.Location = args[0]
			}
			if once {
				d.Times = 1
			}
			o := dryrun.Options{Root: root, Scratch: scratch}
			if err := dryRunOptions(&o, &d, kind, network, rules); err != nil {
				return &exitError{exitInvalid, err}
			}
			return failed(dryRun(safeWriter{cmd.OutOrStdout()}, &d, o, file, asJSON, keep))
		},
	}
	deploymentFlags(cmd, &d.FileExists, &d.GroupID, &kind, &file, &d.AppSpecName)
	f := cmd.Flags()
	f.StringVar(&root, "root", "", "directory with another root file system, such as an unpacked image, to look at instead of this host's")
	f.StringVar(&network, "network", "none", "none: a loopback of the view's own, or host: this host's network")
	f.StringVar(&scratch, "scratch", "", "directory to keep the differences in while it runs (default: in memory)")
	f.StringArrayVar(&rules, "stand-in", nil, "how a stand-in answers, COMMAND [WORD…]=ANSWER (may be given more than once)")
	f.BoolVar(&once, "once", false, "deploy once, not twice")
	f.BoolVar(&keep, "keep", false, "open a shell in the view at the end")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON; what hooks write is in it and not shown as it comes")
	return cmd
}

// dryRunOptions checks the command line, all of it.
func dryRunOptions(o *dryrun.Options, d *trial, kind, network string, rules []string) error {
	var problems []error
	add := func(err error) { problems = append(problems, err) }
	var err error
	if d.Events, err = eventsOf(kind); err != nil {
		add(err)
	}
	switch network {
	case "none":
	case "host":
		o.HostNetwork = true
	default:
		add(fmt.Errorf("cannot use --network %q: it must be none or host", network))
	}
	for _, text := range rules {
		r, err := dryrun.ParseRule(text)
		if err != nil {
			add(err)
		}
		o.StandIns = append(o.StandIns, r)
	}
	if d.Location, err = filepath.Abs(d.Location); err == nil {
		_, err = os.Stat(d.Location)
	}
	if err != nil {
		add(fmt.Errorf("cannot find the bundle: %w", err))
	}
	if o.Root != "" {
		root := o.Root
		if o.Root, err = filepath.Abs(root); err == nil {
			o.Root, err = filepath.EvalSymlinks(o.Root)
		}
		if err != nil {
			add(fmt.Errorf("cannot use --root %s: %w", root, err))
		} else if info, err := os.Stat(o.Root); err != nil || !info.IsDir() {
			add(fmt.Errorf("cannot use --root %s: it is not a directory", root))
		}
		if o.Root == "/" {
			o.Root = ""
		}
	}
	return errors.Join(problems...)
}

// dryRun runs the deployments and prints the report.
func dryRun(out io.Writer, d *trial, o dryrun.Options, file string, asJSON, keep bool) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	d.Type, d.Application, d.ConfigFile = bundleType(d.Location), d.Location, file
	d.Foreign = o.Root != "" || dryrun.Ordinary()
	if o.Root == "" || file != "" {
		if _, _, err := config.Load(file); err != nil {
			return &exitError{exitInvalid, err}
		}
	}
	var err error
	if d.ConfigFile != "" {
		if d.ConfigFile, err = filepath.Abs(d.ConfigFile); err != nil {
			return err
		}
	}
	if o.Root != "" {
		o.Bring = map[string]string{"bundle": d.Location}
		d.Location = dryrun.PathInView("bundle")
		if file != "" {
			o.Bring["agent.yml"], d.ConfigFile = d.ConfigFile, dryrun.PathInView("agent.yml")
		}
	}
	if o.Dir, err = os.Getwd(); err != nil {
		return err
	}
	argument, err := json.Marshal(d)
	if err != nil {
		return err
	}
	o.Program = []string{deployInViewCommand, string(argument)}
	if !asJSON {
		o.Output = os.Stderr
	}
	report := agent.NewDryRun(d.GroupID)
	var invalid []string
	o.Message = func(data json.RawMessage) {
		var m agent.DryRunMessage
		if err := json.Unmarshal(data, &m); err != nil {
			m.Warnings = []string{fmt.Sprintf("cannot understand a message of the deployment: %v", err)}
		}
		invalid = append(invalid, m.Invalid...)
		report.Add(m)
	}
	shown := false
	show := func(observed *dryrun.Observation) error {
		shown = true
		report.Observe(observed)
		return printDryRun(out, report, asJSON)
	}
	if keep {
		o.Shell = func(observed *dryrun.Observation) {
			if invalid == nil {
				err = show(observed)
				fmt.Fprintln(os.Stderr, "This is a shell in the view; its end ends the view.")
				signal.Ignore(os.Interrupt) // what is typed is for the shell
			}
		}
	}
	observed, _, runErr := dryrun.Run(ctx, o)
	var unsupported *dryrun.UnsupportedError
	switch {
	case errors.As(runErr, &unsupported):
		return fmt.Errorf("%w\nto see what a deployment would do, without running its hooks: codedeploy-agent plan %s", runErr, d.Application)
	case runErr != nil:
		return runErr
	case invalid != nil:
		return &exitError{exitInvalid, errors.New(strings.Join(invalid, "\n"))}
	}
	if !shown {
		err = show(observed)
	}
	if err == nil && len(report.Problems) > 0 {
		err = errors.New(report.Problems[0])
	}
	return err
}

func printDryRun(out io.Writer, report *agent.DryRun, asJSON bool) error {
	if !asJSON {
		_, err := report.WriteTo(out)
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(report)
}

// deployInView deploys in the view, as often as it is told to or until a deployment fails, and tells the caller what happens. It is
// the deployment of deploy-local: only the file system is another one.
func deployInView(argument string) int {
	messages := dryrun.NewMessages()
	var d trial
	if err := json.Unmarshal([]byte(argument), &d); err != nil {
		fmt.Fprintln(os.Stderr, "cannot deploy in the view: this command is the dry run's own:", err)
		return exitInvalid
	}
	send := func(m agent.DryRunMessage) {
		if err := messages.Send(m); err != nil {
			fmt.Fprintln(os.Stderr, "cannot tell the dry run's caller:", err)
			os.Exit(exitFailed)
		}
	}
	c, _, err := config.Load(d.ConfigFile)
	if err != nil {
		send(agent.DryRunMessage{Invalid: []string{err.Error()}})
		return 0
	}
	console := newConsole(os.Stderr)
	log, closeLog, err := newLocalLog(c, console)
	if err != nil {
		send(agent.DryRunMessage{Invalid: []string{err.Error()}})
		return 0
	}
	defer closeLog()
	prepareProcess(c, log)
	guard := custody.NewGuard(c.RequireProtectedFiles, log)
	if d.Foreign {
		guard = custody.NewGuard(false, zap.NewNop())
	}
	send(agent.DryRunMessage{State: []string{c.RootDir, c.LogDir, c.StateDir, c.PidDir}})
	for run := 1; run <= d.Times; run++ {
		l := agent.LocalDeployment{Location: d.Location, Type: d.Type, FileExists: d.FileExists, GroupID: d.GroupID, GroupName: "LocalFleet",
			Application: d.Application, Events: d.Events, AppSpecName: d.AppSpecName, Config: c, Guard: guard, Log: log,
			Sources: &agent.BundleSources{Config: c, Log: log}, Out: io.Discard, Console: console, Progress: console.progress()}
		began := false
		l.Began = func(id, last string) {
			began = true
			send(agent.DryRunMessage{Began: &agent.DryRunBegin{Deployment: id, LastSuccessful: last}})
		}
		l.Ended = func(r agent.HookResult) { send(agent.HookMessage(run, r)) }
		start := time.Now()
		err := l.Run(context.Background())
		var invalid *agent.InvalidError
		if errors.As(err, &invalid) {
			var reasons []string
			for _, p := range invalid.Problems {
				reasons = append(reasons, p.Error())
			}
			send(agent.DryRunMessage{Invalid: reasons})
			return 0
		}
		if !began {
			send(agent.DryRunMessage{Began: &agent.DryRunBegin{}})
		}
		send(agent.EndMessage(time.Since(start), err))
		if err != nil {
			return 0
		}
	}
	return 0
}
