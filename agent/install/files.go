package install

import (
	"cmp"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"codedeploy-agent/appspec"
)

// maxExpanded bounds what links to directories inside a revision may add to it. Two links to one directory in each of forty
// directories would be 2^40 files.
const maxExpanded = 200_000

// errEnough ends the listing of a directory of which no more is wanted.
var errEnough = errors.New("enough")

// mapping plans one entry of the files section.
func (b *builder) mapping(f *appspec.File) error {
	dest, ok := b.destination(f)
	rel, inside := sourceBelow(f.Source)
	if !inside {
		b.problem(f.Line, f.Source, "a source is relative to the revision's root", "the source %s leaves the revision", show(f.Source))
		return nil
	}
	from := filepath.Join(b.plan.root, rel)
	real, err := b.plan.reader.resolve(filepath.Dir(from))
	if rel == "." {
		real, err = b.plan.root, nil
	}
	if err != nil && !missing(err) && !looping(err) {
		return unreadable(err)
	}
	var found info
	if err == nil {
		if !within(b.plan.root, real) {
			b.problem(f.Line, f.Source, "put the file into the revision", "the source %s leaves the revision through a link", show(f.Source))
			return nil
		}
		if rel == "." {
			from = real
		} else {
			from = filepath.Join(real, filepath.Base(from))
		}
		if found, err = b.plan.reader.look(from); err != nil && !missing(err) {
			return unreadable(err)
		}
	}
	if found.kind == absent {
		hint := "check the spelling, and that the build puts it into the bundle"
		if strings.ContainsAny(f.Source, "*?[") {
			hint = "wildcards are not expanded: name the directory or each file"
		}
		b.problem(f.Line, f.Source, hint, "the source %s is not in the revision", show(f.Source))
		return nil
	}
	if !ok {
		return nil
	}
	written := "/" + f.Source
	if strings.HasPrefix(f.Source, "/") {
		written = f.Source
	}
	if dir := b.asDirectory(filepath.Dir(from), filepath.Base(from), found, nil); dir != "" {
		if f.Destination == "" {
			b.problem(f.Line, f.Source, "add the directory it goes to", "the directory %s has an empty destination", show(f.Source))
			return nil
		}
		if b.require(dest, f.Line) == "" {
			return nil
		}
		return b.walk(dir, rel, strings.TrimRight(written, "/"), dest, f.Line, []string{dir}, dir != from)
	}
	single := &origin{from: filepath.Dir(from), source: filepath.Dir(rel), written: written, single: true}
	b.add(single, filepath.Base(from), found, filepath.Join(dest, filepath.Base(rel)), f.Line)
	return nil
}

// destination returns the destination as a clean absolute path, or false if it is not one.
func (b *builder) destination(f *appspec.File) (string, bool) {
	d := filepath.FromSlash(f.Destination)
	if strings.ContainsRune(d, 0) {
		b.problem(f.Line, f.Destination, "", "the destination %s contains a NUL byte", show(f.Destination))
		return "", false
	}
	if b.plan.request.Hardening.RejectTraversal && climbs(d) {
		b.problem(f.Line, f.Destination, "refused because of reject_path_traversal_in_bundle",
			"the destination %s climbs above the root directory", show(f.Destination))
		return "", false
	}
	if d == "" {
		d = string(filepath.Separator) // the official agent 1.8 puts a file there
	}
	full, err := expand(d)
	if err != nil {
		b.problem(f.Line, f.Destination, "write the full path of a directory", "cannot tell which directory the destination %s means: %v",
			show(f.Destination), err)
		return "", false
	}
	if !filepath.IsAbs(filepath.FromSlash(f.Destination)) {
		b.warning(f.Line, full, "write the full path of a directory", "the destination %s is not absolute; here it means %s", show(f.Destination), show(full))
	}
	return full, true
}

