package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/kardianos/service"
	"github.com/spf13/cobra"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/image"
	"codedeploy-agent/appspec/expression"
	"codedeploy-agent/packaging"
)

func serviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Install and control the agent as a service, on hosts without its package",
		Long: `Install and control the agent as a service of this system, with this binary where it is: a unit of systemd, a service of
Windows or of launchd. Where the agent was installed as a package, its service is there already: use systemctl.`,
		Args: cobra.NoArgs,
	}
	var file string
	install := &cobra.Command{
		Use:   "install",
		Short: "Install the service, to be started at boot; it is not started now",
		Example: `  sudo codedeploy-agent service install
  sudo codedeploy-agent service install --config-file /etc/codedeploy-agent/conf/codedeployagent.yml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return failed(installService(file)) },
	}
	install.Flags().StringVar(&file, "config-file", "", "configuration file of the service; without one "+config.DefaultPath()+" is used if it is there")
	cmd.AddCommand(install)
	for _, c := range []struct{ action, short string }{
		{"uninstall", "Remove the service; configuration, state and what was deployed stay"},
		{"start", "Start the service"},
		{"stop", "Stop the service; running lifecycle events end first"},
		{"restart", "Stop the service and start it again"},
	} {
		cmd.AddCommand(&cobra.Command{Use: c.action, Short: c.short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			s, err := service.New(nothing{}, serviceConfig("", ""))
			if err == nil {
				err = service.Control(s, c.action)
			}
			if err != nil {
				return failed(fmt.Errorf("cannot %s the service: %w", c.action, err))
			}
			return nil
		}})
	}
	return cmd
}

// nothing is a program for those who only control the service.
type nothing struct{}

func (nothing) Start(service.Service) error { return nil }
func (nothing) Stop(service.Service) error  { return nil }

// serviceName is the official agents' name of the service.
func serviceName() string {
	if runtime.GOOS == "windows" {
		return "codedeployagent"
	}
	return "codedeploy-agent"
}

func installService(file string) error {
	if unit := image.UnitFile(); unit != "" {
		return fmt.Errorf("cannot install the service: %s is there already; use systemctl, or remove the package first", unit)
	}
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return fmt.Errorf("cannot install the service: %w", err)
	}
	if file != "" {
		if file, err = filepath.Abs(file); err != nil {
			return fmt.Errorf("cannot install the service: %w", err)
		}
		if _, _, err := config.Load(file); err != nil {
			return err
		}
	}
	if runtime.GOOS == "linux" {
		for _, path := range []string{program, file} {
			if !plainPath.MatchString(path) {
				return fmt.Errorf("cannot install the service: the path %q has characters that a unit would have to quote; move the file", path)
			}
		}
	}
	s, err := service.New(nothing{}, serviceConfig(program, file))
	if err == nil {
		err = s.Install()
	}
	if errors.Is(err, service.ErrNoServiceSystemDetected) {
		err = errors.New("this system has no service manager that the agent knows")
	}
	if err != nil {
		return fmt.Errorf("cannot install the service: %w", err)
	}
	return nil
}

// plainPath is a path that needs no quotes, or none at all.
var plainPath = expression.Lazy{Text: `^[A-Za-z0-9_./+:@-]*$`}

// serviceConfig describes the service. For systemd it is the packages' unit with another program.
func serviceConfig(program, file string) *service.Config {
	c := &service.Config{
		Name: serviceName(), DisplayName: "CodeDeploy Host Agent", Description: "Agent of AWS CodeDeploy", Executable: program, Arguments: []string{"run"},
		Option: service.KeyValue{
			"OnFailure": "restart", "OnFailureDelayDuration": "5s", "DelayedAutoStart": true, // Windows
			"RunAtLoad": true, // launchd
		},
	}
	start := program + " run"
	if file != "" {
		c.Arguments = append(c.Arguments, "--config-file", file)
		start += " --config-file " + file
	}
	c.Option["SystemdScript"] = strings.Replace(packaging.Unit, packaging.UnitProgram, start, 1)
	return c
}
