package install

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

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
