//go:build !linux

package install

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"codedeploy-agent/agent/progress"
)

// handles opens directories; see handles_linux.go.
type handles struct{ open map[string]*handle }

// handle is an open directory. What stands in it is reached by its name.
type handle struct {
	path string
	root *os.Root
}

// in returns the directory.
func (hs *handles) in(dir string) (*handle, error) {
	hs.close() // one at a time
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	h := &handle{dir, root}
	hs.open = map[string]*handle{dir: h}
	return h, nil
}

func (hs *handles) forget(string) { hs.close() }

func (hs *handles) close() {
	for _, h := range hs.open {
		h.root.Close()
	}
	hs.open = nil
}

// look returns what stands at the name.
func (h *handle) look(name string) (info, error) {
	fi, err := h.root.Lstat(name)
	if missing(err) {
		return info{}, nil
	}
	if err != nil {
		return info{}, err
	}
	return infoOf(fi), nil
}

func (h *handle) mkdir(name string) error { return h.root.Mkdir(name, 0o777) }

func (h *handle) made(name string) (info, error) { return h.look(name) }

func (h *handle) symlink(text, name string) error { return h.root.Symlink(text, name) }

// dress gives a link its owner, which does not matter enough to fail for (official agents).
func (h *handle) dress(name string, a attributes, _ info) {
	if a.uid != noID {
		_ = h.root.Lchown(name, a.uid, a.gid)
	}
}

func (h *handle) unlink(name string) error { return h.root.Remove(name) }

func (h *handle) rmdir(name string) error { return h.root.Remove(name) }

func (h *handle) rename(from, to string) error { return h.root.Rename(from, to) }

func (h *handle) link(from, to string) error { return h.root.Link(from, to) }

// errNoSuchRename says that the system cannot rename in this way.
var errNoSuchRename = errors.New("the system cannot do that")

func (h *handle) place(string, string) error { return errNoSuchRename }

func (h *handle) exchange(string, string) error { return errNoSuchRename }

func (h *handle) linkTo(string, *handle, string) error { return errNoSuchRename }

// names lists a directory's content.
func (h *handle) names(name string) ([]string, error) {
	f, err := h.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// copier copies files.
type copier struct{}

// copy makes a file with the source's content and the given attributes. The name must be free.
func (c *copier) copy(from *handle, base string, i info, to *handle, name string, a attributes, work *progress.Work) (err error) {
	src, err := from.root.Open(base)
	if err != nil {
		return err
	}
	defer src.Close()
	fi, err := src.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		return errChanged
	}
	dst, err := to.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if e := dst.Close(); err == nil {
			err = e
		}
		if err == nil {
			err = to.root.Chtimes(name, time.Unix(0, i.atime), time.Unix(0, i.mtime))
		}
	}()
	n, err := io.Copy(dst, src)
	work.Did(0, n)
	if err != nil {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	if a.uid != noID {
		_ = dst.Chown(a.uid, a.gid) // as for links
	}
	return dst.Chmod(os.FileMode(a.mode & 0o777))
}

// opened is something that stands in a directory and whose attributes are changed.
type opened struct {
	file *os.File
	path string
	info info
}

// openPlace opens what stands at the name, which must be what was seen before.
func (h *handle) openPlace(name string, expect info) (*opened, error) {
	f, err := h.root.Open(name)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	i := infoOf(fi)
	if expect.kind != absent && !i.same(expect) {
		f.Close()
		return nil, &os.PathError{Op: "change", Path: filepath.Join(h.path, name), Err: errChanged}
	}
	return &opened{f, filepath.Join(h.path, name), i}, nil
}

func (o *opened) close() { o.file.Close() }

// set changes owner and mode.
func (o *opened) set(a attributes) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	if a.uid != o.info.uid || a.gid != o.info.gid {
		if err := o.file.Chown(a.uid, a.gid); err != nil {
			return err
		}
	}
	return o.file.Chmod(os.FileMode(a.mode & 0o777))
}

func (o *opened) lists() map[string][]byte { return nil }

func listsAt(string) (access, inherited []aclEntry) { return nil, nil }

func (o *opened) setLists(map[string][]byte) error { return nil }

// aclSupport says why access control lists cannot be set here.
func aclSupport() string { return "this system's access control lists are not supported" }

// plain says whether a file has nothing that a fresh copy would not have, which cannot be told here.
func plain(string) bool { return false }

// installed says the same of a name, see plain.
func (h *handle) installed(string, *handle, string) bool { return false }

// syncAll does nothing: there is no call for it.
func syncAll(string) error { return nil }
