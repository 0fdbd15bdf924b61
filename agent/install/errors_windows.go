package install

import (
	"errors"
	"strings"
	"syscall"
)

func notDirectory(err error) bool { return errors.Is(err, syscall.ERROR_PATH_NOT_FOUND) }

// tooLong says that there can be no such path.
func tooLong(err error) bool { return errors.Is(err, syscall.Errno(206)) } // ERROR_FILENAME_EXCED_RANGE

// looping says that links lead to each other. filepath.EvalSymlinks has only a text for it.
func looping(err error) bool { return err != nil && strings.Contains(err.Error(), "too many links") }
