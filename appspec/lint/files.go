package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/expression"
)

// target is a file or directory that an Install makes.
type target struct {
	path, source string // on the host, in the bundle
	entry        int    // of the files section
	dir          bool
}

// installation is what an Install of the bundle would make on a host that has nothing, as far as the bundle shows.
type installation struct {
	targets []target // in the order of the files section
	byPath  map[string]target
	// destinations of every entry, and of those whose contents are not known: the source is missing or a link, or there is no bundle.
	destinations, unknown []string
}

// above adds the directories that hold a path.
func (i *installation) above(dir string, entry int) {
	for ; dir != "/" && dir != "."; dir = path.Dir(dir) {
		if _, ok := i.byPath[dir]; ok {
			return
		}
		i.byPath[dir] = target{path: dir, entry: entry, dir: true}
	}
}

// installation checks the files section and returns what it makes.
func (c *checker) installation(file string, a *appspec.AppSpec, roots []string) *installation {
	i := &installation{byPath: map[string]target{}}
	for n, f := range a.Files {
		dest, ok := c.destination(file, a, f)
		if dest != "" {
			i.destinations = append(i.destinations, dest)
		}
		source, found := c.source(file, a, f, roots)
		c.fileName(file, f, source, found, a.OS)
		if !ok {
			continue
		}
		switch {
		case !found:
			i.unknown = append(i.unknown, dest)
		case c.tree.linked(source):
			i.above(dest, n)
			i.unknown = append(i.unknown, dest)
		case c.tree.isDir(source):
			c.contents(file, i, a, n, source, dest)
		default:
			i.above(dest, n)
			c.place(file, i, a, n, target{path: join(dest, path.Base(source)), source: source, entry: n})
		}
	}
	return i
}

