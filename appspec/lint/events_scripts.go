package lint

import (
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// asWhole checks what depends on the event that a script is for.
func (x *shell) asWhole() {
	if x.during(applicationStop) {
		x.stop()
	}
	if x.during(applicationStart) {
		x.start()
	}
	if x.during(validateService) {
		x.validate()
	}
}

// stop tells of an ApplicationStop that fails when there is nothing to stop: a command that then fails and whose failure is the script's,
// because it is the last one or because of set -e. Where an earlier condition ends the script, it is taken for one that asks.
func (x *shell) stop() {
	strict, asks := x.strict, false
	last := len(x.file.Stmts) - 1
	for i, st := range x.file.Stmts {
		if on, ok := errexit(st); ok {
			strict = on
		}
		if strict || i == last {
			if c, ok := x.fails(st, i == last, 0); ok && !(asks && c.name == "kill") {
				x.tell(c.pos, ruleStopFails, "add || true, or look first whether it runs",
					"%s fails when nothing is running, and then so does ApplicationStop: no later deployment would succeed", describe(c))
				return
			}
		}
		asks = asks || leaves(st)
	}
}

// describe names a command with its verb.
func describe(c command) string {
	if slices.Contains([]string{"docker", "pm2", "forever"}, c.name) {
		return c.name + " " + c.verb()
	}
	return c.name
}

// errexit says whether a statement turns set -e on or off.
func errexit(st *syntax.Stmt) (on, ok bool) {
	call, isCall := st.Cmd.(*syntax.CallExpr)
	if !isCall {
		return false, false
	}
	args := wordsOf(call.Args)
	if len(args) < 2 || args[0].text != "set" {
		return false, false
	}
	for i, a := range args[1:] {
		minus := strings.HasPrefix(a.text, "-")
		switch {
		case len(a.text) > 1 && (minus || a.text[0] == '+') && !strings.HasPrefix(a.text, "--") && strings.Contains(a.text, "e"):
			return minus, true
		case a.text == "errexit":
			return strings.HasPrefix(args[i].text, "-"), true
		}
	}
	return false, false
}

// leaves says whether a statement ends the script under a condition.
func leaves(st *syntax.Stmt) bool {
	switch st.Cmd.(type) {
	case *syntax.IfClause, *syntax.BinaryCmd, *syntax.CaseClause:
	default:
		return false
	}
	found := false
	syntax.Walk(st, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CallExpr); ok && len(c.Args) > 0 && slices.Contains([]string{"exit", "return", "exec"}, c.Args[0].Lit()) {
			found = true
		}
		return !found
	})
	return found
}

// fails returns the command of a statement that fails when there is nothing to stop. final says that the statement's result is the script's.
func (x *shell) fails(st *syntax.Stmt, final bool, depth int) (command, bool) {
	if st.Negated || st.Background || depth > 3 {
		return command{}, false
	}
	switch cmd := st.Cmd.(type) {
	case *syntax.CallExpr:
		c := commandOf(cmd)
		if body := x.functions[c.name]; body != nil {
			return x.fails(body, final, depth+1)
		}
		return c, needsProcess(c)
	case *syntax.Block:
		if len(cmd.Stmts) > 0 {
			return x.fails(cmd.Stmts[len(cmd.Stmts)-1], final, depth+1)
		}
	case *syntax.BinaryCmd:
		switch {
		case cmd.Op == syntax.Pipe || cmd.Op == syntax.PipeAll:
			if call, ok := cmd.Y.Cmd.(*syntax.CallExpr); ok {
				c := commandOf(call)
				return c, c.name == "xargs" && !c.has("-r", "--no-run-if-empty") && needsProcess(xargs(c))
			}
		case cmd.Op == syntax.AndStmt && final:
			if call, ok := cmd.X.Cmd.(*syntax.CallExpr); ok {
				c := commandOf(call)
				return c, slices.Contains([]string{"pgrep", "pidof"}, c.name) && !cmd.X.Negated
			}
		}
	}
	return command{}, false
}

