//go:build unix && !linux

package runner

import (
	"os"
	"strconv"
	"syscall"
)

// KeepDescriptors makes the open files of this process close in every program that it starts, also those that whoever has started it left open.
func KeepDescriptors() {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= firstDescriptor {
			syscall.CloseOnExec(fd)
		}
	}
}

func unblockSignals() {}
