package runner

import (
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// KeepDescriptors makes the open files of this process close in every program that it starts, also those that whoever has started it left open.
// Go opens its own like that.
func KeepDescriptors() {
	if unix.CloseRange(firstDescriptor, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	open, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= firstDescriptor {
			syscall.CloseOnExec(fd)
		}
	}
}

// unblockSignals starts the process again if whoever started it has blocked signals: what the kernel hands down would stay blocked in everything
// that hooks start, and Go restores it in each program it starts.
func unblockSignals() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var blocked, none unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_SETMASK, &none, &blocked) != nil || blocked == none {
		return
	}
	_ = syscall.Exec("/proc/self/exe", os.Args, os.Environ()) // if that fails, the signals stay blocked
}
