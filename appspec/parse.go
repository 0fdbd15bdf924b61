package appspec

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"codedeploy-agent/appspec/spelling"
)

// maxSize bounds an AppSpec file. The largest real one known has a few hundred lines.
const maxSize = 16 << 20

// extraVisits is how many more values aliases may add to a file than it has bytes.
const extraVisits = 100_000

// Parse reads an AppSpec file. name is for messages. What is wrong with the file is told by an *Error, everything at once; what is merely
// without effect is in Warnings. Of several YAML documents the first counts, and of a key that is given twice the last (official agents).
func Parse(name string, data []byte) (*AppSpec, error) {
	p := &parser{a: &AppSpec{name: name}, budget: len(data) + extraVisits}
	p.file(data)
	byPlace := func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) }
	slices.SortStableFunc(p.problems, byPlace)
	slices.SortStableFunc(p.a.Warnings, byPlace)
	if p.budget < 0 { // what else was found comes from not looking at the rest
		p.problems = slices.DeleteFunc(p.problems, func(x Problem) bool { return x.Rule != RuleLimits })
	}
	if len(p.problems) > 0 {
		return nil, &Error{File: name, Problems: p.problems}
	}
	return p.a, nil
}

// parser collects an AppSpec and what is wrong with it.
type parser struct {
	a        *AppSpec
	problems []Problem
	budget   int // values that may still be looked at, so that aliases cannot multiply the work
}

func (p *parser) problem(n *yaml.Node, rule, hint, format string, args ...any) {
	x := Problem{Rule: rule, Severity: Failing, Hint: hint, Message: fmt.Sprintf(format, args...)}
	if n != nil {
		x.Line, x.Column = n.Line, n.Column
	}
	p.problems = append(p.problems, x)
}

func (p *parser) warning(n *yaml.Node, rule, hint, format string, args ...any) {
	p.a.Warnings = append(p.a.Warnings, Problem{Line: n.Line, Column: n.Column, Rule: rule, Severity: Warning, Hint: hint,
		Message: fmt.Sprintf(format, args...)})
}

const emptyHint = "it needs at least version: 0.0 and os: linux or os: windows"

func (p *parser) file(data []byte) {
	if len(data) > maxSize {
		p.problem(nil, RuleLimits, "", "the file has %d bytes and may have %d", len(data), maxSize)
		return
	}
	doc, err := decode(data)
	if errors.Is(err, io.EOF) || err == nil && isNull(doc) {
		p.problem(nil, RuleYAML, emptyHint, "the file is empty")
		return
	}
	if err != nil {
		p.problems = append(p.problems, syntaxProblem(err))
		return
	}
	if doc.Kind != yaml.MappingNode {
		p.problem(doc, RuleYAML, emptyHint, "the file is no mapping but %s", kindName(doc))
		return
	}
	p.document(doc)
}

// decode returns the content of the first YAML document, with its aliases in place.
func decode(data []byte) (content *yaml.Node, err error) {
	defer func() { // bad input must not end the agent, whatever the library does
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML library failed: %v", r)
		}
	}()
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return resolve(doc.Content[0]), nil
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

func syntaxProblem(err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	x := Problem{Rule: RuleYAML, Severity: Failing, Hint: "look at the indentation, colons and quotes of this line and the one before"}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		x.Line, _ = strconv.Atoi(m[1]) // the pattern has only digits; too many of them leave 0
		text = strings.TrimPrefix(text, m[0])
	}
	if strings.Contains(text, "cannot start any token") {
		x.Hint = "YAML is indented by blanks; put values that begin with @, %, ` or a tab into quotes"
	}
	x.Message = "it is not valid YAML: " + text
	return x
}

// entry is a key of a mapping with its value.
type entry struct{ key, value *yaml.Node }

