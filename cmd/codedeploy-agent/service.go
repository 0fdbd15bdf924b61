package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/image"
	"codedeploy-agent/appspec/expression"
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
			if err := controlService(c.action); err != nil {
				return failed(fmt.Errorf("cannot %s the service: %w", c.action, err))
			}
			return nil
		}})
	}
	return cmd
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
	if err := registerService(program, file); err != nil {
		return fmt.Errorf("cannot install the service: %w", err)
	}
	return nil
}

// errNoServiceManager is for systems where a service cannot be installed.
var errNoServiceManager = errors.New("this system has no service manager that the agent knows")

// plainPath is a path that needs no quotes, or none at all.
var plainPath = expression.Lazy{Text: `^[A-Za-z0-9_./+:@-]*$`}
