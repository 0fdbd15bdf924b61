package install

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func accessTime(st *syscall.Stat_t) int64 { return st.Atim.Nano() }

// lookIn says what stands at a name in an open directory.
func lookIn(d *os.File, name string) (info, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(d.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return info{}, &os.PathError{Op: "lstat", Path: d.Name() + "/" + name, Err: err}
	}
	return infoOfStat(&st), nil
}

// lstat says what stands at a path. Package os would make garbage for each of thousands of files.
func lstat(path string) (info, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return info{}, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return infoOfStat(&st), nil
}
