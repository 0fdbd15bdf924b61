// Package custody finds out who can have written a file that the agent relies on. Whoever can write its configuration, or put another file in its
// place, is as good as the agent's user, which mostly is root.
//
// Root and the agent's own user may write such a file and the directories on the way to it; a group may if nobody else is in it, like the private
// groups that many systems give their users, and a directory like /tmp may, in which only the owner of a file can replace it.
package custody

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// Error says who else can write a file that is relied on, and what the operator can do.
type Error struct {
	// Path is the file.
	Path string
	// Problems has an entry for the file and for each directory on the way to it that is in wrong hands.
	Problems []Problem
}

// Problem is a file or directory in wrong hands.
type Problem struct {
	Path string
	Mode fs.FileMode
	// Why says who may write it, Remedy is the command that changes that.
	Why, Remedy string
}

func (e *Error) Error() string {
	parts := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		what := p.Path
		if p.Path != e.Path {
			what = "its directory " + p.Path
		}
		parts = append(parts, fmt.Sprintf("%s %s (mode %04o); use: %s", what, p.Why, mode(p.Mode), p.Remedy))
	}
	return fmt.Sprintf("cannot trust %s: %s", e.Path, strings.Join(parts, "; "))
}

// mode is a mode as chmod takes it.
func mode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, x := range []struct {
		flag fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&x.flag != 0 {
			bits |= x.bit
		}
	}
	return bits
}

// Guard applies the setting require_protected_files: what is in wrong hands is refused, or a warning in the log. A nil Guard refuses.
type Guard struct {
	tolerant bool
	log      *zap.Logger

	mu   sync.Mutex
	told map[string]bool
}

// NewGuard returns a Guard that refuses, or that only warns.
func NewGuard(refuse bool, log *zap.Logger) *Guard {
	return &Guard{tolerant: !refuse, log: log, told: map[string]bool{}}
}

// Check is the function Check under the setting.
func (g *Guard) Check(path string) error { return g.judge(Check(path)) }

// CheckInPlace is the function CheckInPlace under the setting.
func (g *Guard) CheckInPlace(path string) error { return g.judge(CheckInPlace(path)) }

// CheckSecret is Check for a file with secrets. That others may read it is a warning: the official agents' hosts have such files.
func (g *Guard) CheckSecret(path string) error {
	if g != nil {
		if why := exposed(path); why != "" {
			g.tell(why)
		}
	}
	return g.Check(path)
}

// Advise warns if the file or directory is in wrong hands, whatever the setting.
func (g *Guard) Advise(path string) {
	var wrong *Error
	if errors.As(Check(path), &wrong) && g != nil {
		g.tell(wrong.Error())
	}
}

func (g *Guard) judge(err error) error {
	var wrong *Error
	if !errors.As(err, &wrong) {
		return nil // that the file is missing, or cannot be looked at, is told by whoever reads it
	}
	if g == nil || !g.tolerant {
		return fmt.Errorf("%w (require_protected_files)", err)
	}
	g.tell(err.Error())
	return nil
}

// tell logs a warning once.
func (g *Guard) tell(warning string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.told[warning] {
		g.told[warning] = true
		g.log.Warn(warning)
	}
}
