package dryrun

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func ownerOf(info fs.FileInfo) (uid, gid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}

// foreign says whether something belongs to somebody who does not exist in a user namespace in which the user is root and there is nobody
// else: not even that root may change it, and the overlay cannot copy it up.
func foreign(info fs.FileInfo) bool {
	uid, gid, ok := ownerOf(info)
	return ok && (uid != 0 || gid != 0)
}

// others are directories in which each user has things of his own: what is in those of others cannot be changed in the view.
var others = []string{"/home", "/tmp", "/var/tmp"}

// mirrored is a directory that an upper layer had from the beginning.
type mirrored struct {
	inode uint64
	mode  uint32
}

// mirror makes the directories of others in the layer's upper directory, where they are the user's own: so the user, as the view's root, can
// make and remove things in them. Directories that cannot be read are made empty.
func (v *view) mirror(l *layer, lower, upper string) error {
	if info, err := os.Stat(lower); err != nil || foreign(info) && slices.Contains(others, filepath.Dir(l.path)) {
		return err
	}
	m := &mirroring{v: v, layer: l, lower: lower, upper: upper, slots: make(chan struct{}, 4)}
	m.walk(".")
	m.work.Wait()
	return errors.Join(m.problems...)
}

type mirroring struct {
	v            *view
	layer        *layer
	lower, upper string
	work         sync.WaitGroup
	slots        chan struct{}

	mu       sync.Mutex // for what follows, the layer's and the view's
	problems []error
}

func (m *mirroring) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.problems = append(m.problems, err)
}

func (m *mirroring) walk(rel string) {
	from, to, shown := filepath.Join(m.lower, rel), filepath.Join(m.upper, rel), filepath.Join(m.layer.path, rel)
	entries, err := list(from)
	if err != nil {
		m.mu.Lock()
		m.layer.emptied[rel] = true
		m.v.unreadable = append(m.v.unreadable, shown)
		m.mu.Unlock()
		if err := unix.Setxattr(to, "user.overlay.opaque", []byte("y"), 0); err != nil {
			m.failed(unsupported("cannot show %s as empty: %w", shown, err))
		}
		return
	}
	for _, e := range entries {
		var was, is unix.Stat_t
		if !e.mayBeDir || unix.Lstat(from+"/"+e.name, &was) != nil || was.Mode&unix.S_IFMT != unix.S_IFDIR || was.Uid == 0 && was.Gid == 0 {
			continue
		}
		at := to + "/" + e.name
		err := unix.Mkdir(at, was.Mode&0o777)
		if err == nil && was.Mode&0o7000 != 0 {
			err = unix.Chmod(at, was.Mode&0o7777)
		}
		if err == nil {
			err = unix.Lstat(at, &is)
		}
		if err != nil {
			m.failed(&os.PathError{Op: "mirror", Path: filepath.Join(shown, e.name), Err: err})
			continue
		}
		name := filepath.Join(rel, e.name)
		m.mu.Lock()
		m.layer.mirrored[name] = mirrored{is.Ino, is.Mode}
		m.mu.Unlock()
		if slices.Contains(others, shown) || slices.Contains(others, m.layer.path) {
			continue
		}
		select {
		case m.slots <- struct{}{}:
			m.work.Go(func() { m.walk(name); <-m.slots })
		default:
			m.walk(name)
		}
	}
}
