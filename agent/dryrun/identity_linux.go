package dryrun

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strings"
	"syscall"
)

// sudo stands in for sudo where the view's root is the only user there is, or where there is none: it runs the command.
func sudo(c *call) int {
	env := os.Environ()
	login, shell := false, false
	who := "root"
	args := c.args
options:
	for len(args) > 0 {
		a := args[0]
		if len(a) > 2 && a[0] == '-' && a[1] != '-' && a[1] != 'u' && strings.Trim(a[1:], "nEHSibAPskKug") == "" {
			args = append([]string{a[:2], "-" + a[2:]}, args[1:]...) // one by one
			continue
		}
		switch {
		case a == "--":
			args = args[1:]
			break options
		case a == "-u" || a == "-g" || a == "-h" || a == "-p" || a == "-C" || a == "-D" || a == "-r" || a == "-t" || a == "--user" || a == "--group":
			if (a == "-u" || a == "--user") && len(args) > 1 {
				who = args[1]
			}
			args = args[min(2, len(args)):]
		case strings.HasPrefix(a, "--user="):
			who, args = strings.TrimPrefix(a, "--user="), args[1:]
		case strings.HasPrefix(a, "-u") && !strings.HasPrefix(a, "--"):
			who, args = a[2:], args[1:]
		case a == "-i" || a == "--login":
			login, args = true, args[1:]
		case a == "-s" || a == "--shell":
			shell, args = true, args[1:]
		case a == "-v" || a == "-k" || a == "-K" || a == "-l":
			return 0
		case strings.HasPrefix(a, "-"):
			args = args[1:]
		case strings.Contains(a, "="):
			env, args = append(env, a), args[1:]
		default:
			break options
		}
	}
	env, ok := c.as(who, env)
	if !ok {
		return 1
	}
	if login || shell {
		argv := []string{"sh"}
		if login {
			argv = []string{"-sh"}
		}
		if len(args) > 0 {
			argv = append(argv, "-c", strings.Join(args, " "))
		}
		return c.exec("/bin/sh", argv, env)
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: sudo [-u user] command")
		return 1
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		fmt.Fprintf(os.Stderr, "sudo: %s: command not found\n", args[0])
		return 1
	}
	return c.exec(path, args, env)
}

// su stands in for su and runuser likewise.
func su(c *call) int {
	env := os.Environ()
	who, command, shell, login := "", "", "/bin/sh", false
	var rest []string
	for i := 0; i < len(c.args); i++ {
		a := c.args[i]
		next := func() string {
			if i++; i < len(c.args) {
				return c.args[i]
			}
			return ""
		}
		switch {
		case a == "-" || a == "-l" || a == "--login":
			login = true
		case a == "-c" || a == "--command":
			command = next()
		case strings.HasPrefix(a, "--command="):
			command = strings.TrimPrefix(a, "--command=")
		case a == "-s" || a == "--shell":
			shell = next()
		case strings.HasPrefix(a, "--shell="):
			shell = strings.TrimPrefix(a, "--shell=")
		case a == "-u" && c.name == "runuser":
			who = next()
		case a == "-g" || a == "-G":
			next()
		case a == "-m" || a == "-p" || a == "-f" || a == "--":
		case who == "":
			who = a
		default:
			rest = append(rest, a)
		}
	}
	if who == "" {
		who = "root"
	}
	env, ok := c.as(who, env)
	if !ok {
		return 1
	}
	if c.name == "runuser" && command == "" && len(rest) > 0 {
		if path, err := exec.LookPath(rest[0]); err == nil {
			return c.exec(path, rest, env)
		}
	}
	argv := []string{shell}
	if login {
		argv[0] = "-" + shell[strings.LastIndex(shell, "/")+1:]
		if u, err := user.Lookup(who); err == nil {
			_ = os.Chdir(u.HomeDir)
		}
	}
	if command != "" {
		argv = append(argv, "-c", command)
	}
	return c.exec(shell, append(argv, rest...), env)
}

// as is the environment of a user, who must exist.
func (c *call) as(name string, env []string) ([]string, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(strings.TrimPrefix(name, "#")); err != nil {
			fmt.Fprintf(os.Stderr, "%s: user %s does not exist\n", c.name, name)
			return nil, false
		}
	}
	if !c.state.User && u.Uid != fmt.Sprint(os.Getuid()) {
		// Another root has no sudo, and here users are real.
		groups, _ := u.GroupIds()
		var ids []int
		for _, g := range groups {
			ids = append(ids, int(number(g)))
		}
		if err := errors.Join(syscall.Setgroups(ids), syscall.Setgid(int(number(u.Gid))), syscall.Setuid(int(number(u.Uid)))); err != nil {
			fmt.Fprintf(os.Stderr, "%s: cannot become %s: %v\n", c.name, name, err)
			return nil, false
		}
	}
	env = slices.DeleteFunc(env, func(kv string) bool {
		return strings.HasPrefix(kv, "HOME=") || strings.HasPrefix(kv, "USER=") || strings.HasPrefix(kv, "LOGNAME=")
	})
	return append(env, "HOME="+u.HomeDir, "USER="+u.Username, "LOGNAME="+u.Username), true
}

// sysctl stands in for sysctl: the kernel's settings can be read and not changed.
func sysctl(c *call) int {
	for _, a := range c.args {
		if a == "-p" || a == "-w" || a == "--system" || strings.HasPrefix(a, "--load") || strings.HasPrefix(a, "-p") || strings.Contains(a, "=") {
			return c.record(0, "not done; answered success")
		}
	}
	return c.real()
}

// mounts stands in for mount: what is mounted can be seen.
func mounts(c *call) int {
	if len(c.words()) == 0 && !slices.Contains(c.args, "-a") {
		return c.real()
	}
	return c.record(0, "not done; answered success")
}
