package appspec

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxSize bounds an AppSpec file, and with it the time and memory that a malicious one can take: less than a second and 256 MB. The largest
// real one known has a few hundred lines.
const maxSize = 1 << 20

const tooLarge = "the file has %d bytes and may have %d"

// extraVisits is how many more values aliases may add to a file than it has bytes.
const extraVisits = 100_000

// Parse reads an AppSpec file. name is for messages. What is wrong with the file is told by an *Error, everything at once; what is merely
// without effect is in Warnings. Of several YAML documents the first counts, and of a key that is given twice the last (official agents). Where
// values stand is not kept: for At and Has there is Inspect.
func Parse(name string, data []byte) (*AppSpec, error) {
	a, problems := inspect(name, data, false)
	if len(problems) > 0 {
		return nil, &Error{File: name, Problems: problems}
	}
	return a, nil
}

// Inspect reads an AppSpec file like Parse, and returns what can be understood of it also when something is wrong with it: the problems, in
// the order of the lines. It is for programs that check files; what they may deploy is only what Parse accepts.
func Inspect(name string, data []byte) (*AppSpec, []Problem) {
	return inspect(name, data, true)
}

// inspect reads an AppSpec file. The places of its values keep everything that the YAML library made of it in memory, several dozen bytes for
// each of the file's; what deploys does without them.
func inspect(name string, data []byte, keepPlaces bool) (*AppSpec, []Problem) {
	p := &parser{a: &AppSpec{name: name}, budget: len(data) + extraVisits, keepPlaces: keepPlaces}
	p.file(data)
	if p.budget < 0 { // what else was found comes from not looking at the rest
		p.problems = slices.DeleteFunc(p.problems, func(x Problem) bool { return x.Rule != RuleLimits })
	}
	p.problems, p.a.Warnings = inOrder(p.problems), inOrder(p.a.Warnings)
	return p.a, p.problems
}

// inOrder sorts problems by their place and removes those that are told again, because aliases lead to one place on several ways.
func inOrder(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return slices.Compact(problems)
}

// parser collects an AppSpec and what is wrong with it.
type parser struct {
	a        *AppSpec
	problems []Problem
	budget   int // values that may still be looked at, so that aliases cannot multiply the work
	rest     int // the line from which on the file does not count because its first document has ended, 0 if there is none

	keepPlaces bool // what is read knows where it stands
}

// maxProblems bounds the problems, and the warnings, that are kept of a file that is nothing but mistakes.
const maxProblems = 10_000

func (p *parser) problem(n *yaml.Node, rule, hint, format string, args ...any) {
	if len(p.problems) >= maxProblems && rule != RuleLimits {
		return
	}
	x := Problem{Rule: rule, Severity: Failing, Hint: hint, Message: fmt.Sprintf(format, args...)}
	if n != nil {
		x.Line, x.Column = n.Line, n.Column
	}
	p.problems = append(p.problems, x)
}

func (p *parser) warning(n *yaml.Node, rule, hint, format string, args ...any) {
	if len(p.a.Warnings) >= maxProblems {
		return
	}
	p.a.Warnings = append(p.a.Warnings, Problem{Line: n.Line, Column: n.Column, Rule: rule, Severity: Warning, Hint: hint,
		Message: fmt.Sprintf(format, args...)})
}

const (
	emptyHint    = "it needs at least version: 0.0 and os: linux or os: windows"
	documentHint = "lines that are indented less than the first one, --- and ... end a YAML document"
)

func (p *parser) file(data []byte) {
	if len(data) > maxSize {
		p.problem(nil, RuleLimits, "", tooLarge, len(data), maxSize)
		return
	}
	d, problem := read(data)
	if problem != nil {
		p.problems = append(p.problems, *problem)
		return
	}
	p.rest = d.rest
	switch {
	case isNull(d.root) && d.rest > 0:
		p.problem(&yaml.Node{Line: d.rest, Column: 1}, RuleDocument, documentHint, "the file's first document is empty, and only that counts")
	case isNull(d.root):
		p.problem(nil, RuleYAML, emptyHint, "the file is empty")
	case d.root.Kind != yaml.MappingNode:
		p.problem(d.root, RuleYAML, cmp.Or(blankHint(d.root), emptyHint), "the file is no mapping but %s", kindName(d.root))
	default:
		if d.rest > 0 {
			p.warning(&yaml.Node{Line: d.rest, Column: 1}, RuleDocument, documentHint, "the file does not count from here on, because its first document has ended")
		}
		p.document(d.root)
	}
}

