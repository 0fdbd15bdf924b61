package disk

import "golang.org/x/sys/unix"

// unitOf is the size of the blocks that a file system counts in. The size it likes to be read and written in is another one.
func unitOf(s *unix.Statfs_t) uint64 {
	if s.Frsize > 0 {
		return uint64(s.Frsize)
	}
	return uint64(max(s.Bsize, 1))
}
