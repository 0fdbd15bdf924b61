//go:build unix

package disk

import "golang.org/x/sys/unix"

// MayChange says why this process may not make and remove names in a directory, nil if it may. On a read-only file system not even root
// may. Nothing is made to find out.
func MayChange(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
