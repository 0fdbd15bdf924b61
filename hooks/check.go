package hooks

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"codedeploy-agent/appspec"
)

// Contents is a revision that has not been unpacked. Its links are followed on this host where they lead out of it.
type Contents interface {
	fs.StatFS
	// Outside is the path of the host that a name leads to, "" if that is part of the revision.
	Outside(name string) string
}

// outsideError says why a script that is a link to a path of the host is not made executable.
func outsideError(path string) error {
	return fmt.Errorf("it is a link to %s, which is not part of the revision", path)
}

// outsideOf is where a path of an unpacked revision ends, "" if that is in the revision.
func outsideOf(archive, path string) string {
	real, err := filepath.EvalSymlinks(path)
	root, err2 := filepath.EvalSymlinks(archive)
	if err != nil || err2 != nil || strings.HasPrefix(real, root+string(filepath.Separator)) {
		return ""
	}
	return real
}

// Check says what would keep a script of a revision from being run, without running it: a *Failure with the code that its event would fail
// with. warning is what would be told in the log. contents is the revision if it has not been unpacked at archive yet, else nil.
func Check(archive string, contents Contents, script appspec.Script) (warning string, err error) {
	stat, open := os.Stat, func(path string) (io.ReadCloser, error) { return os.Open(path) }
	outside := func(path string) string { return outsideOf(archive, path) }
	if contents != nil {
		name := func(path string) string {
			rel, err := filepath.Rel(archive, path)
			if err != nil {
				return path
			}
			return filepath.ToSlash(rel)
		}
		stat = func(path string) (fs.FileInfo, error) { return contents.Stat(name(path)) }
		open = func(path string) (io.ReadCloser, error) { return contents.Open(name(path)) }
		outside = func(path string) string { return contents.Outside(name(path)) }
	}
	path, info, failure := locate(archive, script.Location, stat)
	if failure != nil {
		return "", failure
	}
	fail := func(code int, format string, args ...any) error {
		return &Failure{Code: code, Script: script.Location, Message: fmt.Sprintf(format, args...)}
	}
	if info.IsDir() {
		return "", fail(CodeScriptFailed, "script %s failed: %s is a directory", script.Location, path)
	}
	if info.Mode()&0o111 == 0 && runtime.GOOS != "windows" {
		if real := outside(path); real != "" {
			return "", fail(CodeNotExecutable, "cannot make script %s executable: %v", script.Location, outsideError(real))
		}
		warning = "the script is not executable; it will be made so"
	}
	if err := checkUser(script); err != nil {
		return warning, fail(CodeScriptFailed, "script %s failed: %v", script.Location, err)
	}
	if err := checkInterpreter(path, open); err != nil {
		return warning, fail(CodeScriptFailed, "script %s failed: %v", script.Location, err)
	}
	return warning, nil
}

// locate finds a script in the revision.
func locate(archive, location string, stat func(string) (fs.FileInfo, error)) (path string, info os.FileInfo, failure *Failure) {
	fail := func(format string, args ...any) (string, os.FileInfo, *Failure) {
		return "", nil, &Failure{Code: CodeScriptMissing, Script: location, Message: fmt.Sprintf(format, args...)}
	}
	rel := filepath.FromSlash(strings.TrimLeft(location, "/"))
	path = archive + filepath.FromSlash(location) // not cleaned: the script sees it as its own name (official agents)
	if !strings.HasPrefix(location, "/") {
		path = archive + string(filepath.Separator) + rel
	}
	if !filepath.IsLocal(rel) {
		return fail("script %s is outside of the revision", location)
	}
	info, err := stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fail("script %s does not exist at the specified location: %s", location, path)
	case err != nil:
		return fail("cannot find script %s: %v", location, err)
	}
	return path, info, nil
}
