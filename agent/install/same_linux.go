package install

import (
	"strings"

	"golang.org/x/sys/unix"
)

// plain says whether a file has nothing that a fresh copy would not have: lists, capabilities and the like. A security label does not count.
func plain(path string) bool {
	return nothingBut(func(names []byte) (int, error) { return unix.Llistxattr(path, names) })
}

func nothingBut(list func(names []byte) (int, error)) bool {
	buffer := make([]byte, 256)
	n, err := list(buffer)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return true
	}
	if err != nil { // more than there is room for is more than a label
		return false
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buffer[:n]), "\x00"), "\x00") {
		if name != "security.selinux" {
			return false
		}
	}
	return true
}

// installed says whether what stands at the name is as if the file of another directory had just been copied there, as far as content and extended
// attributes go. What cannot be read is not.
func (h *handle) installed(name string, from *handle, base string) bool {
	x, size, ok := openToCompare(from.fd, base)
	if !ok {
		return false
	}
	defer unix.Close(x)
	y, standing, ok := openToCompare(h.fd, name)
	if !ok {
		return false
	}
	defer unix.Close(y)
	return size == standing && nothingBut(func(names []byte) (int, error) { return unix.Flistxattr(y, names) }) && sameBytes(x, y, size)
}
