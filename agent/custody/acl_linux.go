package custody

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The tags and the permission of an entry of an access control list (acl(5), linux/posix_acl_xattr.h).
const (
	aclUser, aclGroup, aclMask = 0x02, 0x08, 0x10
	aclWrite                   = 0x02
)

// listed names a user or group whom an access control list lets write the file, "" if there is none but those that may.
func listed(path string) string {
	buf := make([]byte, 64<<10)
	n, err := unix.Lgetxattr(path, "system.posix_acl_access", buf)
	if err != nil || n < 4 {
		return "" // the mode is all there is
	}
	mask := uint16(aclWrite)
	var found []func() string
	for entry := buf[4:n]; len(entry) >= 8; entry = entry[8:] {
		tag, permission, id := binary.LittleEndian.Uint16(entry), binary.LittleEndian.Uint16(entry[2:]), binary.LittleEndian.Uint32(entry[4:])
		switch {
		case tag == aclMask:
			mask = permission
		case permission&aclWrite == 0:
		case tag == aclUser && !trusted(id):
			found = append(found, func() string { return "the user " + userName(id) })
		case tag == aclGroup && !private(id):
			found = append(found, func() string { return "the group " + groupName(id) })
		}
	}
	if mask&aclWrite == 0 || len(found) == 0 {
		return ""
	}
	return found[0]()
}