// xargs is the command that xargs runs.
func xargs(c command) command {
	rest := prefix{values: "InPLnsdaE"}.skip(c.args)
	if len(rest) == 0 {
		return command{}
	}
	if p, ok := prefixes[rest[0].text]; ok {
		if next := p.skip(rest[1:]); len(next) > 0 {
			rest = next
		}
	}
	return command{name: rest[0].text, args: rest[1:]}
}

// needsProcess says whether a command fails without a process or container to act on.
func needsProcess(c command) bool {
	switch c.name {
	case "pkill", "killall":
		return true
	case "kill":
		return !c.has("-l", "-L") && !slices.ContainsFunc(c.args, func(w word) bool { return w.text == "-0" })
	case "fuser":
		return c.has("-k", "--kill")
	case "docker", "podman":
		return slices.Contains([]string{"stop", "kill"}, c.verb()) || c.verb() == "rm" && !c.has("-f", "--force")
	case "pm2":
		return slices.Contains([]string{"stop", "delete", "del"}, c.verb())
	case "forever":
		return c.verb() == "stop"
	}
	return false
}

// start tells of an ApplicationStart that ends in a server.
func (x *shell) start() {
	if len(x.file.Stmts) == 0 {
		return
	}
	st := x.file.Stmts[len(x.file.Stmts)-1]
	call, ok := st.Cmd.(*syntax.CallExpr)
	if !ok || st.Background {
		return
	}
	if c := commandOf(call); serves(c) {
		x.tell(c.pos, ruleForeground, "let systemd run it, or start it with nohup COMMAND >/var/log/app.log 2>&1 </dev/null &",
			"%s does not return: ApplicationStart would run into its timeout", c.name)
	}
}

// serves says whether a command is known to go on until it is stopped.
func serves(c command) bool {
	arg := func(texts ...string) bool {
		return slices.ContainsFunc(c.args, func(w word) bool { return slices.Contains(texts, w.text) })
	}
	switch c.name {
	case "java":
		return arg("-jar")
	case "gunicorn", "gunicorn3":
		return !c.has("-D", "--daemon")
	case "uvicorn", "hypercorn", "daphne", "nodemon", "pm2-runtime", "http-server":
		return true
	case "flask", "streamlit", "caddy":
		return slices.Contains([]string{"run"}, c.verb())
	case "python", "python2", "python3":
		return arg("runserver", "http.server", "SimpleHTTPServer", "uvicorn", "gunicorn", "streamlit") && !c.has("-D", "--daemon")
	case "php":
		return arg("-S", "serve")
	case "rails":
		return (c.verb() == "server" || c.verb() == "s") && !c.has("-d", "--daemon")
	case "dotnet":
		return strings.HasSuffix(c.verb(), ".dll") || c.verb() == "run"
	case "docker-compose":
		return arg("up") && !c.has("-d", "--detach", "--wait")
	case "docker":
		return c.verb() == "compose" && arg("up") && !c.has("-d", "--detach", "--wait")
	case "tail":
		return c.has("-f", "-F", "--follow")
	}
	return false
}

// idle are commands that say nothing about an application.
var idle = []string{"echo", "printf", "exit", ":", "true", "sleep", "set", "date", "logger", "cd", "pwd", "hostname", "whoami"}

// validate tells of a ValidateService that cannot fail for the application's sake.
func (x *shell) validate() {
	decides := false
	syntax.Walk(x.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			c := commandOf(n)
			decides = decides || len(n.Args) > 0 && !slices.Contains(idle, c.name) && x.functions[c.name] == nil
		case *syntax.TestClause, *syntax.ArithmCmd:
			decides = true
		}
		return !decides
	})
	if !decides {
		x.c.at(x.script.path, x.place(x.file.Pos()), ruleChecksNothing, "ask the application for its health, for example with curl --fail",
			"ValidateService checks nothing, so it always succeeds")
	}
}
