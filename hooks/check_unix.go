//go:build unix

package hooks

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"codedeploy-agent/appspec"
)

// checkUser checks that the script can be run as its user.
func checkUser(script appspec.Script) error {
	var err error
	switch {
	case script.Sudo:
		_, err = throughSudo(script.RunAs, script.Location)
	case script.RunAs != "":
		_, err = credentialOf(script.RunAs)
	}
	return err
}

// checkInterpreter checks that the program which the script's first line names is on this host.
func checkInterpreter(path string) error {
	rest, ok := strings.CutPrefix(firstLine(path), "#!")
	if !ok {
		return nil
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return nil
	}
	program := words[0]
	if strings.HasSuffix(rest, "\r") && len(words) == 1 {
		program += "\r"
	}
	if !filepath.IsAbs(program) {
		return nil // relative to the directory it is run in
	}
	if _, err := os.Stat(program); os.IsNotExist(err) {
		return explainStart(path, syscall.ENOENT)
	}
	return nil
}
