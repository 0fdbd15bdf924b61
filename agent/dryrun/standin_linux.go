package dryrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// call is a call of a stand-in, in the stand-in's process.
type call struct {
	state standInState
	name  string   // of the program
	args  []string // its arguments
	// question says that the call only asks.
	question bool
}

// acts are the stand-ins that do more than to record a call and to answer success.
var acts = map[string]func(*call) int{
	"systemctl": systemctl, "service": service, "invoke-rc.d": service, "rc-service": service, "initctl": initctl,
	"curl": fetch, "wget": fetch, "docker": docker, "docker-compose": docker, "podman": docker, "aws": aws,
	"supervisorctl": supervisorctl, "pm2": pm2, "git": git, "sysctl": sysctl, "mount": mounts, "sudo": sudo, "su": su, "runuser": su,
}

// standInMain answers one call: args are the program's path and its arguments.
func standInMain(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "cannot stand in for a program: none was named")
		return 1
	}
	c := &call{name: filepath.Base(args[0]), args: args[1:]}
	data, err := os.ReadFile(standInsFile)
	if err == nil {
		err = json.Unmarshal(data, &c.state)
	}
	s := find(c.name)
	if err != nil || s == nil {
		fmt.Fprintf(os.Stderr, "cannot stand in for %s: %v\n", c.name, err)
		return 1
	}
	if r := ruleFor(c.state.Rules, c.name, c.args); r != nil {
		switch r.Answer {
		case "fail":
			return c.record(r.Code, "failed, as it was told to")
		case "ok":
			return c.record(0, "answered success, as it was told to")
		case "print":
			fmt.Println(r.Text)
			return c.record(0, "printed what it was told to")
		case "real":
			return c.real()
		}
	}
	switch {
	case !s.replaces(c.args):
		return c.real()
	case s.kind == Packages:
		return packages(c)
	case acts[c.name] != nil:
		return acts[c.name](c)
	}
	return c.record(0, "not done; answered success")
}

// record notes the call and what was answered, and returns the exit code.
func (c *call) record(code int, format string, a ...any) int {
	event, deployment := hookOf(os.Getpid())
	data, err := json.Marshal(Call{Event: event, Deployment: deployment,
		Command: append([]string{c.name}, c.args...), Kind: find(c.name).kind, Answer: fmt.Sprintf(format, a...), Code: code, Question: c.question})
	if err == nil {
		var f *os.File
		// One write for each line: stand-ins run at the same time.
		if f, err = os.OpenFile(callsFile, os.O_WRONLY|os.O_APPEND, 0); err == nil {
			_, err = f.Write(append(data, '\n'))
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "cannot record the call of %s: %v\n", c.name, err)
	}
	return code
}

// hookOf finds the hook that has started a process, itself or through others: sudo, for one, passes nothing on.
func hookOf(pid int) (event, deployment string) {
	parents := parentsOfAll()
	for ; pid > 1; pid = parents[pid] {
		if env := environmentOf(pid); env["LIFECYCLE_EVENT"] != "" {
			return env["LIFECYCLE_EVENT"], env["DEPLOYMENT_ID"]
		}
	}
	return "", ""
}

// real becomes the real program.
func (c *call) real() int {
	path := c.state.Real[c.name]
	if path == "" {
		fmt.Fprintf(os.Stderr, "%s: command not found (the dry run has a stand-in for it, and this call is not for that)\n", c.name)
		return 127
	}
	return c.exec(path, append([]string{c.name}, c.args...), os.Environ())
}

// exec becomes another program.
func (c *call) exec(path string, argv, env []string) int {
	err := syscall.Exec(path, argv, env)
	if errors.Is(err, syscall.ENOEXEC) {
		err = syscall.Exec("/bin/sh", append([]string{"sh", path}, argv[1:]...), env)
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
	return 126
}

// words are the arguments that are no options.
func (c *call) words() []string {
	var words []string
	for _, a := range c.args {
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	return words
}
