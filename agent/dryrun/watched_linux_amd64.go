package dryrun

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

func init() {
	for nr, w := range map[uint32]watched{
		unix.SYS_OPEN:     {what: change, dir: -1, path: 0, flags: 1, ifSet: writing},
		unix.SYS_CREAT:    {what: change, dir: -1, path: 0},
		unix.SYS_ACCESS:   {what: change, dir: -1, path: 0, flags: 1, ifSet: unix.W_OK},
		unix.SYS_CHMOD:    {what: change, dir: -1, path: 0},
		unix.SYS_UTIME:    {what: change, dir: -1, path: 0},
		unix.SYS_UTIMES:   {what: change, dir: -1, path: 0},
		unix.SYS_LINK:     {what: change, dir: -1, path: 0, noFollow: true},
		unix.SYS_RMDIR:    {what: removeDir, dir: -1, path: 0, noFollow: true},
		unix.SYS_RENAME:   {what: move, dir: -1, path: 0, noFollow: true},
		unix.SYS_RENAMEAT: {what: move, dir: 0, path: 1, noFollow: true},
		unix.SYS_CHOWN:    {what: give, dir: -1, path: 0, uid: 1},
		unix.SYS_LCHOWN:   {what: give, dir: -1, path: 0, uid: 1, noFollow: true},
	} {
		watchedCalls[nr] = w
	}
}