func join(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

// contents adds what is in a directory of the bundle.
func (c *checker) contents(file string, i *installation, a *appspec.AppSpec, entry int, source, dest string) {
	i.above(dest, entry)
	told := len(c.report.Problems)
	for _, name := range c.tree.below(source) {
		rel := name
		if source != "." {
			rel = name[len(source)+1:]
		}
		t := target{path: join(dest, rel), source: name, entry: entry, dir: c.tree.isDir(name)}
		if c.tree.linked(name) {
			i.unknown = append(i.unknown, t.path)
		}
		if len(c.report.Problems) == told { // one clash of an entry is enough
			c.place(file, i, a, entry, t)
		} else if _, ok := i.byPath[t.path]; !ok {
			i.byPath[t.path] = t
			i.targets = append(i.targets, t)
		}
	}
}

// place adds a target, and tells if something else is there already.
func (c *checker) place(file string, i *installation, a *appspec.AppSpec, entry int, t target) {
	other, ok := i.byPath[t.path]
	switch {
	case !ok:
	case t.dir && other.dir:
		if other.source == "" { // a directory above something that went there before
			i.byPath[t.path] = t
			i.targets = append(i.targets, t)
		}
		return
	case t.dir != other.dir:
		c.clash(file, a, entry, other.entry, "%s would be a file and a directory: entries %d and %d of files put both there", t.path)
		return
	default:
		c.clash(file, a, entry, other.entry, "%s has two sources, in the entries %d and %d of files", t.path)
		return
	}
	i.byPath[t.path] = t
	i.targets = append(i.targets, t)
}

func (c *checker) clash(file string, a *appspec.AppSpec, entry, other int, format, path string) {
	c.at(file, a.Files[entry].At("source"), ruleTargetClash, "leave one out, or give it another destination", format, path, other+1, entry+1)
}

var (
	variables = expression.Lazy{Text: `\$\{?[A-Za-z_(]|\{\{|%[A-Za-z_]+%|<%|__[A-Z_]+__`}
	drive     = expression.Lazy{Text: `^[A-Za-z]:[\\/]`}
)

// destination checks where an entry goes and returns it as a clean path; ok is false if nothing can be said of what is below it.
func (c *checker) destination(file string, a *appspec.AppSpec, f appspec.File) (dest string, ok bool) {
	at, raw := f.At("destination"), f.Destination
	if c.unfilled(file, at, "destination", raw) {
		return "", false
	}
	if a.OS == "windows" {
		raw = strings.ReplaceAll(raw, `\`, "/")
		if drive.MatchString(raw) || strings.HasPrefix(raw, "/") {
			return path.Clean("/" + strings.ToLower(raw)), true
		}
	}
	if !strings.HasPrefix(raw, "/") {
		if drive.MatchString(raw) {
			c.at(file, at, ruleDestinationRelative, "write os: windows, or the full path of a directory of a Linux host",
				"the destination %q is a path of Windows", clip(f.Destination))
			return "", false
		}
		lands := path.Clean("/" + raw)
		c.add(Problem{File: file, Line: at.Line, Column: at.Column, Rule: ruleDestinationRelative, Severity: appspec.Warning,
			Message: fmt.Sprintf("the destination %q is not an absolute path; as the agent starts in /, the files go to %s", clip(f.Destination), clip(lands)),
			Hint:    "write the full path of a directory on the host"})
		return lands, true
	}
	return path.Clean(raw), true
}

// unfilled tells of a path with a variable, and says whether it has one.
func (c *checker) unfilled(file string, at appspec.Place, what, path string) bool {
	switch {
	case path == "~" || strings.HasPrefix(path, "~"):
		c.at(file, at, ruleDestinationVariable, "write the path of the home directory out", "the %s %q has a tilde, which is not the home of the application's user", what, clip(path))
	case variables.MatchString(path):
		c.at(file, at, ruleDestinationVariable, "an AppSpec has no variables: write the path out, or let the build fill it in",
			"the %s %q has a variable or a placeholder", what, clip(path))
	default:
		return false
	}
	return true
}

// source finds an entry's source in the bundle.
func (c *checker) source(file string, a *appspec.AppSpec, f appspec.File, roots []string) (name string, found bool) {
	at := f.At("source")
	name, ok := inBundle(f.Source, a.OS)
	if !ok {
		c.at(file, at, ruleSourceOutside, "put it into the bundle", "the source %s is outside of the bundle", clip(f.Source))
		return "", false
	}
	if c.bundle == nil {
		return name, false
	}
	for _, root := range roots {
		if full := c.spelled(path.Join(root, name), a.OS); c.tree.has(full) {
			return full, true
		}
	}
	message, hint := "the source %s is not in the bundle", "check its spelling, and that the build puts it into the bundle"
	if !c.o.Finished {
		message, hint = "the source %s is not in this folder", "check its spelling; if the build makes it, validate what the build makes"
	}
	near := c.tree.elsewhere(name)
	switch {
	case strings.ContainsAny(f.Source, "*?["):
		hint = "wildcards are not expanded: name the directory or each file"
	case strings.EqualFold(near, name): // no build mends that
		c.add(Problem{File: file, Line: at.Line, Column: at.Column, Rule: ruleSourceMissing, Severity: appspec.Failing,
			Hint: "write " + near, Message: "the source " + clip(f.Source) + " is not there: upper and lower case differ on Linux"})
		return name, false
	case strings.Contains(f.Source, `\`) && a.OS == "linux":
		hint = "write the path with slashes: " + strings.ReplaceAll(f.Source, `\`, "/")
	case strings.HasSuffix(near, "/"+name):
		hint = "there is " + near + ", which is right if the build moves it"
	}
	c.at(file, at, ruleSourceMissing, hint, message, clip(f.Source))
	return name, false
}

// fileNames are names of files, as far as a name shows it: "example.com" is a directory as a rule.
var fileNames = expression.Lazy{Text: `(?i)\.(jar|war|ear|zip|gz|tgz|conf|cfg|cnf|ini|env|json|ya?ml|xml|toml|properties|service|timer|socket|sh|py|rb|js|php|html?|txt|sql|pem|crt|key|exe|dll|ps1|bat)$`}

// fileName tells of a destination that repeats the file's name.
func (c *checker) fileName(file string, f appspec.File, source string, found bool, os string) {
	dest := f.Destination
	if os == "windows" {
		dest = strings.ReplaceAll(dest, `\`, "/")
	}
	base := path.Base(path.Clean(dest))
	if source == "" || source == "." || base != path.Base(source) {
		return
	}
	if found && c.tree.isDir(source) || !found && !fileNames.MatchString(base) {
		return
	}
	c.at(file, f.At("destination"), ruleDestinationFile, "name the directory: "+path.Dir(path.Clean(dest)),
		"a destination is a directory: this makes %s", join(dest, base))
}

// within says whether a path is a directory or below it.
func within(dir, p string) bool {
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// mayHold says whether something that is not known may lie at or below a path.
func (i *installation) mayHold(object string) bool {
	return slices.ContainsFunc(i.unknown, func(u string) bool { return within(u, object) || within(object, u) })
}
