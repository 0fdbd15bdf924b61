package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"go.uber.org/zap"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/hooks/faultpoint"
)

// Recover takes back what an Install that was cut off has done: the previous revision is in place again, complete. It is called before the
// next Install of the deployment group is planned; without a record at path there is nothing to do. It can itself be cut off and called again.
func Recover(ctx context.Context, path string, log *zap.Logger) error {
	r, err := readRecord(path)
	if r == nil || err != nil {
		return err
	}
	why, err := r.outdated()
	if err != nil {
		return fmt.Errorf("cannot see whether an earlier install that was interrupted can be taken back: %w", err)
	}
	if why != "" {
		log.Warn("an earlier install was interrupted and is not taken back", zap.String("reason", why))
		if err := r.forget(); err != nil {
			return fmt.Errorf("cannot remove what an earlier install has left that was interrupted: %w", err)
		}
		return nil
	}
	log.Warn("an earlier install was interrupted: taking it back", zap.String("phase", string(r.phase)), zap.Int("changes", len(r.moves)))
	left, err := r.undo(ctx, false)
	for _, l := range left {
		log.Warn("not taken back", zap.String("what", l))
	}
	if err != nil {
		return fmt.Errorf("cannot take an earlier install back that was interrupted: %w", err)
	}
	return nil
}

