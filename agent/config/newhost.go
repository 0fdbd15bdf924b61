package config

import (
	"bufio"
	"fmt"
	"io"
	"slices"
)

// newHost are the settings of a host on which no official agent has run: every switch that refuses what few honest deployments need, which
// the defaults leave off because an official agent carries it out.
var newHost = []string{
	"reject_symlinks_in_bundle", "reject_path_traversal_in_bundle", "reject_unsafe_permissions_in_bundle", "reject_unconfined_selinux_in_bundle",
	"reject_symlink_permission_targets", "ignore_ownership_in_bundle", "restrict_agent_dir_permissions", "restrict_log_dir_permissions",
	"strip_loader_env_in_hooks", "restrict_hook_env_to_allowlist", "disable_powershell_profile_in_hooks", "disable_imds_v1",
}

// onNewHost says whether the setting is "true" on a new host and not by default.
func (k *key) onNewHost() bool { return slices.Contains(newHost, k.name) }

// Unprotected returns the settings that are on on a new host and off in c.
func Unprotected(c *Config) (names []string) {
	for _, k := range keys {
		if k.onNewHost() && k.field != nil {
			if on, ok := k.field(c).(*bool); ok && !*on {
				names = append(names, k.name)
			}
		}
	}
	return names
}

// NewHost returns the configuration of a host on which no official agent has run: the defaults, which let every deployment succeed that an
// official agent carries out, with every switch on that refuses what few honest deployments need.
func NewHost() *Config {
	c := Default()
	c.StateDir = ""
	for _, k := range keys {
		if !k.onNewHost() {
			continue
		}
		if _, err := assign(c, &k, scalar("true")); err != nil {
			panic("value of " + k.name + " on a new host: " + err.Error()) // a mistake in the table, which every test run would meet
		}
	}
	c.complete()
	return c
}

// NewHostDocument writes the configuration file of a new host, which a package installs where there is none: what NewHost has, and nothing
// else.
func NewHostDocument(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, `# Configuration of codedeploy-agent on a host that has had no CodeDeploy agent before.
# The settings here refuse what few deployments need. A refusal names its setting: remove the line to allow it,
# which is what the official agents do. Every other setting has its default; "codedeploy-agent config" lists them.
`)
	for _, k := range keys {
		if !k.onNewHost() {
			continue
		}
		out.WriteString("\n")
		for _, line := range wrap(k.about, 100) {
			fmt.Fprintf(out, "# %s\n", line)
		}
		fmt.Fprintf(out, "%s: true\n", k.name)
	}
	return out.Flush()
}
