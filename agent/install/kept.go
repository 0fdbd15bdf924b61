package install

import (
	"path/filepath"
)

// freshDirectory is the mode of a directory that an Install makes (official agents: umask 0022).
const freshDirectory = 0o755

// unknownMode is no mode that anything has.
const unknownMode = 1 << 31

// changeKept makes the previous revision's directories that are used again what new ones would be.
func (a *application) changeKept() error {
	for _, s := range a.plan.steps {
		if s.dir == nil || !s.dir.kept() {
			continue
		}
		d := s.dir
		if err := a.step("set the permissions of", d.path); err != nil {
			return err
		}
		if err := a.renew(d); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) renew(d *dirStep) error {
	h, err := a.to.in(d.dir)
	if err != nil {
		return err
	}
	o, err := h.openPlace(d.name, d.was.info)
	if err != nil {
		return err
	}
	defer o.close()
	return a.asNew(o, a.outcome.made(d.dir), d.grants)
}

// asNew gives a directory what a new one has, and then what the grants say.
func (a *application) asNew(o *opened, fresh attributes, grants []*grant) error {
	if o.info.uid == noID {
		fresh.uid, fresh.gid = noID, noID
	}
	want := granted(info{kind: directory, uid: fresh.uid, gid: fresh.gid, mode: fresh.mode}, grants)
	before, lists := o.info, o.lists()
	bare := lists[aclAccess] == nil && lists[aclDefault] == nil && fresh.access == nil && fresh.inherited == nil
	if bare && want.access == nil && want.inherited == nil && before.mode == want.mode && sameOwner(before, want.uid, want.gid) {
		return nil
	}
	if !bare {
		if err := o.setLists(map[string][]byte{aclAccess: encodeOrNil(fresh.access), aclDefault: encodeOrNil(fresh.inherited)}); err != nil {
			return err
		}
		o.info.mode = unknownMode // a list changes it
	}
	return o.set(want)
}

// reused says whether a directory is one of the previous revision, which may have a mode and lists that a new one would not have.
func (a *application) reused(dir string) bool {
	d := a.outcome.dirs[dir]
	return d != nil && d.kept()
}

// likeNew gives a directory that was made in one of the previous revision what it would have in a new one.
func (a *application) likeNew(in *handle, name string, d *dirStep) error {
	o, err := in.openPlace(name, d.new)
	if err != nil {
		return err
	}
	defer o.close()
	if err := a.asNew(o, a.outcome.made(d.dir), nil); err != nil {
		return err
	}
	h, err := a.to.in(d.dir) // again: the outcome may have looked elsewhere
	if err != nil {
		return err
	}
	d.new, err = h.look(name)
	return err
}

// lookAt looks at a directory of the host that the plan neither makes nor uses again.
func (a *application) lookAt(dir string) (i info, inherited []aclEntry) {
	h, err := a.to.in(dir)
	if err != nil {
		return i, nil
	}
	o, err := h.openPlace(".", info{})
	if err != nil { // it may be closed to this process
		i, _ = h.look(".")
		return i, nil
	}
	defer o.close()
	return o.info, decode(o.lists()[aclDefault])
}

// changeOutside gives things of the host that a link of the revision leads to what the AppSpec's permissions say.
func (a *application) changeOutside() error {
	for _, x := range a.plan.outside {
		path := filepath.Join(x.dir, x.name)
		if err := a.step("set the permissions of", path); err != nil {
			return err
		}
		h, err := a.to.in(x.dir)
		if err != nil {
			return err
		}
		o, err := h.openPlace(x.name, x.info)
		if err != nil {
			return err
		}
		err = o.set(granted(o.info, x.grants))
		o.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// setContexts adds the SELinux rules and labels what they are for.
func (a *application) setContexts() error {
	for _, t := range a.plan.grants {
		c := t.grant.entry.Context
		if c == nil {
			continue
		}
		if err := a.step("set the SELinux context of", t.place()); err != nil {
			return err
		}
		if err := setContext(a.ctx, c, t.place(), func() error { return a.record.context(t.place()) }); err != nil {
			return err
		}
	}
	return nil
}
