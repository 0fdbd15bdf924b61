package lint

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/expression"
)

// command checks a command that is no function of the script.
func (x *shell) command(c command, s state) {
	switch c.name {
	case "yum", "dnf", "microdnf", "apt", "apt-get", "aptitude", "zypper", "amazon-linux-extras":
		x.packages(c, s)
	case "chmod":
		x.chmod(c)
	case "rm":
		x.remove(c)
	case "curl", "wget":
		x.request(c, s)
	case "su", "sudo", "bash", "sh":
		x.interactive(c, s)
	case "systemctl", "service", "initctl", "stop", "restart":
		x.agent(c)
	}
	if !x.moved {
		x.relative(c)
	}
}

// asking are the verbs with which a package manager asks for confirmation.
var asking = []string{"install", "remove", "purge", "upgrade", "update", "dist-upgrade", "full-upgrade", "autoremove", "erase", "groupinstall", "reinstall",
	"localinstall", "downgrade", "in", "up", "dup", "module", "group"}

func (x *shell) packages(c command, s state) {
	verb := c.verb()
	apt := strings.HasPrefix(c.name, "apt")
	switch {
	case s.input, !slices.Contains(asking, verb):
		return
	case apt && verb == "update", (verb == "module" || verb == "group") && !slices.ContainsFunc(c.args, func(w word) bool { return w.text == "install" }):
		return
	case c.has("-y", "--yes", "--assume-yes", "--assumeyes", "--non-interactive", "--noconfirm"):
		return
	case apt && (c.has("-qq", "--force-yes", "-s", "--simulate", "--dry-run", "-d") || quietTwice(c)):
		return
	case c.name == "zypper" && c.has("-n"), !apt && c.has("--downloadonly", "--assumeno"):
		return
	}
	x.tell(c.pos, ruleConfirmation, "write "+c.name+" -y "+verb, "%s %s asks for confirmation, and a script has no input to answer", c.name, verb)
}

// quietTwice says whether apt's option -q is there twice or has a level, both of which imply -y.
func quietTwice(c command) bool {
	n := 0
	for _, a := range c.args {
		if strings.HasPrefix(a.text, "-q=") {
			n += 2
		} else if len(a.text) > 1 && a.text[0] == '-' && a.text[1] != '-' {
			n += strings.Count(a.text, "q")
		}
	}
	return n > 1
}

var (
	everyoneOctal    = expression.Lazy{Text: `^0?[0-7]?[0-7][0-7][2367]$`}
	everyoneSymbolic = expression.Lazy{Text: `(^|,)([ug]*[oa][ugoa]*[+=][rxXst]*w|=[rxXst]*w)`}
)

func (x *shell) chmod(c command) {
	for _, a := range c.args {
		if strings.HasPrefix(a.text, "-") && !strings.ContainsAny(a.text, "w+=") {
			continue
		}
		switch {
		case !a.literal:
		case everyoneOctal.MatchString(a.text) && !sticky(a.text), everyoneSymbolic.MatchString(a.text):
			x.tell(c.pos, ruleWorldWritable, "use 755, 644, 775 or 664, and the right owner", "chmod %s lets every account of the host write", a.text)
		}
		return
	}
}

// sticky says whether an octal mode has the sticky bit, with which a shared directory such as /tmp is in order.
func sticky(mode string) bool {
	return len(mode) >= 4 && (mode[len(mode)-4]-'0')&1 == 1
}

// system are directories that hold more than an application.
var system = []string{"/", "/bin", "/boot", "/dev", "/etc", "/etc/systemd", "/etc/systemd/system", "/etc/nginx", "/home", "/lib", "/lib64", "/media", "/mnt",
	"/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/sbin",
	"/usr/share", "/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/www"}

var homes = expression.Lazy{Text: `^/home/[^/*]+$`}

func (x *shell) remove(c command) {
	if !c.has("-r", "-R", "--recursive") {
		return
	}
	for _, w := range c.operands() {
		target := strings.TrimSuffix(strings.TrimSuffix(w.text, "*"), "/")
		if strings.HasPrefix(w.text, "/") && w.literal {
			target = path.Clean("/" + target)
			if slices.Contains(system, target) && w.text != "/var/www/*" || homes.MatchString(target) {
				x.tell(w.pos, ruleRemovesSystem, "remove the application's own directory only", "rm -r %s removes more than the application", clip(w.text))
				continue
			}
			x.removeInstalled(w, target)
		}
		if name := x.beginning(w); name != "" {
			x.tell(w.pos, ruleUnsetVariable, "write ${"+name+":?} or begin the script with set -u",
				"the script does not set %s: if nobody does, this removes %s", name, clip(strings.Replace(w.text, "$"+name, "", 1)))
		}
	}
}

// removeInstalled tells of the removal of a destination before Install.
func (x *shell) removeInstalled(w word, target string) {
	if !x.during(applicationStop, beforeInstall) {
		return
	}
	for _, f := range x.script.spec.Files {
		d := path.Clean(f.Destination)
		if d == "/" || !strings.HasPrefix(d, "/") || slices.Contains(system, d) && d != target {
			continue
		}
		if d == target || strings.HasPrefix(target, d+"/") || strings.HasPrefix(d, target+"/") {
			hint := "the agent removes what it installed; for files that others put there, write file_exists_behavior: OVERWRITE in the AppSpec"
			if x.script.spec.FileExistsBehavior == appspec.Overwrite {
				hint = "the agent removes what it installed and, with file_exists_behavior: OVERWRITE, replaces the rest"
			}
			x.tell(w.pos, ruleRemovesInstalled, hint, "this takes the destination %s away before the new version is installed", f.Destination)
			return
		}
	}
}

