package appspec

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The official agent 1.8 reads YAML 1.1 and release 2 reads YAML 1.2. What one of them takes for a number or a boolean is one here.
var (
	integer     = regexp.MustCompile(`^[-+]?(0|[1-9][0-9_,]*)$`)
	octal       = regexp.MustCompile(`^[-+]?0o?[0-7_,]+$`)
	hexadecimal = regexp.MustCompile(`^[-+]?0x[0-9a-fA-F_,]+$`)
	decimal     = regexp.MustCompile(`^[-+]?([0-9][0-9_,]*)?\.[0-9]*([eE][-+]?[0-9]+)?$`)
	sexagesimal = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+$`)
	leading     = regexp.MustCompile(`^\s*[-+]?[0-9][0-9_]*`)
)

// resolve returns the node that an alias stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// plain says whether a scalar was written without quotes, so that its text decides about its type.
func plain(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 &&
		!(n.Style&yaml.TaggedStyle != 0 && n.ShortTag() == "!!str")
}

func isNull(n *yaml.Node) bool {
	if n == nil || !plain(n) {
		return n == nil
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// boolean returns the truth that a plain scalar stands for.
func boolean(n *yaml.Node) (value, ok bool) {
	if !plain(n) {
		return false, false
	}
	switch strings.ToLower(n.Value) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}

// number returns the number that a plain scalar stands for. Digits after a leading zero are octal, as in YAML 1.1.
func number(n *yaml.Node) (float64, bool) {
	if !plain(n) {
		return 0, false
	}
	text := strings.NewReplacer("_", "", ",", "").Replace(n.Value)
	switch {
	case integer.MatchString(n.Value):
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil
	case octal.MatchString(n.Value), hexadecimal.MatchString(n.Value):
		v, err := strconv.ParseInt(text, 0, 64)
		return float64(v), err == nil
	case decimal.MatchString(n.Value):
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil && !math.IsInf(v, 0)
	case sexagesimal.MatchString(n.Value):
		v := 0.0
		for _, part := range strings.Split(strings.TrimLeft(text, "-+"), ":") {
			digit, err := strconv.ParseFloat(part, 64)
			if err != nil {
				return 0, false
			}
			v = v*60 + digit
		}
		if strings.HasPrefix(text, "-") {
			v = -v
		}
		return v, true
	}
	return 0, false
}

// kindName names a node's kind for people.
func kindName(n *yaml.Node) string {
	switch {
	case isNull(n):
		return "nothing"
	case n.Kind == yaml.MappingNode:
		if len(n.Content) > 1 && n.Content[0].Kind == yaml.ScalarNode && n.Content[1].Kind == yaml.ScalarNode {
			return "the mapping " + strconv.Quote(clip(n.Content[0].Value+": "+n.Content[1].Value))
		}
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(clip(n.Value))
}

// clip keeps values in messages short.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
