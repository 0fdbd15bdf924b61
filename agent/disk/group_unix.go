//go:build unix

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// GroupOfNew is the group of what this process makes in an open directory: its own, or the directory's if that has the set-group-id bit or the
// file system was mounted with grpid. It is -1 where that cannot be told.
func GroupOfNew(dir int) int {
	var st unix.Stat_t
	if unix.Fstat(dir, &st) == nil && (st.Mode&unix.S_ISGID != 0 || int(st.Gid) == os.Getegid()) {
		return int(st.Gid)
	}
	return -1
}
