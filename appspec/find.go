package appspec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Clean is the path below a revision's root that a deployment's name for its AppSpec means: a separator at its start is that root.
func Clean(name string) string {
	return path.Clean(strings.TrimLeft(strings.ReplaceAll(name, `\`, "/"), "/"))
}

// Find returns the name of a revision's AppSpec: the one that the deployment names, DefaultName if that is empty, or AlternativeName or
// DefaultName where it is missing (official agents). The error says what was looked for and, as far as it helps, what is there.
func Find(revision fs.FS, name string) (string, error) {
	if name == "" {
		name = DefaultName
	}
	name = Clean(name)
	if !fs.ValidPath(name) {
		return "", fmt.Errorf("%q is not a path in the revision", name)
	}
	candidates := []string{name}
	for _, c := range []string{AlternativeName, DefaultName} {
		if c != name {
			candidates = append(candidates, c)
		}
	}
	for _, c := range candidates {
		fi, err := fs.Stat(revision, c)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", err
		case !fi.Mode().IsRegular():
			return "", fmt.Errorf("%s is not a file", c)
		default:
			return c, nil
		}
	}
	return "", &missingError{names: candidates, instead: instead(revision)}
}

// ReadFile reads a file of the revision for Parse. Of a file that is larger than an AppSpec may be it reads nothing: that is an *Error as Parse
// gives it, called by the name file.
func ReadFile(revision fs.FS, name, file string) ([]byte, error) {
	f, err := revision.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Size() > maxSize {
		return nil, &Error{File: file, Problems: []Problem{{Rule: RuleLimits, Severity: Failing, Message: fmt.Sprintf(tooLarge, fi.Size(), maxSize)}}}
	}
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

// instead returns a file at the revision's root that was perhaps meant to be the AppSpec, or "".
func instead(revision fs.FS) string {
	entries, err := fs.ReadDir(revision, ".")
	if err != nil {
		return ""
	}
	for _, e := range entries {
		base := strings.ToLower(strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
		switch strings.NewReplacer("-", "", "_", "").Replace(base) {
		case "appspec":
			return e.Name()
		}
	}
	return ""
}

// missingError says that a revision has no AppSpec. It is an fs.ErrNotExist.
type missingError struct {
	names   []string
	instead string
}

func (e *missingError) Error() string {
	s := "the revision has no " + strings.Join(e.names, " and no ") + " at its root"
	if e.instead != "" {
		return s + fmt.Sprintf("; it has %s: rename it", e.instead)
	}
	return s + "; check that the bundle was built in the directory that holds it"
}

func (e *missingError) Unwrap() error { return fs.ErrNotExist }
