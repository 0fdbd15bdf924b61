//go:build unix

package hooks

import (
	"io"
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
func checkInterpreter(path string, open func(string) (io.ReadCloser, error)) error {
	f, err := open(path)
	if err != nil {
		return nil // root reads everything; for another user the start will tell
	}
	defer f.Close()
	line := firstLineOf(f)
	rest, ok := strings.CutPrefix(line, "#!")
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
		return explainStart(line, syscall.ENOENT)
	}
	return nil
}
