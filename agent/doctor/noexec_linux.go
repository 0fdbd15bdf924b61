package doctor

import "golang.org/x/sys/unix"

// noexec says whether a directory is on a file system that runs no programs.
func noexec(dir string) bool {
	var s unix.Statfs_t
	return unix.Statfs(dir, &s) == nil && s.Flags&unix.ST_NOEXEC != 0
}
