//go:build unix

package runner

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// runAs is a user to run a script as.
type runAs struct {
	name, home, shell string
	credential        *syscall.Credential
}

// throughSudo is the command line for a script with "sudo: true". sudo starts the script with an environment of its own, so that
// it sees nothing of the deployment; with runas it is the agent's user who asks sudo to run the script as that user (official
// agents: sudo su USER -c PATH).
func throughSudo(user, path string) ([]string, error) {
	sudo, err := exec.LookPath("sudo")
	if err != nil {
		return nil, fmt.Errorf("the AppSpec asks for sudo, which is not on this host: %w", err)
	}
	if user == "" {
		return []string{sudo, "--", path}, nil
	}
	u, err := lookUp(user)
	if err != nil {
		return nil, err
	}
	return []string{sudo, "-u", u.Username, "--", path}, nil
}

// credentialOf looks a runas user up. Its credential is nil for the agent's own user. An agent that is not root can run
// scripts only as itself.
func credentialOf(name string) (*runAs, error) {
	u, err := lookUp(name)
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("cannot run as user %s: %w", name, err)
	}
	who := &runAs{name: u.Username, home: u.HomeDir, shell: shellOf(u.Username)}
	if int(uid) == os.Getuid() {
		return who, nil
	}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("cannot run as user %s: the agent itself runs as uid %d, and only root may change to another user",
			name, os.Getuid())
	}
	who.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, g := range groupsOf(u) {
		if id, err := strconv.ParseUint(g, 10, 32); err == nil {
			who.credential.Groups = append(who.credential.Groups, uint32(id))
		}
	}
	return who, nil
}

// lookUp finds a user in the host's databases: first /etc/passwd, then, through getent, whatever else the host uses
// (LDAP, SSSD), which a static binary cannot ask itself.
func lookUp(name string) (*user.User, error) {
	if strings.HasPrefix(name, "-") || strings.ContainsAny(name, ":\x00\n/") {
		return nil, fmt.Errorf("cannot run as user %q: this cannot be a user's name", name)
	}
	u, err := user.Lookup(name)
	if err == nil {
		return u, nil
	}
	out, getentErr := exec.Command("getent", "passwd", name).Output()
	if getentErr == nil {
		// getent takes a number for an id; su, which the official agents use, does not.
		if f := strings.Split(strings.TrimSpace(string(out)), ":"); len(f) >= 6 && (f[0] == name || strings.Trim(name, "0123456789") != "") {
			return &user.User{Username: f[0], Uid: f[2], Gid: f[3], HomeDir: f[5]}, nil
		}
	}
	return nil, fmt.Errorf("cannot run as user %s: there is no such user on this host", name)
}

// groupsOf lists the ids of all groups of the user.
func groupsOf(u *user.User) []string {
	if out, err := exec.Command("id", "-G", u.Username).Output(); err == nil {
		return strings.Fields(string(out))
	}
	if ids, err := u.GroupIds(); err == nil {
		return ids
	}
	return []string{u.Gid}
}

// shellOf reads the user's login shell, which os/user leaves out. Nothing is run through it.
func shellOf(name string) string {
	data, err := os.ReadFile("/etc/passwd")
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) == 7 && f[0] == name && f[6] != "" {
				return f[6]
			}
		}
	}
	return "/bin/sh"
}

// systemEnvironment holds variables for all users of a host.
const systemEnvironment = "/etc/environment"

// environment is env with what a su without a login sets, through which the official agents run the script: HOME, SHELL and,
// for a user that is not root, USER and LOGNAME; and over all of it the variables of /etc/environment, which PAM gives to su.
func (r *runAs) environment(env []string) []string {
	set := map[string]string{"HOME": r.home, "SHELL": r.shell}
	if r.name != "root" {
		set["USER"], set["LOGNAME"] = r.name, r.name
	}
	if data, err := os.ReadFile(systemEnvironment); err == nil { // most hosts without PAM have none
		maps.Copy(set, parseEnvironmentFile(string(data)))
	}
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := set[name]; !ok {
			out = append(out, kv)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(set)) {
		out = append(out, k+"="+set[k])
	}
	return out
}

// parseEnvironmentFile reads NAME=VALUE lines as the PAM module pam_env reads them: "export" before a name, quotes at a value's
// ends and everything from a # on do not count, and a name has letters, digits and underscores only.
func parseEnvironmentFile(text string) map[string]string {
	set := map[string]string{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t"), "#")
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		odd := func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}
		if !ok || name == "" || strings.ContainsFunc(name, odd) || strings.ContainsRune(value, 0) {
			continue
		}
		value = strings.TrimRight(value, " \t")
		if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
			value = strings.NewReplacer(`"`, "", "'", "").Replace(value)
		}
		set[name] = value
	}
	return set
}