// fields reads a mapping with the given known keys. It returns nil for null and a problem for what is no mapping. what names the mapping in
// messages; folk explains unknown keys that people use.
func (p *parser) fields(n *yaml.Node, rule, what string, known []string, folk map[string]string) map[string]entry {
	found := map[string]entry{}
	p.collect(n, rule, what, found, 0)
	for name, e := range found {
		if slices.Contains(known, name) {
			continue
		}
		hint := folk[name]
		if near := spelling.Nearest(name, known); hint == "" && near != "" {
			hint = "did you mean " + near + "?"
		} else if hint == "" {
			hint = "the keys are " + strings.Join(known, ", ")
		}
		p.warning(e.key, RuleUnknownKey, hint, "the key %q of %s has no effect", clip(name), what)
	}
	return found
}

// maxMerges bounds how deep merge keys may be nested.
const maxMerges = 32

// collect adds the keys of a mapping to found. Keys of the mapping itself win over those it merges in ("<<", YAML 1.1).
func (p *parser) collect(n *yaml.Node, rule, what string, found map[string]entry, depth int) {
	n = resolve(n)
	if !p.visit(n) || isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.problem(n, rule, "", "%s is no mapping but %s", what, kindName(n))
		return
	}
	var merged []*yaml.Node
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		if !p.visit(value) {
			return
		}
		if key.Kind != yaml.ScalarNode {
			p.warning(key, RuleUnknownKey, "", "a key of %s is %s and has no effect", what, kindName(key))
			continue
		}
		if key.Value == "<<" && plain(key) {
			merged = append(merged, value)
			continue
		}
		if own[key.Value] {
			p.warning(key, RuleDuplicateKey, "remove one", "%s has the key %q twice; the last one counts", what, clip(key.Value))
		}
		if _, nearer := found[key.Value]; nearer && !own[key.Value] {
			continue // a mapping that merges this one has the key
		}
		own[key.Value] = true
		found[key.Value] = entry{n.Content[i], value}
	}
	if depth == maxMerges && len(merged) > 0 {
		p.problem(n, RuleLimits, "", "merge keys are nested more than %d deep", maxMerges)
		return
	}
	for _, m := range merged {
		if r := resolve(m); r.Kind == yaml.SequenceNode {
			for _, x := range r.Content {
				p.collect(x, rule, what, found, depth+1)
			}
			continue
		}
		p.collect(m, rule, what, found, depth+1)
	}
}

// visit counts a value that is looked at. It returns false when there were too many, which is told once.
func (p *parser) visit(n *yaml.Node) bool {
	if n == nil {
		return false
	}
	p.budget--
	if p.budget == -1 {
		p.problem(n, RuleLimits, "write the entries out", "aliases make the file too large")
	}
	return p.budget >= 0
}

// items returns the entries of a list, nil for null.
func (p *parser) items(n *yaml.Node, rule, what, hint string) []*yaml.Node {
	n = resolve(n)
	if !p.visit(n) || isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		p.problem(n, rule, hint, "%s is no list but %s", what, kindName(n))
		return nil
	}
	out := make([]*yaml.Node, 0, len(n.Content))
	for _, x := range n.Content {
		if !p.visit(x) {
			return nil
		}
		out = append(out, resolve(x))
	}
	return out
}

// text returns a scalar as it is written, "" for null or a problem. Numbers and booleans are text, too.
func (p *parser) text(n *yaml.Node, rule, what string) string {
	n = resolve(n)
	switch {
	case isNull(n):
		return ""
	case n.Kind != yaml.ScalarNode:
		p.problem(n, rule, "", "%s is no text but %s", what, kindName(n))
		return ""
	case strings.ContainsRune(n.Value, 0):
		p.problem(n, rule, "", "%s has a NUL byte", what)
		return ""
	}
	return n.Value
}

var topKeys = []string{"version", "os", "files", "permissions", "hooks", "file_exists_behavior"}

