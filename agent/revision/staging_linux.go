package revision

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// replaceDirectory swaps the names of two directories in one step; the older one is then in the place of the new one.
func replaceDirectory(made, target string) error {
	err := unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, target, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return replaceByRenames(made, target) // the file system has no exchange
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: made, New: target, Err: err}
	}
	return nil
}

// syncFilesystem makes all files below dir durable with one call for their file system, which takes a small part of the time
// that a call for each file does.
func syncFilesystem(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Syncfs(int(d.Fd()))
}

// syncData makes the content of a file durable, and of its metadata what is needed to read it.
func syncData(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = c.Control(func(fd uintptr) {
		for failed = unix.EINTR; failed == unix.EINTR; {
			failed = unix.Fdatasync(int(fd))
		}
	})
	if err == nil && failed != nil {
		err = &os.PathError{Op: "fdatasync", Path: f.Name(), Err: failed}
	}
	return err
}
