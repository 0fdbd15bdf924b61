package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"codedeploy-agent/agent/config"
)

// Finding is one thing that was looked at in a host that is to become an image.
type Finding struct {
	// Right says that it is as it should be.
	Right bool
	// Message says what is, and what to do if it is not right.
	Message string
}

// Unit is the name of the agent's service.
const Unit = "codedeploy-agent.service"

// unitDirs are where systemd looks for units, the first one wins.
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// UnitFile is the file of the agent's unit, empty where there is none.
func UnitFile() string {
	for _, dir := range unitDirs {
		if path := filepath.Join(dir, Unit); exists(path) {
			return path
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// leftovers are what official packages leave that would start or install their agent.
var leftovers = []string{"/etc/cron.d/codedeploy-agent-update", "/opt/codedeploy-agent/bin/codedeploy-agent-update"}

// Check looks whether an image of this host would be a good one. running says that the agent runs here.
func Check(c *config.Config, credentials string, running bool) []Finding {
	var found []Finding
	add := func(right bool, format string, args ...any) {
		found = append(found, Finding{right, fmt.Sprintf(format, args...)})
	}
	if running {
		add(false, "the agent runs here, and goes on writing what must not be in an image: systemctl stop codedeploy-agent")
	} else {
		add(true, "the agent does not run here")
	}
	traces, err := Traces(c, credentials)
	switch {
	case err != nil:
		add(false, "cannot look for traces of this host: %v", err)
	case len(traces) > 0:
		add(false, "%d traces of this host would be in the image, %s (%s) for one: codedeploy-agent image scrub", len(traces), traces[0].Path, traces[0].What)
	default:
		add(true, "no trace of this host is left")
	}
	for _, path := range leftovers {
		if exists(path) {
			add(false, "%s of an official package is still there and may install that again: remove it", path)
		}
	}
	return found
}

// Enable makes the agent start at boot. It starts nothing, and works in a chroot.
func Enable() Finding {
	if runtime.GOOS != "linux" {
		return Finding{false, "this system has no systemd: codedeploy-agent service install"}
	}
	unit := UnitFile()
	if unit == "" {
		return Finding{false, Unit + " is not installed: install the package, or codedeploy-agent service install"}
	}
	out, err := exec.Command("systemctl", "enable", Unit).CombinedOutput()
	if err != nil {
		return Finding{false, fmt.Sprintf("cannot enable %s: %v: %s", unit, err, strings.Join(strings.Fields(string(out)), " "))}
	}
	return Finding{true, unit + " is enabled: the agent starts at the next boot"}
}
