// Package doctor looks over a host for what keeps an agent from working, or soon will: configuration, identity, clock, network, disks,
// permissions, another agent, and revisions whose scripts are gone. It changes nothing, and it does not poll: a poll would take a command.
package doctor

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/store"
)

// Severity is how bad a finding is.
type Severity string

// The severities: an error keeps deployments from succeeding, a warning may, advice is about safety; ok says what was found in order.
const (
	OK      Severity = "ok"
	Advice  Severity = "advice"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Finding is what one check has found.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	// Hint says what to do; empty for what is in order.
	Hint string `json:"hint,omitempty"`
}

// Host is what is looked over. All but ConfigFile, Warnings, Unusable and Root must be set.
type Host struct {
	// ConfigFile is the configuration file that was read; empty if there was none.
	ConfigFile string
	Config     *config.Config
	// Warnings are the configuration's. Unusable is why it cannot be used; Config then has the defaults.
	Warnings []config.Problem
	Unusable error
	Store    *store.Store
	// Identity finds out who the host is.
	Identity func(context.Context) (*identity.Identity, error)
	// Transport is the agent's own, with its proxy and its authorities.
	Transport http.RoundTripper
	// Proxied says through which proxy an address is reached; empty if through none.
	Proxied func(url string) string
	// Running says whether this agent's daemon runs.
	Running func() (bool, error)
	// Root is the root directory under which an official agent is looked for; empty is /.
	Root string
}

// Look makes all checks and returns what they found, in an order that explains later findings by earlier ones.
func Look(ctx context.Context, h Host) []Finding {
	d := &doctor{Host: h}
	d.configuration()
	d.identity(ctx)
	d.network(ctx)
	d.directories()
	d.officialAgent()
	d.service()
	d.revisions()
	return d.findings
}

// Worst returns the worst severity of some findings.
func Worst(findings []Finding) Severity {
	worst := OK
	for _, f := range findings {
		if rank(f.Severity) > rank(worst) {
			worst = f.Severity
		}
	}
	return worst
}

func rank(s Severity) int { return slices.Index([]Severity{OK, Advice, Warning, Error}, s) }

type doctor struct {
	Host
	findings []Finding
	who      *identity.Identity // nil if nobody knows
}

func (d *doctor) add(check string, s Severity, hint, format string, args ...any) {
	d.findings = append(d.findings, Finding{check, s, fmt.Sprintf(format, args...), hint})
}

func (d *doctor) configuration() {
	const check = "configuration"
	if d.Unusable != nil {
		d.add(check, Error, "the agent does not start with it; what follows is about the defaults", "%v", d.Unusable)
		return
	}
	if d.ConfigFile == "" {
		d.add(check, OK, "", "there is no configuration file; the defaults hold, which are the official agents'")
	} else {
		d.add(check, OK, "", "%s", d.ConfigFile)
	}
	for _, w := range d.Warnings {
		d.add(check, Warning, "mend or remove the line", "%s", w)
	}
	if off := config.Unprotected(d.Config); len(off) > 0 {
		d.add(check, Advice, "codedeploy-agent config --new-host prints a configuration with all of them; docs/security.md says what each one refuses",
			"%d protections are off, as in the official agents: %s", len(off), list(off))
	}
}

// list names the first few of several things.
func list(names []string) string {
	const most = 4
	out := ""
	for i, n := range names {
		switch {
		case i == most:
			return fmt.Sprintf("%s and %d more", out, len(names)-most)
		case i > 0:
			out += ", "
		}
		out += n
	}
	return out
}

func (d *doctor) identity(ctx context.Context) {
	const check = "identity"
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	id, err := d.Identity(ctx)
	if err != nil {
		d.add(check, Error, "the agent waits until it knows; on an EC2 instance look at the instance metadata options and the instance profile, elsewhere at "+
			d.Config.OnPremisesConfigFile, "%v", err)
		return
	}
	d.who = id
	d.add(check, OK, "", "%s in %s, from %s", id.HostIdentifier, id.Region, id.Source)
	credentials, err := id.Credentials.Retrieve(ctx)
	switch {
	case err != nil:
		d.add("credentials", Error, "without credentials the agent cannot poll", "%v", err)
	case credentials.CanExpire && time.Until(credentials.Expires) < time.Minute:
		d.add("credentials", Error, "whoever writes them has to renew them; on an EC2 instance look at its clock", "they have expired at %s", credentials.Expires.Format(time.RFC3339))
	case credentials.CanExpire:
		d.add("credentials", OK, "", "good until %s", credentials.Expires.Format(time.RFC3339))
	default:
		d.add("credentials", OK, "", "they do not expire")
	}
}

// service says whether the daemon runs.
func (d *doctor) service() {
	switch running, err := d.Running(); {
	case err != nil:
		d.add("service", Warning, "run this as the agent's user, which is root as a rule", "%v", err)
	case !running:
		d.add("service", Warning, "systemctl enable --now codedeploy-agent", "the agent does not run")
	default:
		d.add("service", OK, "", "the agent runs")
	}
}

// exists says whether a path is there, seen from the root directory.
func (d *doctor) exists(path string) bool {
	_, err := os.Lstat(d.Root + path)
	return err == nil
}
