package hooks

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks/runner"
)

// Contents is a revision that has not been unpacked. Its links are followed on this host where they lead out of it.
type Contents interface {
	fs.StatFS
	// Outside is the path of the host that a name leads to, "" if that is part of the revision.
	Outside(name string) string
}

// Check says what would keep a script of a revision from being run, without running it: a *runner.Failure with the code that its event would fail
// with. warning is what would be told in the log. contents is the revision if it has not been unpacked at archive yet, else nil.
func Check(archive string, contents Contents, script appspec.Script) (warning string, err error) {
	stat, open := os.Stat, func(path string) (io.ReadCloser, error) { return os.Open(path) }
	outside := func(path string) string { return runner.OutsideOf(archive, path) }
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
	path, info, failure := runner.Locate(archive, script.Location, stat)
	if failure != nil {
		return "", failure
	}
	fail := func(code int, format string, args ...any) error {
		return &runner.Failure{Code: code, Script: script.Location, Message: fmt.Sprintf(format, args...)}
	}
	if info.IsDir() {
		return "", fail(runner.CodeScriptFailed, "script %s failed: %s is a directory", script.Location, path)
	}
	if info.Mode()&0o111 == 0 && runtime.GOOS != "windows" {
		if real := outside(path); real != "" {
			return "", fail(runner.CodeNotExecutable, "cannot make script %s executable: %v", script.Location, runner.OutsideError(real))
		}
		warning = "the script is not executable; it will be made so"
	}
	if err := runner.CheckUser(script.RunAs, script.Sudo, script.Location); err != nil {
		return warning, fail(runner.CodeScriptFailed, "script %s failed: %v", script.Location, err)
	}
	if err := runner.CheckInterpreter(path, open); err != nil {
		return warning, fail(runner.CodeScriptFailed, "script %s failed: %v", script.Location, err)
	}
	return warning, nil
}
