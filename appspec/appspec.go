// Package appspec is the language of AppSpec files for EC2 and on-premises deployments: it parses them, checks them
// and says where and why one is wrong. It knows nothing of hosts or deployments and does no I/O of its own.
package appspec

import (
	"fmt"
	"time"
)

// DefaultName is the AppSpec's name in a revision unless the deployment says otherwise. AlternativeName is looked for
// when the named file is not there (official agent 1.3.2 and later).
const (
	DefaultName     = "appspec.yml"
	AlternativeName = "appspec.yaml"
)

// DefaultTimeout is the time a script may take when its entry names no timeout (AWS user guide).
const DefaultTimeout = time.Hour

// AppSpec is a parsed and valid AppSpec file.
type AppSpec struct {
	// OS is "linux" or "windows".
	OS string
	// FileExistsBehavior is empty when the file leaves the choice to the deployment.
	FileExistsBehavior FileExistsBehavior
	Files              []File
	Permissions        []Permission
	// Hooks are the lifecycle events that have scripts, in the order of the file.
	Hooks []Hook
	// Warnings are what the file says without effect: unknown keys and the like. They never stop a deployment.
	Warnings []Problem

	name   string // the file's name, for CheckPlatform
	osLine int
	places
}

// Scripts returns the scripts of a lifecycle event, nil if it has none.
func (a *AppSpec) Scripts(event string) []Script {
	for _, h := range a.Hooks {
		if h.Event == event {
			return h.Scripts
		}
	}
	return nil
}

// Events returns the lifecycle events that have scripts, in the order of the file.
func (a *AppSpec) Events() []string {
	events := make([]string, 0, len(a.Hooks))
	for _, h := range a.Hooks {
		events = append(events, h.Event)
	}
	return events
}

// CheckPlatform returns an *Error unless the file is for hosts of this operating system, "linux" or "windows"; every Unix
// counts as linux.
func (a *AppSpec) CheckPlatform(goos string) error {
	if goos != "windows" {
		goos = "linux"
	}
	if a.OS == goos {
		return nil
	}
	return &Error{File: a.name, Problems: []Problem{{Line: a.osLine, Rule: RuleOS, Severity: Failing,
		Message: "the AppSpec is for " + a.OS + " hosts and this host runs " + goos, Hint: "set os: " + goos}}}
}

// FileExistsBehavior says what Install does with a file that stands at a destination and was not installed by the
// previous deployment.
type FileExistsBehavior string

// The three behaviours of the AWS user guide, spelt as in an AppSpec.
const (
	Disallow  FileExistsBehavior = "DISALLOW"
	Overwrite FileExistsBehavior = "OVERWRITE"
	Retain    FileExistsBehavior = "RETAIN"
)

// ParseFileExistsBehavior reads a behaviour as a deployment's option has it; empty means Disallow.
func ParseFileExistsBehavior(text string) (FileExistsBehavior, error) {
	switch b := FileExistsBehavior(text); b {
	case "":
		return Disallow, nil
	case Disallow, Overwrite, Retain:
		return b, nil
	}
	return "", fmt.Errorf("%q is not one of DISALLOW, OVERWRITE and RETAIN", text)
}

// File is one entry of the files section.
type File struct {
	// Source is relative to the revision's root, a leading "/" being that root. If it is a directory, its contents go
	// into Destination; if it is a file, it goes into the directory Destination and keeps its name.
	Source      string
	Destination string
	Line        int
	places
}

// Permission is one entry of the permissions section.
type Permission struct {
	Object  string
	Pattern string // "**" when the entry has none
	Except  []string
	// Files and Directories say which types the entry is for; both are true when it names none.
	Files, Directories bool
	Owner, Group       string
	// Mode is nil when the entry sets none.
	Mode *Mode
	// ACL is nil when the entry has no acls.
	ACL *ACL
	// Context is nil when the entry has no context.
	Context *Context
	Line    int
	places
}

// Hook is a lifecycle event and the scripts it runs, in order.
type Hook struct {
	Event   string
	Scripts []Script
	Line    int
	places
}

// Script is one script of a lifecycle event.
type Script struct {
	// Location is relative to the revision's root, trimmed of surrounding blanks.
	Location string
	// RunAs is the user the script runs as; empty means the agent's own user.
	RunAs string
	// Sudo runs the script through sudo (undocumented, official agent 1.8 and 2.x).
	Sudo    bool
	Timeout time.Duration
	Line    int
	places
}
