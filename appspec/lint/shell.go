package lint

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/syntax"

	"codedeploy-agent/appspec"
)

// shell checks one shell script.
type shell struct {
	c         *checker
	script    *script
	lines     [][]byte
	file      *syntax.File
	functions map[string]*syntax.Stmt // their bodies
	entered   map[call]bool
	called    map[string]bool // functions
	assigned  map[string]bool // variables that the script sets
	waits     bool            // for background processes
	includes  bool            // other files into the same shell
	unset     bool            // set -u: variables that are not set are an error
	strict    bool            // set -e from the first line on
	token     bool            // knows of the metadata service's tokens
	moved     bool            // has changed the directory
}

// state is what a command finds.
type state struct {
	out, err bool // they are still the script's own
	read     bool // somebody looks at what it prints
	input    bool // it has input
	noted    bool // its failure is only told
}

// call is a function that is called in a state.
type call struct {
	function string
	state
}

// shell checks a script for "sh" or "bash".
func (c *checker) shell(s *script, data []byte, which string) {
	file, err := parse(data, syntax.LangBash)
	if err != nil && which == "sh" { // "((" may begin a subshell there, and does not with bash
		if posix, e := parse(data, syntax.LangPOSIX); e == nil {
			file, err = posix, nil
		}
	}
	x := &shell{c: c, script: s, lines: bytes.Split(data, []byte("\n")), file: file, functions: map[string]*syntax.Stmt{}, entered: map[call]bool{},
		assigned: map[string]bool{}, called: map[string]bool{}, token: bytes.Contains(data, []byte("api/token"))}
	if err != nil {
		x.syntaxError(err)
		return
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	x.strict = strictOption(first)
	x.survey()
	if which == "sh" {
		x.bashOnly(data)
	}
	x.list(file.Stmts, state{out: true, err: true})
	for _, name := range slices.Sorted(maps.Keys(x.functions)) {
		if !x.called[name] { // by other files, perhaps
			x.stmt(x.functions[name], state{out: true, err: true})
		}
	}
	x.asWhole()
	if c.o.Advice {
		x.advise()
	}
}

func parse(data []byte, lang syntax.LangVariant) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(lang)).Parse(bytes.NewReader(data), "")
}

// place is where something stands, with the column in characters.
func (x *shell) place(p syntax.Pos) appspec.Place {
	line, column := int(p.Line()), int(p.Col())
	if line >= 1 && line <= len(x.lines) {
		column = 1 + utf8.RuneCount(x.lines[line-1][:min(max(column-1, 0), len(x.lines[line-1]))])
	}
	return appspec.Place{Line: line, Column: column}
}

func (x *shell) tell(p syntax.Pos, rule, hint, format string, args ...any) {
	x.c.at(x.script.path, x.place(p), rule, hint, format, args...)
}

// during says whether the script runs in one of some events.
func (x *shell) during(events ...string) bool {
	return slices.ContainsFunc(x.script.events, func(e string) bool { return slices.Contains(events, e) })
}

// syntaxError tells of a script that no shell can read. Of a line with "((" only a shell knows: what looks like arithmetic may be two subshells.
func (x *shell) syntaxError(err error) {
	var p syntax.ParseError
	var l syntax.LangError
	switch {
	case errors.As(err, &p):
	case errors.As(err, &l):
		p.Pos, p.Text = l.Pos, l.Feature+" is for another shell"
	default:
		return
	}
	if n := int(p.Pos.Line()); n >= 1 && n <= len(x.lines) && bytes.Contains(x.lines[n-1], []byte("((")) {
		return
	}
	x.tell(p.Pos, ruleScriptSyntax, "bash -n shows it, too", "the shell cannot read the script: %s", p.Text)
}

// bashOnly tells of the first thing in a script for sh that only bash understands.
func (x *shell) bashOnly(data []byte) {
	const hint = "begin the script with #!/bin/bash"
	what := func(p syntax.Pos, what string) {
		x.tell(p, ruleScriptShell, hint, "%s works in bash only; where /bin/sh is dash (Debian, Ubuntu), the script fails", what)
	}
	_, err := parse(data, syntax.LangPOSIX)
	var l syntax.LangError
	var p syntax.ParseError
	switch {
	case errors.As(err, &l):
		what(l.Pos, "this ("+l.Feature+")")
		return
	case errors.As(err, &p):
		what(p.Pos, "this")
		return
	}
	told := false
	syntax.Walk(x.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.TestClause:
			if !told {
				what(n.Pos(), "[[")
				told = true
			}
		case *syntax.CallExpr:
			args := wordsOf(n.Args)
			switch {
			case told || len(args) == 0:
			case args[0].text == "source":
				what(n.Pos(), "source")
				told = true
			case args[0].text == "[" && slices.ContainsFunc(args, func(w word) bool { return w.text == "==" && w.literal }):
				what(n.Pos(), "== in [ ]")
				told = true
			}
		}
		return !told
	})
}

// survey collects what the whole script sets and calls.
func (x *shell) survey() {
	syntax.Walk(x.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.FuncDecl:
			if n.Name != nil {
				x.functions[n.Name.Value] = n.Body
			}
		case *syntax.Assign:
			if n.Name != nil {
				x.assigned[n.Name.Value] = true
			}
		case *syntax.WordIter:
			x.assigned[n.Name.Value] = true
		case *syntax.CallExpr:
			x.surveyCall(wordsOf(n.Args))
		}
		return true
	})
}

