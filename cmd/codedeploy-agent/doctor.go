package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
	"codedeploy-agent/agent/doctor"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/network"
)

func doctorCommand() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what keeps the agent of this host from working",
		Long: `Look over this host for what keeps the agent from working, or soon will: the configuration, who the host is to the service and
its credentials, the clock, the network to each service, directories and disks, an official agent beside this one, and
deployment groups whose next deployment would fail because scripts of the last one are gone. Each finding says what to do.

Nothing is changed, and no command of the service is taken. Run it as the agent's user, which is root as a rule.

Exit codes: 0 nothing keeps the agent from working, 1 something does, 2 wrong command line.`,
		Example: `  sudo codedeploy-agent doctor
  sudo codedeploy-agent doctor --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer cancel()
			return lookOver(ctx, safeWriter{cmd.OutOrStdout()}, file, asJSON)
		},
	}
	configFileFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func lookOver(ctx context.Context, out io.Writer, file string, asJSON bool) error {
	h := doctor.Host{ConfigFile: file}
	if file == "" {
		if _, err := os.Stat(config.DefaultPath()); err == nil {
			h.ConfigFile = config.DefaultPath()
		}
	}
	h.Config, h.Warnings, h.Unusable = config.Load(file)
	if h.Unusable != nil {
		h.Config = config.Default()
	}
	learnConfiguration(h.Config)
	guard := custody.NewGuard(h.Config.RequireProtectedFiles, zap.NewNop())
	transport, err := network.NewTransport(networkSettings(h.Config, guard))
	if err != nil {
		return failed(err)
	}
	h.Transport = transport
	h.Proxied = func(address string) string {
		request, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			return ""
		}
		if proxy, err := transport.Proxy(request); err == nil && proxy != nil {
			return proxy.Redacted()
		}
		return ""
	}
	resolver := identity.New(identity.Options{Config: h.Config, Secrets: &known, Guard: guard})
	resolve := sync.OnceValues(func() (*identity.Identity, error) { return resolver.Resolve(ctx) })
	h.Identity = func(context.Context) (*identity.Identity, error) { return resolve() }
	h.Store = agent.NewStore(h.Config, guard)
	h.Running = func() (bool, error) { return agent.Running(h.Config.StateDir) }

	findings := doctor.Look(ctx, h)
	if err := printFindings(out, findings, asJSON); err != nil {
		return failed(err)
	}
	if doctor.Worst(findings) == doctor.Error {
		return &exitError{code: exitFailed} // the findings have said it all
	}
	return nil
}

func printFindings(out io.Writer, findings []doctor.Finding, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(struct {
			Findings []doctor.Finding `json:"findings"`
		}{findings})
	}
	w := &strings.Builder{} // a secret in it may span two writes
	last := ""
	for _, f := range findings {
		check := f.Check
		if check == last {
			check = ""
		}
		last = f.Check
		const indent = "\n                         "
		fmt.Fprintf(w, "%-15s %-8s %s\n", check, f.Severity, strings.ReplaceAll(f.Message, "\n", indent))
		if f.Hint != "" {
			fmt.Fprintf(w, "%-15s %-8s -> %s\n", "", "", f.Hint)
		}
	}
	_, err := io.WriteString(out, w.String())
	return err
}
