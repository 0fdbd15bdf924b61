package dryrun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// self is the agent's binary in the view.
const self = private + "/agent"

// view is a root file system made of layers: overlays where that is possible, and copies of directories that have mounts below them which
// an ordinary user cannot take apart.
type view struct {
	settings settings
	base     string // the root file system that is looked at
	scratch  string // where the differences are kept
	root     string // where the view is put together
	mounts   []mount
	layers   []*layer
	standIns *standInLayer
	broker   *owners
	room     *room
	warnings []string
	// unreadable are directories that the user cannot read, and that are empty in the view for it.
	unreadable []string
}

// layer is one directory of the view and what it was made of.
type layer struct {
	path         string   // in the view
	upper, lower *os.File // what has changed; what it was, nil if that cannot be read
	flat         bool     // upper is the directory itself, not an overlay's difference
	removed      bool     // the directory does not exist any more
	// shown is what a flat layer was made with, by name. The host's own may have changed since.
	shown map[string]fs.FileInfo
	// fixed are the names in a flat layer of files that cannot be changed.
	fixed map[string]bool
	// emptied are directories, relative to path, that are shown as empty because they cannot be read.
	emptied map[string]bool
	// mirrored are directories, relative to path, that the upper layer had from the beginning.
	mirrored map[string]mirrored
}

// in is the path of something in one of a layer's directories. The directories themselves have none any more in the view.
func in(dir *os.File, rel string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), rel) }

func unsupported(format string, args ...any) error {
	return &UnsupportedError{fmt.Errorf(format, args...)}
}

// makeView makes the view and makes it this process's root.
func makeView(s settings) (*view, error) {
	v := &view{settings: s, base: "/", scratch: "/sys"}
	if s.Options.Root != "" {
		v.base = s.Options.Root
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, unsupported("cannot make mounts private: %w%s", err, confined(s))
	}
	var err error
	if v.mounts, err = mountsBelow(v.base); err != nil {
		return nil, err
	}
	if s.Scratch != "" {
		// No layer may contain the differences: what is above them is taken apart, as what is above a mount.
		v.mounts = append(v.mounts, mount{s.Scratch, ours})
	}
	// Nothing of the host is needed at /sys, so that is where the view is put together: in memory, nowhere on the host's disks.
	if err := unix.Mount("dry-run", v.scratch, "tmpfs", 0, fmt.Sprintf("mode=0755,size=%d,nr_inodes=0", memory())); err != nil {
		return nil, unsupported("cannot mount a file system in memory: %w%s", err, confined(s))
	}
	mask := unix.Umask(0)
	defer unix.Umask(mask)
	v.root = v.scratch + "/view"
	if err := os.Mkdir(v.root, 0o755); err != nil {
		return nil, err
	}
	for _, step := range []func() error{v.placeStandIns, func() error { return v.cover("/") }, v.own, v.bring, v.enter, loopbackUp(s)} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	listenForLog()
	v.watchRoom()
	return v, nil
}

// confined is a hint for an ordinary user who has a user namespace and no rights in it.
func confined(s settings) string {
	if !s.User {
		return ""
	}
	return "; ordinary users have no rights in their namespaces here, as where AppArmor or SELinux confines them " +
		"(sysctl kernel.apparmor_restrict_unprivileged_userns); try as root"
}

// hostPath is where a path of the view is on the host.
func (v *view) hostPath(path string) string { return join(v.base, path) }

// mountsIn are the mounts below a directory of the view, by their paths there.
func (v *view) mountsIn(path string) []mount {
	var found []mount
	for _, m := range v.mounts {
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(m.path, v.base), "/")
		if inside(rel, path) && rel != path {
			found = append(found, mount{rel, m.kind})
		}
	}
	return found
}

// cover shows a directory of the host in the view. Root gets an overlay for each mount. In a user namespace a directory with mounts below
// it cannot be a layer, for they hide what is under them: it is taken apart.
func (v *view) cover(path string) error {
	below := v.mountsIn(path)
	if (v.settings.User || v.settings.Scratch != "") && len(below) > 0 {
		return v.takeApart(path)
	}
	if err := v.overlay(path); err != nil {
		return err
	}
	for _, m := range below {
		if isOwn(m.path) || !m.seen() {
			continue
		}
		info, err := os.Lstat(v.hostPath(m.path))
		if err != nil {
			continue // not for this user, or unmounted meanwhile
		}
		if _, err := os.Lstat(join(v.root, m.path)); err != nil {
			continue // below a mount that is not seen
		}
		if !info.IsDir() {
			err = v.copyOver(m.path, info)
		} else {
			err = v.overlay(m.path)
		}
		if err != nil {
			v.warnings = append(v.warnings, fmt.Sprintf("%s is not in the view: %v", m.path, err))
		}
	}
	return nil
}

