package disk

import (
	"errors"

	"golang.org/x/sys/windows"
)

func kindOf(err error) kind {
	for _, k := range []struct {
		errno windows.Errno
		kind  kind
	}{
		{windows.ERROR_DISK_FULL, noSpace}, {windows.ERROR_HANDLE_DISK_FULL, noSpace}, {windows.ERROR_DISK_QUOTA_EXCEEDED, quota},
		{windows.ERROR_IO_DEVICE, broken}, {windows.ERROR_CRC, broken}, {windows.ERROR_WRITE_PROTECT, readOnly},
		{windows.ERROR_TOO_MANY_OPEN_FILES, filesOfProcess}, {windows.ERROR_FILE_TOO_LARGE, tooBig},
	} {
		if errors.Is(err, k.errno) {
			return k.kind
		}
	}
	return unknown
}

// openLimit is how many files this process may have open.
func openLimit() string { return "its limit is the system's" }
