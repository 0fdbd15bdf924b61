package install

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/progress"
)

// maxHandles is how many directories handles keeps open.
const maxHandles = 64

// handles opens directories by paths that have no links, and never follows one that somebody has put there since. A handle stays good until
// the next call of in. Not for several goroutines.
type handles struct {
	open  map[string]*handle
	order []string
}

// handle is an open directory. What stands in it is reached by its name, without following links.
type handle struct {
	path  string
	fd    int
	fresh disk.Fresh
}

// in returns the directory.
func (hs *handles) in(dir string) (*handle, error) {
	if h := hs.open[dir]; h != nil {
		return h, nil
	}
	fd, err := openDirectory(dir)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	if hs.open == nil {
		hs.open = map[string]*handle{}
	}
	if len(hs.order) == maxHandles {
		hs.drop(hs.order[0])
	}
	h := &handle{path: dir, fd: fd}
	h.fresh.In(fd)
	hs.open[dir] = h
	hs.order = append(hs.order, dir)
	return h, nil
}

func (hs *handles) drop(dir string) {
	unix.Close(hs.open[dir].fd)
	delete(hs.open, dir)
	for i, d := range hs.order {
		if d == dir {
			hs.order = append(hs.order[:i], hs.order[i+1:]...)
			return
		}
	}
}

// forget closes the handles of a directory that has got another name, and of those below it.
func (hs *handles) forget(dir string) {
	for _, d := range append([]string(nil), hs.order...) {
		if within(dir, d) {
			hs.drop(d)
		}
	}
}

func (hs *handles) close() { hs.forget("/") }

// openDirectory opens a directory without following any link on the way.
func openDirectory(dir string) (int, error) {
	for {
		fd, err := unix.Openat2(unix.AT_FDCWD, dir, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
		switch err {
		case nil:
			return fd, nil
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.ENOSYS, unix.EPERM: // before Linux 5.6, or forbidden by a container
			return walkDirectory(dir)
		}
		return -1, err
	}
}

func walkDirectory(dir string) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Open("/", flags, 0)
	if err != nil {
		return -1, err
	}
	for name := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if name == "" {
			continue
		}
		next, err := unix.Openat(fd, name, flags, 0)
		unix.Close(fd)
		if err != nil {
			return -1, err
		}
		fd = next
	}
	return fd, nil
}

func (h *handle) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: filepath.Join(h.path, name), Err: err}
}

// look returns what stands at the name.
func (h *handle) look(name string) (info, error) {
	var st unix.Stat_t
	err := unix.Fstatat(h.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return info{}, nil
	}
	if err != nil {
		return info{}, h.fail("look at", name, err)
	}
	return infoOfStat(&st), nil
}

func infoOfStat(st *unix.Stat_t) info {
	i := info{mode: st.Mode & 0o7777, uid: int(st.Uid), gid: int(st.Gid), size: st.Size, links: uint32(st.Nlink), dev: st.Dev, ino: st.Ino,
		atime: st.Atim.Nano(), mtime: st.Mtim.Nano()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		i.kind = regular
	case unix.S_IFDIR:
		i.kind = directory
	case unix.S_IFLNK:
		i.kind = link
	default:
		i.kind = special
	}
	return i
}

func (h *handle) mkdir(name string) error {
	return h.fail("make the directory", name, unix.Mkdirat(h.fd, name, 0o777)) // the umask or a default acl decides, as for the official agents
}

// made returns the directory that was just made. Who may write to h can have put another one in its place, but none that is empty and
// matters; what the name is from now on is compared with it.
func (h *handle) made(name string) (info, error) {
	fd, err := openat(h, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return info{}, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return info{}, h.fail("look at", name, err)
	}
	names, err := f.Readdirnames(1)
	if len(names) > 0 {
		return info{}, h.fail("use", name, errChanged)
	}
	if err != io.EOF {
		return info{}, h.fail("read the directory", name, err)
	}
	return infoOfStat(&st), nil
}

func (h *handle) symlink(text, name string) error {
	return h.fail("make the link", name, unix.Symlinkat(text, h.fd, name))
}

// dress gives a link its owner and time. Neither matters enough to fail for (official agents).
func (h *handle) dress(name string, a attributes, i info) {
	_ = unix.Fchownat(h.fd, name, a.uid, a.gid, unix.AT_SYMLINK_NOFOLLOW)
	_ = unix.UtimesNanoAt(h.fd, name, timesOf(i), unix.AT_SYMLINK_NOFOLLOW)
}

func timesOf(i info) []unix.Timespec {
	return []unix.Timespec{unix.NsecToTimespec(i.atime), unix.NsecToTimespec(i.mtime)}
}

func (h *handle) unlink(name string) error {
	return h.fail("remove", name, unix.Unlinkat(h.fd, name, 0))
}

