package dryrun

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"codedeploy-agent/agent/install"
)

// differ finds how a view differs from what it was made of.
type differ struct {
	v       *view
	layer   *layer
	changes []install.Change
	// covered are the places of all layers: what is there is another layer's business.
	covered map[string]bool
}

// observe finds out what the program did.
func (v *view) observe() (*Observation, error) {
	o := &Observation{Changes: []install.Change{}, Calls: []Call{}, Processes: []Process{}, Ports: []Port{}, Warnings: v.warnings}
	settle()
	o.Units = startedUnits()
	var err error
	if o.Processes, o.Ports, err = leftRunning(); err != nil {
		return nil, err
	}
	if o.Calls, err = readCalls(); err != nil {
		return nil, err
	}
	d := &differ{v: v, covered: map[string]bool{}}
	for _, l := range v.layers {
		d.covered[l.path] = !l.removed
	}
	for _, l := range v.layers {
		d.layer = l
		if l.removed {
			d.removed()
			continue
		}
		if err := d.directory(".", l.lower != nil); err != nil {
			return nil, fmt.Errorf("cannot find out what has changed below %s: %w", l.path, err)
		}
		if l.flat {
			d.gone()
		}
	}
	v.broker.report(d)
	slices.SortStableFunc(d.changes, func(a, b install.Change) int { return strings.Compare(a.Path, b.Path) })
	o.Changes = append(o.Changes, d.changes...)
	slices.Sort(o.Warnings)
	if full := v.fullWarning(); full != "" {
		o.Warnings = append([]string{full}, o.Warnings...)
	}
	if n := len(v.unreadable); n > 0 {
		slices.Sort(v.unreadable)
		o.Warnings = append(o.Warnings, fmt.Sprintf("%d directories and files that this user cannot read are empty in the view or not there: %s; root can read them", n,
			strings.Join(v.unreadable[:min(n, 5)], ", ")))
	}
	if o.Warnings == nil {
		o.Warnings = []string{}
	}
	return o, nil
}

func (d *differ) path(rel string) string { return path.Join(d.layer.path, rel) }

func (d *differ) add(rel string, a install.Action, what fs.FileInfo, format string, args ...any) {
	d.changes = append(d.changes, install.Change{Path: d.path(rel), Action: a, Kind: changeKind(what), Detail: fmt.Sprintf(format, args...)})
}

// changeKind is the kind of a change's path, "" for a setting.
func changeKind(info fs.FileInfo) string {
	if info == nil {
		return ""
	}
	switch m := info.Mode(); {
	case m.IsRegular():
		return install.KindFile
	case m.IsDir():
		return install.KindDirectory
	case m&fs.ModeSymlink != 0:
		return install.KindLink
	}
	return "special file"
}

// directory compares what a directory of the upper layer has with the lower one; old says that the lower layer has the directory.
func (d *differ) directory(rel string, old bool) error {
	entries, err := list(in(d.layer.upper, rel))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(rel, e.name)
		if isOwn(d.path(name)) || d.layer.flat && (d.covered[d.path(name)] || rel == "." && d.layer.fixed[e.name]) {
			continue
		}
		info, err := os.Lstat(in(d.layer.upper, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a process that still runs has removed it
		}
		if err != nil {
			return err
		}
		if d.asMirrored(name, info) {
			d.created(name) // the copy had none
			if err := d.directory(name, true); err != nil {
				return err
			}
			continue
		}
		var was fs.FileInfo
		if d.layer.flat && rel == "." {
			if was = d.layer.shown[e.name]; was != nil && was.Mode() == info.Mode() && was.Size() == info.Size() && was.ModTime().Equal(info.ModTime()) {
				continue
			}
		} else if old {
			if was, err = os.Lstat(in(d.layer.lower, name)); err != nil {
				was = nil
			}
		}
		if err := d.entry(name, info, was); err != nil {
			return err
		}
	}
	return nil
}

// asMirrored says whether this is a directory that the layer had from the beginning, and as it was then.
func (d *differ) asMirrored(name string, info fs.FileInfo) bool {
	was, ok := d.layer.mirrored[name]
	stat, _ := info.Sys().(*syscall.Stat_t)
	return ok && stat != nil && stat.Ino == was.inode && stat.Mode == was.mode && !d.layer.emptied[name]
}

