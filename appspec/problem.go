package appspec

import (
	"fmt"
	"strconv"
	"strings"
)

// Severity says whether a Problem stops a deployment.
type Severity string

// The severities of a Problem.
const (
	Failing Severity = "error"
	Warning Severity = "warning"
)

// The rules that Parse checks. A rule's name stays the same from release to release.
const (
	RuleYAML         = "yaml"
	RuleDocument     = "document"
	RuleLimits       = "limits"
	RuleDuplicateKey = "duplicate-key"
	RuleUnknownKey   = "unknown-key"
	RuleVersion      = "version"
	RuleOS           = "os"
	RuleFileExists   = "file-exists-behavior"
	RuleFiles        = "files"
	RulePermissions  = "permissions"
	RuleMode         = "mode"
	RuleACL          = "acl"
	RuleContext      = "context"
	RuleHooks        = "hooks"
	RuleTimeout      = "timeout"
	// RuleOfficial is for what is read here and refused by the official agent 1.8.
	RuleOfficial = "official-agents"
)

// Problem is one thing that is wrong with an AppSpec file.
type Problem struct {
	// Line and Column count from 1; they are 0 when the problem has no place.
	Line, Column int
	// Rule names the check.
	Rule     string
	Severity Severity
	Message  string
	// Hint says what to do about it; it may be empty.
	Hint string
}

func (p Problem) String() string {
	s := p.Message
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	if p.Line > 0 {
		s = "line " + strconv.Itoa(p.Line) + ": " + s
	}
	return s
}

// Error lists everything that is wrong with an AppSpec file, in the order of its lines.
type Error struct {
	File     string
	Problems []Problem
}

// maxListed keeps the text of an error readable; the rest is counted. Problems has them all.
const maxListed = 50

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		p := e.Problems[0]
		if p.Line == 0 {
			return fmt.Sprintf("cannot use the AppSpec %s: %s", e.File, p)
		}
		p.Line = 0
		return fmt.Sprintf("cannot use the AppSpec %s:%d: %s", e.File, e.Problems[0].Line, p)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cannot use the AppSpec %s: %d problems", e.File, len(e.Problems))
	for i, p := range e.Problems {
		if i == maxListed {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Problems)-i)
			break
		}
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}
