//go:build linux || darwin

package install

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

func infoOf(fi fs.FileInfo) info {
	i := info{kind: kindOf(fi.Mode()), size: fi.Size(), mtime: fi.ModTime().UnixNano(), atime: fi.ModTime().UnixNano(), uid: noID, gid: noID, links: 1}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		i.mode = uint32(st.Mode) & 0o7777
		i.uid, i.gid = int(st.Uid), int(st.Gid)
		i.links, i.dev, i.ino = uint32(st.Nlink), uint64(st.Dev), st.Ino
		i.atime = accessTime(st)
	}
	return i
}

// mayRead says whether this process may read the file. The owner's bits decide about the owner, whatever the lists say.
func mayRead(dir, name string, i info) error {
	if i.uid == thisUser && i.mode&0o400 != 0 {
		return nil
	}
	return unix.Faccessat(unix.AT_FDCWD, filepath.Join(dir, name), unix.R_OK, unix.AT_EACCESS)
}

// mayGive says why this process may not make files belong to this user and group, or nothing. Only root may give files away; others may
// choose among their own groups.
func mayGive(uid, gid int) string {
	me := thisUser
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
