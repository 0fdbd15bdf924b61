package dryrun

import (
	"io/fs"
	"testing"
)

func TestAttributesAreShown(t *testing.T) {
	list := acl{{tagOwner, 6, 0}, {tagUser, 7, 4000000}, {tagOwned, 4, 0}, {tagMask, 5, 0}, {tagOther, 0, 0}}
	for _, c := range [][3]string{
		{aclAccess, list.encode(), "user:4000000:rwx,mask::r-x"},
		{aclDefault, list.encode(), "default:user::rw-,default:user:4000000:rwx,default:group::r--,default:mask::r-x,default:other::---"},
		{aclAccess, "odd", `system.posix_acl_access="odd"`},
		{selinux, "system_u:object_r:httpd_t:s0\x00", "system_u:object_r:httpd_t:s0"},
		{capabilityOf, "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "cap_net_bind_service=ep"},
		{capabilityOf, "\x00\x00\x00\x02\x00\x24\x00\x00\x00\x20\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", "cap_net_raw=ip cap_net_bind_service,cap_checkpoint_restore=p"},
		{"user.mime", "text/plain", `user.mime="text/plain"`},
	} {
		if got := showAttribute(c[0], c[1]); got != c[2] {
			t.Errorf("%s: %s, want %s", c[0], got, c[2])
		}
	}
	if got := list.mode(fs.ModeSetgid | 0o777); got != fs.ModeSetgid|0o650 {
		t.Errorf("mode %s", got)
	}
	if back, ok := parseACL(list.encode()); !ok || !back.namesOthers() || len(back.with(acl{{tagUser, 1, 1}, {tagMask, 7, 0}})) != 6 {
		t.Errorf("list %v", back)
	}
}
