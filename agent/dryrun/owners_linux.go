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
	"sync"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/install"
)

// owners are what programs of the view believe about who has what.
type owners struct {
	mu sync.Mutex
	of map[string]owner
	// labels are extended attributes, by path and name.
	labels map[string]map[string]string
	// emptied are files that could not be read and began empty.
	emptied map[string]bool
	// layers are the view's.
	layers []*layer
}

type owner struct{ uid, gid int }

// give notes whose a file is to be. What is given to root is really given, for it may be nobody's.
func (o *owners) give(path string, uid, gid int32) bool {
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	if uid == overflow && gid == overflow {
		// Somebody copies the owner of a host's file, as it is seen here.
		o.adopt(path)
		return true
	}
	was := o.of[path]
	if uid >= 0 {
		was.uid = int(uid)
	}
	if gid >= 0 {
		was.gid = int(gid)
	}
	o.adopt(path)
	o.of[path] = was
	return true
}

// label notes an extended attribute that only the host's root can give: an access control list with others than the view's root, and a
// context. The kernel sets what is possible.
func (o *owners) label(path string, n *notification) bool {
	o.adopt(path)
	key := stringAt(int(n.pid), uintptr(n.args[1]))
	value, ok := peek(int(n.pid), uintptr(n.args[2]), int(min(n.args[3], 64<<10)))
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

// adopt replaces a file of somebody who does not exist by a copy that belongs to the view's root; the copy of one that cannot be read is empty,
// for on the host root could write it. It says whether it did.
func (o *owners) adopt(path string) bool {
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
		err := copyContent(path, temporary)
		if errors.Is(err, fs.ErrPermission) {
			if err = os.WriteFile(temporary, nil, 0o600); err == nil {
				o.emptied[path] = true
			}
		}
		if errors.Join(err, os.Chmod(temporary, info.Mode()), os.Chtimes(temporary, info.ModTime(), info.ModTime())) != nil {
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

// beganEmpty says whether a file began empty because it could not be read.
func (o *owners) beganEmpty(path string) bool {
	if o == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.emptied[path]
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
			return c.Path == path && c.Action == install.Create
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
