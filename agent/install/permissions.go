package install

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"codedeploy-agent/appspec"
)

// grant is one entry of the permissions section with its names looked up.
type grant struct {
	entry      *appspec.Permission
	uid, gid   int // noID where the entry does not change it
	acl        acl
	hasDefault bool // acl has entries for what will be made in a directory
	alone      []*grant
}

// and adds the grant to those that something has. All that have no other share one list.
func (g *grant) and(others []*grant) []*grant {
	if len(others) == 0 {
		return g.alone
	}
	return append(others[:len(others):len(others)], g)
}

// permission plans one entry of the permissions section, with the official agents' rules: an object that is a file of this Install
// gets it; of a directory, what this Install makes below it, files first; the directory itself and what was there before do not.
func (b *builder) permission(e *appspec.Permission) error {
	object, err := expand(filepath.FromSlash(e.Object))
	if err != nil {
		b.problem(e.Line, e.Object, "write the full path", "cannot tell which object %s means: %v", show(e.Object), err)
		return nil
	}
	var targets iter.Seq[target]
	f := b.byPath[object]
	if at := b.files[object]; f == nil && at != nil && at.path == object {
		f = at
	}
	if f != nil {
		if !e.Files {
			b.warning(e.Line, object, "add \"file\" to its type", "the permissions of %s have no effect: it is a file and their type is directory", show(object))
			return nil
		}
		if e.Pattern != "**" || len(e.Except) > 0 {
			b.problem(e.Line, object, "pattern and except are for directories", "the permissions of the file %s have a pattern or except", show(object))
			return nil
		}
		targets = func(yield func(target) bool) { yield(target{file: f}) }
	} else if targets = b.below(e, object); none(targets) {
		b.warning(e.Line, object, "permissions apply to the files and directories that this deployment makes",
			"the permissions of %s have no effect: nothing that is installed matches", show(object))
		return nil
	}
	g, err := b.grant(e)
	if err != nil || g == nil {
		return err
	}
	for t := range targets {
		b.give(g, t)
	}
	return nil
}

func none(targets iter.Seq[target]) bool {
	for range targets {
		return false
	}
	return true
}

// below tells what this Install makes below a directory and the entry is for, files first.
func (b *builder) below(e *appspec.Permission, object string) iter.Seq[target] {
	return func(yield func(target) bool) {
		for _, s := range b.plan.steps {
			if s.file != nil && e.Files && beneath(e, object, s.file.path) && !yield(target{file: s.file}) {
				return
			}
		}
		for _, s := range b.plan.steps {
			if s.dir != nil && e.Directories && beneath(e, object, s.dir.path) && !yield(target{dir: s.dir}) {
				return
			}
		}
	}
}

func beneath(e *appspec.Permission, object, path string) bool {
	if path == object || !within(object, path) {
		return false
	}
	rel := strings.TrimPrefix(path[len(object):], string(filepath.Separator))
	return e.Matches(filepath.ToSlash(rel))
}

// give notes that a target gets a grant; a path may get one only once.
func (b *builder) give(g *grant, t target) {
	var has *[]*grant
	if t.file != nil {
		has = &t.file.grants
	} else {
		has = &t.dir.grants
	}
	if len(*has) > 0 {
		b.problem(g.entry.Line, t.path(), "make the entries exclude each other",
			"the permissions of %s are specified more than once, also in line %d", show(t.path()), (*has)[0].entry.Line)
		return
	}
	*has = g.alone
	if g.hasDefault && t.file != nil {
		b.problem(g.entry.Line, t.path(), "default entries are for directories; set type to directory", "the file %s cannot have a default acl", show(t.path()))
		return
	}
	t.grant = g
	b.plan.grants = append(b.plan.grants, t)
}

// grant looks up an entry's names and tools and checks that this process may do what it asks for. It returns nil after a problem.
func (b *builder) grant(e *appspec.Permission) (*grant, error) {
	g := &grant{entry: e, uid: noID, gid: noID}
	g.alone = []*grant{g}
	before, h := len(b.problems), b.plan.request.Hardening
	var err error
	if e.Owner != "" {
		if g.uid, err = b.account(e, "user", e.Owner, b.accounts.user); err != nil {
			return nil, err
		}
	}
	if e.Group != "" {
		if g.gid, err = b.account(e, "group", e.Group, b.accounts.group); err != nil {
			return nil, err
		}
	}
	if why := mayGive(g.uid, g.gid); why != "" {
		b.problem(e.Line, e.Object, "run the agent as root or leave out owner and group", "cannot change the owner of what %s matches: %s", show(e.Object), why)
	}
	if h.RejectSetID && e.Mode != nil && e.Mode.Perm()&setID != 0 {
		b.problem(e.Line, e.Object, "refused because of reject_unsafe_permissions_in_bundle", "the permissions of %s set the set-user-id or set-group-id mode %s",
			show(e.Object), e.Mode.Text())
	}
	if e.ACL != nil {
		if err := b.compileACL(e, g); err != nil {
			return nil, err
		}
	}
	if e.Context != nil {
		b.checkContext(e)
	}
	if len(b.problems) > before {
		return nil, nil
	}
	return g, nil
}

// account looks up a user or group; an unknown one is a problem.
func (b *builder) account(e *appspec.Permission, what, name string, lookup func(context.Context, string) (int, error)) (int, error) {
	id, err := lookup(b.ctx, name)
	switch {
	case err == nil:
		return id, nil
	case b.ctx.Err() != nil:
		return noID, b.ctx.Err()
	case errors.Is(err, errUnknownAccount):
		b.problem(e.Line, e.Object, "create it before the deployment, or in a BeforeInstall script", "the %s %q in the permissions of %s does not exist on this host",
			what, name, show(e.Object))
	default:
		b.problem(e.Line, e.Object, "", "cannot look up the %s %q in the permissions of %s: %v", what, name, show(e.Object), err)
	}
	return noID, nil
}

// checkContext checks that an SELinux context can be set here.
func (b *builder) checkContext(e *appspec.Permission) {
	if err := findContextTools(); err != nil {
		b.problem(e.Line, e.Object, contextToolsHint, "cannot set the SELinux context of what %s matches: %v", show(e.Object), err)
	}
	if b.plan.request.Hardening.RejectUnconfinedSELinux && slices.Contains([]string{"unconfined_t", "kernel_t", "init_t"}, e.Context.Type) {
		b.problem(e.Line, e.Object, "refused because of reject_unconfined_selinux_in_bundle", "the permissions of %s set the SELinux type %s",
			show(e.Object), e.Context.Type)
	}
	for _, word := range []string{e.Context.User, e.Context.Type, e.Context.Range} {
		if strings.HasPrefix(word, "-") || strings.ContainsAny(word, "\x00\n") {
			b.problem(e.Line, e.Object, "", "%q is no part of an SELinux context", word)
		}
	}
}
