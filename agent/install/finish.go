package install

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/hooks/faultpoint"
)

// finish removes what the previous revision had besides. The new revision is in place; what goes wrong here is only told.
func (a *application) finish() {
	p := a.plan
	contexts := a.removeContexts()
	var files, rest []*remnant // what stands in a directory goes before it
	for _, r := range p.view.remnants {
		switch {
		case r.reused:
		case r.info.kind == directory || r.temporary:
			rest = append(rest, r)
		default:
			files = append(files, r)
		}
	}
	remnantStays := func(r *remnant, err error) {
		a.failed = append(a.failed, r.path)
		p.log.Warn("cannot remove a file of the previous revision; the next install will try again", zap.String("path", r.path), zap.Error(err))
	}
	removing(len(files), func(to *handles, i int) error { return a.removeRemnant(to, files[i]) },
		func(i int, err error) { remnantStays(files[i], err) })
	for _, r := range rest {
		_ = faultpoint.At("install finish")
		if err := a.removeRemnant(&a.to, r); err != nil {
			remnantStays(r, err)
		}
	}
	removing(len(a.old), func(to *handles, i int) error { return to.removeOld(a.old[i]) }, func(i int, err error) {
		left := filepath.Join(a.old[i].dir, a.old[i].temp)
		a.failed = append(a.failed, left)
		p.log.Warn("cannot remove what stood at the place of a new file; the next install will try again", zap.String("path", left), zap.Error(err))
	})
	if a.leftovers() || contexts {
		err := a.write(func(l *lists) {
			a.final(l)
			for _, path := range a.failed {
				l.add(path)
			}
		})
		if err != nil {
			p.log.Warn("cannot shorten the clean-up list; it still names files that are gone", zap.Error(err))
		}
	}
}

// removing removes n things, which all processors share, and then tells of those that stay.
func removing(n int, remove func(to *handles, i int) error, stays func(i int, err error)) {
	errs := make([]error, n)
	_ = sharing(n, func(to *handles, i int) error {
		_ = faultpoint.At("install finish") // nothing fails here any more
		errs[i] = remove(to, i)
		return nil
	})
	for i, err := range errs {
		if err != nil {
			stays(i, err)
		}
	}
}

// leftovers says whether the clean-up list named more than what is installed.
func (a *application) leftovers() bool {
	return len(a.old) > 0 || slices.ContainsFunc(a.plan.view.remnants, func(r *remnant) bool { return !r.reused })
}

// removeContexts removes the previous revision's SELinux rules that the new one does not have.
func (a *application) removeContexts() (any bool) {
	for _, path := range a.plan.left.contexts {
		if slices.ContainsFunc(a.plan.grants, func(t target) bool { return t.grant.entry.Context != nil && t.place() == path }) {
			continue
		}
		any = true
		if err := removeContext(a.ctx, path); err != nil { // official agents: a rule that is gone is no failure
			a.plan.log.Warn("cannot remove an SELinux rule of the previous revision", zap.String("path", path), zap.Error(err))
		}
	}
	return any
}

// removeRemnant removes a file, link or empty directory of the previous revision if it is still what it was.
func (a *application) removeRemnant(to *handles, r *remnant) error {
	dir := a.relocated(r.dir)
	h, err := to.in(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	now, err := h.look(r.name())
	switch {
	case err != nil:
		return err
	case now.kind == absent:
		return nil
	case !now.same(r.info):
		return errChanged
	case r.temporary:
		return to.removeTree(dir, r.name())
	case now.kind != directory:
		return h.unlink(r.name())
	}
	to.forget(filepath.Join(dir, r.name()))
	if err := h.rmdir(r.name()); err != nil {
		if names, e := h.names(r.name()); e == nil && len(names) > 0 {
			return nil // somebody else has put something there: it stays (official agents)
		}
		return err
	}
	return nil
}

// relocated is where a directory of the previous revision is now if a file has taken its place.
func (a *application) relocated(dir string) string {
	for _, m := range a.oldDirs {
		if place := filepath.Join(m.dir, m.name); within(place, dir) {
			return filepath.Join(m.dir, m.temp) + strings.TrimPrefix(dir, place)
		}
	}
	return dir
}

// removeOld removes what a move has put at its temporary name.
func (hs *handles) removeOld(m *move) error {
	if m.was.Kind == directory {
		return hs.removeTree(m.dir, m.temp)
	}
	h, err := hs.in(m.dir)
	if err != nil {
		return err
	}
	if err := h.unlink(m.temp); !missing(err) {
		return err
	}
	return nil
}

// removeTree removes whatever has a temporary name. Nothing below it was there before, but for a directory of the previous revision, whose
// content is gone by then.
func (hs *handles) removeTree(dir, name string) error {
	h, err := hs.in(dir)
	if err != nil {
		return err
	}
	i, err := h.look(name)
	switch {
	case err != nil:
		return err
	case i.kind == absent:
		return nil
	case i.kind != directory:
		return h.unlink(name)
	}
	hs.forget(filepath.Join(dir, name)) // it may have been another one
	names, err := h.names(name)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := hs.removeTree(filepath.Join(dir, name), n); err != nil {
			return err
		}
	}
	hs.forget(filepath.Join(dir, name))
	if h, err = hs.in(dir); err != nil {
		return err
	}
	return h.rmdir(name)
}

// stateMode is the mode of the state files.
func (r *Request) stateMode() fs.FileMode {
	if r.Restricted {
		return 0o600
	}
	return 0o644
}

// writeTransition writes the clean-up list that holds while the Install runs: the previous one, then what will be made. A file that stands
// at its place and is not the previous revision's is not in it before it is replaced.
func (a *application) writeTransition() error {
	if err := a.step("write", a.plan.left.list.path); err != nil {
		return err
	}
	return a.write(a.transition)
}

func (a *application) transition(l *lists) {
	left := a.plan.left
	l.lines.WriteString(left.list.content[:strings.LastIndexByte(left.list.content, '\n')+1]) // a line that was cut short does not count
	l.names.WriteString(left.names.content)
	for _, s := range a.plan.steps {
		if s.dir != nil {
			l.add(s.dir.path)
		} else if !s.file.foreign {
			l.add(s.file.path)
		}
	}
	for _, m := range a.moves {
		l.add(filepath.Join(m.dir, m.temp))
	}
	for _, s := range a.plan.steps { // what is in a temporary directory is named, too: an official agent removes empty directories only
		dir, name := "", ""
		if s.dir != nil {
			dir, name = s.dir.dir, s.dir.name
		} else {
			dir, name = s.file.dir, s.file.name()
		}
		if place, inside := a.stagedDir(dir); inside {
			l.addIn(place, name)
		}
	}
}

// writeLists writes the list of what is installed and, after it, what is still to be removed.
func (a *application) writeLists() error {
	if err := a.step("write", a.plan.left.list.path); err != nil {
		return err
	}
	return a.write(func(l *lists) {
		a.final(l)
		for _, r := range slices.Backward(a.plan.view.remnants) {
			if !r.reused {
				l.add(r.path)
			}
		}
		for _, m := range a.old {
			l.add(filepath.Join(m.dir, m.temp))
		}
	})
}

// final is the official list: everything the Install made, in the order of the instructions.
func (a *application) final(l *lists) {
	for _, s := range a.plan.steps {
		if s.dir != nil {
			l.add(s.dir.path)
		} else {
			l.add(s.file.path)
		}
	}
	for _, t := range a.plan.grants {
		if t.grant.entry.Context != nil {
			l.addContext(t.place())
		}
	}
}

// write writes both lists as say tells them, the odd names first. It calls say twice: what a revision of a hundred thousand files has is not
// held in memory for that.
func (a *application) write(say func(*lists)) error {
	left, mode := a.plan.left, a.plan.request.stateMode()
	odd := lists{lines: bufio.NewWriter(io.Discard)}
	say(&odd)
	if odd.names.Len() > 0 {
		if err := durable.WriteFile(left.names.path, odd.names.Bytes(), mode); err != nil {
			return err
		}
		a.named = true
	} else if left.names.found || a.named {
		if err := durable.Remove(left.names.path); err != nil {
			return err
		}
	}
	return durable.Write(left.list.path, mode, func(w io.Writer) error {
		l := lists{lines: bufio.NewWriter(w)}
		say(&l)
		return l.lines.Flush()
	})
}