var topLanguage = language{
	[]string{"version", "os", "files", "permissions", "hooks", "file_exists_behavior"},
	map[string]string{
		"overwrite": "set file_exists_behavior: OVERWRITE", "phases": "that is for a CodeBuild buildspec", "artifacts": "that is for a CodeBuild buildspec",
		"env": "that is for a CodeBuild buildspec", "Resources": "that is for ECS and Lambda deployments", "Hooks": "write it as hooks",
	},
}

func (p *parser) document(doc *yaml.Node) {
	f := p.fields(doc, RuleYAML, "the AppSpec", topLanguage)
	p.a.places = p.places(doc, f)
	p.a.keys = true
	p.version(doc, f)
	p.os(doc, f)
	p.behavior(f.value("file_exists_behavior"))
	p.files(f.value("files"))
	p.permissions(f.value("permissions"))
	p.hooks(f.value("hooks"))
}

// missing advises on a top-level key that is not there.
func (p *parser) missing(f fields, key, hint string) string {
	hint = f.instead(key, hint)
	if p.rest > 0 {
		hint += "; the file does not count from line " + strconv.Itoa(p.rest) + " on, where its first YAML document has ended"
	}
	if _, ok := f.found["Resources"]; ok {
		hint += "; an AppSpec with Resources is for ECS or Lambda deployments, not for hosts"
	}
	return hint
}

func (p *parser) version(doc *yaml.Node, f fields) {
	hint := "write version: 0.0"
	n := f.value("version")
	if isNull(n) {
		p.problem(doc, RuleVersion, p.missing(f, "version", hint), "the AppSpec has no version")
		return
	}
	v, ok := number(n)
	if ok && v == 0 {
		return
	}
	if n.Kind == yaml.ScalarNode && !ok {
		v, err := strconv.ParseFloat(strings.TrimSpace(n.Value), 64)
		switch {
		case err != nil || v != 0:
		case plain(n): // "0.0e0"
			p.warning(n, RuleOfficial, hint, "the official agent 1.8 refuses the version %q", clip(n.Value))
			return
		default:
			p.warning(n, RuleOfficial, hint, "the official agents refuse a version in quotes")
			return
		}
	}
	if _, buildspec := f.found["phases"]; buildspec {
		hint += "; or is this the buildspec of CodeBuild?"
	}
	p.problem(n, RuleVersion, hint, "the version is %s, and there is only version 0.0", kindName(n))
}

// platforms are what people write as os, in lower case, and what it stands for.
var platforms = map[string]string{
	"linux": "linux", "ubuntu": "linux", "debian": "linux", "centos": "linux", "rhel": "linux", "redhat": "linux", "fedora": "linux",
	"amazon": "linux", "amazonlinux": "linux", "amazon linux": "linux", "al2": "linux", "al2023": "linux", "suse": "linux", "unix": "linux",
	"windows": "windows", "window": "windows", "win": "windows", "windows server": "windows",
}

func (p *parser) os(doc *yaml.Node, f fields) {
	hint := "write os: linux or os: windows"
	n := f.value("os")
	if isNull(n) {
		p.problem(doc, RuleOS, p.missing(f, "os", hint), "the AppSpec has no os")
		return
	}
	p.a.osLine = n.Line
	problems := len(p.problems)
	switch text := p.text(n, RuleOS, "os"); {
	case text == "linux" || text == "windows":
		p.a.OS = text
	case len(p.problems) == problems:
		if meant := platforms[strings.ToLower(strings.TrimSpace(text))]; meant != "" {
			hint = "write os: " + meant
		}
		p.problem(n, RuleOS, hint, "the os %q is not supported", clip(text))
	}
}

func (p *parser) behavior(n *yaml.Node) {
	if isNull(n) {
		return
	}
	problems := len(p.problems)
	text := p.text(n, RuleFileExists, "file_exists_behavior")
	if len(p.problems) > problems {
		return
	}
	b, err := ParseFileExistsBehavior(text)
	if text == "" {
		p.problem(n, RuleFileExists, "leave it out for DISALLOW, or write OVERWRITE or RETAIN", "the file_exists_behavior is empty")
		return
	}
	if err != nil {
		hint := ""
		if near, err := ParseFileExistsBehavior(strings.ToUpper(strings.TrimSpace(text))); err == nil {
			hint = "write " + string(near)
		}
		p.problem(n, RuleFileExists, hint, "the file_exists_behavior %v", err)
		return
	}
	p.a.FileExistsBehavior = b
}
