package install

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
)

// Problem is one reason why an Install would fail, or one thing about it that a person should know.
type Problem struct {
	// Path is the path on the host or in the revision that the problem is about; it may be empty.
	Path string
	// Line is the AppSpec's line, 0 when it is not about a line.
	Line    int
	Message string
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

// Error lists everything that would make an Install fail. Nothing has been changed on the host.
type Error struct {
	AppSpec  string // the AppSpec's file name
	Problems []Problem
	Space    []Space // what the Install needs and finds, as in Plan.Space
}

// maxListed keeps the text of an error readable; the rest is counted. Problems has them all.
const maxListed = 50

func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return fmt.Sprintf("cannot install the revision by %s, nothing was changed: %s", e.AppSpec, e.Problems[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cannot install the revision by %s, nothing was changed: %d problems", e.AppSpec, len(e.Problems))
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

// plainError is an error without the path that the message has already.
func plainError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// show prints a path as it is, or quoted if it holds what would confuse a terminal or a log. Of one that is too long for a screen it prints
// both ends.
func show(path string) string {
	const most, end = 1000, 100
	if len(path) > most {
		return strconv.Quote(path[:end]) + " … " + strconv.Quote(path[len(path)-end:])
	}
	for _, r := range path {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return strconv.Quote(path)
		}
	}
	return path
}
