// Package expression has regular expressions that cost nothing until they are used. Most starts of the agent's binary look for few of them.
package expression

import (
	"regexp"
	"sync"
)

// Lazy is a regular expression that is compiled when it is first used. It is for package variables, and panics then if it is none.
type Lazy struct {
	Text     string
	once     sync.Once
	compiled *regexp.Regexp
}

// Regexp returns the compiled expression.
func (l *Lazy) Regexp() *regexp.Regexp {
	l.once.Do(func() { l.compiled = regexp.MustCompile(l.Text) })
	return l.compiled
}

// MatchString says whether text has a match.
func (l *Lazy) MatchString(text string) bool { return l.Regexp().MatchString(text) }

// FindString returns the first match, empty if there is none.
func (l *Lazy) FindString(text string) string { return l.Regexp().FindString(text) }

// FindStringSubmatch returns the first match and its groups, nil if there is none.
func (l *Lazy) FindStringSubmatch(text string) []string { return l.Regexp().FindStringSubmatch(text) }
