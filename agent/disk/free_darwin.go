package disk

import "golang.org/x/sys/unix"

// unitOf is the size of the blocks that a file system counts in.
func unitOf(s *unix.Statfs_t) uint64 { return uint64(max(s.Bsize, 1)) }
