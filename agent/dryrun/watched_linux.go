package dryrun

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// what says what a watched call does.
type what int

const (
	change    what = iota // changes a file: it must be the view's
	give                  // gives a file to somebody
	become                // takes on other users or groups
	chmodFD               // changes the mode of an open file
	removeDir             // removes a directory
	label                 // sets an extended attribute
	move                  // renames; where the new name stands follows from where the old one does
)

// watched is one system call that the broker is asked about.
type watched struct {
	what what
	// dir and path are the numbers of the arguments with the directory's file descriptor and the path; -1 for none.
	dir, path int
	// flags is the argument whose bits ifSet decide whether the call matters; without ifSet it always does.
	flags int
	ifSet uint32
	// noFollow says that a link itself is meant; for others it may be said in the call, in the argument atFlags unless that is 0.
	noFollow bool
	atFlags  int
	// uid is the number of the argument with a user, the next is a group's.
	uid int
}

// overflow is whose things of those are shown as who do not exist in the namespace (user_namespaces(7)).
const overflow = 65534

const writing = unix.O_WRONLY | unix.O_RDWR | unix.O_TRUNC

// watchedCalls are the calls by their numbers; each architecture may add its own older ones.
var watchedCalls = map[uint32]watched{
	unix.SYS_OPENAT:     {what: change, dir: 0, path: 1, flags: 2, ifSet: writing},
	unix.SYS_OPENAT2:    {what: change, dir: 0, path: 1},
	unix.SYS_TRUNCATE:   {what: change, dir: -1, path: 0},
	unix.SYS_FACCESSAT:  {what: change, dir: 0, path: 1, flags: 2, ifSet: unix.W_OK},
	unix.SYS_FACCESSAT2: {what: change, dir: 0, path: 1, flags: 2, ifSet: unix.W_OK},
	unix.SYS_FCHMODAT:   {what: change, dir: 0, path: 1},
	unix.SYS_FCHMODAT2:  {what: change, dir: 0, path: 1, atFlags: 3},
	unix.SYS_UTIMENSAT:  {what: change, dir: 0, path: 1, atFlags: 3},
	unix.SYS_SETXATTR:   {what: label, dir: -1, path: 0},
	unix.SYS_LSETXATTR:  {what: label, dir: -1, path: 0, noFollow: true},
	unix.SYS_FSETXATTR:  {what: label, dir: 0, path: -1},
	unix.SYS_LINKAT:     {what: change, dir: 0, path: 1, noFollow: true},
	unix.SYS_UNLINKAT:   {what: removeDir, dir: 0, path: 1, flags: 2, ifSet: unix.AT_REMOVEDIR, noFollow: true},
	unix.SYS_RENAMEAT2:  {what: move, dir: 0, path: 1, noFollow: true},
	unix.SYS_FCHMOD:     {what: chmodFD, dir: 0, path: -1},
	unix.SYS_FCHOWN:     {what: give, dir: 0, path: -1, uid: 1},
	unix.SYS_FCHOWNAT:   {what: give, dir: 0, path: 1, uid: 2, atFlags: 4},
	unix.SYS_SETUID:     {what: become}, unix.SYS_SETGID: {what: become}, unix.SYS_SETREUID: {what: become}, unix.SYS_SETREGID: {what: become},
	unix.SYS_SETRESUID: {what: become}, unix.SYS_SETRESGID: {what: become}, unix.SYS_SETFSUID: {what: become}, unix.SYS_SETFSGID: {what: become},
	unix.SYS_SETGROUPS: {what: become},
}

// handle deals with one call. It returns true if the call is done, as far as the program can tell, with success; otherwise the kernel does it.
func (o *owners) handle(n *notification) (done bool) {
	w := watchedCalls[uint32(n.nr)]
	if w.what == become {
		return o.become(n)
	}
	path, open := place(n, w.dir, w.path)
	if path == "" {
		return false
	}
	follow := !w.noFollow && !open && (w.atFlags == 0 || n.args[w.atFlags]&unix.AT_SYMLINK_NOFOLLOW == 0)
	if follow {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return false // it is to be made, or the kernel knows better what is wrong
		}
		path = real
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch w.what {
	case give:
		return o.give(path, int32(n.args[w.uid]), int32(n.args[w.uid+1]))
	case chmodFD:
		if o.adopt(path) {
			return os.Chmod(path, fileMode(uint32(n.args[1]))) == nil
		}
	case label:
		return o.label(path, n)
	case removeDir:
		return o.uncover(path)
	case move:
		to := n.to(w)
		o.moved(path, to)
		if n.nr == unix.SYS_RENAMEAT2 && n.args[4]&unix.RENAME_EXCHANGE != 0 {
			o.adopt(to)
		}
		o.adopt(path)
	default:
		o.adopt(path)
	}
	return false
}

// to is the new name of what is renamed.
func (n *notification) to(w watched) string {
	dir, path := w.dir+2, w.path+2
	if w.dir < 0 {
		dir, path = -1, w.path+1
	}
	to, _ := place(n, dir, path)
	return to
}

// become answers a call that takes on users or groups. Only root exists.
func (o *owners) become(n *notification) bool {
	if n.nr == unix.SYS_SETGROUPS {
		return true
	}
	count := map[int32]int{unix.SYS_SETREUID: 2, unix.SYS_SETREGID: 2, unix.SYS_SETRESUID: 3, unix.SYS_SETRESGID: 3}[n.nr]
	return slices.ContainsFunc(n.args[:max(count, 1)], func(id uint64) bool { return int32(id) != 0 && int32(id) != -1 })
}

// fileMode turns the bits of a system call into a mode.
func fileMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for value, bit := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&value != 0 {
			m |= bit
		}
	}
	return m
}

// place is the absolute path of what a call is about, "" if there is none; open says that the call has it open.
func place(n *notification, dir, path int) (place string, open bool) {
	name := ""
	if path >= 0 {
		if n.args[path] != 0 {
			name = stringAt(int(n.pid), uintptr(n.args[path]))
		}
		if filepath.IsAbs(name) {
			return filepath.Clean(name), false
		}
	}
	from := fmt.Sprintf("/proc/%d/cwd", n.pid)
	if dir >= 0 && int32(n.args[dir]) != unix.AT_FDCWD {
		from = fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(n.args[dir]))
	}
	at, err := os.Readlink(from)
	if err != nil || !filepath.IsAbs(at) {
		return "", false
	}
	return filepath.Join(at, name), name == ""
}

// stringAt reads a string from a process's memory, page by page: what follows it may not be there.
func stringAt(pid int, at uintptr) string {
	const page, longest = 4096, 4096
	var text []byte
	for len(text) < longest {
		buf := make([]byte, page-at%page)
		local := []unix.Iovec{{Base: &buf[0]}}
		local[0].SetLen(len(buf))
		n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at, Len: len(buf)}}, 0)
		if err != nil || n == 0 {
			return ""
		}
		if end := slices.Index(buf[:n], 0); end >= 0 {
			return string(append(text, buf[:end]...))
		}
		text, at = append(text, buf[:n]...), at+uintptr(n)
	}
	return ""
}

// peek reads a part of a process's memory.
func peek(pid int, at uintptr, length int) ([]byte, bool) {
	if length == 0 {
		return nil, true
	}
	buf := make([]byte, length)
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(length)
	n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at, Len: length}}, 0)
	return buf, err == nil && n == length
}
