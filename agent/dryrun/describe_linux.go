package dryrun

import (
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
)

// describe is what is said of something new.
func describe(info fs.FileInfo) string {
	if info.Mode().IsRegular() {
		return fmt.Sprintf("%s, %d bytes", octal(info.Mode()), info.Size())
	}
	if info.IsDir() {
		return octal(info.Mode())
	}
	return kind(info)
}

// kind names what something is.
func kind(info fs.FileInfo) string {
	switch m := info.Mode(); {
	case m.IsRegular():
		return "a file"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeSymlink != 0:
		return "a link"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	}
	return "a device"
}

// octal prints a mode as chmod takes it.
func octal(m fs.FileMode) string {
	n := uint32(m.Perm())
	for bit, value := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			n |= value
		}
	}
	return fmt.Sprintf("%04o", n)
}

// names are the view's names of a user and a group, or their numbers.
func names(uid, gid int) string {
	return userName(uid) + ":" + groupName(gid)
}

// groupName is a group's name in the view, or the number.
func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// userName is a user's name in the view, or the number.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}
