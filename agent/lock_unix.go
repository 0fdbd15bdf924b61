//go:build unix

package agent

import (
	"context"
	"os"
	"syscall"
	"time"
)

func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// waitLock tries until it has the lock or ctx ends. Only another process can hold it, and rarely: a look ten times a second
// is enough.
func waitLock(ctx context.Context, f *os.File) error {
	for {
		if tryLock(f) {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
