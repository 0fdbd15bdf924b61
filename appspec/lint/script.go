package lint

import (
	"bytes"
	"path"
	"runtime"
	"slices"
	"strings"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/expression"
)

// modes says whether files have an executable bit here.
const modes = runtime.GOOS != "windows"

var (
	utf8Mark  = []byte("\uFEFF")
	elsewhere = expression.Lazy{Text: `^[ \t]*#![ \t]*/`}
)

// content checks what is in a script for Linux.
func (c *checker) content(s *script, data []byte) {
	begin := appspec.Place{Line: 1, Column: 1}
	switch {
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}), bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		c.at(s.path, begin, ruleScriptEncoding, "save it as UTF-8", "the script is UTF-16, which no shell reads")
		return
	case bytes.IndexByte(data, 0) >= 0 || len(data) == maxScript: // a program
		return
	}
	c.report.text[s.path] = data
	if len(bytes.TrimSpace(data)) == 0 {
		c.at(s.path, begin, ruleScriptEmpty, "remove it from the AppSpec", "the script is empty")
		return
	}
	if bytes.HasPrefix(data, utf8Mark) {
		c.add(Problem{File: s.path, Line: 1, Column: 1, Rule: ruleScriptEncoding, Severity: appspec.Warning, Hint: "save it as UTF-8 without a byte order mark",
			Message: "the script begins with a byte order mark, so its #! line does not count and /bin/sh runs it"})
		data = data[len(utf8Mark):]
	}
	if at := bytes.Index(data, []byte("\r\n")); at >= 0 {
		c.carriageReturns(s, data, at)
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	}
	shell := c.interpreter(s, data)
	switch {
	case shell == "", bytes.Contains(data[:min(len(data), 200)], []byte("\n'''exec'")): // the latter hands itself on to Python
	case len(data) > maxShell || depth(data) > maxNesting:
		c.add(Problem{File: s.path, Line: 1, Column: 1, Rule: ruleUnreadable, Severity: Info, Hint: "split it into several scripts",
			Message: "the script is too long or too deeply nested to be looked into; its commands are not checked"})
	default:
		c.shell(s, data, shell)
	}
}

// What a shell script may be to be looked into. Without these bounds one that is made for it takes gigabytes of memory.
const (
	maxShell   = 256 << 10
	maxNesting = 500
)

// depth is how deep brackets are nested, roughly: quotes and comments are not told from commands.
func depth(data []byte) int {
	deepest, at := 0, 0
	for _, c := range data {
		switch c {
		case '(', '{':
			at++
			deepest = max(deepest, at)
		case ')', '}':
			at = max(at-1, 0)
		}
	}
	return deepest
}

// carriageReturns tells of a script whose line ends are those of Windows, from the byte at on.
func (c *checker) carriageReturns(s *script, data []byte, at int) {
	p := Problem{File: s.path, Line: 1 + bytes.Count(data[:at], []byte("\n")), Column: at - bytes.LastIndexByte(data[:at], '\n'), Rule: ruleScriptLineEnds,
		Severity: appspec.Warning, Message: "the script has the line ends of Windows (CRLF): the last word of each command ends in a carriage return",
		Hint: "save it with LF line ends; *.sh text eol=lf in .gitattributes keeps them"}
	if p.Line == 1 && bytes.HasPrefix(data, []byte("#!")) {
		p.Severity, p.Message = appspec.Failing, "the script has the line ends of Windows (CRLF): its interpreter is not found"
	}
	c.add(p)
}

// interpreter checks the #! line and returns the shell that runs the script, "sh" or "bash", or "" if it is none of them.
func (c *checker) interpreter(s *script, data []byte) string {
	text, _, _ := strings.Cut(string(data), "\n")
	line, ok := strings.CutPrefix(text, "#!")
	if !ok {
		c.noInterpreter(s, data)
		return "sh"
	}
	program, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	argument = strings.TrimSpace(argument)
	at := appspec.Place{Line: 1, Column: 1}
	switch {
	case program == "":
		c.at(s.path, at, ruleNoInterpreter, "write #!/bin/bash", "the #! line names no interpreter; /bin/sh runs the script")
		return "sh"
	case !strings.HasPrefix(program, "/"):
		c.at(s.path, at, ruleScriptInterpreter, "write #!/"+strings.TrimLeft(program, "./"), "the interpreter %s is a relative path, which is not found", clip(program))
	}
	name := path.Base(program)
	if name == "env" {
		words := strings.Fields(argument)
		if len(words) > 1 && !strings.HasPrefix(words[0], "-") {
			c.at(s.path, at, ruleScriptInterpreter, "write #!/bin/"+argument+", or #!/usr/bin/env -S "+argument,
				"Linux gives env the words %q as one name, which is not found", argument)
		}
		for len(words) > 0 && (strings.HasPrefix(words[0], "-") || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
		if len(words) == 0 {
			return ""
		}
		name, argument = path.Base(words[0]), ""
	}
	if strings.HasPrefix(argument, "-") && strings.ContainsAny(argument, " \t") && slices.Contains([]string{"bash", "sh", "dash", "ash"}, name) {
		c.at(s.path, at, ruleScriptInterpreter, "write one option, such as -eu, or set -eu on a line of its own",
			"Linux gives %s the options %q as one, which it refuses", name, argument)
	}
	switch name {
	case "bash":
		return "bash"
	case "sh", "dash", "ash":
		return "sh"
	}
	return ""
}

// noInterpreter tells of a script without a #! line, or with one that is not where the system looks for it.
func (c *checker) noInterpreter(s *script, data []byte) {
	line := 0
	for raw := range bytes.Lines(data) {
		line++
		if elsewhere.Regexp().Match(raw) {
			c.add(Problem{File: s.path, Line: line, Column: 1 + bytes.Index(raw, []byte("#!")), Rule: ruleScriptInterpreter, Severity: appspec.Warning,
				Hint: "make it the first bytes of the file", Message: "the #! line is not at the very beginning, so /bin/sh runs the script"})
			return
		}
		if t := bytes.TrimSpace(raw); len(t) > 0 && t[0] != '#' {
			break
		}
	}
	c.at(s.path, appspec.Place{Line: 1, Column: 1}, ruleNoInterpreter, "write #!/bin/bash or #!/bin/sh as the first line", "the script has no #! line; /bin/sh runs it")
}
