package main

import (
	"github.com/spf13/cobra"

	"codedeploy-agent/agent/config"
)

func configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print every setting with its meaning and default",
		Long:  "Print a configuration file that holds every setting with its meaning and default.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(config.Document(cmd.OutOrStdout()))
		},
	}
}
