package dryrun

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// dryRunValue is what is answered where a value is asked for: it can be recognised where it ends up.
const dryRunValue = "dry-run-value"

// containersFile is what is known of the containers that were not really started: for each a line with its name and the ports of the host.
const containersFile = unitsDir + "/containers"

type container struct {
	name  string
	ports []int // none: not known
}

func containers() []container {
	data, _ := os.ReadFile(containersFile)
	var all []container
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		x := container{name: fields[0]}
		for _, f := range fields[1:] {
			if port, err := strconv.Atoi(f); err == nil {
				x.ports = append(x.ports, port)
			}
		}
		all = append(all, x)
	}
	return all
}

func keepContainers(all []container) {
	var b strings.Builder
	for _, x := range all {
		b.WriteString(x.name)
		for _, port := range x.ports {
			fmt.Fprintf(&b, " %d", port)
		}
		b.WriteByte('\n')
	}
	_ = os.WriteFile(containersFile, []byte(b.String()), 0o666)
}

// containerID is the id of a container that was not really started.
const containerID = "0123456789ab"

// docker stands in for container engines. Nothing runs; what a script reads of them is plausible for a host that had no containers.
func docker(c *call) int {
	args := c.args
	verb := subCommand(args)
	compose := c.name == "docker-compose" || verb == "compose"
	if verb == "compose" || verb == "container" {
		args = args[slices.Index(args, verb)+1:]
		verb = subCommand(args)
	}
	all := containers()
	detached := slices.ContainsFunc(args, func(a string) bool {
		return a == "-d" || a == "--detach" || a == "-itd" || a == "-dit" || a == "-di" || a == "-dt"
	})
	switch {
	case compose && (verb == "up" || verb == "start" || verb == "restart"):
		keepContainers(append(slices.DeleteFunc(all, func(x container) bool { return x.name == "compose" }), container{name: "compose"}))
	case compose && (verb == "down" || verb == "stop" || verb == "rm" || verb == "kill"):
		keepContainers(slices.DeleteFunc(all, func(x container) bool { return x.name == "compose" }))
	case compose:
	case verb == "run" && detached, verb == "create", verb == "start", verb == "restart":
		x := container{name: "container-" + strconv.Itoa(len(all)+1)}
		for i, a := range args {
			value, ok := "", false
			for _, option := range []string{"--name", "-p", "--publish"} {
				if v, has := strings.CutPrefix(a, option+"="); has {
					value, ok, a = v, true, option
				} else if a == option && i+1 < len(args) {
					value, ok = args[i+1], true
				}
			}
			switch {
			case ok && a == "--name":
				x.name = value
			case ok:
				parts := strings.Split(value, ":")
				if port, err := strconv.Atoi(parts[max(0, len(parts)-2)]); err == nil && len(parts) > 1 {
					x.ports = append(x.ports, port)
				}
			}
		}
		if verb == "start" || verb == "restart" {
			if words := c.words(); len(words) > 1 {
				x.name = words[len(words)-1]
			}
			if slices.ContainsFunc(all, func(y container) bool { return y.name == x.name }) {
				break
			}
		}
		keepContainers(append(slices.DeleteFunc(all, func(y container) bool { return y.name == x.name }), x))
		fmt.Println(strings.Repeat("0123456789abcdef", 4))
	case verb == "stop" || verb == "rm" || verb == "kill":
		words := c.words()
		keepContainers(slices.DeleteFunc(all, func(x container) bool { return slices.Contains(words, x.name) || slices.Contains(words, containerID) }))
	case verb == "ps":
		for _, x := range all {
			switch {
			case slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, ".Names") }):
				fmt.Println(x.name)
			case slices.ContainsFunc(args, func(a string) bool { return a == "-q" || a == "-aq" || a == "-qa" || a == "--quiet" || a == "-qf" }):
				fmt.Println(containerID)
			default:
				fmt.Printf("%s  dry-run  Up 1 second  %s\n", containerID, x.name)
			}
		}
	case verb == "inspect":
		for _, a := range args {
			for _, answer := range [][2]string{{".State.Running", "true"}, {".Health.Status", "healthy"}, {".State.Status", "running"}, {".State.ExitCode", "0"}} {
				if strings.Contains(a, answer[0]) {
					fmt.Println(answer[1])
					return c.record(0, "not asked; answered %s", answer[1])
				}
			}
		}
	case verb == "load" || verb == "import":
		_, _ = io.Copy(io.Discard, os.Stdin)
	case verb == "login":
		if slices.Contains(args, "--password-stdin") {
			_, _ = io.Copy(io.Discard, os.Stdin) // who writes it must not be ended by SIGPIPE
		}
		fmt.Println("Login Succeeded")
	case verb == "version" || slices.Contains(args, "--version"):
		if c.state.Real[c.name] != "" {
			return c.real()
		}
	}
	return c.record(0, "not done; answered success")
}

