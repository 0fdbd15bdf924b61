//go:build unix

package install

import (
	"errors"
	"strings"
	"syscall"
)

func notDirectory(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// tooLong says that there can be no such path.
func tooLong(err error) bool { return errors.Is(err, syscall.ENAMETOOLONG) }

// looping says that links lead to each other. filepath.EvalSymlinks has only a text for it.
func looping(err error) bool {
	return errors.Is(err, syscall.ELOOP) || err != nil && strings.Contains(err.Error(), "too many links")
}
