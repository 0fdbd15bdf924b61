package install

import (
	"path/filepath"
)

// freshDirectory is the mode of a directory that an Install makes (official agents: umask 0022).
const freshDirectory = 0o755

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
	parent, err := h.look(".")
	if err != nil {
		return err
	}
	o, err := h.openPlace(d.name, d.was.info)
	if err != nil {
		return err
	}
	defer o.close()
	fresh := freshIn(parent.mode, parent.gid)
	if o.info.uid == noID {
		fresh.uid, fresh.gid = noID, noID
	}
	before, lists := o.info, o.lists()
	bare := lists[aclAccess] == nil && lists[aclDefault] == nil
	want := granted(fresh, d.grants)
	if bare && want.access == nil && want.inherited == nil && before.mode == want.mode && sameOwner(before, want.uid, want.gid) {
		return nil
	}
	if !bare {
		p, err := h.openPlace(".", info{})
		if err != nil {
			return err
		}
		inherits := p.lists()[aclDefault] != nil
		p.close()
		if !inherits {
			if err := o.setLists(map[string][]byte{aclAccess: nil, aclDefault: nil}); err != nil {
				return err
			}
		}
	}
	return o.set(want)
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
		if err := a.step("set the SELinux context of", t.place); err != nil {
			return err
		}
		if err := setContext(a.ctx, c, t.place, func() error { return a.record.context(t.place) }); err != nil {
			return err
		}
	}
	return nil
}
