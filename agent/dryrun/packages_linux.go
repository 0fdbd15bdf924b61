package dryrun

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// installing are what package managers are asked for when they change what is installed.
var installing = []string{"install", "i", "add", "update", "upgrade", "groupinstall", "localinstall", "reinstall", "remove", "erase", "purge", "autoremove",
	"dist-upgrade", "global", "require"}

// ofTheSystem are package managers for which one must be root.
var ofTheSystem = map[string]int{"yum": 1, "dnf": 1, "apt-get": 100, "apt": 100, "apk": 99, "zypper": 5, "amazon-linux-extras": 1, "snap": 1}

// provides are programs that have stand-ins, by the packages that they come with if those have another name.
var provides = map[string]string{"docker.io": "docker", "docker-ce": "docker", "moby-engine": "docker", "docker-compose-v2": "docker-compose",
	"awscli": "aws", "awscli-2": "aws", "aws-cli": "aws", "supervisor": "supervisorctl", "nodejs": "npm", "python3-pip": "pip3", "python-pip": "pip",
	"bundler": "bundle"}

// packages stands in for package managers. Nothing is installed; programs that have stand-ins get them.
func packages(c *call) int {
	if slices.Contains(c.args, "--no-index") {
		return c.real() // it is told not to use the network
	}
	words := c.words()
	changes := slices.ContainsFunc(words, func(w string) bool { return slices.Contains(installing, w) })
	if code, ok := ofTheSystem[c.name]; ok && changes && os.Getuid() != 0 {
		fmt.Fprintf(os.Stderr, "%s: permission denied: only root can change what is installed\n", c.name)
		return c.record(code, "denied, as the host would: only root may")
	}
	if changes {
		for _, w := range words {
			name, _, _ := strings.Cut(w, "@")
			if other := provides[name]; other != "" {
				name = other
			}
			if s := find(name); s == nil || s.kind == identity {
				continue
			}
			if _, err := exec.LookPath(name); err != nil {
				_ = os.WriteFile("/usr/bin/"+name, []byte(standInText), 0o755) // who may not write there could not have installed it either
			}
		}
	}
	return c.record(0, "not done; answered success")
}

// git stands in for what git does with servers. What was to be cloned is an empty repository.
func git(c *call) int {
	words := c.words()
	if len(words) < 2 || words[0] != "clone" {
		return c.record(0, "not done; answered success")
	}
	// Options with values are rare, and their values come before the address.
	at := slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w, ":/") })
	if at < 0 {
		return c.record(0, "not done; answered success")
	}
	dir := strings.TrimSuffix(strings.TrimRight(words[at], "/"), ".git")
	dir = dir[strings.LastIndexAny(dir, "/:")+1:]
	if at+1 < len(words) {
		dir = words[at+1]
	}
	if path := c.state.Real["git"]; path != "" {
		cmd := exec.Command(path, "init", "-q", "--template=", dir)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return c.record(128, "could not make an empty repository: %v", err)
		}
	} else if err := os.MkdirAll(dir+"/.git", 0o755); err != nil {
		return c.record(128, "could not make an empty repository: %v", err)
	}
	return c.record(0, "made an empty repository at %s", dir)
}

// pythonDir has a module that Python runs first, pythonHook its text: the pip of a virtual environment is not found by its place, and so cannot
// have a file of the stand-in layer.
const (
	pythonDir  = private + "/python"
	pythonHook = `# Part of the dry run: what pip would install from the network is left to its stand-in.
import os, sys


def stand_in():
    try:
        with open("/proc/self/cmdline", "rb") as f:
            args = f.read().decode("utf-8", "surrogateescape").split("\0")[1:-1]
    except Exception:
        return
    while args and args[0].startswith("-") and args[0] not in ("-m", "-c"):
        args = args[1:]
    if args[:2] == ["-m", "pip"]:
        args = args[2:]
    elif args and os.path.basename(args[0]).startswith("pip") and os.path.basename(args[0])[3:].strip("0123456789.") == "":
        args = args[1:]
    else:
        return
    words = [a for a in args if not a.startswith("-")]
    if words and words[0] in ("install", "download", "wheel") and "--no-index" not in args:
        os.execv("SELF", ["SELF", "COMMAND", "/usr/bin/pip"] + args)


stand_in()
# Another module of this name is none of our business.
here = os.path.dirname(__file__)
sys.path[:] = [p for p in sys.path if p != here]
us = sys.modules.pop("sitecustomize")
try:
    import sitecustomize
except ImportError:
    pass
finally:
    sys.modules.setdefault("sitecustomize", us)
`
)
