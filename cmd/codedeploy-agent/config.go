package main

import (
	"github.com/spf13/cobra"

	"codedeploy-agent/agent/config"
)

func configCommand() *cobra.Command {
	var newHost bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting with its meaning and default",
		Long: `Print a configuration file that holds every setting with its meaning and default.

With --new-host it is the file for a host that has had no CodeDeploy agent before: it turns on every switch that refuses
what few deployments need.`,
		Example: `  codedeploy-agent config
  codedeploy-agent config --new-host > /etc/codedeploy-agent/conf/codedeployagent.yml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if newHost {
				return failed(config.NewHostDocument(cmd.OutOrStdout()))
			}
			return failed(config.Document(cmd.OutOrStdout()))
		},
	}
	cmd.Flags().BoolVar(&newHost, "new-host", false, "the configuration of a new host, with everything refused that few deployments need")
	return cmd
}
