//go:build unix

package image

import (
	"errors"
	"syscall"
)

// crossesDevices says of an error of a rename that the two places are on two file systems.
func crossesDevices(err error) bool { return errors.Is(err, syscall.EXDEV) }
