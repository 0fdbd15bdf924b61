package install

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/disk"
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
	at := slices.Index(hs.order, dir)
	hs.order = slices.Delete(hs.order, at, at+1)
}

// forget closes the handles of a directory that has got another name, and of those below it.
func (hs *handles) forget(dir string) {
	for i := len(hs.order) - 1; i >= 0; i-- {
		if within(dir, hs.order[i]) {
			hs.drop(hs.order[i])
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

func openat(h *handle, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(h.fd, name, flags|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		return fd, h.fail("open", name, err)
	}
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
