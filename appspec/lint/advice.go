package lint

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"codedeploy-agent/appspec"
)

// advise tells of habits in an AppSpec that could be better.
func (c *checker) advise(file string, a *appspec.AppSpec) {
	validated := slices.ContainsFunc(a.Hooks, func(h appspec.Hook) bool { return h.Event == validateService })
	for _, h := range a.Hooks {
		if !runs(h.Event) {
			continue
		}
		if !validated {
			validated = true // told once
			c.at(file, h.At(""), ruleNoValidation, "add a script that asks the application for its health", "nothing looks at whether the application works")
		}
		for _, s := range h.Scripts {
			if !s.Has("timeout") {
				c.at(file, s.At("location"), ruleNoTimeout, "add a timeout, in seconds", "%s may take an hour", clip(s.Location))
			}
		}
	}
	for _, f := range a.Files {
		d := path.Clean(f.Destination)
		for _, temporary := range []string{"/tmp", "/var/tmp"} {
			if d == temporary || strings.HasPrefix(d, temporary+"/") {
				c.at(file, f.At("destination"), ruleTemporary, "use the files where they are in the bundle, or a directory of the application",
					"everybody may write to %s, and hosts clear it", temporary)
			}
		}
	}
}

// advise tells of habits in a script that could be better. Each is told at its first place.
func (x *shell) advise() {
	told := map[string]bool{}
	tell := func(p syntax.Pos, rule, hint, format string, args ...any) {
		if !told[rule] {
			told[rule] = true
			x.tell(p, rule, hint, format, args...)
		}
	}
	x.errexit(tell)
	syntax.Walk(x.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			if c := commandOf(n); c.name != "" && x.functions[c.name] == nil {
				x.habits(c, tell)
			}
		case *syntax.BinaryCmd:
			if (n.Op == syntax.Pipe || n.Op == syntax.PipeAll) && x.runsDownload(n) {
				tell(n.Pos(), ruleRunsWhatItLoads, "download it, compare its checksum, and run it then", "the answer of a server is run as it comes")
			}
		}
		return true
	})
}

type teller func(p syntax.Pos, rule, hint, format string, args ...any)

// errexit tells of a script that does not end at the first failure and has more than one command that can fail.
func (x *shell) errexit(tell teller) {
	if x.strict || x.includes { // what is included may set it
		return
	}
	commands := 0
	for _, st := range x.file.Stmts {
		if on, ok := errexit(st); ok && on {
			return
		}
		switch st.Cmd.(type) {
		case *syntax.FuncDecl, nil:
		default:
			commands++
		}
	}
	if commands > 1 {
		tell(x.file.Stmts[0].Pos(), ruleNoErrexit, "begin the script with set -e", "the script goes on when a command fails; only the last one's result counts")
	}
}

func (x *shell) habits(c command, tell teller) {
	if first := c.words[0]; first.text == "sudo" && x.script.root && !slices.ContainsFunc(c.words[1:], asAnother) {
		tell(first.pos, ruleSudoAsRoot, "leave sudo out", "the script already runs as root")
	}
	switch c.name {
	case "kill", "pkill", "killall":
		if slices.ContainsFunc(c.args, func(w word) bool {
			return slices.Contains([]string{"-9", "-KILL", "-SIGKILL", "KILL", "SIGKILL"}, w.text)
		}) {
			tell(c.pos, ruleKillNine, "send TERM first and wait", "%s -9 leaves the process no time to end", c.name)
		}
	case "git":
		if slices.Contains([]string{"clone", "pull", "fetch"}, c.verb()) {
			tell(c.pos, ruleFetchesCode, "put the code into the bundle", "git %s brings code that is not the revision's", c.verb())
		}
	}
	if what := installs(c); what != "" {
		tell(c.pos, ruleInstallsInHook, "put it into the bundle or the image", "%s needs its registry during the deployment, on every host", what)
	}
}

// asAnother is an option of sudo with which it is not about root.
func asAnother(w word) bool {
	return strings.HasPrefix(w.text, "--user") || strings.HasPrefix(w.text, "--group") ||
		len(w.text) > 1 && w.text[0] == '-' && w.text[1] != '-' && strings.ContainsAny(w.text, "ug")
}

// installers are package managers and their verbs that fetch packages.
var installers = map[string][]string{
	"yum": {"install", "localinstall", "groupinstall"}, "dnf": {"install", "groupinstall"}, "apt": {"install"}, "apt-get": {"install"}, "zypper": {"install", "in"},
	"apk": {"add"}, "amazon-linux-extras": {"install"}, "snap": {"install"}, "npm": {"install", "i", "ci", "add"}, "yarn": {"install", "add", ""}, "pnpm": {"install", "i", "add"},
	"pip": {"install"}, "pip2": {"install"}, "pip3": {"install"}, "composer": {"install", "update", "require"}, "bundle": {"install", ""}, "gem": {"install"},
}

// installs names a command that fetches packages, "" for others.
func installs(c command) string {
	args := c
	if strings.HasPrefix(c.name, "python") && len(c.args) > 1 && c.args[0].text == "-m" && c.args[1].text == "pip" {
		args = command{name: "pip", args: c.args[2:]}
	}
	if !slices.Contains(installers[args.name], args.verb()) || args.has("--offline", "--no-index", "--local", "--version", "-v", "--help") {
		return ""
	}
	return strings.TrimSpace(args.name + " " + args.verb())
}

// runsDownload says whether a pipe leads from a download into a shell.
func (x *shell) runsDownload(pipe *syntax.BinaryCmd) bool {
	from, to := pipe.X, pipe.Y
	for { // the last command before the shell may only pass on
		b, ok := from.Cmd.(*syntax.BinaryCmd)
		if !ok {
			break
		}
		from = b.X
	}
	left, ok := from.Cmd.(*syntax.CallExpr)
	right, ok2 := to.Cmd.(*syntax.CallExpr)
	if !ok || !ok2 {
		return false
	}
	return slices.Contains([]string{"curl", "wget"}, commandOf(left).name) &&
		slices.Contains([]string{"sh", "bash", "dash", "zsh", "python", "python3", "perl", "node"}, commandOf(right).name) && !commandOf(right).has("-c", "-e")
}
