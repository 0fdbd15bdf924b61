package dryrun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// copyLimit is the size up to which a file that cannot be in a layer is copied; strangerLimit is that for files that belong to others than the
// user, of which there may be many in /tmp. Larger ones can be read and not changed.
const (
	copyLimit     = 64 << 20
	strangerLimit = 1 << 20
)

// takeApart shows a directory by a new one that has the same links and small files, and each directory in it by itself.
func (v *view) takeApart(path string) error {
	from, to := v.hostPath(path), join(v.root, path)
	entries, err := os.ReadDir(from)
	if err != nil {
		v.unreadable = append(v.unreadable, path)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	l := &layer{path: path, flat: true, shown: map[string]fs.FileInfo{}, fixed: map[string]bool{}}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		if err := v.part(l, filepath.Join(path, e.Name()), info); err != nil {
			return err
		}
	}
	if info, err := os.Stat(from); err == nil {
		if err := v.like(to, info); err != nil {
			return err
		}
	}
	if l.upper, err = os.Open(to); err != nil {
		return err
	}
	if l.lower, err = os.Open(from); err != nil {
		l.lower = nil // nothing of it is shown
	}
	v.layers = append(v.layers, l)
	return nil
}

// essential are directories without which there is no view worth having.
var essential = []string{"/etc", "/opt", "/usr", "/var"}

// part shows one entry of a directory that is taken apart.
func (v *view) part(l *layer, path string, info fs.FileInfo) error {
	from, to := v.hostPath(path), join(v.root, path)
	switch {
	case slices.Contains(own, path):
		return os.Mkdir(to, 0o755)
	case info.IsDir():
		if slices.ContainsFunc(v.mounts, func(m mount) bool { return m.path == from && !m.seen() }) {
			return nil
		}
		err := v.cover(path)
		if err != nil && !slices.Contains(essential, path) {
			v.warnings = append(v.warnings, fmt.Sprintf("%s is not in the view: %v", path, err))
			return nil
		}
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return nil // removed meanwhile
		}
		l.shown[info.Name()] = info
		return os.Symlink(target, to)
	case info.Mode().IsRegular():
		copied := v.copy
		fixed := info.Size() > copyLimit || v.settings.User && foreign(info) && info.Size() > strangerLimit
		if fixed {
			copied = v.show
		}
		switch err := copied(from, to, info); {
		case err == nil && fixed:
			l.fixed[info.Name()] = true
		case err == nil:
			l.shown[info.Name()] = info
		case errors.Is(err, fs.ErrPermission):
			v.unreadable = append(v.unreadable, path)
		default:
			v.warnings = append(v.warnings, fmt.Sprintf("%s is not in the view: %v", path, err))
		}
	}
	return nil // sockets and devices are the host's
}

// copy copies a file with its owner, mode and time.
func (v *view) copy(from, to string, info fs.FileInfo) error {
	if err := copyContent(from, to); err != nil {
		return err
	}
	return errors.Join(v.like(to, info), os.Chtimes(to, info.ModTime(), info.ModTime()))
}

// show shows a file itself, which can then only be read.
func (v *view) show(from, to string, info fs.FileInfo) error {
	if f, err := os.Open(from); err != nil {
		return err
	} else if err := f.Close(); err != nil {
		return err
	}
	if err := bind(from, to); err != nil {
		return err
	}
	if err := readOnly(to); err != nil {
		return errors.Join(err, unix.Unmount(to, unix.MNT_DETACH))
	}
	if !slices.Contains(others, filepath.Dir(from)) {
		v.warnings = append(v.warnings, fmt.Sprintf("%s can only be read in the view: it is larger than %d MiB and lies where no overlay can be", from, copyLimit>>20))
	}
	return nil
}

// copyOver shows a file on which another one is mounted.
func (v *view) copyOver(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errors.New("it is mounted by itself and no file")
	}
	dir := filepath.Join(v.scratch, "files")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, fmt.Sprint(len(v.warnings), "-", filepath.Base(path)))
	if err := v.copy(v.hostPath(path), file, info); err != nil {
		return err
	}
	return unix.Mount(file, join(v.root, path), "", unix.MS_BIND, "")
}
