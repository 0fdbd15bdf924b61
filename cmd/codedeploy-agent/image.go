package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"codedeploy-agent/agent"
	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/image"
)

func imageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Get this host ready to become an image",
		Long: `Get this host ready to become an image (AMI) from which other hosts are made.

First "image scrub", then "image prepare", then the image. An agent that finds the state of another instance all the
same sets it aside at its first start, unless keep_state_of_image is set.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(imagePrepareCommand(), imageScrubCommand())
	return cmd
}

func imagePrepareCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "prepare",
		Short: "Enable the agent without starting it, and check what would be in the image",
		Long: `Enable the agent's service without starting it, and check the configuration and what would be in an image of this
host: no running agent, no trace of this host, no leftover of an official package.

Exit codes: 0 an image can be made, 1 something has to be done first, 2 wrong command line.`,
		Example: "  sudo codedeploy-agent image prepare",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, warnings, err := config.Load(file)
			if err != nil {
				return failed(err)
			}
			learnConfiguration(c)
			findings := []image.Finding{{Right: true, Message: "the configuration is right"}}
			for _, w := range warnings {
				findings = append(findings, image.Finding{Right: true, Message: "configuration: " + w.String()})
			}
			running, err := agent.Running(c.StateDir)
			if err != nil {
				return failed(err)
			}
			findings = append(findings, image.Check(c, identity.CredentialsFile(c.OnPremisesConfigFile), running)...)
			findings = append(findings, image.Enable())
			wrong := 0
			for _, f := range findings {
				word := "ok"
				if !f.Right {
					word = "TO DO"
					wrong++
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-6s %s\n", word, safeLine(f.Message))
			}
			if wrong > 0 {
				return failed(fmt.Errorf("this host is not ready to become an image: %d to do", wrong))
			}
			return nil
		},
	}
	configFileFlag(cmd, &file)
	return cmd
}

func imageScrubCommand() *cobra.Command {
	var file string
	var dryRun, systemJournal bool
	cmd := &cobra.Command{
		Use:   "scrub",
		Short: "Remove every trace of this host that the agent has",
		Long: `Remove every trace of this host that the agent has: the on-premises identity and its credentials, results that are owed
to the service, the record of what is installed, revisions, history and logs. It prints each. The configuration
stays, and so do the files that were deployed: to the first deployment on another host they are files of somebody
else (file_exists_behavior). The agent must not run.

The journal of systemd has lines of the agent among those of everything else; --system-journal removes all of them.

Exit codes: 0 nothing is left, 1 something is, 2 wrong command line.`,
		Example: `  sudo codedeploy-agent image scrub --dry-run
  sudo codedeploy-agent image scrub --system-journal`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return failed(scrub(cmd, file, dryRun, systemJournal))
		},
	}
	configFileFlag(cmd, &file)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be removed, and remove nothing")
	cmd.Flags().BoolVar(&systemJournal, "system-journal", false, "remove the journal of systemd, too, with the lines of everything else")
	return cmd
}

func scrub(cmd *cobra.Command, file string, dryRun, systemJournal bool) error {
	c, _, err := config.Load(file)
	if err != nil {
		return err
	}
	running, err := agent.Running(c.StateDir)
	if err != nil {
		return err
	}
	if running && !dryRun {
		return errors.New("cannot scrub: the agent is running; stop it first (systemctl stop codedeploy-agent)")
	}
	out := cmd.OutOrStdout()
	traces, err := image.Traces(c, identity.CredentialsFile(c.OnPremisesConfigFile))
	if err != nil {
		return fmt.Errorf("cannot find all traces of this host: %w", err)
	}
	if dryRun {
		for _, t := range traces {
			fmt.Fprintf(out, "would remove %s (%s)\n", safeLine(t.Path), t.What)
		}
		return nil
	}
	if _, err := os.Stat(filepath.Join(c.StateDir, "agent.lock")); err == nil {
		unlock, err := agent.Lock(c.StateDir)
		if err != nil {
			return err
		}
		defer unlock()
	}
	if err := image.Remove(traces, func(t image.Trace) { fmt.Fprintf(out, "removed %s (%s)\n", safeLine(t.Path), t.What) }); err != nil {
		return err
	}
	if _, err := exec.LookPath("journalctl"); err != nil {
		return nil
	}
	if !systemJournal {
		fmt.Fprintln(out, "the journal of systemd was left alone: --system-journal, or journalctl --rotate --vacuum-time=1s")
		return nil
	}
	for _, args := range [][]string{{"--rotate"}, {"--vacuum-time=1s"}} {
		if text, err := exec.Command("journalctl", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("cannot remove the journal of systemd: journalctl %s: %w: %s", args[0], err, strings.Join(strings.Fields(string(text)), " "))
		}
	}
	fmt.Fprintln(out, "removed the journal of systemd")
	return nil
}