func (h *handle) rmdir(name string) error {
	return h.fail("remove the directory", name, unix.Unlinkat(h.fd, name, unix.AT_REMOVEDIR))
}

func (h *handle) rename(from, to string) error {
	return h.fail("put in place", to, unix.Renameat(h.fd, from, h.fd, to))
}

func (h *handle) link(from, to string) error {
	return h.fail("keep", from, unix.Linkat(h.fd, from, h.fd, to, 0))
}

// errNoSuchRename says that the file system cannot rename in this way.
var errNoSuchRename = errors.New("the file system cannot do that")

// place renames unless something stands at the new name.
func (h *handle) place(from, to string) error { return h.rename2(from, to, unix.RENAME_NOREPLACE) }

// exchange swaps two names in one step.
func (h *handle) exchange(a, b string) error { return h.rename2(a, b, unix.RENAME_EXCHANGE) }

func (h *handle) rename2(from, to string, flags uint) error {
	err := unix.Renameat2(h.fd, from, h.fd, to, flags)
	if err == unix.EINVAL || err == unix.ENOSYS || err == unix.ENOTSUP {
		return errNoSuchRename
	}
	return h.fail("put in place", to, err)
}

// linkTo gives a file or link a second name in another directory of the same file system.
func (h *handle) linkTo(from string, dir *handle, to string) error {
	return h.fail("keep", from, unix.Linkat(h.fd, from, dir.fd, to, 0))
}

