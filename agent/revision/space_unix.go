//go:build linux || darwin

package revision

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace is how many bytes this process may still write below dir; false if the file system does not say.
func freeSpace(dir string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, false
	}
	blocks := uint64(s.Bavail)
	if os.Geteuid() == 0 {
		blocks = s.Bfree // root may use what is reserved
	}
	free := blocks * uint64(s.Bsize)
	if free > 1<<62 {
		return 0, false
	}
	return int64(free), true
}