var topFolk = map[string]string{
	"overwrite": "set file_exists_behavior: OVERWRITE", "phases": "that is for a CodeBuild buildspec", "artifacts": "that is for a CodeBuild buildspec",
	"env": "that is for a CodeBuild buildspec", "Resources": "that is for ECS and Lambda deployments", "Hooks": "write it as hooks",
}

func (p *parser) document(doc *yaml.Node) {
	f := p.fields(doc, RuleType, "the AppSpec", topKeys, topFolk)
	p.version(doc, f["version"].value)
	p.os(doc, f["os"].value)
	p.behavior(f["file_exists_behavior"].value)
	p.files(f["files"].value)
	p.permissions(f["permissions"].value)
	p.hooks(f["hooks"].value)
}

func (p *parser) version(doc, n *yaml.Node) {
	const hint = "write version: 0.0"
	n = resolve(n)
	if isNull(n) {
		p.problem(doc, RuleVersion, hint, "the AppSpec has no version")
		return
	}
	if v, ok := number(n); ok && v == 0 {
		return
	}
	if n.Kind == yaml.ScalarNode && (n.Value == "0.0" || n.Value == "0") { // in quotes
		p.warning(n, RuleVersion, hint, "the official agents refuse a version in quotes")
		return
	}
	p.problem(n, RuleVersion, hint, "the version is %s, and there is only version 0.0", kindName(n))
}

func (p *parser) os(doc, n *yaml.Node) {
	n = resolve(n)
	if isNull(n) {
		p.problem(doc, RuleOS, "write os: linux or os: windows", "the AppSpec has no os")
		return
	}
	p.a.osLine = n.Line
	switch text := p.text(n, RuleOS, "os"); text {
	case "linux", "windows":
		p.a.OS = text
	case "":
	default:
		p.problem(n, RuleOS, "write os: linux or os: windows, in lower case", "the os %q is not supported", clip(text))
	}
}

func (p *parser) behavior(n *yaml.Node) {
	n = resolve(n)
	text := p.text(n, RuleFileExists, "file_exists_behavior")
	if text == "" {
		return
	}
	b, err := ParseFileExistsBehavior(text)
	if err != nil {
		hint := ""
		if near, err := ParseFileExistsBehavior(strings.ToUpper(text)); err == nil {
			hint = "write " + string(near)
		}
		p.problem(n, RuleFileExists, hint, "the file_exists_behavior %v", err)
		return
	}
	p.a.FileExistsBehavior = b
}

var fileKeys = []string{"source", "destination"}

var fileFolk = map[string]string{
	"overwrite":            "set file_exists_behavior: OVERWRITE at the top level of the file",
	"file_exists_behavior": "it belongs to the top level of the file",
	"mode":                 "modes are set in the permissions section",
	"owner":                "owners are set in the permissions section",
	"pattern":              "a source is a file or a directory; patterns are for permissions",
	"runas":                "owners are set in the permissions section",
}

func (p *parser) files(n *yaml.Node) {
	for _, item := range p.items(n, RuleFiles, "files", "begin each entry with \"- source:\"") {
		f := p.fields(item, RuleFiles, "an entry of files", fileKeys, fileFolk)
		source, destination := p.text(f["source"].value, RuleFiles, "a source"), p.text(f["destination"].value, RuleFiles, "a destination")
		noSource, noDestination := isNull(resolve(f["source"].value)), isNull(resolve(f["destination"].value))
		switch {
		case noSource && noDestination:
			p.problem(item, RuleFiles, "", "an entry of files has neither source nor destination")
		case noSource:
			p.problem(item, RuleFiles, "add the file or directory of the revision that goes there", "an entry of files has only a destination, %q", clip(destination))
		case noDestination:
			p.problem(item, RuleFiles, "add the directory it goes to", "an entry of files has only a source, %q", clip(source))
		default:
			p.a.Files = append(p.a.Files, File{Source: source, Destination: destination, Line: item.Line})
		}
	}
}
