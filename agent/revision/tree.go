package revision

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"time"

	"codedeploy-agent/hooks/faultpoint"
)

// attributes are what an entry of an archive says of itself. A zero Time is "now", an owner of -1 is the agent's.
type attributes struct {
	mode     uint32 // permissions, set-id and sticky, as in the low 12 bits of a Unix mode
	uid, gid int
	mtime    time.Time
}

// special are the bits that Unix and package fs keep in different places.
var special = [...]struct {
	bit  uint32
	flag fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

func (a attributes) fileMode() fs.FileMode {
	m := fs.FileMode(a.mode & 0o777)
	for _, s := range special {
		if a.mode&s.bit != 0 {
			m |= s.flag
		}
	}
	return m
}

// tree writes the entries of an archive below one directory that nobody else can enter. Names are relative, clean and
// slash-separated (see cleanName). All work is done through handles that cannot leave the directory, and a name is only ever
// reached through directories that the tree has made itself, never through a link.
//
// Directories are open to the agent while the tree is being filled; their own modes and times come last, in finish.
//
// Small files are made by goroutines, see smallFiles; settle waits for them. The methods themselves are for one goroutine.
type tree struct {
	root *os.Root
	dirs map[string]*attributes // every directory made; nil for one that no entry described
	// making is asked before a file, directory or link is made; implied is a directory that no entry described yet.
	making func(implied bool) error
	// fault makes tests' steps fail: "mkdir", "create", "write", "symlink" or "finish". It is nil otherwise.
	fault func(step, name string) error

	parent     *handle // the directory used last: entries of one directory mostly follow each other; nil: none
	parentName string

	small smallFiles
}

func newTree(root *os.Root, making func(implied bool) error) *tree {
	t := &tree{root: root, dirs: map[string]*attributes{".": nil}, making: making}
	t.small.init()
	return t
}

func (t *tree) fail(step, name string) error {
	if t.fault == nil {
		return nil
	}
	return t.fault(step, name)
}

// about is called before something is made.
func (t *tree) about(step, name string, implied bool) error {
	if err := t.making(implied); err != nil {
		return err
	}
	return t.fail(step, name)
}

// open returns a directory of the tree, made with its parents if need be. It is good until the next call.
func (t *tree) open(dir string) (*handle, error) {
	if t.parent != nil && dir == t.parentName {
		return t.parent, nil
	}
	if err := t.ensure(dir); err != nil {
		return nil, err
	}
	return t.enter(dir)
}

func (t *tree) enter(dir string) (*handle, error) {
	if t.parent != nil && dir == t.parentName {
		return t.parent, nil
	}
	next, err := openHandle(t.root, dir)
	if err != nil {
		return nil, err
	}
	t.close()
	t.parent, t.parentName = next, dir
	return next, nil
}

// close releases the directory used last.
func (t *tree) close() {
	t.dispatch()
	if t.parent != nil {
		t.parent.release()
		t.parent = nil
	}
}

// ensure makes a directory that entries lie in but that has no entry of its own (yet).
func (t *tree) ensure(dir string) error {
	if _, ok := t.dirs[dir]; ok {
		return nil
	}
	if err := t.ensure(path.Dir(dir)); err != nil {
		return err
	}
	if err := t.await(dir); err != nil {
		return err
	}
	up, err := t.enter(path.Dir(dir))
	if err != nil {
		return err
	}
	if err := t.about("mkdir", dir, true); err != nil {
		return err
	}
	base := path.Base(dir)
	if err := up.Mkdir(base, 0o700); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, e := up.Lstat(base)
		if e == nil && info.Mode()&fs.ModeSymlink != 0 {
			return throughLink(dir)
		}
		return inTheWay(dir)
	}
	t.dirs[dir] = nil
	return nil
}

// directory makes a directory, or gives one that is there other attributes. A file or link of that name makes way, as with tar.
func (t *tree) directory(name string, a attributes) error {
	if err := t.await(name); err != nil {
		return err
	}
	if _, ok := t.dirs[name]; !ok {
		up, err := t.open(path.Dir(name))
		if err != nil {
			return err
		}
		if err := t.about("mkdir", name, false); err != nil {
			return err
		}
		err = up.replacing(path.Base(name), func(base string) error { return up.Mkdir(base, 0o700) })
		if err != nil {
			return err
		}
	}
	t.dirs[name] = &a
	return nil
}

