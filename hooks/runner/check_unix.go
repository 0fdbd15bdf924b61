//go:build unix

package runner

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// CheckUser checks that the script can be run as its user.
func CheckUser(runAs string, sudo bool, location string) error {
	var err error
	switch {
	case sudo:
		_, err = throughSudo(runAs, location)
	case runAs != "":
		_, err = credentialOf(runAs)
	}
	return err
}

// CheckInterpreter checks that the program which the script's first line names is on this host.
func CheckInterpreter(path string, open func(string) (io.ReadCloser, error)) error {
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
