package hooks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"codedeploy-agent/appspec"
)

// Check says what would keep a script of an unpacked revision from being run, without running it: a *Failure with the code that its event
// would fail with. warning is what would be told in the log.
func Check(archive string, script appspec.Script) (warning string, err error) {
	path, info, failure := locate(archive, script.Location)
	if failure != nil {
		return "", failure
	}
	fail := func(code int, format string, args ...any) error {
		return &Failure{Code: code, Script: script.Location, Message: fmt.Sprintf(format, args...)}
	}
	if info.IsDir() {
		return "", fail(CodeScriptFailed, "script %s failed: %s is a directory", script.Location, path)
	}
	if info.Mode()&0o111 == 0 {
		warning = "the script is not executable; it will be made so"
	}
	if err := checkUser(script); err != nil {
		return warning, fail(CodeScriptFailed, "script %s failed: %v", script.Location, err)
	}
	if err := checkInterpreter(path); err != nil {
		return warning, fail(CodeScriptFailed, "script %s failed: %v", script.Location, err)
	}
	return warning, nil
}

// locate finds a script in the revision.
func locate(archive, location string) (path string, info os.FileInfo, failure *Failure) {
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
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fail("script %s does not exist at the specified location: %s", location, path)
	case err != nil:
		return fail("cannot find script %s: %v", location, err)
	}
	return path, info, nil
}
