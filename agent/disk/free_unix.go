//go:build linux || darwin

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// Free returns what this process may still write on the file system of dir; false if it does not say. Quotas do not show. What a
// file system reserves is counted for root, for whom it nearly always is.
func Free(dir string) (Room, bool) { return free(dir, os.Geteuid() == 0) }

// free returns what root or others may still write.
func free(dir string, root bool) (Room, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 { // no blocks: an unlimited tmpfs, and what is not a disk
		return Room{}, false
	}
	return roomOf(&s, root)
}

func roomOf(s *unix.Statfs_t, root bool) (Room, bool) {
	blocks := uint64(s.Bavail)
	if root {
		blocks = uint64(s.Bfree) // root may use what is reserved
	}
	unit := unitOf(s)
	if blocks > (1<<62)/unit {
		return Room{}, false // no disk is that big: the file system does not know
	}
	room := Room{Bytes: int64(blocks * unit), Files: NoLimit}
	if s.Files > 0 {
		room.Files = int64(min(uint64(s.Ffree), 1<<62))
	}
	return room, true
}
