package install

import (
	"io/fs"
	"os"
)

// kind is what stands at a path.
type kind uint8

const (
	absent kind = iota
	regular
	directory
	link
	special // a device, FIFO or socket
)

func (k kind) String() string {
	return [...]string{"nothing", "a file", "a directory", "a link", "a special file"}[k]
}

// noID is an owner or group that is not known or not to be changed.
const noID = -1

// thisUser is whose the process is, who stays who it is. It is asked for each file, and asking is a system call.
var thisUser = os.Geteuid()

// setID are the bits of a mode that run a file with somebody else's rights.
const setID = 0o6000

// info is what the installer needs to know of a file system entry.
type info struct {
	kind         kind
	mode         uint32 // the permission bits with set-id and sticky bits, as chmod(2) has them
	links        uint32
	uid, gid     int // noID where the system has no such ids
	size         int64
	dev, ino     uint64 // 0 where the system has no such numbers
	atime, mtime int64  // nanoseconds since 1970
}

func kindOf(m fs.FileMode) kind {
	switch m.Type() {
	case 0:
		return regular
	case fs.ModeDir:
		return directory
	case fs.ModeSymlink:
		return link
	}
	return special
}

// same says whether both are the same thing and not just at the same place.
func (i info) same(other info) bool { return i.is(identityOf(other)) }
