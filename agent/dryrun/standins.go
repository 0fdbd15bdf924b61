package dryrun

import (
	"slices"
	"strings"
)

// standIn is a program of the host that a view replaces.
type standIn struct {
	name string
	// kind says why, for the documentation.
	kind string
	// at is where it is put if the host does not have the program; "" means that it is then missing, as on the host.
	at string
	// only are the sub-commands that are replaced; the others are the real program's. nil means all.
	only []string
	// ifMissing means that the host's program does in the view what it does on the host; the stand-in is for one that was not really installed.
	ifMissing bool
	// onInstances are programs that every instance has.
	onInstances bool
}

// The kinds of stand-ins: what the program would have reached.
const (
	Services = "the host's services"
	Power    = "the host's power"
	Packages = "packages from the network"
	network  = "the network"
	remote   = "systems elsewhere"
	identity = "another user"
	kernel   = "the host's kernel"
	clock    = "the clock"
)

// table lists all stand-ins. A call is recorded and answered with success, unless acts has more to say. What deployment scripts use most is
// here; programs that only look at the host or work in the file system are left as they are.
var table = []standIn{
	{name: "systemctl", kind: Services, at: "/usr/bin"},
	{name: "service", kind: Services, at: "/usr/sbin"},
	{name: "supervisorctl", kind: Services},
	{name: "initctl", kind: Services},
	{name: "chkconfig", kind: Services},
	{name: "update-rc.d", kind: Services},
	{name: "invoke-rc.d", kind: Services},
	{name: "policy-rc.d", kind: Services},
	{name: "rc-service", kind: Services},
	{name: "rc-update", kind: Services},
	{name: "monit", kind: Services},
	{name: "loginctl", kind: Services},
	{name: "hostnamectl", kind: Services},
	{name: "timedatectl", kind: Services},
	{name: "systemd-run", kind: Services},
	{name: "ufw", kind: Services},
	{name: "firewall-cmd", kind: Services},
	{name: "at", kind: Services},
	{name: "batch", kind: Services},
	{name: "pm2", kind: Services, ifMissing: true},

	{name: "reboot", kind: Power, at: "/usr/sbin"},
	{name: "shutdown", kind: Power, at: "/usr/sbin"},
	{name: "poweroff", kind: Power, at: "/usr/sbin"},
	{name: "halt", kind: Power, at: "/usr/sbin"},
	{name: "init", kind: Power, at: "/usr/sbin"},
	{name: "telinit", kind: Power, at: "/usr/sbin"},

	{name: "yum", kind: Packages},
	{name: "apt-get", kind: Packages},
	{name: "apt", kind: Packages},
	{name: "dnf", kind: Packages},
	{name: "amazon-linux-extras", kind: Packages},
	{name: "add-apt-repository", kind: Packages},
	{name: "apk", kind: Packages},
	{name: "zypper", kind: Packages},
	{name: "snap", kind: Packages},
	{name: "npm", kind: Packages, only: []string{"install", "i", "ci", "add", "update", "up", "audit", "publish", "login"}},
	{name: "yarn", kind: Packages, only: []string{"", "install", "add", "upgrade", "global"}},
	{name: "pnpm", kind: Packages, only: []string{"install", "i", "add", "update", "up"}},
	{name: "pip", kind: Packages, only: []string{"install", "download", "wheel"}},
	{name: "pip3", kind: Packages, only: []string{"install", "download", "wheel"}},
	{name: "composer", kind: Packages, only: []string{"install", "update", "require", "self-update", "create-project"}},
	{name: "bundle", kind: Packages, only: []string{"", "install", "update"}},
	{name: "gem", kind: Packages, only: []string{"install", "update"}},

	{name: "curl", kind: network},
	{name: "wget", kind: network},
	{name: "git", kind: network, only: []string{"pull", "fetch", "clone", "push", "ls-remote"}},
	{name: "docker", kind: remote},
	{name: "docker-compose", kind: remote},
	{name: "podman", kind: remote},
	{name: "aws", kind: remote, onInstances: true},
	{name: "certbot", kind: remote},
	{name: "ssh", kind: remote},
	{name: "scp", kind: remote},

	{name: "sysctl", kind: kernel},
	{name: "modprobe", kind: kernel},
	{name: "mount", kind: kernel},
	{name: "umount", kind: kernel},
	{name: "swapon", kind: kernel},
	{name: "swapoff", kind: kernel},

	// Only with a rule.
	{name: "sleep", kind: clock},

	// For an ordinary user only: root has the real ones.
	{name: "sudo", kind: identity, onInstances: true},
	{name: "su", kind: identity},
	{name: "runuser", kind: identity},
}

// find returns the stand-in of a program, nil if there is none.
func find(name string) *standIn {
	i := slices.IndexFunc(table, func(s standIn) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return &table[i]
}

// replaces says whether a call is for the stand-in and not for the real program.
func (s *standIn) replaces(args []string) bool {
	if s.only == nil {
		return true
	}
	return slices.Contains(s.only, subCommand(args))
}

// subCommand is the first argument that is no option, "" if there is none.
func subCommand(args []string) string {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			return a
		}
	}
	return ""
}

// Names lists the programs that have stand-ins, by what they would reach, in the order of the kinds.
func Names() (kinds []string, programs map[string][]string) {
	programs = map[string][]string{}
	for _, s := range table {
		if programs[s.kind] == nil {
			kinds = append(kinds, s.kind)
		}
		programs[s.kind] = append(programs[s.kind], s.name)
	}
	return kinds, programs
}
