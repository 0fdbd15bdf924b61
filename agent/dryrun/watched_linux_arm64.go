package dryrun

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

func init() {
	watchedCalls[unix.SYS_RENAMEAT] = watched{what: move, dir: 0, path: 1, noFollow: true}
}
