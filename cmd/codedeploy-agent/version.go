package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// What this binary was built from; the Makefile sets them.
var (
	version = "development"
	commit  = "unknown"
	date    = "unknown"
)

// userAgent is how the agent names itself to AWS.
func userAgent() string {
	return fmt.Sprintf("codedeploy-agent/%s (%s; %s)", version, runtime.GOOS, runtime.GOARCH)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and date of this binary",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "codedeploy-agent %s\ncommit %s\ndate %s\n%s %s/%s\n", version, commit, date,
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
