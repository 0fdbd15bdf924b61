// Command codedeploy-agent deploys revisions of AWS CodeDeploy to the host it runs on.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"codedeploy-agent/agent/dryrun"
)

// Exit codes. A command's help says which it uses.
const (
	exitFailed  = 1 // it could not be done
	exitInvalid = 2 // it was asked for wrongly
)

func main() {
	dryrun.Main(os.Args)
	if len(os.Args) == 3 && os.Args[1] == deployInViewCommand {
		os.Exit(deployInView(os.Args[2]))
	}
	os.Exit(execute(os.Args))
}

// execute runs the command line and returns the exit code.
func execute(argv []string) int {
	learnEnvironment(os.Environ())
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // a plan is long-lived and most of what is in memory; to collect twice as often costs a hundredth of a deployment
	}
	root := rootCommand()
	args := argv[1:]
	if local(argv[0]) {
		args = append([]string{"deploy-local"}, args...)
	}
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return 0
	}
	var code *exitError
	if !errors.As(err, &code) {
		code = &exitError{exitInvalid, err} // cobra's own errors are about the command line
	}
	if code.err != nil {
		for line := range strings.Lines(code.err.Error()) {
			fmt.Fprintln(os.Stderr, "ERROR:", safeLine(strings.TrimRight(line, "\n")))
		}
	}
	return code.code
}

// local says whether the program was called as codedeploy-local, the official name of deploy-local.
func local(argv0 string) bool {
	name := filepath.Base(argv0)
	return strings.EqualFold(strings.TrimSuffix(name, filepath.Ext(name)), "codedeploy-local")
}

// exitError is an error that decides the exit code. Without an err, everything has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// failed gives an error that has no exit code exitFailed.
func failed(err error) error {
	var coded *exitError
	if err == nil || errors.As(err, &coded) {
		return err
	}
	return &exitError{exitFailed, err}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "codedeploy-agent",
		Short: "Deploy revisions of AWS CodeDeploy to this host",
		Long: "codedeploy-agent takes the place of the official AWS CodeDeploy agent: the same configuration file, layout on disk,\n" +
			"hooks and protocol. As a service it runs deployments that CodeDeploy sends; deploy-local runs one by hand.",
		Example: `  codedeploy-agent validate ./bundle.zip      # is it right?
  codedeploy-agent plan ./bundle.zip          # what would it do here?
  codedeploy-agent dry-run ./bundle.zip       # let it happen on a view of this host
  sudo codedeploy-agent deploy-local -l ./bundle
  sudo codedeploy-agent run                   # the service
  sudo codedeploy-agent doctor                # why does it not work?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
	}
	// No templates of our own: with text/template the linker keeps every exported method of every type.
	root.AddCommand(runCommand(), deployLocalCommand(), validateCommand(), doctorCommand(), planCommand(), dryRunCommand(), schemaCommand(), configCommand(),
		imageCommand(), serviceCommand(), versionCommand())
	return root
}
