//go:build unix

package revision

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// openFlags keep the agent from waiting for the other end of a named pipe that took a file's place.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOFOLLOW

func ownerOf(info fs.FileInfo) (uid, gid int) {
	switch s := info.Sys().(type) {
	case *syscall.Stat_t:
		return int(s.Uid), int(s.Gid)
	case *unix.Stat_t:
		return int(s.Uid), int(s.Gid)
	}
	return -1, -1
}
