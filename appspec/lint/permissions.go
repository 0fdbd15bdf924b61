package lint

import (
	"path"
	"strconv"
	"strings"

	"codedeploy-agent/appspec"
)

// permissions checks the permissions section against what the Install makes.
func (c *checker) permissions(file string, a *appspec.AppSpec, i *installation) {
	if a.OS == "windows" {
		return
	}
	granted := map[string]int{} // by path, the entry that is for it
	for n := range a.Permissions {
		p := &a.Permissions[n]
		c.settings(file, p)
		if !p.Files && !p.Directories { // its type is wrong, which is told
			continue
		}
		hopeless := c.patterns(file, p)
		if c.unfilled(file, p.At("object"), "object", p.Object) {
			continue
		}
		object := path.Clean("/" + p.Object)
		t, isTarget := i.byPath[object]
		switch {
		case isTarget && !t.dir:
			c.onFile(file, p, object, granted, n)
		case !c.inDirectory(file, p, i, object, granted, n) && !i.mayHold(object) && !hopeless:
			c.noMatch(file, p, i, object, isTarget)
		}
	}
}

// settings checks what an entry sets, by itself.
func (c *checker) settings(file string, p *appspec.Permission) {
	if p.Owner == "" && p.Group == "" && p.Mode == nil && p.ACL == nil && p.Context == nil {
		if !p.Has("mode") && !p.Has("acls") && !p.Has("context") { // else something is wrong with them, which is told
			c.at(file, p.At(""), rulePermissionUseless, "add owner, group, mode, acls or context", "the permissions of %s set nothing", clip(p.Object))
		}
	}
	if p.Mode != nil {
		perm := p.Mode.Perm()
		if perm&0o002 != 0 && perm&0o1000 == 0 {
			c.at(file, p.At("mode"), ruleWorldWritable, "use 755, 644, 775 or 664, and the right owner", "the mode %s lets every account of the host write", p.Mode.Text())
		}
		if perm&0o6000 != 0 && (p.Owner != "" || p.Group != "") {
			c.at(file, p.At("mode"), ruleSetIDLost, "set it in an AfterInstall script if hosts run an official agent",
				"the official agents lose the set-id bits of the mode %s: they change the owner afterwards", p.Mode.Text())
		}
	}
	if p.Context != nil && p.Context.Range == "" && !p.Has("context/range") {
		c.at(file, p.At("context"), ruleContextRange, "add range: s0", "the official agent 1.8 fails with a context that has no range")
	}
}

// patterns checks what an entry's patterns can match at all. It returns true, and has told, if the entry can match nothing.
func (c *checker) patterns(file string, p *appspec.Permission) (hopeless bool) {
	const hint = "make the sub-directory the object of an entry of its own"
	if strings.Contains(p.Pattern, "/") {
		hopeless = true
		c.at(file, p.At("pattern"), rulePatternNever, hint, "the pattern %q never matches: a pattern is compared with names directly below the object", clip(p.Pattern))
	} else if special(p.Pattern) {
		c.at(file, p.At("pattern"), rulePatternSpecial, "use * only", "in the pattern %q only * is special, but release 2.x of the official agent gives ?, [ and { a meaning, too", clip(p.Pattern))
	}
	for n, e := range p.Except {
		if strings.Contains(e, "/") {
			c.at(file, p.At(item("except", n)), rulePatternNever, hint, "the except %q excludes nothing: it is compared with names directly below the object", clip(e))
		} else if special(e) {
			c.at(file, p.At(item("except", n)), rulePatternSpecial, "use * only", "in the except %q only * is special, but release 2.x of the official agent gives ?, [ and { a meaning, too", clip(e))
		}
	}
	return hopeless
}

func special(pattern string) bool {
	return strings.Contains(pattern, "*") && strings.ContainsAny(pattern, "?[{")
}

