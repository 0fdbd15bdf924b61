package install

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// remnant is something of the previous revision that the next Install removes or replaces.
type remnant struct {
	path      string // as the clean-up list names it
	dir       string // its directory's path without links
	info      info
	reused    bool // the new revision has something at the same place
	temporary bool // an Install that was cut off left it, with whatever is in it
}

func (r *remnant) name() string { return filepath.Base(r.path) }

func (r *remnant) place() string { return placeOf(r.dir, r.path) }

// view is the host as it will be when the previous revision's clean-up list has been executed.
type view struct {
	gone     map[string]*remnant // by place
	remnants []*remnant          // in the order in which the list removes them
	listed   map[string]bool     // those paths of the clean-up list that are directories of others
	real     map[string]string   // a directory's path without links; "" if it does not exist or must not be reached
	foreign  bool                // follow links that other users may change
	distrust map[string]bool     // links that are not followed, told already
	warnings []Problem
}

// newView executes the clean-up list in thought.
func newView(left *remains, foreign bool) (*view, error) {
	v := &view{gone: map[string]*remnant{}, listed: map[string]bool{}, real: map[string]string{}, foreign: foreign,
		distrust: map[string]bool{}, warnings: left.warnings}
	above := map[string]bool{}
	for _, p := range left.paths {
		for dir := filepath.Dir(p); !above[dir]; dir = filepath.Dir(dir) {
			above[dir] = true
		}
	}
	for _, p := range left.paths {
		if above[p] {
			v.listed[p] = true
		}
	}
	redirected := map[string]bool{}
	all := make([]remnant, 0, len(left.paths))
	for _, p := range left.paths {
		dir, err := v.reach(p, redirected)
		if err != nil {
			return nil, err
		}
		if dir != "" {
			all = append(all, remnant{path: p, dir: dir})
		}
	}
	if err := lookAtAll(all); err != nil {
		return nil, err
	}
	for i := range all {
		if err := v.remove(&all[i]); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// reach returns where the directory of a listed path is, or "" if it cannot or must not be reached.
func (v *view) reach(path string, redirected map[string]bool) (string, error) {
	parent := filepath.Dir(path)
	if v.redirected(parent, redirected) {
		v.warnings = append(v.warnings, Problem{Path: path,
			Message: show(path) + " of the previous revision is not removed: a directory that was installed there is a link now",
			Hint:    "remove the file by hand where the link leads, if it is not needed"})
		return "", nil
	}
	return v.canonical(parent)
}

// lookAtAll finds out what stands at places.
func lookAtAll(places []remnant) error {
	return sharing(len(places), func(dirs *handles, i int) error {
		r := &places[i]
		h, err := dirs.in(r.dir)
		if err == nil {
			r.info, err = h.look(r.name())
		}
		if missing(err) || tooLong(err) {
			return nil
		}
		return err
	})
}

// remove notes that something will be gone, if it will.
func (v *view) remove(r *remnant) error {
	if r.info.kind == absent || v.gone[r.place()] != nil { // or it is listed twice
		return nil
	}
	r.temporary = temporaryName(r.name())
	if r.info.kind == directory && !r.temporary {
		empty, err := v.empties(r)
		if err != nil || !empty {
			return err
		}
	}
	v.gone[r.place()] = r
	v.remnants = append(v.remnants, r)
	return nil
}

// redirected says whether one of the directories on the way was made by the previous Install and is a link now. The link is removed,
// but what lies where it leads was never installed.
func (v *view) redirected(dir string, known map[string]bool) bool {
	if is, ok := known[dir]; ok {
		return is
	}
	is := false
	if v.listed[dir] {
		i, err := lstat(dir)
		is = err == nil && i.kind == link
	}
	if parent := filepath.Dir(dir); !is && parent != dir {
		is = v.redirected(parent, known)
	}
	known[dir] = is
	return is
}

// empties says whether a directory will be empty. The root of a mounted file system cannot be removed.
func (v *view) empties(r *remnant) (bool, error) {
	if i, err := lstat(r.dir); err == nil && i.dev != r.info.dev {
		return false, nil
	}
	d, err := openSeen(r.place())
	if err != nil {
		return false, err
	}
	names, err := d.Readdirnames(-1)
	if err := cmp.Or(err, d.Close()); err != nil {
		return false, err
	}
	for _, n := range names {
		if v.gone[filepath.Join(r.place(), n)] == nil {
			return false, nil
		}
	}
	return true, nil
}

// canonical is the directory's path without links, or "" if there is no such directory. It is "", too, if a link on the way is not to be
// trusted, which is told once for each link: nobody may make the agent remove something elsewhere by putting a link into a listed path.
func (v *view) canonical(dir string) (string, error) {
	if c, ok := v.real[dir]; ok {
		return c, nil
	}
	c, _, err := follow(dir, v.foreign)
	var foreign *foreignLinkError
	switch {
	case missing(err) || looping(err) || tooLong(err):
		c, err = "", nil
	case errors.As(err, &foreign):
		if !v.distrust[foreign.link] {
			v.distrust[foreign.link] = true
			v.warnings = append(v.warnings, Problem{Path: dir, Hint: foreignLinkHint,
				Message: "what the previous revision has below " + show(foreign.link) + " is not removed: " + foreign.Error()})
		}
		c, err = "", nil
	}
	if err == nil {
		v.real[dir] = c
	}
	return c, err
}

// at says what stands at a place, the path of which has no links but perhaps the last name. Nothing stands below what is gone: a
// directory goes only when it will be empty, and what a link showed does not go with it.
func (v *view) at(place string) (info, error) {
	for p := place; ; p = filepath.Dir(p) {
		if v.gone[p] != nil {
			return info{}, nil
		}
		if filepath.Dir(p) == p {
			break
		}
	}
	i, err := lstat(place)
	if missing(err) {
		return info{}, nil
	}
	return i, err
}

// leads says where the link at a place ends and what stands there; nothing for a link that dangles. See follow for foreign.
func (v *view) leads(place string, foreign bool) (string, info, error) {
	end, _, err := follow(place, foreign)
	if missing(err) || looping(err) {
		return "", info{}, nil
	}
	if err != nil {
		return "", info{}, err
	}
	i, err := v.at(end)
	return end, i, err
}

// missing says that there is nothing at a path, or that something on the way is not a directory.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) || notDirectory(err) }

// within says whether path is dir or lies below it. Both are clean.
func within(dir, path string) bool {
	below, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator)))
	return path == dir || ok && below != "" && below[0] == filepath.Separator
}