// names lists a directory's content.
func (h *handle) names(name string) ([]string, error) {
	fd, err := unix.Openat(h.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, h.fail("read the directory", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return f.Readdirnames(-1)
}

// copyPiece is how much the kernel copies at a time: little enough to say how far it is. Pieces of one file are not copied side by side: in memory
// that saves a sixteenth of the time and costs half as much CPU again.
const copyPiece = 64 << 20

// copyBuffer is how much of a file is read at a time where the kernel does not copy by itself.
const copyBuffer = 128 << 10

// copier copies files; it is not for several goroutines.
type copier struct{ buffer []byte }

// copy makes a file with the source's content and the given attributes. The name must be free.
func (c *copier) copy(from *handle, base string, i info, to *handle, name string, a attributes, work *progress.Work) (err error) {
	src, err := openat(from, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	var st unix.Stat_t
	if err := unix.Fstat(src, &st); err != nil {
		return from.fail("read", base, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Ino != i.ino || st.Dev != i.dev {
		return from.fail("read", base, errChanged)
	}
	mode := uint32(0o600)
	if a.access == nil && !a.bare {
		mode = to.fresh.Mode(a.mode, a.uid, a.gid)
	}
	dst, err := unix.Openat(to.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return to.fail("write", name, err)
	}
	defer func() {
		if e := unix.Close(dst); err == nil {
			err = to.fail("write", name, e)
		}
	}()
	if err := c.content(src, dst, st.Size, work); err != nil {
		return to.fail("write", name, err)
	}
	if a.bare {
		if err := unix.Fremovexattr(dst, aclAccess); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
			return to.fail("set the permissions of", name, err)
		}
	}
	made := info{mode: mode}
	if made.uid, made.gid = to.fresh.Owner(); mode != a.mode || !to.fresh.Kept(dst, mode) {
		made.mode = unknownMode
	}
	if err := setAttributes(dst, made, a); err != nil {
		return to.fail("set the permissions of", name, err)
	}
	return to.fail("set the times of", name, disk.SetTimes(dst, st.Atim.Nano(), st.Mtim.Nano()))
}

func openat(h *handle, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(h.fd, name, flags|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		return fd, h.fail("open", name, err)
	}
}

// content copies everything. Large files are copied by the kernel where it can, which shares blocks on file systems that know how.
func (c *copier) content(src, dst int, size int64, work *progress.Work) error {
	if size > copyBuffer {
		for {
			n, err := unix.CopyFileRange(src, nil, dst, nil, copyPiece, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				if err == unix.ENOSPC || err == unix.EIO || err == unix.EDQUOT || err == unix.EFBIG {
					return err
				}
				break // the rest by hand
			}
			if n == 0 {
				return nil
			}
			work.Did(0, int64(n))
		}
	}
	if c.buffer == nil {
		c.buffer = make([]byte, copyBuffer)
	}
	for {
		n, err := unix.Read(src, c.buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		work.Did(0, int64(n))
		for out := c.buffer[:n]; len(out) > 0; {
			m, err := unix.Write(dst, out)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			if m == 0 {
				return io.ErrShortWrite
			}
			out = out[m:]
		}
		if int64(n) == size {
			return nil // all of a small file, without asking for its end
		}
	}
}

// opened is something that stands in a directory and whose attributes are changed, whatever happens to its name.
type opened struct {
	fd   int
	path string
	info info
}

// openPlace opens what stands at the name, which must be what was seen before.
func (h *handle) openPlace(name string, expect info) (*opened, error) {
	fd, err := openat(h, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, h.fail("look at", name, err)
	}
	o := &opened{fd: fd, path: filepath.Join(h.path, name), info: infoOfStat(&st)}
	if expect.kind != absent && !o.info.same(expect) {
		unix.Close(fd)
		return nil, h.fail("change", name, errChanged)
	}
	return o, nil
}

func (o *opened) close() { unix.Close(o.fd) }

// set changes owner, mode and lists.
func (o *opened) set(a attributes) error {
	if err := setAttributes(o.fd, o.info, a); err != nil {
		return &os.PathError{Op: "set the permissions of", Path: o.path, Err: err}
	}
	return nil
}

// setAttributes sets what differs. The owner of a bundle's file does not matter enough to fail for where this process may not give files away
// (official agents).
func setAttributes(fd int, is info, a attributes) error {
	chowned := false
	if a.uid != is.uid || a.gid != is.gid {
		err := unix.Fchown(fd, a.uid, a.gid)
		if err != nil && (a.asked || !errors.Is(err, unix.EPERM)) {
			return err
		}
		chowned = true
	}
	if a.mode != is.mode || chowned && a.mode&setID != 0 {
		if err := unix.Fchmod(fd, a.mode); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		name string
		list []aclEntry
	}{{aclAccess, a.access}, {aclDefault, a.inherited}} {
		if l.list == nil {
			continue
		}
		if err := unix.Fsetxattr(fd, l.name, encode(l.list), 0); err != nil {
			if err == unix.ENOTSUP {
				return errNoACL
			}
			return err
		}
	}
	return nil
}

var errNoACL = errors.New("the file system has no access control lists")

// lists reads the access control lists as they are, nil for none.
func (o *opened) lists() map[string][]byte {
	found := map[string][]byte{}
	for _, name := range []string{aclAccess, aclDefault} {
		found[name] = readList(func(into []byte) (int, error) { return unix.Fgetxattr(o.fd, name, into) })
	}
	return found
}

// readList returns what get gets: a list, which mostly is not there and hardly ever is long, or nil.
func readList(get func(into []byte) (int, error)) []byte {
	size, err := get(nil)
	if err != nil || size == 0 {
		return nil
	}
	buffer := make([]byte, size)
	n, err := get(buffer)
	if err == unix.ERANGE { // it has grown
		buffer = make([]byte, 64<<10)
		n, err = get(buffer)
	}
	if err != nil {
		return nil
	}
	return buffer[:n]
}

// listsAt reads the access control lists of what stands at a path that has no links, nil for none.
func listsAt(path string) (access, inherited []aclEntry) {
	read := func(name string) []aclEntry {
		return decode(readList(func(into []byte) (int, error) { return unix.Lgetxattr(path, name, into) }))
	}
	return read(aclAccess), read(aclDefault)
}

// setLists puts lists back.
func (o *opened) setLists(lists map[string][]byte) error {
	for name, content := range lists {
		var err error
		if content == nil {
			if err = unix.Fremovexattr(o.fd, name); err == unix.ENODATA || err == unix.ENOTSUP {
				err = nil
			}
		} else {
			err = unix.Fsetxattr(o.fd, name, content, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// aclSupport says why access control lists cannot be set here, or nothing.
func aclSupport() string { return "" }

// plain says whether a file has nothing that a fresh copy would not have: lists, capabilities and the like. A security label does not count.
func plain(path string) bool {
	return nothingBut(func(names []byte) (int, error) { return unix.Llistxattr(path, names) })
}

func nothingBut(list func(names []byte) (int, error)) bool {
	buffer := make([]byte, 256)
	n, err := list(buffer)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return true
	}
	if err != nil { // more than there is room for is more than a label
		return false
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buffer[:n]), "\x00"), "\x00") {
		if name != "security.selinux" {
			return false
		}
	}
	return true
}

// installed says whether what stands at the name is as if the file of another directory had just been copied there, as far as content and extended
// attributes go. What cannot be read is not.
func (h *handle) installed(name string, from *handle, base string) bool {
	x, size, ok := openToCompare(from.fd, base)
	if !ok {
		return false
	}
	defer unix.Close(x)
	y, standing, ok := openToCompare(h.fd, name)
	if !ok {
		return false
	}
	defer unix.Close(y)
	return size == standing && nothingBut(func(names []byte) (int, error) { return unix.Flistxattr(y, names) }) && sameBytes(x, y, size)
}

// syncAll makes everything on the file system of dir durable.
func syncAll(dir string) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		return &os.PathError{Op: "sync the file system of", Path: dir, Err: err}
	}
	return nil
}
