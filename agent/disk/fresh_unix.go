//go:build unix

package disk

import (
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Fresh is what is known of the files that this process makes in a directory, so that nothing has to be set that is right from the beginning.
// It is safe for use by several goroutines.
type Fresh struct {
	uid, gid int           // gid -1: not known
	keeps    atomic.Uint32 // permissions that a file was seen to have after it had been made with them
}

// guarded is the mode of a file that is to be seen by nobody else before it has its owner and its mode.
const guarded = 0o600

// In begins with an open directory. New files are of this process's user and group, but of the directory's group if that has the set-group-id bit
// or the file system was mounted with grpid.
func (f *Fresh) In(dir int) {
	f.uid, f.gid = os.Geteuid(), -1
	var st unix.Stat_t
	if unix.Fstat(dir, &st) == nil && (st.Mode&unix.S_ISGID != 0 || int(st.Gid) == os.Getegid()) {
		f.gid = int(st.Gid)
	}
}

// Owner is the user and the group of a new file, group -1 where that cannot be told.
func (f *Fresh) Owner() (user, group int) { return f.uid, f.gid }

// Mode is what to make a file with that is to have the mode, and to belong to the user and the group, in the end: that mode, if until it is given
// away nobody can do with it what they cannot do later. Members of group 0 are trusted like root.
func (f *Fresh) Mode(mode uint32, user, group int) uint32 {
	mine := user == f.uid && group == f.gid
	moreForGroup := mode >> 3 & 7 &^ mode
	if mode&^0o777 != 0 || mode&0o200 == 0 || !mine && f.gid != 0 && moreForGroup != 0 {
		return guarded
	}
	return mode
}

// Kept tells whether a file has the mode with which it was made. The umask or a default access control list may have taken some of it away, which
// they do with each permission on its own and alike for all files.
func (f *Fresh) Kept(file int, mode uint32) bool {
	if mode&^f.keeps.Load() == 0 {
		return true
	}
	var st unix.Stat_t
	if unix.Fstat(file, &st) != nil || uint32(st.Mode)&0o7777 != mode {
		return false
	}
	f.keeps.Or(mode)
	return true
}
