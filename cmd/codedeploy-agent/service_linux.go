package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"codedeploy-agent/agent/image"
	"codedeploy-agent/packaging"
)

// The library for services of other systems is left out here: it looks for six service managers whenever a process starts, and one starts for
// every script.

// unitPath is where a unit of the operator's stands.
var unitPath = filepath.Join("/etc/systemd/system", image.Unit)

// unitFor is the packages' unit with another program.
func unitFor(program, file string) string {
	start := program + " run"
	if file != "" {
		start += " --config-file " + file
	}
	return strings.Replace(packaging.Unit, packaging.UnitProgram, start, 1)
}

// registerService makes the program a unit of systemd that is started at boot.
func registerService(program, file string) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return errNoServiceManager
	}
	unit, err := os.OpenFile(unitPath, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = unit.WriteString(unitFor(program, file))
	if err = errors.Join(err, unit.Sync(), unit.Close()); err != nil {
		return errors.Join(err, os.Remove(unitPath))
	}
	if err := systemctl("enable", image.Unit); err != nil {
		return err
	}
	return systemctl("daemon-reload")
}

// controlService does what a sub-command of service is called.
func controlService(action string) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return errNoServiceManager
	}
	if action != "uninstall" {
		return systemctl(action, image.Unit)
	}
	if err := systemctl("disable", image.Unit); err != nil {
		return err
	}
	if err := os.Remove(unitPath); err != nil {
		return err
	}
	return systemctl("daemon-reload")
}

func systemctl(args ...string) error {
	cmd := exec.Command("systemctl", args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
