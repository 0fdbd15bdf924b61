package install

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
)

// expand is a path of an AppSpec as the official agents understand it: "~" is the home directory of the agent's user, "~name" that
// of another, and a relative path starts at the agent's working directory, which is "/" for a service.
func expand(path string) (string, error) {
	rest, tilde := strings.CutPrefix(path, "~")
	if !tilde || runtime.GOOS == "windows" {
		return filepath.Abs(path)
	}
	name, rest, _ := strings.Cut(rest, "/")
	home, err := homeOf(name)
	if err != nil {
		return "", err
	}
	return filepath.Join(home, rest), nil
}

// homeOf is a user's home directory; the empty name is the agent's user, who may have no HOME as a service.
func homeOf(name string) (string, error) {
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.HomeDir, nil
	}
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		return home, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.HomeDir, nil
}
