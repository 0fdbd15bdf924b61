package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"codedeploy-agent/appspec"
)

// maxEntries bounds how many entries of a bundle are looked at, as the agent bounds what it unpacks.
const maxEntries = 1_000_000

// tree is what a bundle holds: the paths of everything in it, in order.
type tree struct {
	names []string
	types map[string]fs.FileMode // type bits; of a link also those of what it leads to, irregular if that is nothing in the bundle
}

// index lists the bundle. A version control directory of a folder is no part of the bundle that will be built from it.
func (c *checker) index() *tree {
	t := &tree{types: map[string]fs.FileMode{}}
	var cut bool
	err := fs.WalkDir(c.bundle, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return err
		case err != nil:
			c.unread(name, "cannot look into it: %v", reason(err))
			return fs.SkipDir
		case name == ".":
			return nil
		case name == ".git" && !c.o.Finished:
			return fs.SkipDir
		case len(t.names) >= maxEntries:
			cut = true
			return fs.SkipAll
		}
		kind := e.Type() & fs.ModeType
		if kind == fs.ModeSymlink {
			if info, err := fs.Stat(c.bundle, name); err == nil {
				kind |= info.Mode() & fs.ModeType
			} else {
				kind |= fs.ModeIrregular
			}
		}
		t.names = append(t.names, name)
		t.types[name] = kind
		return nil
	})
	if err != nil {
		c.unread(".", "cannot look into the bundle: %v", reason(err))
	}
	if cut {
		c.unread(".", "the bundle has more than %d entries; the rest is not checked", maxEntries)
	}
	slices.Sort(t.names)
	return t
}

// unread tells of something that could not be looked at and so was not checked.
func (c *checker) unread(file, format string, args ...any) {
	c.add(Problem{File: file, Rule: ruleUnreadable, Severity: appspec.Warning, Message: fmt.Sprintf(format, args...),
		Hint: "give the user who validates the permission to read it"})
}

func (t *tree) has(name string) bool {
	_, ok := t.types[name]
	return ok || name == "."
}

func (t *tree) isDir(name string) bool { return name == "." || t.types[name].IsDir() }

// linked says whether a name is a link to a directory, whose contents are installed in its place.
func (t *tree) linked(name string) bool {
	return t.types[name]&(fs.ModeSymlink|fs.ModeDir) == fs.ModeSymlink|fs.ModeDir
}

// below returns the names below a directory.
func (t *tree) below(dir string) []string {
	if dir == "." {
		return t.names
	}
	from, _ := slices.BinarySearch(t.names, dir+"/")
	to, _ := slices.BinarySearch(t.names, dir+"0") // "0" follows "/"
	return t.names[from:to]
}

// elsewhere returns the path that was perhaps meant by one that is not there: the same in another case, or else the one path that ends
// in it or, of a path with few parts, in its last name.
func (t *tree) elsewhere(name string) string {
	var folded, ends, bases []string
	base := path.Base(name)
	for _, n := range t.names {
		switch {
		case strings.EqualFold(n, name):
			folded = append(folded, n)
		case strings.HasSuffix(n, "/"+name):
			ends = append(ends, n)
		case path.Base(n) == base && !t.isDir(n):
			bases = append(bases, n)
		}
	}
	for _, found := range [][]string{folded, ends, bases} {
		if len(found) > 0 {
			shortest := slices.MinFunc(found, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
			return shortest
		}
	}
	return ""
}

// spelled is the path as the bundle has it: on Windows upper and lower case are the same.
func (c *checker) spelled(name, os string) string {
	if os == "windows" && !c.tree.has(name) {
		if i := slices.IndexFunc(c.tree.names, func(n string) bool { return strings.EqualFold(n, name) }); i >= 0 {
			return c.tree.names[i]
		}
	}
	return name
}

// leftovers tells of what does not belong into a bundle.
func (c *checker) leftovers() {
	if c.tree.has("__MACOSX") {
		c.at("__MACOSX", appspec.Place{}, ruleMacOS, "build the archive without it: zip -r bundle.zip . -x '__MACOSX/*'",
			"the Finder of macOS has added __MACOSX to the bundle")
	}
}

// located is an AppSpec in the bundle.
type located struct {
	name string
	// roots are the directories that its paths may be relative to: the bundle's root, and in a folder that is not finished also its own.
	roots []string
}

var atRoot = []string{"."}

// locate finds the AppSpec, and tells if it is not where agents look for it.
func (c *checker) locate() []located {
	name, err := appspec.Find(c.bundle, c.o.AppSpec)
	if err == nil {
		c.names(name)
		return []located{{name, atRoot}}
	}
	wanted := c.o.AppSpec
	if wanted == "" {
		wanted = appspec.DefaultName
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.at(wanted, appspec.Place{}, ruleAppSpecMissing, "", "%v", err)
		return nil
	}
	for _, n := range c.tree.names {
		if !strings.Contains(n, "/") && resembles(n) && c.tree.types[n].IsRegular() {
			c.at(n, appspec.Place{Line: 1, Column: 1}, ruleAppSpecName, "rename it to "+wanted, "agents do not find an AppSpec of the name %s", n)
			return []located{{n, atRoot}}
		}
	}
	var found []located
	for _, n := range c.tree.names {
		if !c.tree.types[n].IsRegular() || strings.Count(n, "/") > maxDepth || !resembles(path.Base(n)) || vendored(n) {
			continue
		}
		roots := atRoot
		if !c.o.Finished {
			roots = []string{path.Dir(n), "."}
		}
		found = append(found, located{n, roots})
		c.at(n, appspec.Place{Line: 1, Column: 1}, ruleNotAtRoot,
			"a build has to put it at the bundle's root; or validate "+path.Dir(n)+", if that directory becomes the bundle; or name it with --appspec-filename",
			"the AppSpec is in a sub-directory, and agents look for %s at the bundle's root", wanted)
	}
	if len(found) == 0 {
		c.at(wanted, appspec.Place{}, ruleAppSpecMissing, "put one there, or name its path with --appspec-filename", "%v", err)
	}
	return found
}

// maxDepth is how many directories deep an AppSpec is looked for.
const maxDepth = 5

// resembles says whether a file's name was meant to be an AppSpec's.
func resembles(name string) bool {
	ext := path.Ext(name)
	base := strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(strings.TrimSuffix(name, ext)))
	return base == "appspec" && slices.Contains([]string{".yml", ".yaml", "", ".txt"}, strings.ToLower(ext))
}

// vendored says whether a path is that of somebody else's files.
func vendored(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return part == "node_modules" || part == "vendor" || part == ".git"
	})
}

// names tells of an AppSpec that not every agent finds, and of a second one.
func (c *checker) names(name string) {
	first := appspec.Place{Line: 1, Column: 1}
	if name == appspec.AlternativeName && c.o.AppSpec != name {
		if c.o.AppSpec == "" {
			c.add(Problem{File: name, Line: 1, Column: 1, Rule: ruleAppSpecName, Severity: appspec.Warning, Hint: "rename it to " + appspec.DefaultName,
				Message: "release 2.x of the official agent does not find " + name + " unless the deployment names it"})
		} else {
			c.at(name, first, ruleAppSpecName, "", "there is no %s; %s would be used in its place", c.o.AppSpec, name)
		}
	}
	if c.o.AppSpec == "" && name == appspec.DefaultName && c.tree.has(appspec.AlternativeName) {
		c.add(Problem{File: appspec.AlternativeName, Line: 1, Column: 1, Rule: ruleAppSpecName, Severity: appspec.Warning, Hint: "remove one of them",
			Message: name + " is there, too, and only that counts"})
	}
}
