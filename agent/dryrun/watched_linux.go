package dryrun

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/install"
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
		if adopt(path) {
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
			adopt(to)
		}
		adopt(path)
	default:
		adopt(path)
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

// give notes whose a file is to be. What is given to root is really given, for it may be nobody's.
func (o *owners) give(path string, uid, gid int32) bool {
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	if uid == overflow && gid == overflow {
		// Somebody copies the owner of a host's file, as it is seen here.
		adopt(path)
		return true
	}
	was := o.of[path]
	if uid >= 0 {
		was.uid = int(uid)
	}
	if gid >= 0 {
		was.gid = int(gid)
	}
	adopt(path)
	o.of[path] = was
	return true
}

// label notes an extended attribute that only the host's root can give: an access control list with others than the view's root, and a
// context. The kernel sets what is possible.
func (o *owners) label(path string, n *notification) bool {
	adopt(path)
	key := stringAt(int(n.pid), uintptr(n.args[1]))
	value, ok := memory(int(n.pid), uintptr(n.args[2]), int(min(n.args[3], 64<<10)))
	if !ok {
		return false
	}
	switch key {
	case aclAccess, aclDefault:
		list, ok := parseACL(string(value))
		if !ok || !list.namesOthers() {
			return false
		}
		info, err := os.Stat(path)
		if err != nil || key == aclDefault && !info.IsDir() {
			return false
		}
		if key == aclAccess && os.Chmod(path, list.mode(info.Mode())) != nil {
			return false
		}
		// Who adds an entry has not seen those that were only noted.
		before, _ := parseACL(o.labels[path][key])
		value = []byte(before.with(list).encode())
	case selinux:
	default:
		return false
	}
	if o.labels[path] == nil {
		o.labels[path] = map[string]string{}
	}
	o.labels[path][key] = string(value)
	return true
}

// uncover removes an empty directory that is a layer of its own, which to the kernel is a mount and busy.
func (o *owners) uncover(path string) bool {
	i := slices.IndexFunc(o.layers, func(l *layer) bool { return l.path == path && !l.flat && !l.removed })
	if i < 0 || path == "/" {
		return false
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
		return false
	}
	if unix.Unmount(path, unix.MNT_DETACH) != nil || os.Remove(path) != nil {
		return false
	}
	o.layers[i].removed = true
	return true
}

// moved takes the owners of what is renamed along.
func (o *owners) moved(from, to string) {
	if to == "" {
		return
	}
	for path, who := range o.of {
		if inside(path, from) {
			delete(o.of, path)
			o.of[to+strings.TrimPrefix(path, from)] = who
		}
	}
	for path, labels := range o.labels {
		if inside(path, from) {
			delete(o.labels, path)
			o.labels[to+strings.TrimPrefix(path, from)] = labels
		}
	}
}

// adopt replaces a file of somebody who does not exist by a copy that belongs to the view's root. It says whether it did.
func adopt(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !foreign(info) || isOwn(path) {
		return false
	}
	temporary := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d", filepath.Base(path), os.Getpid()))
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil || os.Symlink(target, temporary) != nil {
			return false
		}
	case info.Mode().IsRegular():
		if errors.Join(copyContent(path, temporary), os.Chmod(temporary, info.Mode()), os.Chtimes(temporary, info.ModTime(), info.ModTime())) != nil {
			_ = os.Remove(temporary)
			return false
		}
	default:
		return false
	}
	if os.Rename(temporary, path) != nil {
		_ = os.Remove(temporary)
		return false
	}
	return true
}

// copyContent copies a file's content to a new file that nobody else may read.
func copyContent(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
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

// memory reads a part of a process's memory.
func memory(pid int, at uintptr, length int) ([]byte, bool) {
	if length == 0 {
		return nil, true
	}
	buf := make([]byte, length)
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(length)
	n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at, Len: length}}, 0)
	return buf, err == nil && n == length
}

// report adds the owners that were noted to the differences.
func (o *owners) report(d *differ) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for path, who := range o.of {
		if who == (owner{}) {
			continue
		}
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		i := slices.IndexFunc(d.changes, func(c install.Change) bool {
			return c.Path == path && (c.Action == install.Create || c.Action == install.Mkdir)
		})
		if i >= 0 {
			d.changes[i].Detail += ", owner " + names(who.uid, who.gid)
		} else {
			d.changes = append(d.changes, install.Change{Path: path, Action: install.Owner, Detail: names(who.uid, who.gid)})
		}
	}
	root := &differ{v: d.v, layer: &layer{path: "/"}}
	for path, labels := range o.labels {
		if _, err := os.Lstat(path); err == nil {
			root.compare(path, labels, nil)
		}
	}
	d.changes = append(d.changes, root.changes...)
}
