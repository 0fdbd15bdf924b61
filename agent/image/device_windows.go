package image

import (
	"errors"

	"golang.org/x/sys/windows"
)

// crossesDevices says of an error of a rename that the two places are on two drives.
func crossesDevices(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }
