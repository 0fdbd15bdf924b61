package dryrun

import (
	"cmp"
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"

	"codedeploy-agent/appspec"
)

// The tags of the entries of an access control list (linux/posix_acl.h).
const (
	tagOwner = 0x01
	tagUser  = 0x02
	tagOwned = 0x04 // the file's group
	tagGroup = 0x08
	tagMask  = 0x10
	tagOther = 0x20
)

type aclEntry struct {
	tag, perm uint16
	id        uint32
}

// acl is an access control list.
type acl []aclEntry

// parseACL reads a list as the kernel gives and takes it (linux/posix_acl_xattr.h): version 2, then tag, permissions and id of each entry.
func parseACL(value string) (acl, bool) {
	b := []byte(value)
	if len(b) < 4 || len(b)%8 != 4 || binary.LittleEndian.Uint32(b) != 2 {
		return nil, false
	}
	var list acl
	for b = b[4:]; len(b) > 0; b = b[8:] {
		list = append(list, aclEntry{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])})
	}
	return list, true
}

// text is the list as setfacl takes it. Of a file's own list the entries that are its mode are left out.
func (list acl) text(inherited bool) string {
	var texts []string
	for _, e := range list {
		x := appspec.Entry{Default: inherited, Perm: uint8(e.perm & 7)}
		switch e.tag {
		case tagUser:
			x.Who, x.Name = appspec.User, userName(int(e.id))
		case tagGroup:
			x.Who, x.Name = appspec.Group, groupName(int(e.id))
		case tagMask:
			x.Who = appspec.Mask
		default:
			if !inherited {
				continue
			}
			x.Who = map[uint16]appspec.Who{tagOwner: appspec.User, tagOwned: appspec.Group, tagOther: appspec.Other}[e.tag]
		}
		texts = append(texts, x.String())
	}
	return strings.Join(texts, ",")
}

// names others than root: in an ordinary user's namespace nobody else can be in a list.
func (list acl) namesOthers() bool {
	return slices.ContainsFunc(list, func(e aclEntry) bool { return (e.tag == tagUser || e.tag == tagGroup) && e.id != 0 })
}

// with is the list with entries of another one, which count.
func (list acl) with(more acl) acl {
	all := slices.DeleteFunc(slices.Clone(list), func(e aclEntry) bool {
		return slices.ContainsFunc(more, func(m aclEntry) bool { return m.tag == e.tag && m.id == e.id })
	})
	all = append(all, more...)
	slices.SortFunc(all, func(a, b aclEntry) int { return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.id, b.id)) })
	return all
}

// mode is a file's mode with the list's permissions: those of the group are the mask.
func (list acl) mode(m fs.FileMode) fs.FileMode {
	masked := slices.ContainsFunc(list, func(e aclEntry) bool { return e.tag == tagMask })
	for _, e := range list {
		switch {
		case e.tag == tagOwner:
			m = m&^0o700 | fs.FileMode(e.perm&7)<<6
		case e.tag == tagMask, e.tag == tagOwned && !masked:
			m = m&^0o070 | fs.FileMode(e.perm&7)<<3
		case e.tag == tagOther:
			m = m&^0o007 | fs.FileMode(e.perm&7)
		}
	}
	return m
}

// encode is the list as parseACL reads it.
func (list acl) encode() string {
	out := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range list {
		out = binary.LittleEndian.AppendUint16(out, e.tag)
		out = binary.LittleEndian.AppendUint16(out, e.perm)
		out = binary.LittleEndian.AppendUint32(out, e.id)
	}
	return string(out)
}
