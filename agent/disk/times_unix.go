//go:build unix && !linux

package disk

import "golang.org/x/sys/unix"

// SetTimes sets when an open file was read and written last, in nanoseconds since 1970, of which some systems keep microseconds.
func SetTimes(file int, read, written int64) error {
	return unix.Futimes(file, []unix.Timeval{unix.NsecToTimeval(read), unix.NsecToTimeval(written)})
}
