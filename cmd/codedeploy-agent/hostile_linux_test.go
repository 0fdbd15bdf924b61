package main

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// changeTime is when anything of the inode was changed the last time; nobody can set it.
func changeTime(st *syscall.Stat_t) string {
	return fmt.Sprintf(" changed %d.%09d", st.Ctim.Sec, st.Ctim.Nsec)
}

// attributesOf lists the extended attributes of a file, which hold capabilities and access lists.
func attributesOf(path string) string {
	buffer := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buffer)
	if err != nil {
		return ""
	}
	var out string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buffer[:n]), "\x00"), "\x00") {
		if name != "" && name != "security.selinux" {
			out += " " + name
		}
	}
	return out
}
