package appspec

import (
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern string
		except  []string
		yes, no string
	}{
		{"**", nil, "a.sh d d/a.sh d/e/.x", ""},
		{"*", nil, "a.sh d .x", "d/a.sh"},
		{"*.sh", nil, "a.sh .sh", "a.sh.x a d/a.sh"},
		{"a*s*", nil, "as abcs.txt assss", "a sa xas"},
		{"?.sh", nil, "?.sh", "a.sh"},
		{"[ab].sh", nil, "[ab].sh", "a.sh"},
		{"a", nil, "a", "ab b d/a"},
		{"ab*ba", nil, "abba abxba", "aba"},
		{"**", []string{"b.txt", "*.sh", "d/c"}, "a.txt d/b.txt d/a.sh d/c", "b.txt a.sh"},
		{"**", []string{"**"}, "d/a d/e/f", "a"}, // as with every other except, only what lies directly below
	} {
		p := &Permission{Pattern: c.pattern, Except: c.except}
		for _, name := range strings.Fields(c.yes) {
			if !p.Matches(name) {
				t.Errorf("%q except %q does not match %q", c.pattern, c.except, name)
			}
		}
		for _, name := range strings.Fields(c.no) {
			if p.Matches(name) {
				t.Errorf("%q except %q matches %q", c.pattern, c.except, name)
			}
		}
	}
}
