package dryrun

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// program is what a tool like supervisor or pm2 keeps running. It is run as a service that has a unit.
type program struct {
	name, command, dir, user string
	env                      []string
	restart                  string // as Restart= of a unit
}

// unit writes the program's unit and reads it.
func (p *program) unit(tool string) (*unit, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "[Unit]\nStartLimitBurst=4\n[Service]\nExecStart=%s\nRestart=%s\n", strings.ReplaceAll(p.command, "%", "%%"), p.restart)
	if p.dir != "" {
		fmt.Fprintf(&b, "WorkingDirectory=%s\n", p.dir)
	}
	if p.user != "" {
		fmt.Fprintf(&b, "User=%s\n", p.user)
	}
	for _, kv := range p.env {
		if !strings.ContainsAny(kv, "\n\x00") {
			fmt.Fprintf(&b, "Environment=%s\n", quoteWord(strings.ReplaceAll(kv, "%", "%%")))
		}
	}
	name := programUnit(tool, p.name)
	if err := os.WriteFile(filepath.Join(programsDir, name), []byte(b.String()), 0o644); err != nil {
		return nil, err
	}
	return loadUnit(name)
}

func programUnit(tool, name string) string {
	return tool + "-" + strings.NewReplacer("/", "-", " ", "-", ":", "-").Replace(name) + ".service"
}

// quoteWord makes one word of a text, as splitWords reads it.
func quoteWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// supervisorPrograms are the programs of supervisor's files, by the names of their sections.
func supervisorPrograms() map[string]*program {
	all := map[string]*program{}
	files := []string{"/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"}
	for _, pattern := range []string{"/etc/supervisor/conf.d/*.conf", "/etc/supervisord.d/*.ini", "/etc/supervisord.d/*.conf", "/etc/supervisor.d/*.ini"} {
		more, _ := filepath.Glob(pattern)
		files = append(files, more...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var p *program
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			if section, ok := strings.CutPrefix(line, "["); ok {
				p = nil
				if name, ok := strings.CutPrefix(strings.TrimSuffix(section, "]"), "program:"); ok {
					p = &program{name: name, restart: "on-failure"}
					all[name] = p
				}
				continue
			}
			key, value, ok := strings.Cut(line, "=")
			if !ok || p == nil || line[0] == ';' || line[0] == '#' {
				continue
			}
			value, _, _ = strings.Cut(strings.TrimSpace(value), " ;")
			value = strings.NewReplacer("%(program_name)s", p.name, "%(process_num)02d", "00", "%%", "%").Replace(value)
			switch strings.TrimSpace(key) {
			case "command":
				p.command = value
			case "directory":
				p.dir = value
			case "user":
				p.user = value
			case "autorestart":
				p.restart = map[string]string{"true": "always", "false": "no"}[value]
				if p.restart == "" {
					p.restart = "on-failure"
				}
			case "environment":
				words, _ := splitWords(strings.ReplaceAll(value, ",", " "))
				p.env = append(p.env, words...)
			}
		}
	}
	return all
}

