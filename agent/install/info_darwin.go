package install

import (
	"syscall"
)

func accessTime(st *syscall.Stat_t) int64 { return st.Atimespec.Nano() }
