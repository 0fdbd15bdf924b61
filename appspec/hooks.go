package appspec

import (
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

var scriptKeys = []string{"location", "timeout", "runas", "sudo"}

var scriptFolk = map[string]string{
	"run": "put the commands into a script of the revision and name it as location", "commands": "put the commands into a script of the revision and name it as location",
	"command": "put the commands into a script of the revision and name it as location", "script": "write it as location",
	"interpreter": "the script's first line names its interpreter", "user": "write it as runas",
}

func (p *parser) hooks(n *yaml.Node) {
	n = resolve(n)
	if isNull(n) {
		return
	}
	if n.Kind == yaml.SequenceNode {
		p.problem(n, RuleHooks, "write the events as keys, without dashes", "hooks is no mapping but a list")
		return
	}
	found := map[string]entry{}
	p.collect(n, RuleHooks, "hooks", found, 0)
	for _, e := range inOrder(found) {
		event := resolve(e.key).Value
		h := Hook{Event: event, Line: e.key.Line}
		for _, item := range p.items(e.value, RuleHooks, event, "begin each script with \"- location:\"") {
			if s, ok := p.script(item, event); ok {
				h.Scripts = append(h.Scripts, s)
			}
		}
		if len(h.Scripts) > 0 {
			p.a.Hooks = append(p.a.Hooks, h)
		}
	}
}

func (p *parser) script(item *yaml.Node, event string) (Script, bool) {
	s := Script{Line: item.Line, Timeout: DefaultTimeout}
	if item.Kind != yaml.MappingNode {
		p.problem(item, RuleHooks, "write \"- location: \" and the script's path", "a script of %s is no mapping but %s", clip(event), kindName(item))
		return s, false
	}
	before := len(p.problems)
	f := p.fields(item, RuleHooks, "a script of "+clip(event), scriptKeys, scriptFolk)
	s.Location = strings.TrimSpace(p.text(f["location"].value, RuleHooks, "a location"))
	if s.Location == "" && len(p.problems) == before {
		p.problem(item, RuleHooks, "add the script's path in the revision", "a script of %s has no location", clip(event))
	}
	s.RunAs = strings.TrimSpace(p.text(f["runas"].value, RuleHooks, "runas"))
	s.Sudo = p.sudo(resolve(f["sudo"].value))
	if t := resolve(f["timeout"].value); !isNull(t) {
		s.Timeout = p.timeout(t)
	}
	return s, len(p.problems) == before
}

// sudo is true for everything but null and a plain false: the official agent 1.8 asks only that. A quoted "false" is taken as it reads.
func (p *parser) sudo(n *yaml.Node) bool {
	if isNull(n) {
		return false
	}
	if v, ok := boolean(n); ok {
		return v
	}
	if n.Kind == yaml.ScalarNode {
		switch strings.ToLower(strings.TrimSpace(n.Value)) {
		case "true", "yes":
			return true
		case "false", "no", "":
			return false
		}
	}
	p.problem(n, RuleHooks, "write true or false", "sudo is neither true nor false but %s", kindName(n))
	return false
}

// timeout reads a number of seconds. As in the official agent 1.8 a text counts by the digits at its start, "5m" being 5, and fractions are
// dropped.
func (p *parser) timeout(n *yaml.Node) time.Duration {
	const hint = "write a whole number of seconds, without a unit"
	seconds, ok := number(n)
	if !ok && n.Kind == yaml.ScalarNode {
		if digits := strings.TrimSpace(leading.FindString(n.Value)); digits != "" {
			v, err := strconv.ParseFloat(strings.ReplaceAll(digits, "_", ""), 64)
			seconds, ok = v, err == nil
			if rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(n.Value), digits)); ok && rest != "" {
				p.warning(n, RuleTimeout, hint, "the timeout %q counts as %s seconds", clip(n.Value), digits)
			}
		}
	}
	seconds = math.Trunc(seconds)
	switch {
	case !ok:
		p.problem(n, RuleTimeout, hint, "the timeout is %s", kindName(n))
	case seconds < 1:
		p.problem(n, RuleTimeout, hint, "the timeout is %s and must be at least 1 second", kindName(n))
	case seconds > math.MaxUint32: // official agent 2.x
		p.problem(n, RuleTimeout, hint, "the timeout %s is too long", kindName(n))
	default:
		return time.Duration(seconds) * time.Second
	}
	return DefaultTimeout
}
