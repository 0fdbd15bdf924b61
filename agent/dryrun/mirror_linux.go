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

// mirror makes the directories of others in the layer's upper directory, where they are the user's own: so the user, as the view's root, can
// make and remove things in them. Directories that cannot be read are made empty.
func (v *view) mirror(l *layer, lower, upper string) error {
	var mu sync.Mutex
	var problems []error
	var work sync.WaitGroup
	slots := make(chan struct{}, 4)
	var walk func(rel string)
	walk = func(rel string) {
		entries, err := os.ReadDir(filepath.Join(lower, rel))
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			l.emptied[rel] = true
			v.unreadable = append(v.unreadable, filepath.Join(l.path, rel))
			if err := unix.Setxattr(filepath.Join(upper, rel), "user.overlay.opaque", []byte("y"), 0); err != nil {
				problems = append(problems, unsupported("cannot show %s as empty: %w; extended attributes in memory need Linux 6.6", filepath.Join(l.path, rel), err))
			}
			return
		}
		for _, e := range entries {
			if !e.IsDir() {
				continue
			}
			info, err := e.Info()
			if err != nil || !foreign(info) {
				continue
			}
			name := filepath.Join(rel, e.Name())
			at := filepath.Join(upper, name)
			err = errors.Join(os.Mkdir(at, 0o700), os.Chmod(at, info.Mode().Perm()|info.Mode()&(fs.ModeSetgid|fs.ModeSticky)))
			if err != nil {
				mu.Lock()
				problems = append(problems, err)
				mu.Unlock()
				continue
			}
			mu.Lock()
			l.mirrored[name] = true
			mu.Unlock()
			if slices.Contains(others, l.path) || slices.Contains(others, filepath.Join(l.path, rel)) {
				continue
			}
			select {
			case slots <- struct{}{}:
				work.Go(func() { walk(name); <-slots })
			default:
				walk(name)
			}
		}
	}
	walk(".")
	work.Wait()
	return errors.Join(problems...)
}