// entry compares one entry of the upper layer with what was at its place.
func (d *differ) entry(name string, info, was fs.FileInfo) error {
	if whiteout(info) {
		if was != nil {
			d.deleted(name, was)
		}
		return nil
	}
	if info.IsDir() {
		return d.dir(name, info, was)
	}
	switch {
	case was == nil && isStandIn(in(d.layer.upper, name), info):
		// it was put there for a package that was not really installed
	case was == nil:
		d.add(name, install.Create, info, "%s%s", describe(info), d.target(name, info))
		d.created(name)
	case was.Mode().Type() != info.Mode().Type():
		d.add(name, install.Overwrite, info, "%s was %s", describe(info), kind(was))
	case info.Mode()&fs.ModeSymlink != 0:
		if before, after := d.link(d.layer.lower, name), d.link(d.layer.upper, name); before != after {
			d.add(name, install.Overwrite, info, "leads to %s instead of %s", after, before)
		}
	default:
		changed, err := d.differ(name, info, was)
		if err != nil {
			return err
		}
		if d.v.broker.beganEmpty(d.path(name)) {
			if info.Size() > 0 {
				d.add(name, install.Overwrite, info, "%d bytes; this user cannot read what was there", info.Size())
			}
		} else if changed {
			d.add(name, install.Overwrite, info, "%d bytes, %d before", info.Size(), was.Size())
		}
		d.attributes(name, info, was)
	}
	return nil
}

func (d *differ) dir(name string, info, was fs.FileInfo) error {
	switch {
	case was == nil:
		d.add(name, install.Create, info, "%s%s", describe(info), d.target(name, info))
		d.created(name)
	case !was.IsDir():
		d.add(name, install.Overwrite, info, "%s was %s", describe(info), kind(was))
		was = nil
	default:
		d.attributes(name, info, was)
	}
	if was != nil && d.opaque(name) && !d.layer.emptied[name] {
		if err := d.missing(name); err != nil {
			return err
		}
	}
	return d.directory(name, was != nil)
}

// missing lists what a directory of the lower layer has and the upper one, which hides it, has not.
func (d *differ) missing(rel string) error {
	entries, err := os.ReadDir(in(d.layer.lower, rel))
	if err != nil {
		return nil // it was not shown either
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		if _, err := os.Lstat(in(d.layer.upper, name)); err == nil {
			continue
		}
		if was, err := e.Info(); err == nil {
			d.deleted(name, was)
		}
	}
	return nil
}

// gone lists what a flat layer was made with and does not have any more.
func (d *differ) gone() {
	for name, was := range d.layer.shown {
		if _, err := os.Lstat(in(d.layer.upper, name)); errors.Is(err, fs.ErrNotExist) {
			d.deleted(name, was)
		}
	}
}

func (d *differ) deleted(name string, was fs.FileInfo) {
	if !was.IsDir() {
		d.add(name, install.Delete, was, "")
		return
	}
	d.add(name, install.Delete, was, "directory with %d files", d.files(name))
}

// removed says that the layer's directory is gone.
func (d *differ) removed() {
	n := 0
	if d.layer.lower != nil {
		n = d.files(".")
	}
	d.changes = append(d.changes, install.Change{Path: d.path("."), Action: install.Delete, Kind: install.KindDirectory,
		Detail: fmt.Sprintf("directory with %d files", n)})
}

// files counts the files in a directory as it was.
func (d *differ) files(name string) int {
	n := 0
	_ = filepath.WalkDir(in(d.layer.lower, name), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return nil
	})
	return n
}

// differ compares the contents of two files.
func (d *differ) differ(name string, info, was fs.FileInfo) (bool, error) {
	if info.Size() != was.Size() {
		return true, nil
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return false, nil
	}
	a, err := os.Open(in(d.layer.upper, name))
	if err != nil {
		return false, err
	}
	defer a.Close()
	if d.layer.lower == nil {
		return true, nil
	}
	b, err := os.Open(in(d.layer.lower, name))
	if err != nil {
		return true, nil // it could not be read before either, and now it can
	}
	defer b.Close()
	one, two := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(a, one)
		m, err2 := io.ReadFull(b, two)
		if n != m || !bytes.Equal(one[:n], two[:m]) {
			return true, nil
		}
		if err != nil || err2 != nil {
			return false, nil
		}
	}
}

func (d *differ) link(dir *os.File, name string) string {
	if dir == nil {
		return "?"
	}
	target, err := os.Readlink(in(dir, name))
	if err != nil {
		return "?"
	}
	return target
}

func (d *differ) target(name string, info fs.FileInfo) string {
	if info.Mode()&fs.ModeSymlink != 0 {
		return " to " + d.link(d.layer.upper, name)
	}
	if uid, gid, _ := ownerOf(info); uid != 0 || gid != 0 {
		return ", owner " + names(uid, gid)
	}
	return ""
}

// whiteout says whether this is the overlay's mark for what was deleted.
func whiteout(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode()&fs.ModeCharDevice != 0 && stat.Rdev == 0
}

// opaque says whether the upper directory hides all that the lower one has.
func (d *differ) opaque(name string) bool {
	f, err := os.Open(in(d.layer.upper, name))
	if err != nil {
		return false
	}
	defer f.Close()
	attr := "trusted.overlay.opaque"
	if d.v.settings.User {
		attr = "user.overlay.opaque"
	}
	var value [4]byte
	n, err := unix.Fgetxattr(int(f.Fd()), attr, value[:])
	return err == nil && string(value[:n]) == "y"
}
