//go:build unix

package doctor

import "golang.org/x/sys/unix"

// writable asks the system whether this user may make something in a directory; nothing is made.
func writable(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