// overlay shows a directory through an overlay.
func (v *view) overlay(path string) error {
	lower, at := v.hostPath(path), join(v.root, path)
	dir := filepath.Join(v.scratch, "layers", fmt.Sprint(len(v.layers)))
	if v.settings.Scratch != "" {
		dir = filepath.Join(v.settings.Scratch, fmt.Sprint(len(v.layers)))
	}
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	info, err := os.Stat(lower)
	if err != nil {
		return fmt.Errorf("cannot show %s: %w", path, err)
	}
	if v.settings.User {
		if _, err := os.ReadDir(lower); err != nil {
			return v.empty(path, info)
		}
	}
	if err := errors.Join(os.MkdirAll(work, 0o700), os.Mkdir(upper, 0o755), os.MkdirAll(at, 0o755)); err != nil {
		return err
	}
	if err := v.like(upper, info); err != nil {
		return err
	}
	l := &layer{path: path, emptied: map[string]bool{}, mirrored: map[string]mirrored{}}
	options := "redirect_dir=off,metacopy=off"
	if v.settings.User {
		options = "userxattr" // which implies both
		if err := v.mirror(l, lower, upper); err != nil {
			return err
		}
	}
	layers := escape(lower)
	if top := v.standIns.below(path); top != "" {
		layers = escape(top) + ":" + layers
	}
	options += ",lowerdir=" + layers + ",upperdir=" + escape(upper) + ",workdir=" + escape(work)
	if err := unix.Mount("dry-run", at, "overlay", 0, options); err != nil {
		why := ""
		switch {
		case errors.Is(err, unix.EPERM) && v.settings.User:
			why = "; overlay file systems of ordinary users need Linux 5.11"
		case errors.Is(err, unix.ENODEV):
			why = "; this kernel has no overlay file systems"
		}
		return unsupported("cannot lay an overlay over %s: %w%s", path, err, why)
	}
	if l.upper, err = os.Open(upper); err != nil {
		return err
	}
	if l.lower, err = os.Open(lower); err != nil {
		return err
	}
	v.layers = append(v.layers, l)
	return nil
}

// empty shows a directory that this user cannot read as an empty one.
func (v *view) empty(path string, info fs.FileInfo) error {
	at := join(v.root, path)
	v.unreadable = append(v.unreadable, path)
	if err := errors.Join(os.MkdirAll(at, 0o755), v.like(at, info)); err != nil {
		return err
	}
	upper, err := os.Open(at)
	if err != nil {
		return err
	}
	v.layers = append(v.layers, &layer{path: path, flat: true, upper: upper})
	return nil
}

// escape keeps a path from being read as more than one by the overlay file system.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(path)
}

// like gives a directory the mode of another, and its owner where that is possible.
func (v *view) like(dir string, info fs.FileInfo) error {
	if uid, gid, ok := ownerOf(info); ok && !v.settings.User {
		if err := os.Lchown(dir, uid, gid); err != nil {
			return err
		}
	}
	return os.Chmod(dir, info.Mode().Perm()|info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
}

// enter makes the view this process's root.
func (v *view) enter() error {
	if v.mountedApart() {
		// It has to be a mount to become a root.
		if err := unix.Mount(v.root, v.root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("cannot enter the view: %w", err)
		}
	}
	if err := os.Chdir(v.root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return unsupported("cannot make the view the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot leave the host's root: %w", err)
	}
	return os.Chdir("/")
}

// mountedApart says whether the view's root is a directory that was put together.
func (v *view) mountedApart() bool {
	return slices.ContainsFunc(v.layers, func(l *layer) bool { return l.flat && l.path == "/" })
}

// dir is the directory in the view, or its root if it is not there.
func (v *view) dir(path string) string {
	if info, err := os.Stat(path); path != "" && err == nil && info.IsDir() {
		return path
	}
	return "/"
}
