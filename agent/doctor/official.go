package doctor

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// officialAgent tells of an official agent beside this one: both would take commands of the same host.
func (d *doctor) officialAgent() {
	const check = "official agent"
	running := officialProcesses(d.Root)
	installed := d.official()
	const hint = "stop and remove it, as docs/switch.md says: its configuration, revisions and history stay"
	switch {
	case len(running) > 0:
		d.add(check, Error, hint, "it is running (%s); two agents take each other's commands", list(running))
	case installed != "" && d.enabled():
		d.add(check, Error, hint, "it is installed (%s) and starts with the host; two agents take each other's commands", installed)
	case installed != "":
		d.add(check, Warning, "remove its package, as docs/switch.md says: its configuration, revisions and history stay", "it is installed (%s), and neither running nor enabled", installed)
	default:
		d.add(check, OK, "", "none is installed")
	}
}

// official returns where an official agent is installed, or "". Release 1.x is Ruby below /opt/codedeploy-agent, with its sources in lib; 2.x has a
// dynamically linked program where this one has its own, which is told by the binary that is asking.
func (d *doctor) official() string {
	for _, path := range []string{"/opt/codedeploy-agent/lib/instance_agent.rb", "/opt/codedeploy-agent/lib/instance_agent", "/etc/init.d/codedeploy-agent"} {
		text, _ := os.ReadFile(d.Root + path) // a script, or a directory
		if d.exists(path) && !bytes.HasPrefix(text, []byte("#!/sbin/openrc-run")) {
			return path // an official one has no service for OpenRC; this one's apk does
		}
	}
	const program = "/opt/codedeploy-agent/bin/codedeploy-agent"
	if own, err := os.Executable(); err == nil && d.exists(program) {
		there, err := os.Stat(d.Root + program)
		here, err2 := os.Stat(own)
		if err == nil && err2 == nil && !os.SameFile(there, here) && !ours(d.Root+program) {
			return program
		}
	}
	return ""
}

// mainPackage is what Go writes into every build of this project about its main package.
const mainPackage = "path\tcodedeploy-agent/cmd/codedeploy-agent\n"

// ours says whether a program is a build of this project. debug/buildinfo knows where Go has written that, but brings readers for the executables of
// every system, which are a fiftieth of this binary; the text itself is as good a sign.
func ours(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	part := make([]byte, 1<<20)
	for kept := 0; ; {
		n, err := io.ReadFull(f, part[kept:])
		if bytes.Contains(part[:kept+n], []byte(mainPackage)) {
			return true
		}
		if err != nil { // the end, or unreadable
			return false
		}
		kept = copy(part, part[len(part)-len(mainPackage)+1:])
	}
}

// enabled says whether an official agent starts with the host.
func (d *doctor) enabled() bool {
	for _, pattern := range []string{"/etc/rc[2345].d/S*codedeploy-agent", "/etc/rc.d/rc[2345].d/S*codedeploy-agent"} {
		if found, _ := filepath.Glob(d.Root + pattern); len(found) > 0 {
			return true
		}
	}
	return false
}

// officialProcesses names the processes of an official agent as they name themselves: "codedeploy-agent: master 123" (1.x), or a program that has the
// agent's name and is no build of this project (2.x).
func officialProcesses(root string) (found []string) {
	lines, _ := filepath.Glob(root + "/proc/[0-9]*/cmdline")
	for _, file := range lines {
		line, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		args := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		base := filepath.Base(args[0])
		switch {
		case strings.HasPrefix(args[0], "codedeploy-agent: "):
		case strings.HasPrefix(base, "ruby") && len(args) > 1 && filepath.Base(args[1]) == "codedeploy-agent":
		case base == "codedeploy-agent" && pid != os.Getpid() && !ours(filepath.Join(filepath.Dir(file), "exe")):
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), "exe")); err != nil {
				continue // it has gone, or is another user's: nobody knows
			}
		default:
			continue
		}
		found = append(found, fmt.Sprintf("process %d, %s", pid, strings.Join(args, " ")))
	}
	return found
}
