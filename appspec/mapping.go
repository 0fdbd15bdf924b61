package appspec

import (
	"cmp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"codedeploy-agent/appspec/spelling"
)

// entry is a key of a mapping with its value.
type entry struct{ key, value *yaml.Node }

// language is what may be said in a mapping: its keys, and advice for keys that people use instead.
type language struct {
	keys []string
	folk map[string]string
}

// fields are the entries of a mapping by their keys.
type fields struct {
	found map[string]entry
	language
}

func (f fields) value(key string) *yaml.Node { return resolve(f.found[key].value) }

// lacks says whether a key is missing or null.
func (f fields) lacks(key string) bool { return isNull(f.value(key)) }

// inOrder returns the entries as the file has them.
func (f fields) inOrder() []entry {
	out := make([]entry, 0, len(f.found))
	for _, e := range f.found {
		out = append(out, e)
	}
	slices.SortStableFunc(out, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.key.Line, b.key.Line), cmp.Compare(a.key.Column, b.key.Column))
	})
	return out
}

// instead advises on a missing key: which of the mapping's other keys was perhaps meant to be it, or hint.
func (f fields) instead(missing, hint string) string {
	for _, e := range f.inOrder() {
		key := resolve(e.key).Value
		if slices.Contains(f.keys, key) {
			continue
		}
		if advice := f.folk[key]; strings.Contains(advice, "as "+missing) {
			return "instead of " + key + ": " + advice
		}
		if spelling.Nearest(key, f.keys) == missing {
			return "write " + missing + " instead of " + clip(key)
		}
	}
	return hint
}

// strays says whether an entry of a list looks like the rest of the entry before it, cut off by a dash.
func (f fields) strays(before fields) bool {
	some := false
	for _, key := range f.keys {
		if _, here := f.found[key]; here {
			if _, there := before.found[key]; there {
				return false
			}
			some = true
		}
	}
	return some && len(before.found) > 0
}

const strayHint = "remove the dash of this line if it belongs to the entry before"

// fields reads a mapping. It is empty for null and, with a problem, for what is no mapping. what names the mapping in messages.
func (p *parser) fields(n *yaml.Node, rule, what string, l language) fields {
	f := fields{map[string]entry{}, l}
	p.collect(n, rule, what, f.found, 0)
	for name, e := range f.found {
		if slices.Contains(l.keys, name) {
			continue
		}
		hint := l.folk[name]
		if near := spelling.Nearest(name, l.keys); hint == "" && near != "" {
			hint = "did you mean " + near + "?"
		} else if hint == "" {
			hint = "the keys are " + strings.Join(l.keys, ", ")
		}
		p.warning(e.key, RuleUnknownKey, hint, "the key %q of %s has no effect", clip(name), what)
	}
	return f
}

// maxMerges bounds how deep merge keys may be nested.
const maxMerges = 32

// collect puts the entries of a mapping into found, which is empty. Of a key that is there twice the last counts, and a merge key ("<<", YAML 1.1) stands for
// the entries of another mapping at its place (official agent 1.8; the standard lets a mapping's own keys win wherever they stand).
func (p *parser) collect(n *yaml.Node, rule, what string, found map[string]entry, depth int) {
	n = resolve(n)
	if !p.visit(n) || isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.problem(n, rule, "", "%s is no mapping but %s", what, kindName(n))
		return
	}
	if depth > maxMerges {
		p.problem(n, RuleLimits, "", "merge keys are nested more than %d deep", maxMerges)
		return
	}
	var own map[string]bool // the mapping's own keys, made when found gets others, too
	isOwn := func(name string) bool {
		_, ok := found[name]
		return ok && (own == nil || own[name])
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		if !p.visit(value) {
			return
		}
		if key.Kind != yaml.ScalarNode {
			p.warning(key, RuleUnknownKey, "", "a key of %s is %s and has no effect", what, kindName(key))
			continue
		}
		if sources, ok := merged(key, value); ok {
			if own == nil {
				own = map[string]bool{}
				for name := range found {
					own[name] = true
				}
			}
			for _, source := range sources {
				more := map[string]entry{}
				p.collect(source, rule, what, more, depth+1)
				for name, e := range more {
					if isOwn(name) {
						p.warning(key, RuleDuplicateKey, "write << first", "%s has the key %q itself and merges another one, which counts", what, clip(name))
					}
					found[name] = e
				}
			}
			continue
		}
		if isOwn(key.Value) {
			p.warning(key, RuleDuplicateKey, "remove one", "%s has the key %q twice; the last one counts", what, clip(key.Value))
		}
		if own != nil {
			own[key.Value] = true
		}
		found[key.Value] = entry{n.Content[i], value}
	}
}

// merged returns the mappings that a merge key stands for, the strongest last. Psych merges a mapping or a list of mappings, and takes "<<"
// with anything else, and with an alias of a list, for an ordinary key.
func merged(key, value *yaml.Node) (sources []*yaml.Node, ok bool) {
	if key.Value != "<<" || key.Style&yaml.TaggedStyle != 0 && key.ShortTag() == "!!str" {
		return nil, false
	}
	switch value.Kind {
	case yaml.AliasNode, yaml.MappingNode:
		sources = []*yaml.Node{resolve(value)}
	case yaml.SequenceNode:
		for _, x := range slices.Backward(value.Content) {
			sources = append(sources, resolve(x))
		}
	default:
		return nil, false
	}
	return sources, !slices.ContainsFunc(sources, func(n *yaml.Node) bool { return n.Kind != yaml.MappingNode })
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

// items returns the entries of a list, nil for null. An empty mapping is an empty list, too (official agent 1.8).
func (p *parser) items(n *yaml.Node, rule, what, hint string) []*yaml.Node {
	n = resolve(n)
	if !p.visit(n) || isNull(n) || n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		p.problem(n, rule, cmp.Or(blankHint(n), hint), "%s is no list but %s", what, kindName(n))
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

// item says whether an entry of a list is a mapping; otherwise that is a problem.
func (p *parser) item(n *yaml.Node, rule, what, hint string) bool {
	switch {
	case n.Kind == yaml.MappingNode:
		return true
	case isNull(n):
		p.problem(n, rule, "remove its dash, or "+hint, "%s is empty", what)
	default:
		p.problem(n, rule, cmp.Or(blankHint(n), hint), "%s is no mapping but %s", what, kindName(n))
	}
	return false
}

// absent says whether a value is null or a plain "no" or "false", which the official agent 1.8 takes for nothing in many places.
func (p *parser) absent(n *yaml.Node, rule, what string) bool {
	n = resolve(n)
	if v, ok := boolean(n); ok && !v {
		p.warning(n, rule, "leave the key out", "%s is %s, which counts as nothing", what, kindName(n))
		return true
	}
	return isNull(n)
}

// text returns a scalar as it is written, "" for null or a problem. Numbers and booleans are text, too.
func (p *parser) text(n *yaml.Node, rule, what string) string {
	n = resolve(n)
	switch {
	case isNull(n):
		return ""
	case n.Kind != yaml.ScalarNode:
		hint := "write a single value"
		if n.Style&yaml.FlowStyle != 0 {
			hint = "put text that begins with [ or { into quotes; or a placeholder was not filled in"
		}
		p.problem(n, rule, hint, "%s is no text but %s", what, kindName(n))
		return ""
	case strings.ContainsRune(n.Value, 0):
		p.problem(n, rule, "", "%s has a NUL byte", what)
		return ""
	}
	return n.Value
}
