package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// OutsideError says why a script that is a link to a path of the host is not made executable.
func OutsideError(path string) error {
	return fmt.Errorf("it is a link to %s, which is not part of the revision", path)
}

// OutsideOf is where a path of an unpacked revision ends, "" if that is in the revision.
func OutsideOf(archive, path string) string {
	real, err := filepath.EvalSymlinks(path)
	root, err2 := filepath.EvalSymlinks(archive)
	if err != nil || err2 != nil || strings.HasPrefix(real, root+string(filepath.Separator)) {
		return ""
	}
	return real
}

// Locate finds a script in the revision.
func Locate(archive, location string, stat func(string) (fs.FileInfo, error)) (path string, info os.FileInfo, failure *Failure) {
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