// webServers are services whose ports everybody knows; of any other it is not known.
var webServers = map[string][]int{"nginx": {80, 443}, "httpd": {80, 443}, "apache2": {80, 443}, "caddy": {80, 443}, "haproxy": {80, 443}, "lighttpd": {80, 443}}

// pretendedListener names what would listen on a port of the view if it had really been started, "" if somebody does listen there, or nothing
// is known that would: a server that a hook has started and that has died must not be taken for one that answers.
func pretendedListener(port int) string {
	processes, open, err := leftRunning()
	if err != nil || slices.ContainsFunc(open, func(p Port) bool { return p.Port == port }) {
		return ""
	}
	unknown := ""
	for _, x := range containers() {
		if slices.Contains(x.ports, port) {
			return "the container " + x.name
		}
		if len(x.ports) == 0 {
			unknown = "the container " + x.name
		}
	}
	files, _ := filepath.Glob(stateFile("*"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		name := strings.TrimSuffix(filepath.Base(file), ".service.active")
		if err != nil || len(data) > 0 || name == filepath.Base(file) {
			continue
		}
		ports, isWeb := webServers[name]
		if slices.Contains(ports, port) {
			return "the service " + name
		}
		if !isWeb {
			unknown = "the service " + name
		}
	}
	if unknown != "" && !anythingStarted(processes) {
		return unknown
	}
	return ""
}

// anythingStarted says whether something was really started in the view that could have been meant: a service, or a process of an earlier hook.
func anythingStarted(processes []Process) bool {
	if files, _ := filepath.Glob(conditionFile("*")); len(files) > 0 {
		return true
	}
	event, _ := hookOf(os.Getpid())
	return slices.ContainsFunc(processes, func(p Process) bool { return p.Event != "" && p.Event != event })
}

// aws stands in for the AWS command line. A value that a script reads is one that can be recognised.
func aws(c *call) int {
	words := c.words()
	name := strings.Join(words[:min(2, len(words))], " ")
	if len(words) == 0 || strings.HasPrefix(name, "configure") {
		return c.real()
	}
	asText := false
	for i, a := range c.args {
		if a == "--output=text" || a == "--output" && i+1 < len(c.args) && c.args[i+1] == "text" {
			asText = true
		}
	}
	const value = dryRunValue
	var text string
	switch name {
	case "ecr get-login-password":
		text = "dry-run-password"
	case "ecr get-authorization-token":
		text = `{"authorizationData":[{"authorizationToken":"` + value + `"}]}`
	case "ssm get-parameter":
		text = `{"Parameter":{"Name":"dry-run","Value":"` + value + `"}}`
	case "ssm get-parameters", "ssm get-parameters-by-path":
		text = `{"Parameters":[{"Name":"dry-run","Value":"` + value + `"}]}`
	case "secretsmanager get-secret-value":
		text = `{"Name":"dry-run","SecretString":"{}"}`
		if asText {
			text = "{}" // secrets are JSON mostly
			asText = false
		}
	case "sts get-caller-identity":
		text = `{"Account":"123456789012","UserId":"dry-run","Arn":"arn:aws:iam::123456789012:user/dry-run"}`
	case "s3 cp", "s3 mv", "s3 sync":
		return c.fromS3(words[2:], name == "s3 sync" || slices.Contains(c.args, "--recursive"))
	case "s3 ls", "s3 rm", "s3 mb", "s3 presign":
	default:
		text = "{}"
	}
	if asText && strings.HasPrefix(text, "{") {
		text = value
		if name == "sts get-caller-identity" {
			text = "123456789012"
		}
	}
	if text != "" {
		fmt.Println(text)
		return c.record(0, "not asked; answered %s", text)
	}
	return c.record(0, "not done; answered success")
}

// fromS3 makes what would have been copied from S3 to a place of the view: an empty file, or a directory.
func (c *call) fromS3(words []string, tree bool) int {
	if len(words) < 2 || !strings.HasPrefix(words[0], "s3://") || strings.HasPrefix(words[1], "s3://") || words[1] == "-" {
		return c.record(0, "not done; answered success")
	}
	to := words[1]
	if info, err := os.Stat(to); !tree && (err == nil && info.IsDir() || strings.HasSuffix(to, "/")) {
		to = filepath.Join(to, path.Base(words[0]))
	}
	dir := filepath.Dir(to)
	if tree {
		dir = to
	}
	err := os.MkdirAll(dir, 0o755)
	if _, missing := os.Stat(to); err == nil && !tree && missing != nil {
		err = os.WriteFile(to, nil, 0o644)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "aws: cannot write %s: %v\n", to, err)
		return c.record(1, "could not write %s: %v", to, err)
	}
	if tree {
		return c.record(0, "not copied; answered success, with an empty directory at %s", to)
	}
	return c.record(0, "not copied; answered success, with an empty file at %s unless there was one", to)
}
