package main

import (
	"github.com/spf13/cobra"

	"codedeploy-agent/appspec"
)

func schemaCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of AppSpec files for editors",
		Long: `Print a JSON Schema (draft 7) of AppSpec files. Editors that read it check an AppSpec while it is written, complete its keys and explain
them. It accepts what the agent accepts; --strict also marks keys and events that would be ignored. docs/ci.md shows how to tell an
editor about it.`,
		Example: `  codedeploy-agent schema --strict > appspec.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := appspec.Schema(strict)
			if err == nil {
				_, err = cmd.OutOrStdout().Write(text)
			}
			return failed(err)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "refuse keys and events that have no effect")
	return cmd
}