// supervisorctl stands in for supervisor's tool: its programs are run in the view.
func supervisorctl(c *call) int {
	words := c.words()
	for i, a := range c.args {
		if (a == "-c" || a == "-s" || a == "-u" || a == "-p") && i+1 < len(c.args) && len(words) > 0 && words[0] == c.args[i+1] {
			words = words[1:]
		}
	}
	if len(words) == 0 {
		return c.record(0, "not done; answered success")
	}
	programs := supervisorPrograms()
	verb, names := words[0], words[1:]
	if slices.Contains(names, "all") || len(names) == 0 && (verb == "update" || verb == "status" || verb == "reload") {
		names = nil
		for name := range programs {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	if verb == "update" || verb == "reload" {
		verb = map[string]string{"update": "start", "reload": "restart"}[verb]
	}
	if !slices.Contains([]string{"start", "stop", "restart", "status"}, verb) {
		return c.record(0, "done: programs are read anew each time")
	}
	code := 0
	var answers []string
	for _, name := range names {
		plain := strings.TrimSuffix(name, ":*")
		if _, after, ok := strings.Cut(plain, ":"); ok {
			plain = after
		}
		result, answer, state := 0, "not done, its program is not in the view; answered success", "RUNNING"
		if p := programs[plain]; p != nil {
			u, err := p.unit("supervisor")
			if err == nil && verb != "status" {
				result, answer = act(verb, u.name, true)
			}
			if err != nil {
				result, answer = fail(verb, name, err)
			}
			if verb == "status" && !u.running() {
				result, state = notActive, "STOPPED"
				if s := conditionOf(u.name).State; s == unitFailed || s == unitGivenUp {
					state = "FATAL"
				}
			}
		}
		switch verb {
		case "status":
			answer = "answered " + state
			fmt.Printf("%-32s %s\n", name, state)
		default:
			done := map[string]string{"start": "started", "stop": "stopped", "restart": "started"}[verb]
			if result != 0 {
				done = "ERROR (spawn error)"
			}
			fmt.Printf("%s: %s\n", name, done)
		}
		if result != 0 {
			code = result
		}
		if !slices.Contains(answers, answer) {
			answers = append(answers, answer)
		}
	}
	c.question = verb == "status"
	if len(answers) == 0 {
		answers = []string{"there are no programs in the view"}
	}
	return c.record(code, "%s", strings.Join(answers, "; "))
}

// pm2 stands in for pm2 where it was not really installed: its programs are run in the view.
func pm2(c *call) int {
	args := c.args
	var after []string // what follows -- is the program's
	if i := slices.Index(args, "--"); i >= 0 {
		args, after = args[:i], args[i+1:]
	}
	name := ""
	var words []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case (a == "--name" || a == "-n") && i+1 < len(args):
			i++
			name = args[i]
		case slices.Contains([]string{"-i", "--instances", "--env", "-l", "--log", "-o", "-e", "--cwd", "--interpreter", "-u", "--hp", "--max-memory-restart"}, a):
			i++
		case !strings.HasPrefix(a, "-"):
			words = append(words, a)
		}
	}
	if len(words) == 0 || !slices.Contains([]string{"start", "stop", "delete", "del", "restart", "reload", "startOrRestart", "startOrReload"}, words[0]) {
		return c.record(0, "not done; answered success")
	}
	known := func(name string) []string {
		pattern := programUnit("pm2", name)
		if name == "all" {
			pattern = "pm2-*.service"
		}
		files, _ := filepath.Glob(filepath.Join(programsDir, pattern))
		return files
	}
	verb, code := words[0], 0
	var answers []string
	starts := verb == "start" || strings.HasPrefix(verb, "startOr")
	for _, target := range words[1:] {
		files := known(target)
		if starts && len(files) == 0 {
			for _, p := range pm2Programs(target, name, after) {
				u, err := p.unit("pm2")
				if err != nil {
					code, _ = fail(verb, target, err)
					continue
				}
				result, answer := act("restart", u.name, true)
				code, answers = max(code, result), append(answers, answer)
			}
			continue
		}
		if len(files) == 0 {
			fmt.Fprintf(os.Stderr, "[PM2][ERROR] Process or Namespace %s not found\n", target)
			return c.record(1, "answered that there is no such process")
		}
		for _, file := range files {
			do := "restart"
			if verb == "stop" || strings.HasPrefix(verb, "del") {
				do = "stop"
			}
			result, answer := act(do, filepath.Base(file), true)
			code, answers = max(code, result), append(answers, answer)
			if strings.HasPrefix(verb, "del") {
				_ = os.Remove(file)
			}
		}
	}
	return c.record(code, "%s", strings.Join(slices.Compact(answers), "; "))
}

// pm2Programs are the programs that pm2 would start for a script, a command or a file that lists them.
func pm2Programs(target, name string, args []string) []*program {
	dir, _ := os.Getwd()
	base := program{name: name, dir: dir, restart: "always", env: os.Environ()}
	words := func(list ...string) string {
		for i, w := range list {
			list[i] = quoteWord(w)
		}
		return strings.Join(list, " ")
	}
	extension := filepath.Ext(target)
	path, err := filepath.Abs(target)
	isFile := err == nil && isRegular(path)
	if isFile && (extension == ".json" || strings.Contains(filepath.Base(target), "config")) {
		quoted, _ := json.Marshal(path) // of a string: no error
		out, err := exec.Command("node", "-p", "JSON.stringify((x => x.apps || [x])(require("+string(quoted)+")))").Output()
		var apps []struct {
			Name, Script, Cwd string
			Args              any
			Env               map[string]any
		}
		if err != nil || json.Unmarshal(out, &apps) != nil {
			return nil
		}
		var all []*program
		for _, a := range apps {
			p := base
			if a.Cwd != "" {
				p.dir = a.Cwd
			}
			p.env = slices.Clone(p.env)
			for k, v := range a.Env {
				p.env = append(p.env, fmt.Sprintf("%s=%v", k, v))
			}
			var more []string
			switch v := a.Args.(type) {
			case string:
				more = strings.Fields(v)
			case []any:
				for _, x := range v {
					more = append(more, fmt.Sprint(x))
				}
			}
			if p.name = a.Name; p.name == "" {
				p.name = strings.TrimSuffix(filepath.Base(a.Script), filepath.Ext(a.Script))
			}
			p.command = words(append(interpreted(filepath.Join(p.dir, a.Script), a.Script), more...)...)
			all = append(all, &p)
		}
		return all
	}
	if base.name == "" {
		base.name = strings.TrimSuffix(filepath.Base(target), extension)
	}
	switch {
	case isFile:
		base.command = words(append(interpreted(path, target), args...)...)
	case strings.Contains(target, " "):
		base.command = words("/bin/sh", "-c", target)
	default:
		base.command = words(append([]string{target}, args...)...)
	}
	return []*program{&base}
}

// interpreted is the command line of a script; what is no file in the view is a command.
func interpreted(path, target string) []string {
	if !isRegular(path) {
		return []string{target}
	}
	switch filepath.Ext(path) {
	case ".js", ".cjs", ".mjs", "":
		if !isProgram(path) || filepath.Ext(path) != "" {
			return []string{"node", path}
		}
	case ".py":
		return []string{"python3", path}
	case ".sh":
		return []string{"/bin/sh", path}
	}
	return []string{path}
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
