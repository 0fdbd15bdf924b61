package install

import (
	"os"
	"path/filepath"

	"go.uber.org/zap"
)

// Plan is everything an Install will do, checked. It is made by Build and can be applied once. Its methods must not be called
// while Apply runs.
type Plan struct {
	request  Request
	options  options
	root     string // the archive's path without links
	reader   reader
	left     *remains
	view     *view
	steps    []step      // directories and files in the order of the official agent's instructions
	retained []*fileStep // not installed, because what exists stays as it is
	grants   []target    // permissions in the order of the official agent's instructions
	outside  []*outside
	warnings []Problem
	log      *zap.Logger
	space    []Space
	applied  bool
	explain  bool // see Explain
}

// step is the making of one directory or one file: exactly one of the two is set.
type step struct {
	dir  *dirStep
	file *fileStep
}

// dirStep makes a directory.
type dirStep struct {
	path      string // as the AppSpec's destination has it
	dir, name string // its place: the directory it is made in, without links on the way, and its name
	// was is what the previous revision has at the place. A directory stays; what is in it may be in use.
	was    *remnant
	new    info // what was made, if there are grants
	grants []*grant
}

// kept says whether the previous revision's directory is used again.
func (d *dirStep) kept() bool { return d.was != nil && d.was.info.kind == directory }

// fileStep installs a file or a link.
type fileStep struct {
	path   string  // as the AppSpec's destination has it
	dir    string  // of its place
	origin *origin // where it comes from
	info   info    // of the source
	text   string  // where a link leads
	// was is what stands at the place now, absent if nothing does. foreign says that the previous revision did not put it there.
	was       *info
	foreign   bool
	unchanged bool // what stands there is what would be installed
	grants    []*grant
}

// name is the name at its place, which it has in the revision, too.
func (f *fileStep) name() string { return filepath.Base(f.path) }

// source is the path below the archive, for messages.
func (f *fileStep) source() string { return filepath.Join(f.origin.source, f.name()) }

// written is the source as the AppSpec has it, not cleaned, for the instructions.
func (f *fileStep) written() string {
	if f.origin.single {
		return f.origin.written
	}
	return f.origin.written + "/" + f.name()
}

// origin is a directory of the revision, which the steps of its files share: a plan may have a hundred thousand of them.
type origin struct {
	from    string // its path, without links on the way
	source  string // its path below the archive
	written string // the same as the AppSpec has it, not cleaned; of a single file's the file's
	single  bool   // it is that of one file which the AppSpec names
}

// nothing is what stands at the place of most new files.
var nothing = &info{}

// target is something that gets permissions: exactly one of file, dir and outside is set, unless nothing can be done for a link.
type target struct {
	grant   *grant
	file    *fileStep
	dir     *dirStep
	outside *outside
	via     *viaLink // nil: no link leads there
}

// viaLink is a link that the permissions name, and the place where it leads.
type viaLink struct{ path, place string }

// path is the target's as the instructions have it.
func (t target) path() string {
	switch {
	case t.via != nil:
		return t.via.path
	case t.file != nil:
		return t.file.path
	}
	return t.dir.path
}

// place is what is changed.
func (t target) place() string {
	switch {
	case t.via != nil:
		return t.via.place
	case t.file != nil:
		return placeOf(t.file.dir, t.file.path)
	}
	return placeOf(t.dir.dir, t.dir.path)
}

// placeOf is where a path is whose directory has the place dir. Mostly that is the path itself, which so is in memory once.
func placeOf(dir, path string) string {
	name := filepath.Base(path)
	if at := len(dir); len(path) == at+1+len(name) && path[:at] == dir && os.IsPathSeparator(path[at]) {
		return path
	}
	return filepath.Join(dir, name)
}

// outside is something that the revision did not install and that one of its links leads to.
type outside struct {
	dir, name string
	info      info
	grants    []*grant
}

// Warnings are what a person should know about the plan and what does not stop it. Build logs them.
func (p *Plan) Warnings() []Problem { return p.warnings }
