package appspec

import (
	"math"
	"strconv"
	"strings"

	"codedeploy-agent/appspec/expression"
	"gopkg.in/yaml.v3"
)

// What the official agent 1.8 takes for a number or a boolean is one here. It reads YAML 1.1 in the way of Ruby's Psych, which goes further
// than the standard in places (commas in numbers, 1:30 as hours and minutes) and less far in others (an exponent needs its sign).
var (
	decimal     = expression.Lazy{Text: `^[-+]?(0|[1-9][0-9_,]*)$`}
	octal       = expression.Lazy{Text: `^[-+]?0[0-7_,]+$`}
	prefixed    = expression.Lazy{Text: `^[-+]?0(b[01_,]+|x[0-9a-fA-F_,]+|o[0-7]+)$`} // 0o is octal in YAML 1.2 (official agent 2.x)
	fraction    = expression.Lazy{Text: `^[-+]?([0-9][0-9_,]*)?\.[0-9]*([eE][-+][0-9]+)?$`}
	sexagesimal = expression.Lazy{Text: `^[-+]?[0-9][0-9_]*(:[0-5]?[0-9]){1,2}(\.[0-9_]*)?$`}
	date        = expression.Lazy{Text: `^-?[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}($|[Tt ])`}
	leading     = expression.Lazy{Text: `^\s*[-+]?[0-9]+(_[0-9]+)*`}
)

// plain says whether a scalar's text decides about its type: it is not in quotes, or it has a tag other than that of texts.
func plain(n *yaml.Node) bool {
	if n == nil || n.Kind != yaml.ScalarNode {
		return false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return n.ShortTag() != "!!str"
	}
	return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// isNull says whether a value is left out, empty or written as null.
func isNull(n *yaml.Node) bool {
	return n == nil || plain(n) && (n.Value == "" || n.Value == "~" || strings.EqualFold(n.Value, "null"))
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

// integer returns the whole number that a plain scalar stands for; it is infinite when it is too large to matter.
func integer(n *yaml.Node) (float64, bool) {
	if !plain(n) {
		return 0, false
	}
	text := ungrouped(n.Value)
	switch {
	case decimal.MatchString(n.Value):
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil || math.IsInf(v, 0)
	case octal.MatchString(n.Value), prefixed.MatchString(n.Value):
		v, err := strconv.ParseInt(text, 0, 64)
		switch {
		case err == nil:
			return float64(v), true
		case v == math.MaxInt64, v == math.MinInt64: // out of range
			return math.Inf(int(v >> 62)), true
		}
	}
	return 0, false
}

// number returns the number that a plain scalar stands for.
func number(n *yaml.Node) (float64, bool) {
	if v, ok := integer(n); ok || !plain(n) {
		return v, ok
	}
	switch {
	case fraction.MatchString(n.Value):
		v, err := strconv.ParseFloat(ungrouped(n.Value), 64)
		return v, err == nil
	case sexagesimal.MatchString(n.Value):
		v, weight := 0.0, []float64{3600, 60, 1} // of two parts the first counts hours (Psych)
		for i, part := range strings.Split(ungrouped(n.Value), ":") {
			x, err := strconv.ParseFloat(part, 64)
			if err != nil {
				return 0, false
			}
			v += x * weight[i]
		}
		return v, true
	}
	return 0, false
}

// ungrouped is a number without the marks between groups of digits.
func ungrouped(text string) string {
	if !strings.ContainsAny(text, "_,") {
		return text
	}
	return strings.NewReplacer("_", "", ",", "").Replace(text)
}

// digitsOf returns the number that a text begins with, as Ruby's to_i reads it.
func digitsOf(text string) (float64, bool) {
	digits := ungrouped(strings.TrimSpace(leading.FindString(text)))
	v, err := strconv.ParseFloat(digits, 64)
	return v, err == nil || math.IsInf(v, 0)
}
