package dryrun

import (
	"fmt"
	"strconv"
	"strings"
)

// Rule says how a stand-in answers some calls.
type Rule struct {
	// Words are the command and the first of its arguments that are no options; they match a call that has them in this order.
	Words []string
	// Answer is "ok", "fail", "real" or "print".
	Answer string
	// Code is the exit code of fail; Text is what print prints.
	Code int
	Text string
}

// ParseRule reads a rule: COMMAND [WORD…]=ANSWER, where ANSWER is ok, fail, fail:CODE, real or print:TEXT.
func ParseRule(s string) (Rule, error) {
	bad := func(why string) (Rule, error) {
		return Rule{}, fmt.Errorf("cannot use the rule %q for a stand-in: %s; a rule is COMMAND [WORD…]=ok, =fail, =fail:CODE, =real or =print:TEXT", s, why)
	}
	left, right, ok := strings.Cut(s, "=")
	r := Rule{Words: strings.Fields(left)}
	if !ok || len(r.Words) == 0 {
		return bad("it has no command or no answer")
	}
	if find(r.Words[0]) == nil {
		return bad(r.Words[0] + " has no stand-in")
	}
	var detail string
	var hasDetail bool
	r.Answer, detail, hasDetail = strings.Cut(right, ":")
	switch r.Answer {
	case "ok", "real":
		if hasDetail {
			return bad("nothing follows " + r.Answer)
		}
	case "fail":
		r.Code = 1
		if hasDetail {
			n, err := strconv.Atoi(detail)
			if err != nil || n < 1 || n > 255 {
				return bad("an exit code is a number from 1 to 255")
			}
			r.Code = n
		}
	case "print":
		r.Text = detail
	default:
		return bad("there is no answer " + strconv.Quote(r.Answer))
	}
	return r, nil
}

// ruleFor finds the rule for a call: of those that match, the one with the most words, the last of them.
func ruleFor(rules []Rule, name string, args []string) *Rule {
	var best *Rule
	for i, r := range rules {
		if r.matches(name, args) && (best == nil || len(r.Words) >= len(best.Words)) {
			best = &rules[i]
		}
	}
	return best
}

func (r *Rule) matches(name string, args []string) bool {
	if r.Words[0] != name {
		return false
	}
	at := 0
	words := r.Words[1:]
	for _, a := range args {
		if at < len(words) && plainUnit(a) == plainUnit(words[at]) {
			at++
		}
	}
	return at == len(words)
}

// plainUnit is a service's name without what may be left out.
func plainUnit(name string) string { return strings.TrimSuffix(name, ".service") }
