package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"codedeploy-agent/agent"
	"codedeploy-agent/agent/command"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/image"
	"codedeploy-agent/agent/network"
	"codedeploy-agent/agent/supervisor"
)

func runCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the agent in the foreground until SIGTERM",
		Long: `Run the agent in the foreground; this is what the service manager starts.

The first SIGTERM or SIGINT lets running lifecycle events end and reports their results (up to
kill_agent_max_wait_time_seconds); a second one stops at once: hooks go on, and the next start
waits for them and reports their results. SIGUSR2 does the same in one step: it is for upgrades.
Under systemd (Type=notify) the agent is ready after its first poll that the service has answered;
until then its status says for what it waits.

Exit codes: 0 stopped when told to, 1 cannot run, 2 wrong command line.`,
		Example: `  codedeploy-agent run
  codedeploy-agent run --config-file ./codedeployagent.yml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return failed(runService(file)) },
	}
	configFileFlag(cmd, &file)
	return cmd
}

// configFileFlag is the flag of what is about the daemon. Local deployments have the official codedeploy-local's, -c.
func configFileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config-file", os.Getenv("CODEDEPLOY_AGENT_CONFIG_FILE"),
		"configuration file; without one "+config.DefaultPath()+" is used if it is there")
}

// daemon runs the agent until stop ends; abandon ends when it is told a second time.
func daemon(file string, stop, abandon context.Context) (err error) {
	c, warnings, err := config.Load(file)
	if err != nil {
		return err
	}
	learnConfiguration(c)
	log, closeLog, err := newLog(c)
	if err != nil {
		return err
	}
	defer closeLog()
	for _, w := range warnings {
		log.Warn("configuration: " + w.String())
	}
	defer func() {
		if err != nil {
			log.Error("the agent cannot run", zap.Error(err))
		}
	}()
	prepareProcess(c, log)
	manager := supervisor.New(log, known.Redact)
	defer manager.Close()
	unlock, err := agent.Lock(c.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := checkOtherAgent(c); err != nil {
		return err
	}
	guard := custody.NewGuard(c.RequireProtectedFiles, log)
	if err := guardState(c, guard); err != nil {
		return err
	}
	removePid := writePid(c, log)
	defer removePid()
	log.Info("starting", zap.String("version", version), zap.String("commit", commit), zap.String("root_dir", c.RootDir), zap.String("state_dir", c.StateDir))

	transport, err := network.NewTransport(networkSettings(c, guard))
	if err != nil {
		return err
	}
	waiting := func(reason error, credentials bool) {
		if credentials {
			manager.Status("waiting for credentials: %v", reason)
		} else {
			manager.Status("waiting for identity: %v", reason)
		}
	}
	manager.Status("waiting for identity")
	id, err := identity.New(identity.Options{Config: c, Log: log, Secrets: &known, Guard: guard, Waiting: waiting}).Wait(stop)
	if err != nil {
		if stop.Err() != nil {
			return nil // told to stop while it was still waiting to learn who this host is
		}
		return err
	}
	log.Info("this host is known to the service as", zap.String("host_identifier", id.HostIdentifier), zap.String("region", id.Region), zap.String("source", id.Source))
	if err := image.Claim(c, image.ThisHost(id.HostIdentifier), log); err != nil {
		return err
	}
	verifier, err := newVerifier(c, guard)
	if err != nil {
		return err
	}
	endpoint := c.DeployControlEndpoint
	if endpoint == "" {
		endpoint = command.Endpoint(id.Region, id.Domain, c.EnableAuthPolicy, c.UseFIPSMode)
	}
	gate := command.NewGate()
	client, err := command.NewClient(command.Options{
		Endpoint: endpoint, Region: id.Region, AuthPolicy: c.EnableAuthPolicy, Credentials: id.Credentials, Transport: transport,
		ReadTimeout: c.HTTPReadTimeout, UserAgent: userAgent(), Gate: gate, Log: log,
	})
	if err != nil {
		return err
	}
	wire, err := newWireLog(c)
	if err != nil {
		return err
	}
	sources := &agent.BundleSources{
		Config: c, Identity: func(context.Context) (*identity.Identity, error) { return id, nil },
		Transport: transport, UserAgent: userAgent(), Log: log, WireLog: wire,
	}
	a, err := agent.New(agent.Options{
		Config: c, HostIdentifier: id.HostIdentifier, Service: client, Throttled: gate.Throttled, Verifier: verifier, Sources: sources,
		HookVariables: identity.HookVariables(c.OnPremisesConfigFile), Secrets: &known, Guard: guard, Supervisor: manager, Log: log,
	})
	if err != nil {
		return err
	}
	manager.Status("waiting for the service")
	log.Info("polling for commands", zap.String("endpoint", endpoint))
	err = a.Run(stop, abandon)
	log.Info("stopped")
	return err
}

func networkSettings(c *config.Config, guard *custody.Guard) network.Settings {
	return network.Settings{ProxyURI: c.ProxyURI, NoProxy: c.NoProxy, CABundleFile: c.CABundleFile, Guard: guard, ReadTimeout: c.HTTPReadTimeout}
}

// guardState refuses to start where others can write the state, in which are commands that are taken up as they stand. What the operator has put
// around it and around the deployment root is only a warning: the official agents do not mind.
func guardState(c *config.Config, guard *custody.Guard) error {
	journal := filepath.Join(c.StateDir, "journal")
	if err := os.MkdirAll(journal, 0o700); err != nil {
		return fmt.Errorf("cannot create the journal: %w", err)
	}
	if err := guard.CheckInPlace(journal); err != nil {
		return fmt.Errorf("cannot use the state directory: %w", err)
	}
	guard.Advise(c.StateDir)
	guard.Advise(c.RootDir)
	return nil
}

func newVerifier(c *config.Config, guard *custody.Guard) (*command.Verifier, error) {
	if c.DeploymentSignerCAFile == "" {
		return command.NewVerifier(nil)
	}
	pem, err := os.ReadFile(c.DeploymentSignerCAFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read deployment_signer_ca_file: %w", err)
	}
	if err := guard.Check(c.DeploymentSignerCAFile); err != nil {
		return nil, fmt.Errorf("cannot use deployment_signer_ca_file: %w", err)
	}
	v, err := command.NewVerifier(pem)
	if err != nil {
		return nil, fmt.Errorf("cannot use deployment_signer_ca_file %s: %w", c.DeploymentSignerCAFile, err)
	}
	return v, nil
}
