package main

import (
	endian "encoding/binary"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// accessLists prints the access control lists of a file in the short form of getfacl(1), if it has any.
func accessLists(path string, info fs.FileInfo) string {
	if info.Mode()&fs.ModeSymlink != 0 {
		return ""
	}
	return accessList(path, "system.posix_acl_access", " acl=") + accessList(path, "system.posix_acl_default", " default=")
}

func accessList(path, name, mark string) string {
	buf := make([]byte, 4096)
	n, err := syscall.Getxattr(path, name, buf)
	if err != nil || n < 4 {
		return ""
	}
	var entries []string
	for at := buf[4:n]; len(at) >= 8; at = at[8:] { // a tag, permissions and an id (linux/posix_acl_xattr.h)
		tag, perm, id := endian.LittleEndian.Uint16(at), endian.LittleEndian.Uint16(at[2:]), endian.LittleEndian.Uint32(at[4:])
		who := map[uint16]string{1: "u:", 2: fmt.Sprintf("u:%d", id), 4: "g:", 8: fmt.Sprintf("g:%d", id), 16: "m:", 32: "o:"}[tag]
		entries = append(entries, fmt.Sprintf("%s:%o", who, perm))
	}
	return mark + strings.Join(entries, ",")
}

// longAccessLists has the lists in the long form of getfacl(1), names from the function where they are known.
func longAccessLists(path string, name func(what string, id uint32) string) []string {
	var out []string
	for _, list := range []struct{ name, prefix string }{{"system.posix_acl_access", ""}, {"system.posix_acl_default", "default:"}} {
		buf := make([]byte, 4096)
		n, err := syscall.Getxattr(path, list.name, buf)
		if err != nil || n < 4 {
			continue
		}
		for at := buf[4:n]; len(at) >= 8; at = at[8:] {
			tag, perm, id := endian.LittleEndian.Uint16(at), endian.LittleEndian.Uint16(at[2:]), endian.LittleEndian.Uint32(at[4:])
			who := map[uint16]string{1: "user:", 2: "user:" + name("user", id), 4: "group:", 8: "group:" + name("group", id), 16: "mask:", 32: "other:"}[tag]
			rights := [...]string{"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"}[perm&7]
			out = append(out, list.prefix+who+":"+rights)
		}
	}
	return out
}

// extendedAttributes prints the names and values of a file's extended attributes.
func extendedAttributes(path string) string {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return ""
	}
	var out strings.Builder
	for _, name := range strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			continue
		}
		fmt.Fprintf(&out, "%s=%x ", name, value[:n])
	}
	return out.String()
}

// supportsACLs says whether files in a directory can have access control lists.
func supportsACLs(dir string) bool {
	list := []byte{2, 0, 0, 0}
	for _, e := range []struct{ tag, perm uint16 }{{1, 7}, {4, 5}, {32, 0}} {
		list = endian.LittleEndian.AppendUint16(endian.LittleEndian.AppendUint16(list, e.tag), e.perm)
		list = endian.LittleEndian.AppendUint32(list, 1<<32-1)
	}
	return syscall.Setxattr(dir, "system.posix_acl_default", list, 0) == nil
}
