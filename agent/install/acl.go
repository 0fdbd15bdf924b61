package install

import (
	"cmp"
	"encoding/binary"
	"slices"

	"codedeploy-agent/appspec"
)

// The tags of an access control list's entries, as the kernel numbers them (linux/posix_acl.h).
const (
	tagOwner      uint16 = 0x01
	tagUser       uint16 = 0x02
	tagOwnerGroup uint16 = 0x04
	tagGroup      uint16 = 0x08
	tagMask       uint16 = 0x10
	tagOther      uint16 = 0x20
)

// unnamed is the id of entries that are about no particular user or group.
const unnamed = ^uint32(0)

// aclEntry is one entry of an access control list; perm has the bits 4, 2 and 1 for read, write and execute.
type aclEntry struct {
	tag  uint16
	perm uint16
	id   uint32
}

// acl is what a permissions entry says; what it leaves out depends on the mode of the file that gets it.
type acl struct {
	access, inherited []aclEntry
}

// compileACL looks up the names of an acls list.
func (b *builder) compileACL(e *appspec.Permission, g *grant) error {
	if why := aclSupport(); why != "" {
		b.problem(e.Line, e.Object, "", "cannot set the acl of what %s matches: %s", show(e.Object), why)
		return nil
	}
	for _, x := range e.ACL.Entries {
		entry := aclEntry{id: unnamed, perm: uint16(x.Perm)}
		id, err := noID, error(nil)
		switch {
		case x.Who == appspec.User && x.Name == "":
			entry.tag = tagOwner
		case x.Who == appspec.User:
			entry.tag = tagUser
			id, err = b.account(e, "user", x.Name, b.accounts.user)
		case x.Who == appspec.Group && x.Name == "":
			entry.tag = tagOwnerGroup
		case x.Who == appspec.Group:
			entry.tag = tagGroup
			id, err = b.account(e, "group", x.Name, b.accounts.group)
		case x.Who == appspec.Mask:
			entry.tag = tagMask
		default:
			entry.tag = tagOther
		}
		if err != nil {
			return err
		}
		if id != noID {
			entry.id = uint32(id)
		}
		if x.Default {
			g.acl.inherited = append(g.acl.inherited, entry)
			g.hasDefault = true
		} else {
			g.acl.access = append(g.acl.access, entry)
		}
	}
	return nil
}

// complete returns the lists for a file of this mode, nil for a list that is not to be set. The owner's, the group's and others' rights
// come from the mode, and so does the mask of a list that names somebody and has none; a default list's mask comes from its own
// group entry if it has one. An entry that is given twice counts as it is given last (official agents, which leave that to setfacl).
func (a acl) complete(mode uint32) (access, inherited []aclEntry) {
	base := []aclEntry{{tagOwner, uint16(mode >> 6 & 7), unnamed}, {tagOwnerGroup, uint16(mode >> 3 & 7), unnamed}, {tagOther, uint16(mode & 7), unnamed}}
	access = merge(base, a.access, base[1].perm)
	if len(a.inherited) > 0 {
		mask := base[1].perm
		for _, e := range a.inherited {
			if e.tag == tagOwnerGroup {
				mask = e.perm
			}
		}
		inherited = merge(base, a.inherited, mask)
	}
	return access, inherited
}

func merge(base, entries []aclEntry, mask uint16) []aclEntry {
	list := slices.Clone(base)
	named, masked := false, false
	for _, e := range entries {
		named = named || e.tag == tagUser || e.tag == tagGroup
		masked = masked || e.tag == tagMask
		if i := slices.IndexFunc(list, func(x aclEntry) bool { return x.tag == e.tag && x.id == e.id }); i >= 0 {
			list[i] = e
			continue
		}
		list = append(list, e)
	}
	if named && !masked {
		list = append(list, aclEntry{tagMask, mask, unnamed})
	}
	slices.SortStableFunc(list, func(x, y aclEntry) int { return cmp.Or(cmp.Compare(x.tag, y.tag), cmp.Compare(x.id, y.id)) })
	return list
}

// encode is the form in which the kernel takes a list (linux/posix_acl_xattr.h): version 2, then tag, perm and id of each entry.
func encode(list []aclEntry) []byte {
	out := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range list {
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.perm)
		out = binary.LittleEndian.AppendUint32(out, e.id)
	}
	return out
}

// encodeOrNil is encode, and nil for no list.
func encodeOrNil(list []aclEntry) []byte {
	if list == nil {
		return nil
	}
	return encode(list)
}

// decode reads a list as the kernel has it, nil for what is none.
func decode(data []byte) []aclEntry {
	if len(data) < 4 {
		return nil
	}
	var list []aclEntry
	for at := data[4:]; len(at) >= 8; at = at[8:] {
		list = append(list, aclEntry{binary.LittleEndian.Uint16(at), binary.LittleEndian.Uint16(at[2:]), binary.LittleEndian.Uint32(at[4:])})
	}
	return list
}

// extended says whether a list says more than a mode.
func extended(list []aclEntry) bool {
	return slices.ContainsFunc(list, func(e aclEntry) bool { return e.tag == tagUser || e.tag == tagGroup || e.tag == tagMask })
}

// permissions are the permission bits of a file with the list.
func permissions(list []aclEntry) uint32 {
	group := tagOwnerGroup
	if slices.ContainsFunc(list, func(e aclEntry) bool { return e.tag == tagMask }) {
		group = tagMask
	}
	mode := uint32(0)
	for _, e := range list {
		switch e.tag {
		case tagOwner:
			mode |= uint32(e.perm) << 6
		case group:
			mode |= uint32(e.perm) << 3
		case tagOther:
			mode |= uint32(e.perm)
		}
	}
	return mode
}

// underMode is the list of a file after chmod: the mode says the owner's and others' rights, and the mask or, without one, the group's.
func underMode(list []aclEntry, mode uint32) []aclEntry {
	out := slices.Clone(list)
	masked := slices.ContainsFunc(list, func(e aclEntry) bool { return e.tag == tagMask })
	for i := range out {
		switch tag := out[i].tag; {
		case tag == tagOwner:
			out[i].perm = uint16(mode >> 6 & 7)
		case tag == tagMask || tag == tagOwnerGroup && !masked:
			out[i].perm = uint16(mode >> 3 & 7)
		case tag == tagOther:
			out[i].perm = uint16(mode & 7)
		}
	}
	return out
}
