package lint

import (
	"bytes"

	"gopkg.in/yaml.v3"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/expression"
)

// dates are texts that Ruby takes for a date or a time.
var dates = expression.Lazy{Text: `^\d{4}-(1[0-2]|0?[1-9])-(3[01]|[12]\d|0?[1-9])(([Tt]|\s+)\d{1,2}:\d\d:\d\d(\.\d*)?(\s*(Z|[-+]\d{1,2}(:?\d\d)?))?)?$`}

// official tells of what only this agent reads: the official agent 1.8 loads an AppSpec with Ruby's restricted YAML, which has no aliases
// and no dates.
func (c *checker) official(file string, data []byte) {
	var doc yaml.Node
	if yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc) != nil {
		return
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		at := appspec.Place{Line: n.Line, Column: n.Column}
		plain := n.Kind == yaml.ScalarNode && n.Style&^yaml.FlowStyle == 0
		switch {
		case n.Kind == yaml.AliasNode:
			c.at(file, at, appspec.RuleOfficial, "write the entry out", "the official agent 1.8 refuses the alias *%s", clip(n.Value))
			return
		case plain && dates.MatchString(n.Value):
			c.at(file, at, appspec.RuleOfficial, "put it into quotes", "the official agent 1.8 refuses the date %s", clip(n.Value))
		}
		for _, inner := range n.Content {
			walk(inner)
		}
	}
	walk(&doc)
}
