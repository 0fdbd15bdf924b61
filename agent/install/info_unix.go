//go:build linux || darwin

package install

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

func infoOf(fi fs.FileInfo) info {
	i := info{kind: kindOf(fi.Mode()), size: fi.Size(), mtime: fi.ModTime(), atime: fi.ModTime(), uid: noID, gid: noID, links: 1}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		i.mode = uint32(st.Mode) & 0o7777
		i.uid, i.gid = int(st.Uid), int(st.Gid)
		i.links, i.dev, i.ino = uint64(st.Nlink), uint64(st.Dev), st.Ino
		i.atime = accessTime(st)
	}
	return i
}

// mayRead says whether this process may read the file.
func mayRead(path string) error { return access(path, unix.R_OK) }

// mayChange says whether this process may create and remove names in the directory, and fails on a read-only file system even
// for root.
func mayChange(dir string) error { return access(dir, unix.W_OK|unix.X_OK) }

func access(path string, mode uint32) error {
	return unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
}

// freeSpace is how many bytes and how many files this process may still create on the file system of dir; false if it does not say.
func freeSpace(dir string, root bool) (bytes, files int64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil || s.Blocks == 0 {
		return 0, 0, false
	}
	blocks := uint64(s.Bavail)
	if root {
		blocks = uint64(s.Bfree) // root may use what is reserved
	}
	files = -1 // file systems that make room for files as they need it say 0
	if s.Files > 0 {
		files = int64(s.Ffree)
	}
	if free := blocks * uint64(s.Bsize); free < 1<<62 {
		return int64(free), files, true
	}
	return 0, 0, false
}

// mayGive says why this process may not make files belong to this user and group, or nothing. Only root may give files away; others may
// choose among their own groups.
func mayGive(uid, gid int) string {
	me := os.Geteuid()
	switch {
	case me == 0:
		return ""
	case uid != noID && uid != me:
		return fmt.Sprintf("only root may give files away, and the agent runs as the user with the id %d", me)
	case gid == noID || gid == os.Getegid():
		return ""
	}
	groups, err := os.Getgroups()
	if err != nil || !slices.Contains(groups, gid) {
		return fmt.Sprintf("the agent runs as the user with the id %d, who is not in the group", me)
	}
	return ""
}