// given are variables that are set without the script's doing.
var given = []string{"APPLICATION_NAME", "DEPLOYMENT_ID", "DEPLOYMENT_GROUP_NAME", "DEPLOYMENT_GROUP_ID", "LIFECYCLE_EVENT", "PWD", "BASH_SOURCE", "RANDOM", "UID",
	"EUID", "PPID", "HOSTNAME", "TMPDIR", "OLDPWD", "HOME", "USER", "PATH"}

// beginning returns the variable that a path begins with and that the script does not set, or "".
func (x *shell) beginning(w word) string {
	if x.unset || x.includes {
		return ""
	}
	parts := w.parts
	if len(parts) > 0 {
		if q, ok := parts[0].(*syntax.DblQuoted); ok {
			parts = append(slices.Clone(q.Parts), parts[1:]...)
		}
	}
	if len(parts) < 2 {
		return ""
	}
	p, ok := parts[0].(*syntax.ParamExp)
	if !ok || p.Param == nil || p.Exp != nil || p.Slice != nil || p.Repl != nil || p.Index != nil {
		return ""
	}
	after, ok := parts[1].(*syntax.Lit)
	name := p.Param.Value
	if !ok || !strings.HasPrefix(after.Value, "/") || x.assigned[name] || slices.Contains(given, name) || !variable.MatchString(name) {
		return ""
	}
	return name
}

var variable = expression.Lazy{Text: `^[A-Za-z_][A-Za-z0-9_]*$`}

var metadata = expression.Lazy{Text: `169\.254\.169\.254/.*(meta-data|dynamic|user-data)`}

func (x *shell) request(c command, s state) {
	for _, a := range c.args {
		if metadata.MatchString(a.text) && !x.token {
			x.tell(c.pos, ruleMetadataToken, "get a token from http://169.254.169.254/latest/api/token and send it as X-aws-ec2-metadata-token",
				"the metadata service is asked without a token, which fails where version 2 is required")
			return
		}
	}
	if c.name != "curl" || s.read || s.noted || !x.during(validateService) || c.has("-f", "--fail", "--fail-with-body", "-w", "--write-out", "-V", "--version") {
		return
	}
	if !slices.ContainsFunc(c.operands(), func(w word) bool { return true }) {
		return
	}
	x.tell(c.pos, ruleCurlStatus, "add --fail", "curl succeeds with any answer, also 500: nothing looks at the status")
}

// interactive tells of a shell that is started without a command.
func (x *shell) interactive(c command, s state) {
	if s.input || c.has("-c", "--command") || len(c.words) == 0 {
		return
	}
	switch c.name {
	case "su":
		if len(c.args) > 2 { // options or words that may be a command
			return
		}
	case "sudo":
		if !c.has("-i", "-s", "--login", "--shell") || len(c.operands()) > 0 && !c.has("-u", "--user") {
			return
		}
	default:
		if len(c.args) > 0 || len(c.words) < 2 { // "sudo bash", not a script's name
			return
		}
	}
	x.tell(c.pos, ruleInteractiveShell, "set runas in the AppSpec, or write sudo -u USER before each command",
		"this shell has no input and ends at once; what follows runs as the same user as before")
}

func (x *shell) agent(c command) {
	verb, named := false, false
	for _, a := range append(c.args, word{text: c.name}) {
		verb = verb || slices.Contains([]string{"stop", "restart", "reload", "kill", "try-restart"}, a.text)
		named = named || strings.TrimSuffix(a.text, ".service") == "codedeploy-agent"
	}
	if verb && named {
		x.tell(c.pos, ruleStopsAgent, "do it outside of deployments", "the script stops the agent that runs it")
	}
}

// runners are commands whose operands are files to run or to read.
var runners = []string{"bash", "sh", "source", ".", "python", "python3", "node", "ruby", "perl", "php", "cp", "mv", "cat", "chmod", "chown", "tar", "unzip", "install", "ln"}

// relative tells of a path to something in the bundle that only works in the bundle's directory.
func (x *shell) relative(c command) {
	candidates := []word{}
	if first := c.words; len(first) > 0 && c.path != "" {
		candidates = append(candidates, word{text: c.path, literal: true, pos: c.pos})
	}
	if slices.Contains(runners, c.name) {
		candidates = append(candidates, c.operands()...)
	}
	for _, w := range candidates {
		name := strings.TrimPrefix(w.text, "./")
		if !w.literal || !strings.Contains(w.text, "/") || strings.HasPrefix(w.text, "/") || strings.Contains(w.text, ":") {
			continue
		}
		for _, root := range []string{".", path.Dir(x.script.path)} {
			if full := path.Join(root, name); x.c.tree.has(full) && full != "." {
				x.tell(w.pos, ruleRelativePath, `begin with cd "$(dirname "$0")" and write paths from there`,
					"%s is %s in the bundle, but scripts start in the agent's directory", clip(w.text), full)
				return
			}
		}
	}
}
