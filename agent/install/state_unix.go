//go:build unix

package install

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openState opens a list without following a link at its name or waiting for the other end of a FIFO.
func openState(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

// openSeen opens a directory that was seen at a path. Whatever stands there now is not followed or waited for.
func openSeen(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

// distrust says why a list could have been written by somebody else, or nothing.
func distrust(fi fs.FileInfo) string {
	if !fi.Mode().IsRegular() {
		return "it is not a regular file"
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Sprintf("it belongs to the user with the id %d", st.Uid)
	}
	if fi.Mode().Perm()&0o022 != 0 {
		return fmt.Sprintf("others may write it (mode %04o)", fi.Mode().Perm())
	}
	return ""
}
