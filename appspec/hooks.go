package appspec

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const inline = "put commands into a script of the revision and name it as location"

var scriptLanguage = language{
	[]string{"location", "timeout", "runas", "sudo"},
	map[string]string{
		"run": inline, "command": inline, "commands": inline, "script": inline, "path": "write it as location",
		"file": "write it as location", "source": "write it as location",
		"interpreter": "the script's first line names its interpreter", "user": "write it as runas",
	},
}

func (p *parser) hooks(n *yaml.Node) {
	if p.absent(n, RuleHooks, "hooks") {
		return
	}
	if n.Kind == yaml.SequenceNode {
		if len(n.Content) > 0 {
			hint := "write the events as keys, without dashes"
			if first := resolve(n.Content[0]); first.Kind == yaml.MappingNode && len(first.Content) > 0 && isScriptKey(resolve(first.Content[0])) {
				hint = noEventHint
			}
			p.problem(n, RuleHooks, hint, "hooks is no mapping but a list")
		}
		return
	}
	f := fields{found: map[string]entry{}}
	p.collect(n, RuleHooks, "hooks", f.found, 0)
	told := false
	for _, e := range f.inOrder() {
		key, value := resolve(e.key), resolve(e.value)
		if isScriptKey(key) && value.Kind == yaml.ScalarNode && !isNull(value) {
			if !told {
				p.problem(key, RuleHooks, noEventHint, "hooks has %s where it must have an event", key.Value)
			}
			told = true
			continue
		}
		p.event(key, value)
	}
}

const noEventHint = "write the event that runs the script above it, for example AfterInstall:"

func isScriptKey(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && slices.Contains(scriptLanguage.keys, key.Value)
}

// event reads the scripts of a lifecycle event. An event without scripts is as good as none.
func (p *parser) event(key, value *yaml.Node) {
	h := Hook{Event: key.Value, Line: key.Line, places: p.places(key, fields{})}
	name := clip(h.Event)
	if p.absent(value, RuleHooks, name) {
		return
	}
	var before fields
	for _, item := range p.items(value, RuleHooks, name, "begin each script with \"- location:\"") {
		if !p.item(item, RuleHooks, "a script of "+name, "write \"- location: \" and the script's path") {
			continue
		}
		f := p.fields(item, RuleHooks, "a script of "+name, scriptLanguage)
		if s := p.script(item, f, before, name); s.Location != "" {
			h.Scripts = append(h.Scripts, s)
		}
		before = f
	}
	if len(h.Scripts) > 0 {
		p.a.Hooks = append(p.a.Hooks, h)
	}
}

// script reads an entry of an event's list; before is the entry before it.
func (p *parser) script(item *yaml.Node, f, before fields, event string) Script {
	problems := len(p.problems)
	s := Script{Line: item.Line, places: p.places(item, f)}
	s.Location = strings.TrimSpace(p.text(f.value("location"), RuleHooks, "a location"))
	if s.Location == "" && len(p.problems) == problems {
		hint := f.instead("location", "add the script's path in the revision")
		if f.strays(before) {
			hint = strayHint
		}
		p.problem(item, RuleHooks, hint, "a script of %s has no location", event)
	}
	s.RunAs = strings.TrimSpace(p.text(f.value("runas"), RuleHooks, "runas"))
	s.Sudo = p.sudo(f.value("sudo"))
	s.Timeout = p.timeout(f.value("timeout"))
	return s
}

// sudo is true for everything but null and a plain false: the official agent 1.8 asks only that. Where a text reads as no it means no.
func (p *parser) sudo(n *yaml.Node) bool {
	const hint = "write true or false"
	if isNull(n) {
		return false
	}
	if v, ok := boolean(n); ok {
		return v
	}
	if n.Kind != yaml.ScalarNode {
		p.problem(n, RuleHooks, hint, "sudo is neither true nor false but %s", kindName(n))
		return false
	}
	switch strings.ToLower(strings.TrimSpace(n.Value)) {
	case "false", "no", "off", "n", "f", "0", "null", "~", "":
		p.warning(n, RuleHooks, hint, "the official agent 1.8 takes sudo %s for true", kindName(n))
		return false
	case "true", "yes", "on":
	default:
		p.warning(n, RuleHooks, hint, "sudo is %s, which counts as true", kindName(n))
	}
	return true
}

// maxTimeout is the longest timeout, 136 years (official agent 2.x). It stands for all that are longer.
const maxTimeout = math.MaxUint32 * time.Second

// timeout reads a number of seconds. As in the official agent 1.8 a text counts by the digits at its start, "5m" being 5, fractions are
// dropped, digits after a 0 are octal and "1:30" is an hour and a half.
func (p *parser) timeout(n *yaml.Node) time.Duration {
	const hint = "write a whole number of seconds, without a unit"
	if isNull(n) {
		return DefaultTimeout
	}
	if v, ok := boolean(n); ok && !v {
		p.warning(n, RuleTimeout, hint, "the timeout %q counts as none given, which is %.0f seconds", n.Value, DefaultTimeout.Seconds())
		return DefaultTimeout
	}
	seconds, ok := number(n)
	if !ok && n.Kind == yaml.ScalarNode && !(plain(n) && date.MatchString(n.Value)) {
		seconds, ok = digitsOf(n.Value)
	}
	seconds = math.Trunc(seconds)
	switch {
	case !ok:
		p.problem(n, RuleTimeout, hint, "the timeout is %s", kindName(n))
		return DefaultTimeout
	case seconds < 1:
		p.problem(n, RuleTimeout, hint, "the timeout is %s and must be at least 1 second", kindName(n))
		return DefaultTimeout
	}
	seconds = min(seconds, maxTimeout.Seconds())
	counts, written := strconv.FormatFloat(seconds, 'f', 0, 64), strings.TrimPrefix(strings.TrimSpace(n.Value), "+")
	if strings.ReplaceAll(written, "_", "") != counts {
		p.warning(n, RuleTimeout, hint, "the timeout %q counts as %s seconds", clip(n.Value), counts)
	}
	return time.Duration(seconds) * time.Second
}
