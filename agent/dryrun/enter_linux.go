package dryrun

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// capabilities are what programs of a view have as root: what deployments need, and nothing that reaches the host past the view's
// namespaces, such as its clock, modules, devices and mounts.
var capabilities = []uintptr{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID,
	unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_IPC_LOCK, unix.CAP_IPC_OWNER, unix.CAP_SYS_CHROOT, unix.CAP_SYS_PTRACE,
	unix.CAP_SYS_NICE, unix.CAP_SYS_RESOURCE, unix.CAP_LEASE, unix.CAP_AUDIT_WRITE, unix.CAP_SETFCAP}

// enterMain becomes a program of the view: args are the number of its file descriptors, negative if one more is the broker's, and its
// command line.
func enterMain(args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "cannot start a program in the view:", err)
		return 126
	}
	if len(args) < 2 {
		return fail(fmt.Errorf("this command is the dry run's own"))
	}
	files, err := strconv.Atoi(args[0])
	if err != nil {
		return fail(err)
	}
	runtime.LockOSThread() // capabilities and filters are a thread's own
	if files < 0 {
		if err := handOver(-files); err != nil {
			return fail(err)
		}
	}
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if slices.Contains(capabilities, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { // EINVAL: this kernel does not have it
			return fail(fmt.Errorf("cannot give up capabilities: %w", err))
		}
	}
	return fail(unix.Exec(args[1], args[1:], os.Environ()))
}
