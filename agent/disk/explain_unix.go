//go:build unix

package disk

import (
	"errors"
	"fmt"
	"syscall"
)

func kindOf(err error) kind {
	for _, k := range []struct {
		errno syscall.Errno
		kind  kind
	}{
		{syscall.ENOSPC, noSpace}, {syscall.EDQUOT, quota}, {syscall.EIO, broken}, {syscall.EROFS, readOnly},
		{syscall.EMFILE, filesOfProcess}, {syscall.ENFILE, filesOfSystem}, {syscall.EFBIG, tooBig},
	} {
		if errors.Is(err, k.errno) {
			return k.kind
		}
	}
	return unknown
}

// openLimit is how many files this process may have open.
func openLimit() string {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return "its limit is not known"
	}
	return fmt.Sprintf("%d", limit.Cur)
}