// outdated says why the record tells nothing of the host any more, or nothing if it does: an official agent has had the host meanwhile and
// has cleaned up or installed. What it has made is its own, and its clean-up list must not be replaced by an older one.
func (r *record) outdated() (string, error) {
	if r.instructions.Path == "" {
		return "", nil
	}
	text, err := os.ReadFile(string(r.instructions.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if digest := sha256.Sum256(text); err != nil || !bytes.Equal(digest[:], r.instructions.SHA256) {
		return "another agent has installed a revision since", nil
	}
	for _, l := range r.lists {
		// A list that was there is never away while this agent installs.
		if _, err := os.Lstat(string(l.Path)); errors.Is(err, fs.ErrNotExist) && l.Found && !strings.HasSuffix(string(l.Path), namesSuffix) {
			return "another agent has removed what the clean-up list named", nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// forget removes an outdated record and what is left under temporary names, which no other agent uses.
func (r *record) forget() error {
	u := &undoing{}
	defer u.to.close()
	for i := len(r.moves) - 1; i >= 0; i-- {
		if err := u.temporary(r.moves[i], staging); err != nil {
			return err
		}
	}
	return r.remove()
}

// undo takes everything back that the record allows for, whether or not it was done. left says what somebody else has changed in the
// meantime and was left alone; an error says what could not be done, and the record then stays. byHand is for file systems that cannot exchange names.
func (r *record) undo(ctx context.Context, byHand bool) (left []string, err error) {
	u := &undoing{byHand: byHand}
	defer u.to.close()
	note := func(path string, err error) {
		if err != nil {
			u.failed = append(u.failed, fmt.Errorf("%s: %w", show(path), err))
		}
	}
	if r.phase == placing {
		for i := len(r.contexts) - 1; i >= 0; i-- {
			if err := removeContext(ctx, r.contexts[i]); err != nil {
				u.left = append(u.left, fmt.Sprintf("the SELinux rule of %s: %v", show(r.contexts[i]), err))
			}
		}
		for i := len(r.attributes) - 1; i >= 0; i-- {
			a := &r.attributes[i]
			note(string(a.Dir)+"/"+string(a.Name), u.attributes(a))
		}
		for i := len(r.moves) - 1; i >= 0; i-- {
			note(r.moves[i].path, u.move(r.moves[i]))
		}
	}
	if len(u.failed) == 0 { // what a failed step has not brought back may stand at a temporary name
		for i := len(r.moves) - 1; i >= 0; i-- {
			note(r.moves[i].path, u.temporary(r.moves[i], r.phase))
		}
	}
	for _, l := range r.lists {
		note(string(l.Path), u.list(l))
	}
	if r.replaced != "" && len(u.failed) == 0 && len(u.left) == 0 { // everything is where it was
		note(r.replaced, os.RemoveAll(r.replaced))
	}
	if len(u.failed) == 0 {
		if err := r.remove(); err != nil {
			u.failed = append(u.failed, err)
		}
	}
	return u.left, errors.Join(u.failed...)
}

// undoing is the taking back of a record.
type undoing struct {
	to     handles
	byHand bool
	left   []string
	failed []error
}

// move brings back what stood at the place. Where it is now, and where the new thing is, tells how far the exchange was.
func (u *undoing) move(m *move) error {
	if err := faultpoint.At("undo move"); err != nil {
		return err
	}
	h, err := u.to.in(m.dir)
	if missing(err) {
		u.left = append(u.left, show(m.path)+" was removed by somebody else, with its directory")
		return nil
	}
	if err != nil {
		return err
	}
	aside := m.temp + asideSuffix
	var stands, temp, old info
	for _, x := range []struct {
		name string
		is   *info
	}{{m.name, &stands}, {m.temp, &temp}, {aside, &old}} {
		if *x.is, err = h.look(x.name); err != nil {
			return err
		}
	}
	u.to.forget(h.path + "/" + m.name)
	u.to.forget(h.path + "/" + m.temp)
	if h, err = u.to.in(m.dir); err != nil {
		return err
	}
	placed, was := m.isNew(stands), m.was.Kind != absent
	switch {
	case !was && placed:
		return h.rename(m.name, m.temp)
	case !was && stands.kind != absent, was && !placed && stands.kind != absent && !m.isOld(stands):
		u.left = append(u.left, show(m.path)+" was changed by somebody else")
		return nil
	case !was:
		return nil
	case placed && m.isOld(temp):
		back := &move{dir: m.dir, temp: m.temp, name: m.name, was: m.new}
		return back.swap(h, u.byHand)
	case placed && m.isOld(old):
		if err := h.rename(m.name, m.temp); err != nil {
			return err
		}
		return h.rename(aside, m.name)
	case stands.kind == absent && m.isOld(old):
		return h.rename(aside, m.name)
	case stands.kind == absent && m.isOld(temp):
		if err := h.rename(m.temp, m.name); err != nil {
			return err
		}
		if m.isNew(old) {
			return h.rename(aside, m.temp)
		}
		return nil
	case m.isOld(stands) && m.isNew(old) && temp.kind == absent:
		return h.rename(aside, m.temp)
	case m.isOld(stands) && m.isOld(old): // a second name of the old file
		return h.unlink(aside)
	case m.isOld(stands):
		return nil
	}
	u.left = append(u.left, show(m.path)+" was removed by somebody else")
	return nil
}

// isNew and isOld say whether something is what the move puts at its place, or what stood there.
func (m *move) isNew(i info) bool {
	if m.new.Ino == 0 { // a system without such numbers: this process knows what it has done
		return i.kind != absent && i.kind == m.new.Kind && m.placed
	}
	// A file that somebody has made since can have got the number of one that is gone, but not its time.
	return i.kind != absent && i.is(m.new) && (i.kind == directory || i.mtime == m.new.Time)
}

func (m *move) isOld(i info) bool { return m.was.Kind != absent && i.is(m.was) }

// temporary removes what was made under a temporary name. In the phase placing it must be what was made.
func (u *undoing) temporary(m *move, p phase) error {
	if err := faultpoint.At("undo temporary"); err != nil {
		return err
	}
	h, err := u.to.in(m.dir)
	if err != nil {
		if missing(err) {
			return nil
		}
		return err
	}
	i, err := h.look(m.temp)
	switch {
	case err != nil || i.kind == absent:
		return err
	case p == placing && m.new.Ino != 0 && !m.isNew(i):
		u.left = append(u.left, fmt.Sprintf("%s/%s, which belongs to %s", show(m.dir), m.temp, show(m.path)))
		return nil
	}
	return u.to.removeTree(m.dir, m.temp)
}

// attributes gives something its owner, mode and lists back, unless it is something else now.
func (u *undoing) attributes(a *savedAttributes) error {
	if err := faultpoint.At("undo attributes"); err != nil {
		return err
	}
	var o *opened
	h, err := u.to.in(string(a.Dir))
	if err == nil {
		o, err = h.openPlace(string(a.Name), a.Is.info())
	}
	if errors.Is(err, errChanged) || missing(err) {
		u.left = append(u.left, "the permissions of "+show(string(a.Dir)+"/"+string(a.Name))+": it was changed by somebody else")
		return nil
	}
	if err != nil {
		return err
	}
	defer o.close()
	if err := o.setLists(a.Lists); err != nil {
		return err
	}
	o.info.mode = 1 << 31 // no mode, so that the mode is set
	return o.set(attributes{uid: a.UID, gid: a.GID, asked: true, mode: a.Mode})
}

// list puts a clean-up list back as it was.
func (u *undoing) list(l savedList) error {
	if !l.Found {
		return durable.Remove(string(l.Path))
	}
	return durable.WriteFile(string(l.Path), []byte(l.Content), l.Mode)
}

// rollBack takes back everything and returns the cause with what could not be taken back.
func (a *application) rollBack(cause error) error {
	left, err := a.record.undo(context.WithoutCancel(a.ctx), a.plan.options.copyOnly)
	if err != nil {
		left = append(left, strings.Split(err.Error(), "\n")...)
	}
	if len(left) == 0 {
		return fmt.Errorf("cannot install the revision, everything was put back: %w", cause)
	}
	if len(left) > maxListed {
		left = append(left[:maxListed], fmt.Sprintf("and %d more", len(left)-maxListed))
	}
	return fmt.Errorf("cannot install the revision: %w; some changes could not be taken back, look at them by hand:\n  %s",
		cause, strings.Join(left, "\n  "))
}