// sourceBelow is the source's path below the revision's root, or false if it leaves it. Leading separators mean the root.
func sourceBelow(source string) (string, bool) {
	if runtime.GOOS == "windows" {
		source = strings.ReplaceAll(source, `\`, "/")
	}
	rel := filepath.Clean(filepath.FromSlash(strings.TrimLeft(source, "/")))
	return rel, filepath.IsLocal(rel)
}

// asDirectory returns the directory to walk for a source that is one or a link to one, else "". A link that leaves the revision, or
// leads to one of the directories that are being walked, is installed as the link it is.
func (b *builder) asDirectory(in, base string, i info, walked []string) string {
	switch i.kind {
	case directory:
		return filepath.Join(in, base)
	case link:
		path := filepath.Join(in, base)
		end, err := b.plan.reader.resolve(path)
		if err != nil || !within(b.plan.root, end) || slices.Contains(walked, end) {
			return ""
		}
		if i, err := b.plan.reader.look(end); err == nil && i.kind == directory {
			return end
		}
	}
	return ""
}

// walk plans the contents of a directory, in the order in which the file system has them, as the official agents do.
func (b *builder) walk(dir, rel, written, dest string, line int, walked []string, linked bool) error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	here := &origin{from: dir, source: rel, written: written}
	err := b.list(dir, func(e named) error {
		if linked {
			most := cmp.Or(b.plan.options.maxExpanded, maxExpanded)
			if b.expanded++; b.expanded == most {
				b.problem(line, rel, "put the files into the revision once, or link to them from the host",
					"links to directories make more than %d files of the revision", most)
			}
			if b.expanded >= most {
				return errEnough
			}
		}
		i, to := e.info, filepath.Join(dest, e.name)
		if sub := b.asDirectory(dir, e.name, i, walked); sub != "" {
			if b.require(to, line) == "" {
				return nil
			}
			return b.walk(sub, filepath.Join(rel, e.name), written+"/"+e.name, to, line, append(walked[:len(walked):len(walked)], sub), linked || i.kind == link)
		}
		b.add(here, e.name, i, to, line)
		return nil
	})
	if err == errEnough {
		return nil
	}
	return err
}

// add plans the installation of the file or link base of a directory.
func (b *builder) add(from *origin, base string, i info, path string, line int) {
	dir := b.require(filepath.Dir(path), line)
	if dir == "" {
		return
	}
	f := &fileStep{path: path, dir: dir, origin: from, info: i, was: nothing}
	place := placeOf(dir, path)
	if !b.source(f, line) {
		return
	}
	if b.made[place] != nil {
		b.problem(line, path, "", "the file %s of the revision goes to %s, where another entry makes a directory", show(f.source()), show(path))
		return
	}
	if other := b.files[place]; other != nil {
		b.problem(line, path, "install each file once", "both %s and %s of the revision go to %s", show(other.source()), show(f.source()), show(path))
		return
	}
	install, ok := b.existing(f, place, line)
	if !ok {
		return
	}
	if !install {
		b.plan.retained = append(b.plan.retained, f)
		return
	}
	if old := b.plan.view.gone[place]; old != nil {
		old.reused = true
		f.was = &old.info
		if old.path == path { // as mostly: no path is in memory twice
			f.path, place = old.path, placeOf(dir, old.path)
		}
	}
	b.files[place] = f
	if place != path {
		b.byPath[path] = f
	}
	b.plan.steps = append(b.plan.steps, step{file: f})
}

// source checks that the file can be taken from the revision.
func (b *builder) source(f *fileStep, line int) bool {
	switch f.info.kind {
	case link:
		text, err := b.plan.reader.text(filepath.Join(f.origin.from, f.name()))
		if err != nil {
			b.problem(line, f.source(), "", "cannot read the link %s of the revision: %v", show(f.source()), err)
			return false
		}
		f.text = text
	case regular:
		if err := b.plan.reader.mayRead(f.origin.from, f.name(), f.info); err != nil {
			b.problem(line, f.source(), "", "cannot read %s of the revision: %v", show(f.source()), err)
			return false
		}
		if b.plan.request.Hardening.RejectSetID && f.info.mode&setID != 0 {
			b.problem(line, f.source(), "refused because of reject_unsafe_permissions_in_bundle",
				"%s of the revision has the set-user-id or set-group-id mode %04o", show(f.source()), f.info.mode)
			return false
		}
	default:
		b.problem(line, f.source(), "only files, directories and links are installed; leave it out of the bundle",
			"%s of the revision is a device, a FIFO or a socket", show(f.source()))
		return false
	}
	return true
}

// existing decides by file_exists_behavior about what stands at the file's place: whether to install the file, and false if there
// is a problem. Like the official agents it asks what a link leads to; a link that dangles is nothing, and is replaced. Nothing
// is ever written through a link.
func (b *builder) existing(f *fileStep, place string, line int) (install, ok bool) {
	if d := b.made[f.dir]; d != nil && !d.kept() {
		return true, true // nothing stands in a new directory
	}
	found, err := b.plan.view.at(place)
	if err != nil {
		b.problem(line, f.path, "", "cannot look at %s: %v", show(f.path), plainError(err))
		return false, false
	}
	if found.kind == absent {
		return true, true
	}
	f.was, f.foreign = &found, true
	end := found
	if found.kind == link {
		if _, end, err = b.plan.view.leads(place, true); err != nil {
			b.problem(line, f.path, "", "cannot follow the link %s: %v", show(f.path), plainError(err))
			return false, false
		}
	}
	switch {
	case end.kind == absent:
		return true, true
	case b.behavior == appspec.Retain:
		return false, true
	case found.kind == directory:
		b.problem(line, f.path, "remove the directory or choose another destination",
			"a directory stands at %s, where the file %s of the revision goes", show(f.path), show(f.source()))
	case b.behavior == appspec.Disallow:
		b.problem(line, f.path, "the previous deployment did not install it: remove it, or set file_exists_behavior: OVERWRITE or RETAIN",
			"a specified file already exists at this location: %s", show(f.path))
	case found.kind == special:
		b.problem(line, f.path, "remove it", "a device, FIFO or socket stands at %s, where the file %s of the revision goes",
			show(f.path), show(f.source()))
	default:
		return true, true
	}
	return false, false
}