// onFile checks an entry whose object is a file that is installed.
func (c *checker) onFile(file string, p *appspec.Permission, object string, granted map[string]int, n int) {
	switch {
	case !p.Files:
		c.add(Problem{File: file, Line: p.At("type").Line, Column: p.At("type").Column, Rule: rulePermissionFile, Severity: appspec.Warning,
			Hint: "add file to its type", Message: "the permissions of " + clip(p.Object) + " have no effect: it is a file, and their type is directory"})
		return
	case p.Pattern != "**":
		c.at(file, p.At("pattern"), rulePermissionFile, "leave the pattern out", "%s is a file, and a pattern is for directories: Install would fail", clip(p.Object))
		return
	case len(p.Except) > 0:
		c.at(file, p.At("except"), rulePermissionFile, "leave except out", "%s is a file, and except is for directories: Install would fail", clip(p.Object))
		return
	}
	c.defaults(file, p, object)
	c.grant(file, p, object, granted, n)
}

// inDirectory checks an entry whose object is a directory, and says whether it applies to something.
func (c *checker) inDirectory(file string, p *appspec.Permission, i *installation, object string, granted map[string]int, n int) bool {
	matched, twice, withDefault := false, false, false
	for _, t := range i.targets {
		if t.path == object || !within(object, t.path) || t.dir && !p.Directories || !t.dir && !p.Files {
			continue
		}
		if !p.Matches(strings.TrimPrefix(t.path[len(object):], "/")) {
			continue
		}
		matched = true
		if !twice {
			twice = c.grant(file, p, t.path, granted, n)
		}
		if !t.dir && !withDefault {
			withDefault = c.defaults(file, p, t.path)
		}
	}
	return matched || c.aboveMatches(p, i, object)
}

// aboveMatches says whether an entry applies to a directory above a destination, which is made if the host does not have it.
func (c *checker) aboveMatches(p *appspec.Permission, i *installation, object string) bool {
	if !p.Directories {
		return false
	}
	for dir, t := range i.byPath {
		if t.dir && t.source == "" && dir != object && within(object, dir) && p.Matches(strings.TrimPrefix(dir[len(object):], "/")) {
			return true
		}
	}
	return false
}

// grant notes that a path gets permissions, and tells if it has got some before.
func (c *checker) grant(file string, p *appspec.Permission, target string, granted map[string]int, n int) bool {
	other, ok := granted[target]
	if !ok || other == n {
		granted[target] = n
		return false
	}
	c.at(file, p.At("object"), rulePermissionTwice, "make them exclude each other with except, pattern or type",
		"%s gets permissions from two entries, numbers %d and %d: Install would fail", target, other+1, n+1)
	return true
}

// defaults tells of default entries of an acl for a file.
func (c *checker) defaults(file string, p *appspec.Permission, target string) bool {
	if p.ACL == nil {
		return false
	}
	for n, e := range p.ACL.Entries {
		if e.Default {
			c.at(file, p.At(item("acls", n)), ruleDefaultACL, "set type: [directory], and give files an entry of their own",
				"the file %s cannot have the default entry %s: Install would fail", target, e)
			return true
		}
	}
	return false
}

// noMatch tells of an entry that applies to nothing.
func (c *checker) noMatch(file string, p *appspec.Permission, i *installation, object string, isDirectory bool) {
	inside := false
	for _, d := range i.destinations {
		inside = inside || within(d, object) || within(object, d)
	}
	message, hint := "the permissions of %s have no effect: nothing that is installed matches", "permissions are for what this deployment installs at or below the object"
	switch {
	case !strings.HasPrefix(p.Object, "/"):
		hint = "an object is the full path of what is installed on the host, not a path in the bundle"
	case !inside && len(i.destinations) == 0:
		message, hint = "the permissions of %s have no effect: the AppSpec installs no files", "change other files in a script, for example of AfterInstall"
	case !inside:
		message, hint = "the permissions of %s have no effect: no destination is there", "name a destination or something below it, or use an AfterInstall script"
	case !c.o.Finished && c.bundle != nil && !isDirectory:
		message = "the permissions of %s have no effect: nothing in this folder goes there"
	case isDirectory && p.Pattern == "**" && len(p.Except) == 0:
		hint = "the directory that is the object does not get them; name the directory above it, with a pattern"
	}
	c.at(file, p.At("object"), rulePermissionNoMatch, hint, message, clip(p.Object))
}

// item is the key of an entry of a list, for Places.
func item(key string, n int) string { return key + "/" + strconv.Itoa(n) }
