package install

// attributes are owner, mode and access control lists as they are to be set. The lists are nil where none is wanted.
type attributes struct {
	uid, gid          int
	asked             bool // the AppSpec asks for the owner
	mode              uint32
	access, inherited []aclEntry
	// bare takes away the list that a new file has got from its directory.
	bare bool
}

// attributes returns what a file or link is to have: what its source has and then what the grants say. The owner comes before the
// mode, because the kernel takes set-id bits away when the owner changes.
func (f *fileStep) attributes() attributes { return granted(f.info, f.grants) }

func granted(i info, grants []*grant) attributes {
	a := attributes{uid: i.uid, gid: i.gid, mode: i.mode}
	for _, g := range grants {
		a.uid, a.gid, a.mode = g.owner(a.uid, a.gid, a.mode)
		a.asked = a.asked || g.uid != noID || g.gid != noID
		if g.entry.Mode != nil {
			a.mode = g.entry.Mode.Perm()
		}
		if g.entry.ACL != nil {
			a.access, a.inherited = g.acl.complete(a.mode)
		}
	}
	return a
}

// The names under which Linux keeps access control lists.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)
