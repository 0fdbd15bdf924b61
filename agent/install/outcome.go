package install

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// outcome finds out which owner, mode and lists a plan's paths have when it has been applied. It must be made before anything is changed and
// asked for the directories of the host. A nil outcome finds out nothing.
type outcome struct {
	look  func(dir string) (info, []aclEntry) // a directory of the host, and its default list
	dirs  map[string]*dirStep                 // by place
	fresh map[string]attributes               // what a new directory in a directory has at first
	users map[int]string
	group map[int]string
	texts map[[3]int][2]string // mode and owner, which mostly repeat
}

func newOutcome(p *Plan) *outcome {
	o := &outcome{look: lookAt, dirs: map[string]*dirStep{}, fresh: map[string]attributes{}, users: map[int]string{}, group: map[int]string{},
		texts: map[[3]int][2]string{}}
	for _, s := range p.steps {
		if s.dir != nil {
			o.dirs[filepath.Join(s.dir.dir, s.dir.name)] = s.dir
		}
	}
	return o
}

func lookAt(dir string) (i info, inherited []aclEntry) {
	if fi, err := os.Lstat(dir); err == nil {
		i = infoOf(fi)
	}
	_, inherited = listsAt(dir)
	return i, inherited
}

// made is what something new in a directory begins with. Files are then given their own attributes; what they keep of this are the entries
// of a default list.
func (o *outcome) made(dir string) attributes {
	if a, ok := o.fresh[dir]; ok {
		return a
	}
	var parent attributes
	if d := o.dirs[dir]; d != nil { // one that is used again counts as a new one: the official agents make it anew
		parent = o.made(d.dir)
	} else {
		i, inherited := o.look(dir)
		parent = attributes{uid: i.uid, gid: i.gid, mode: i.mode, inherited: inherited}
	}
	i := freshIn(parent.mode, parent.gid)
	a := attributes{uid: i.uid, gid: i.gid, mode: i.mode}
	if parent.inherited != nil {
		a.access, a.inherited = parent.inherited, parent.inherited
		a.mode = a.mode&^0o777 | permissions(parent.inherited)
		if !extended(a.access) {
			a.access = nil
		}
	}
	o.fresh[dir] = a
	return a
}

// freshIn is a directory as an Install makes it in one of this mode and group.
func freshIn(mode uint32, gid int) info {
	fresh := info{kind: directory, uid: thisUser, gid: os.Getegid(), mode: freshDirectory}
	if mode&0o2000 != 0 { // what is made there gets its group
		fresh.gid, fresh.mode = gid, fresh.mode|0o2000
	}
	return fresh
}

// now is what a directory of the previous revision has.
func (o *outcome) now(d *dirStep) attributes {
	i := d.was.info
	a := attributes{uid: i.uid, gid: i.gid, mode: i.mode}
	a.access, a.inherited = listsAt(filepath.Join(d.dir, d.name))
	return a
}

func (o *outcome) directory(c *Change, d *dirStep) {
	if o == nil {
		return
	}
	o.describe(c, directory, o.granted(o.made(d.dir), d.grants))
	c.Context = contextOf(d.grants)
}

// granted is what comes of attributes by grants: owner, mode and lists, and what of lists that are there already the mode changes.
func (*outcome) granted(is attributes, grants []*grant) attributes {
	a := granted(info{uid: is.uid, gid: is.gid, mode: is.mode}, grants)
	if a.access == nil {
		a.access = underMode(is.access, a.mode)
	}
	if a.inherited == nil {
		a.inherited = is.inherited
	}
	if !extended(a.access) {
		a.access = nil // the mode says it all
	}
	return a
}

func (o *outcome) file(c *Change, f *fileStep) {
	if o == nil {
		return
	}
	c.Context = contextOf(f.grants)
	if f.unchanged {
		o.describe(c, f.was.kind, attributes{uid: f.was.uid, gid: f.was.gid, mode: f.was.mode})
		return
	}
	a := f.attributes()
	if me := thisUser; me > 0 && !a.asked && a.uid != me {
		a.uid, a.gid = me, os.Getegid() // which nobody but root can give away
	}
	if a.access == nil && f.info.kind == regular {
		if inherits := o.made(f.dir).inherited; inherits != nil {
			a.access = underMode(inherits, a.mode)
		}
	}
	if !extended(a.access) {
		a.access = nil
	}
	o.describe(c, f.info.kind, a)
}

// standing describes what a file of the revision leaves where it stands.
func (o *outcome) standing(c *Change, f *fileStep) {
	if o == nil {
		return
	}
	a := attributes{uid: f.was.uid, gid: f.was.gid, mode: f.was.mode}
	if f.was.kind != link {
		a.access, a.inherited = listsAt(filepath.Join(f.dir, f.name()))
	}
	o.describe(c, f.was.kind, a)
}

func (o *outcome) target(c *Change, t target) {
	switch {
	case o == nil:
	case t.dir != nil:
		c.Kind = KindDirectory
		o.directory(c, t.dir)
	case t.file != nil:
		c.Kind = kindText(t.file.info.kind)
		o.file(c, t.file)
	case t.outside != nil:
		x := t.outside
		c.Kind, c.Context = kindText(x.info.kind), contextOf(x.grants)
		is := attributes{uid: x.info.uid, gid: x.info.gid, mode: x.info.mode}
		is.access, is.inherited = listsAt(filepath.Join(x.dir, x.name))
		o.describe(c, x.info.kind, o.granted(is, x.grants))
	}
}

func contextOf(grants []*grant) string {
	for _, g := range grants {
		if c := g.entry.Context; c != nil {
			return strings.Trim(c.User+":"+c.Type+":"+c.Range, ":")
		}
	}
	return ""
}

// describe puts attributes into a change.
func (o *outcome) describe(c *Change, k kind, a attributes) {
	key := [3]int{int(a.mode), a.uid, a.gid}
	text, ok := o.texts[key]
	if !ok {
		text[0] = fmt.Sprintf("%04o", a.mode)
		if a.uid != noID {
			text[1] = o.userName(a.uid) + ":" + o.groupName(a.gid)
		}
		o.texts[key] = text
	}
	if k != link { // the mode of a link means nothing
		c.Mode = text[0]
	}
	c.Owner, c.ACL = text[1], nil
	if a.access != nil || a.inherited != nil {
		c.ACL = append(o.entries("", a.access), o.entries("default:", a.inherited)...)
	}
}

func (o *outcome) entries(prefix string, list []aclEntry) []string {
	var out []string
	for _, e := range list {
		who := ""
		switch e.tag {
		case tagOwner:
			who = "user:"
		case tagUser:
			who = "user:" + o.userName(int(e.id))
		case tagOwnerGroup:
			who = "group:"
		case tagGroup:
			who = "group:" + o.groupName(int(e.id))
		case tagMask:
			who = "mask:"
		case tagOther:
			who = "other:"
		}
		rights := []byte("---")
		for i, bit := range []uint16{4, 2, 1} {
			if e.perm&bit != 0 {
				rights[i] = "rwx"[i]
			}
		}
		out = append(out, prefix+who+":"+string(rights))
	}
	return out
}

func (o *outcome) userName(uid int) string {
	return nameOf(o.users, uid, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (o *outcome) groupName(gid int) string {
	return nameOf(o.group, gid, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

func nameOf(known map[int]string, id int, lookup func(string) (string, error)) string {
	name, ok := known[id]
	if !ok {
		var err error
		if name, err = lookup(strconv.Itoa(id)); err != nil || name == "" {
			name = strconv.Itoa(id)
		}
		known[id] = name
	}
	return name
}