// replacing calls create, if need be a second time after removing the file or link that has the name.
func (f *handle) replacing(base string, create func(base string) error) error {
	if err := faultpoint.At("unpack create"); err != nil {
		return err
	}
	err := create(base)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, e := f.Lstat(base)
	if e != nil {
		return e
	}
	if info.IsDir() {
		return errDirectoryThere
	}
	if e := f.Remove(base); e != nil {
		return e
	}
	return create(base)
}

// symlink makes a symbolic link. Its target is stored as it is and never looked at.
func (t *tree) symlink(name, target string, a attributes) error {
	if err := checkTarget(target); err != nil {
		return err
	}
	if err := t.await(name); err != nil {
		return err
	}
	up, err := t.open(path.Dir(name))
	if err != nil {
		return err
	}
	if err := t.about("symlink", name, false); err != nil {
		return err
	}
	base := path.Base(name)
	if err := up.replacing(base, func(base string) error { return up.Symlink(target, base) }); err != nil {
		return err
	}
	if a.uid >= 0 {
		return up.Lchown(base, a.uid, a.gid)
	}
	return nil
}

// hardLink gives a file or link of the tree a second name.
func (t *tree) hardLink(name, target string) error {
	if err := t.settle(); err != nil {
		return err
	}
	if _, ok := t.dirs[path.Dir(target)]; !ok {
		return noTarget(target)
	}
	from, err := t.root.Lstat(target)
	if err != nil {
		return noTarget(target)
	}
	if from.IsDir() {
		return linkToDirectory(target)
	}
	up, err := t.open(path.Dir(name))
	if err != nil {
		return err
	}
	if to, err := up.Lstat(path.Base(name)); err == nil && os.SameFile(from, to) {
		return nil
	}
	return up.replacing(path.Base(name), func(string) error { return t.root.Link(target, name) })
}

// leading returns the archive's one top-level directory if there is nothing beside it and it holds a name with "appspec" in it,
// in any case; else ".". The official agents leave out such a level: GitHub's archives have one.
func (t *tree) leading() (string, error) {
	top, err := list(t.root, 2)
	if err != nil || len(top) != 1 || !top[0].IsDir() {
		return ".", err
	}
	sub, err := t.root.OpenRoot(top[0].Name())
	if err != nil {
		return ".", err
	}
	defer sub.Close()
	inside, err := list(sub, -1)
	for _, e := range inside {
		if namesAppSpec(e.Name()) {
			return top[0].Name(), nil
		}
	}
	return ".", err
}

func list(root *os.Root, n int) ([]fs.DirEntry, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(n)
	if err == io.EOF {
		err = nil
	}
	return entries, err
}

// finish gives the directories their owners, modes and times, the deepest first, so that a directory that its mode closes is
// done after what is in it. top is the directory that becomes the archive: it has the given mode whatever the bundle says.
func (t *tree) finish(ctx context.Context, top string, mode fs.FileMode) error {
	t.close()
	if err := t.fail("finish", top); err != nil {
		return err
	}
	names := make([]string, 0, len(t.dirs))
	for name := range t.dirs {
		if name != top && name != "." {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		a := attributes{mode: 0o755, uid: -1}
		if described := t.dirs[name]; described != nil {
			a = *described
		}
		if err := t.apply(name, a); err != nil {
			return err
		}
	}
	a := attributes{mode: uint32(mode.Perm()), uid: -1}
	if described := t.dirs["."]; described != nil {
		a.uid, a.gid, a.mtime = described.uid, described.gid, described.mtime
	}
	return t.apply(top, a)
}

func (t *tree) apply(dir string, a attributes) error {
	if err := faultpoint.At("unpack directory's attributes"); err != nil {
		return err
	}
	if a.uid >= 0 {
		if err := t.root.Lchown(dir, a.uid, a.gid); err != nil {
			return err
		}
	}
	if !a.mtime.IsZero() {
		if err := t.root.Chtimes(dir, a.mtime, a.mtime); err != nil {
			return err
		}
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	return t.root.Chmod(dir, a.fileMode())
}