func (x *shell) surveyCall(args []word) {
	if len(args) == 0 {
		return
	}
	switch args[0].text {
	case "wait":
		x.waits = true
	case "source", ".":
		x.includes = true
	case "read", "mapfile", "readarray", "getopts", "printf":
		for _, a := range args[1:] {
			x.assigned[a.text] = true
		}
	case "set":
		for i, a := range args[1:] {
			if strings.HasPrefix(a.text, "-") && !strings.HasPrefix(a.text, "--") && strings.Contains(a.text, "u") ||
				a.text == "nounset" && strings.HasPrefix(args[i].text, "-") {
				x.unset = true
			}
		}
	}
}

// strictOption says whether a #! line has the option -e.
func strictOption(line []byte) bool {
	fields := bytes.Fields(line)
	for _, f := range fields[min(1, len(fields)):] {
		if f[0] == '-' && bytes.IndexByte(f, 'e') > 0 && !bytes.HasPrefix(f, []byte("--")) {
			return true
		}
	}
	return false
}

// list checks statements one after the other; what exec redirects is redirected for those that follow.
func (x *shell) list(stmts []*syntax.Stmt, s state) {
	for _, st := range stmts {
		s = x.stmt(st, s)
	}
}

// stmt checks a statement and returns the state of the next one.
func (x *shell) stmt(st *syntax.Stmt, s state) state {
	inner := redirected(st.Redirs, s)
	if st.Background {
		x.background(st, s)
	}
	for _, r := range st.Redirs {
		x.substitutions(r.Word, s)
	}
	switch cmd := st.Cmd.(type) {
	case *syntax.CallExpr:
		if args := wordsOf(cmd.Args); len(args) == 1 && args[0].text == "exec" {
			return redirected(st.Redirs, s)
		}
		x.call(cmd, inner)
	case *syntax.BinaryCmd:
		left, right := inner, inner
		switch cmd.Op {
		case syntax.Pipe, syntax.PipeAll:
			left.out, left.read = false, true
			left.err = left.err && cmd.Op == syntax.Pipe
			right.input = true
		default:
			left.noted = cmd.Op == syntax.OrStmt && !gives(cmd.Y)
		}
		x.stmt(cmd.X, left)
		x.stmt(cmd.Y, right)
	case *syntax.Subshell:
		x.list(cmd.Stmts, inner)
	case *syntax.Block:
		x.list(cmd.Stmts, inner)
	case *syntax.IfClause:
		x.branch(cmd, inner)
	case *syntax.WhileClause:
		x.list(cmd.Cond, inner)
		x.list(cmd.Do, inner)
	case *syntax.ForClause:
		x.substitutions(cmd.Loop, inner)
		x.list(cmd.Do, inner)
	case *syntax.CaseClause:
		x.substitutions(cmd.Word, inner)
		for _, item := range cmd.Items {
			x.list(item.Stmts, inner)
		}
	case *syntax.TimeClause:
		if cmd.Stmt != nil {
			x.stmt(cmd.Stmt, inner)
		}
	case *syntax.FuncDecl, nil:
	default:
		x.substitutions(cmd, inner)
	}
	return s
}

// gives says whether a statement that runs after a failure hands it on.
func gives(st *syntax.Stmt) bool {
	found := false
	syntax.Walk(st, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CallExpr); ok && len(c.Args) > 0 && slices.Contains([]string{"exit", "return", "false", "break", "continue"}, c.Args[0].Lit()) {
			found = true
		}
		return !found
	})
	return found
}

// branch checks an if statement with all that belongs to it.
func (x *shell) branch(clause *syntax.IfClause, s state) {
	for ; clause != nil; clause = clause.Else {
		x.list(clause.Cond, s)
		x.list(clause.Then, s)
	}
}

// substitutions checks the commands in $( ) and <( ) of a word or expression.
func (x *shell) substitutions(n syntax.Node, s state) {
	if w, ok := n.(*syntax.Word); n == nil || ok && w == nil {
		return
	}
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			x.list(n.Stmts, state{err: s.err, read: true})
			return false
		case *syntax.ProcSubst:
			x.list(n.Stmts, state{out: s.out && n.Op == syntax.CmdOut, err: s.err, read: n.Op == syntax.CmdIn, input: n.Op == syntax.CmdOut})
			return false
		}
		return true
	})
}

// call checks a simple command, and the function that it calls.
func (x *shell) call(cmd *syntax.CallExpr, s state) {
	for _, a := range cmd.Assigns {
		x.substitutions(a, s)
	}
	for _, w := range cmd.Args {
		x.substitutions(w, s)
	}
	c := commandOf(cmd)
	if c.name == "" {
		return
	}
	if body := x.functions[c.name]; body != nil {
		x.called[c.name] = true
		if k := (call{c.name, s}); !x.entered[k] {
			x.entered[k] = true
			x.stmt(body, s)
		}
		return
	}
	x.command(c, s)
	if c.name == "cd" || c.name == "pushd" {
		x.moved = true
	}
}
