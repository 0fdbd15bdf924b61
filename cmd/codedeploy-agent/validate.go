package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/lint"
	"codedeploy-agent/appspec/lint/report"
)

// validation is a request to validate.
type validation struct {
	options       lint.Options
	deployment    string
	format, level string
	json, rules   bool
	strict        bool
	in            io.Reader
	out           io.Writer
}

func validateCommand() *cobra.Command {
	v := &validation{}
	cmd := &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "Check bundles for mistakes before they are deployed",
		Long: `Check bundles for mistakes before they are deployed. A PATH is a directory, an archive (tar, tgz, zip) or an AppSpec by
itself; without one it is the current directory, and - is an AppSpec on standard input. No host, network or privilege is needed, and
nothing is changed.

The AppSpec is read with the agent's own parser, everything it names is looked for, and shell scripts are read for what breaks
deployments. A directory may be a checkout that a build adds to: what is missing there is a warning, unless --bundle says that
it is the finished bundle. docs/rules.md describes every rule and how to silence it in the file.

Exit codes: 0 no errors, 1 errors (with --strict also warnings), 2 the request is wrong.`,
		Example: `  codedeploy-agent validate
  codedeploy-agent validate --strict build/bundle.zip
  codedeploy-agent validate --deployment-type in-place --disable script-not-executable deploy/
  codedeploy-agent validate --advice --format github .
  codedeploy-agent validate --rules`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			v.in, v.out = cmd.InOrStdin(), cmd.OutOrStdout()
			ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer cancel()
			return v.run(ctx, args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&v.options.AppSpec, "appspec-filename", "A", "", "AppSpec file in the bundle (default "+appspec.DefaultName+")")
	f.BoolVar(&v.options.Finished, "bundle", false, "directories are finished bundles: what is missing is an error")
	f.StringVar(&v.deployment, "deployment-type", "any", "in-place, in-place-load-balancer, blue-green or any")
	f.StringVar(&v.format, "format", "text", "text, json, sarif or github; for --rules text or markdown")
	f.BoolVar(&v.json, "json", false, "the same as --format json")
	f.BoolVar(&v.rules, "rules", false, "list the rules and check nothing")
	f.Func("disable", "`rules` that are not checked, separated by commas", func(names string) error { // pflag's own list is a reader of CSV
		v.options.Disable = append(v.options.Disable, strings.Split(names, ",")...)
		return nil
	})
	f.BoolVar(&v.strict, "strict", false, "warnings count as errors for the exit code")
	f.BoolVar(&v.options.Advice, "advice", false, "look for habits that work and could be better, too")
	f.StringVar(&v.level, "level", "info", "least severity to report: info, warning or error")
	return cmd
}

// usage is the error of a wrong request.
func usage(format string, args ...any) error {
	return &exitError{exitInvalid, fmt.Errorf(format, args...)}
}

func (v *validation) run(ctx context.Context, paths []string) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.rules {
		if v.format == "markdown" {
			return failed(lint.Markdown(v.out))
		}
		return failed(lint.List(v.out))
	}
	if len(paths) == 0 {
		paths = []string{"."}
	}
	f := &report.Findings{}
	var checked []*lint.Report
	lines := map[string]func(int) (string, bool){}
	for _, path := range paths {
		r, prefix, err := v.path(ctx, path)
		if err != nil {
			return &exitError{exitInvalid, err}
		}
		checked = append(checked, r)
		f.AppSpecs += len(r.AppSpecs)
		f.Scripts += len(r.Scripts)
		for _, p := range r.Problems {
			if !lint.AtLeast(p.Severity, appspec.Severity(v.level)) {
				continue
			}
			inside := p.File
			p.File = prefix(inside)
			lines[p.File] = func(n int) (string, bool) { return r.Line(inside, n) }
			f.Problems = append(f.Problems, p)
		}
	}
	f.Line = func(file string, n int) (string, bool) {
		if line := lines[file]; line != nil {
			return line(n)
		}
		return "", false
	}
	if err := v.print(f); err != nil {
		return failed(fmt.Errorf("cannot write the report: %w", err))
	}
	for _, r := range checked {
		if worst := r.Worst(); worst == appspec.Failing || v.strict && worst == appspec.Warning {
			return &exitError{code: exitFailed} // the report has said it all
		}
	}
	return nil
}

// check reads what the flags say.
func (v *validation) check() error {
	switch v.deployment {
	case "any", "in-place", "blue-green", "in-place-load-balancer":
		v.options.Deployment = lint.Deployment(v.deployment)
	default:
		return usage("the deployment type %q is not one of in-place, in-place-load-balancer, blue-green and any", v.deployment)
	}
	if v.json {
		if v.format != "text" && v.format != "json" {
			return usage("--json and --format %s exclude each other", v.format)
		}
		v.format = "json"
	}
	switch {
	case v.rules && v.format != "text" && v.format != "markdown":
		return usage("the rules are listed as text or markdown, not as %q", v.format)
	case !v.rules && v.format != "text" && v.format != "json" && v.format != "sarif" && v.format != "github":
		return usage("the format %q is not one of text, json, sarif and github", v.format)
	case v.level != "info" && v.level != "warning" && v.level != "error":
		return usage("the level %q is not one of info, warning and error", v.level)
	}
	for i, name := range v.options.Disable {
		v.options.Disable[i] = strings.TrimSpace(name)
		if near, ok := lint.Known(v.options.Disable[i]); !ok {
			hint := "; validate --rules lists them"
			if near != "" {
				hint = "; did you mean " + near + "?"
			}
			return usage("there is no rule %q to disable%s", name, hint)
		}
	}
	return nil
}

func (v *validation) print(f *report.Findings) error {
	switch v.format {
	case "json":
		return report.JSON(v.out, f)
	case "sarif":
		return report.SARIF(v.out, f, version)
	case "github":
		return report.GitHub(v.out, f)
	}
	return report.Text(v.out, f, colourful(v.out))
}

// colourful says whether colours are wanted on w.
func colourful(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && terminal(w)
}
