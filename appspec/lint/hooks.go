package lint

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/expression"
)

// script is a script file of the bundle and what it is used for.
type script struct {
	path   string
	events []string
	spec   *appspec.AppSpec
	root   bool // it runs as root, whatever names it
}

// commands are locations that nobody gives to a file.
var commands = expression.Lazy{Text: "[&|;<>`]|\\$\\("}

// hooks checks the scripts that an AppSpec names, and notes the files to look into.
func (c *checker) hooks(file string, a *appspec.AppSpec, roots []string) {
	var locked []string // scripts without the executable bit
	var first appspec.Place
	for _, h := range a.Hooks {
		for _, s := range h.Scripts {
			if a.OS == "windows" && s.RunAs != "" {
				c.at(file, s.At("runas"), ruleRunAsWindows, "remove it", "runas is ignored on Windows: the script runs as the agent's account")
			}
			if commands.MatchString(s.Location) {
				at := s.At("location")
				c.add(Problem{File: file, Line: at.Line, Column: at.Column, Rule: ruleScriptMissing, Severity: appspec.Failing,
					Message: "the location " + strconv.Quote(clip(s.Location)) + " is a command, not the path of a script", Hint: "put the commands into a script of the bundle"})
				continue
			}
			if c.bundle == nil || !runs(h.Event) {
				continue
			}
			found, info := c.script(file, a, s, roots)
			if info == nil {
				continue
			}
			if a.OS == "linux" && strings.ContainsAny(s.Location, " \t") {
				c.at(file, s.At("location"), appspec.RuleOfficial, "rename the script", "the official agent 1.8 splits the path %q at its blanks", clip(s.Location))
			}
			root := s.RunAs == "" || s.RunAs == "root"
			if u := c.used[found]; u != nil {
				u.root = u.root && root
				if !slices.Contains(u.events, h.Event) {
					u.events = append(u.events, h.Event)
				}
				continue
			}
			c.used[found] = &script{path: found, events: []string{h.Event}, spec: a, root: root}
			if a.OS == "linux" && modes && info.Mode().Perm()&0o111 == 0 {
				if len(locked) == 0 {
					first = s.At("location")
				}
				locked = append(locked, found)
			}
		}
	}
	if len(locked) == 1 {
		c.at(file, first, ruleScriptNotExecutable, "git update-index --chmod=+x "+locked[0], "%s is not executable; the agent makes it so", locked[0])
	} else if len(locked) > 1 {
		c.at(file, first, ruleScriptNotExecutable, "git update-index --chmod=+x FILE", "%d scripts are not executable; the agent makes them so: %s",
			len(locked), list(locked))
	}
}

// list names the first few of several things.
func list(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// inBundle turns a path of an AppSpec into one of the bundle: a leading slash is the bundle's root. ok is false if it leads out of it.
func inBundle(raw, os string) (name string, ok bool) {
	if os == "windows" {
		raw = strings.ReplaceAll(raw, `\`, "/")
	}
	name = path.Clean(strings.TrimLeft(raw, "/"))
	return name, fs.ValidPath(name)
}

// script finds the file of a hook's script; info is nil, and that is told, if there is none.
func (c *checker) script(file string, a *appspec.AppSpec, s appspec.Script, roots []string) (name string, info fs.FileInfo) {
	at := s.At("location")
	name, ok := inBundle(s.Location, a.OS)
	if !ok {
		c.at(file, at, ruleScriptOutside, "put it into the bundle", "the script %s is outside of the bundle", clip(s.Location))
		return "", nil
	}
	for _, root := range roots {
		found := c.spelled(path.Join(root, name), a.OS)
		info, err := fs.Stat(c.bundle, found)
		switch {
		case err != nil && c.tree.has(found):
			c.at(file, at, ruleScriptOutside, "put the file itself into the bundle", "the script %s is a link that leads to nothing in the bundle", clip(s.Location))
			return "", nil
		case err != nil:
			continue
		case info.IsDir():
			c.at(file, at, ruleScriptMissing, "name a file in it", "%s is a directory, not a script", clip(s.Location))
			return "", nil
		case !info.Mode().IsRegular():
			c.at(file, at, ruleScriptMissing, "put a file there", "%s is not a file", clip(s.Location))
			return "", nil
		}
		return found, info
	}
	message, hint := "the script %s is not in the bundle", "check its spelling, and that the build puts it into the bundle"
	if !c.o.Finished {
		message, hint = "the script %s is not in this folder", "check its spelling; if the build puts it into the bundle, validate what the build makes"
	}
	switch near := c.tree.elsewhere(name); {
	case strings.EqualFold(near, name): // no build mends that
		c.add(Problem{File: file, Line: at.Line, Column: at.Column, Rule: ruleScriptMissing, Severity: appspec.Failing,
			Hint: "write " + near, Message: "the script " + clip(s.Location) + " is not there: upper and lower case differ on Linux"})
		return "", nil
	case strings.Contains(s.Location, `\`) && a.OS == "linux":
		hint = "write the path with slashes: " + strings.ReplaceAll(s.Location, `\`, "/")
	case strings.ContainsAny(s.Location, " \t"):
		hint = "a location is a path, without arguments: put commands into a script"
	case near != "":
		hint = "there is " + near
		if strings.HasSuffix(near, "/"+name) {
			hint += ", which is right if the build moves it"
		}
	}
	c.at(file, at, ruleScriptMissing, hint, message, clip(s.Location))
	return "", nil
}

// maxScript bounds how much of a script is read. What is larger is no script that a person wrote.
const maxScript = 1 << 20

// scripts checks the contents of the scripts that were found.
func (c *checker) scripts() {
	for _, s := range c.used {
		data, err := c.read(s.path)
		if err != nil {
			c.unread(s.path, "cannot read the script: %v", reason(err))
			continue
		}
		c.report.Scripts = append(c.report.Scripts, s.path)
		if s.spec.OS == "windows" {
			c.report.text[s.path] = data
			continue
		}
		c.content(s, data)
	}
}

func (c *checker) read(name string) ([]byte, error) {
	f, err := c.bundle.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxScript))
}
