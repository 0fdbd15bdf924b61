//go:build !linux

package disk

import "errors"

// CopyRange is for Linux only; see there.
func CopyRange(int, int, int64, func(int64) error) error { return errors.ErrUnsupported }
