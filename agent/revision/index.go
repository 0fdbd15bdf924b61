package revision

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Index reads the bundle like Unpack and returns what would be unpacked, without writing anything: only the names, modes and links are
// kept, and the contents of small files; those of others are read from the bundle again when they are opened. What Unpack would refuse for the
// bundle's sake is refused with the same reason; disk space, owners and times play no part. The bundle must stay where it is as long as the
// file system is used, which several goroutines may do. A link that leads out of it leads nowhere.
func Index(ctx context.Context, f Format, bundle string, o UnpackOptions) (fs.FS, error) {
	x := &index{root: newFolder(), held: maxHeld, heldFile: maxHeldFile}
	if err := x.read(ctx, f, bundle, o); err != nil {
		return nil, err
	}
	return x, nil
}

// read fills the index from an archive.
func (x *index) read(ctx context.Context, f Format, bundle string, o UnpackOptions) error {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	x.reread = func(name string) ([]byte, error) {
		one := &single{name: name}
		err := readInto(ctx, f, bundle, o, one)
		return one.data, err
	}
	if err := readInto(ctx, f, bundle, o, x); err != nil {
		return fmt.Errorf("cannot unpack the bundle %s (type %s): %w", bundle, f, err)
	}
	if top := x.leading(); top != "." {
		x.root, x.top = x.root.entries[top], top
	}
	return nil
}

func readInto(ctx context.Context, f Format, bundle string, o UnpackOptions, to sink) error {
	in, err := os.Open(bundle)
	if err != nil {
		return err
	}
	defer in.Close()
	if x, ok := to.(*index); !ok || !x.preview {
		o.IgnoreOwnership = true
	}
	return entriesTo(ctx, f, in, o, "", func(u *unpacker) (sink, error) {
		if x, ok := to.(*index); ok {
			x.making = u.making
		}
		return to, nil
	})
}

const (
	maxHeld      = 64 << 20 // bytes of contents that an index keeps
	maxHeldFile  = 64 << 10 // of one file
	maxReadAgain = 4 << 20  // of a file that is read from the bundle again
	maxLinks     = 40       // followed for one path, as by Linux
)

// node is a file, directory or link of an index. Hard links share it.
type node struct {
	mode    fs.FileMode
	uid     int // -1: the agent's
	gid     int
	mtime   time.Time
	entries map[string]*node // of a directory
	target  string           // of a link
	size    int64
	data    []byte
	held    bool   // data is all of it
	digest  []byte // SHA-256 of it, of a preview only
	entry   string // the name under which the bundle has the content
}

func newFolder() *node {
	return &node{mode: fs.ModeDir | 0o755, uid: -1, gid: -1, entries: map[string]*node{}}
}

// index is a sink that keeps what it is given, and then a file system of it.
type index struct {
	root *node
	top  string // the level of the bundle that was left out
	held int64  // bytes that may still be kept
	// heldFile is how many of one file; preview keeps what only unpacking needs, and follows links out of the revision.
	heldFile int64
	preview  bool
	making   func(implied bool) error
	reread   func(entry string) ([]byte, error)
	// direct opens a file that has not been read, in place of reread.
	direct func(entry string) (fs.File, error)
}

// folder returns a directory, made with its parents if need be; see tree.ensure.
func (x *index) folder(dir string) (*node, error) {
	at := x.root
	if dir == "." {
		return at, nil
	}
	for i, name := range strings.Split(dir, "/") {
		next := at.entries[name]
		switch {
		case next == nil:
			if err := x.making(true); err != nil {
				return nil, err
			}
			next = newFolder()
			at.entries[name] = next
		case next.mode&fs.ModeSymlink != 0:
			return nil, throughLink(strings.Join(strings.Split(dir, "/")[:i+1], "/"))
		case !next.mode.IsDir():
			return nil, inTheWay(strings.Join(strings.Split(dir, "/")[:i+1], "/"))
		}
		at = next
	}
	return at, nil
}

// put gives a node a name in the place of what has it; a directory makes no way.
func (x *index) put(name string, n *node) error {
	up, err := x.folder(path.Dir(name))
	if err != nil {
		return err
	}
	if old := up.entries[path.Base(name)]; old != nil && old.mode.IsDir() {
		return errDirectoryThere
	}
	up.entries[path.Base(name)] = n
	return nil
}

func (x *index) directory(name string, a attributes) error {
	if name == "." {
		return nil
	}
	up, err := x.folder(path.Dir(name))
	if err != nil {
		return err
	}
	n := up.entries[path.Base(name)]
	if n == nil || !n.mode.IsDir() {
		n = newFolder()
		up.entries[path.Base(name)] = n
	}
	n.mode, n.uid, n.gid, n.mtime = fs.ModeDir|a.fileMode(), a.uid, a.gid, a.mtime
	return nil
}

func (x *index) file(name string, a attributes, _ int64, write func(io.Writer) error) error {
	keep := &keeper{most: min(x.heldFile, x.held)}
	if x.preview {
		keep.digest = sha256.New()
	}
	if err := write(keep); err != nil {
		return err
	}
	n := &node{mode: a.fileMode(), uid: a.uid, gid: a.gid, mtime: a.mtime, size: keep.size, entry: name}
	if keep.digest != nil {
		n.digest = keep.digest.Sum(nil)
	}
	if keep.size <= keep.most {
		n.data, n.held = keep.data, true
		x.held -= keep.size
	}
	return x.put(name, n)
}

// keeper keeps what is written to it up to a size, and counts.
type keeper struct {
	data       []byte
	size, most int64
	digest     hash.Hash // nil: none is wanted
}

func (k *keeper) Write(p []byte) (int, error) {
	if room := k.most - k.size; room > 0 {
		k.data = append(k.data, p[:min(int64(len(p)), room)]...)
	}
	k.size += int64(len(p))
	if k.digest != nil {
		k.digest.Write(p) // never fails
	}
	return len(p), nil
}

func (x *index) symlink(name, target string, a attributes) error {
	if err := checkTarget(target); err != nil {
		return err
	}
	return x.put(name, &node{mode: fs.ModeSymlink | 0o777, uid: a.uid, gid: a.gid, mtime: a.mtime, target: target})
}

func (x *index) hardLink(name, target string) error {
	dir := x.root
	for part := range strings.SplitSeq(path.Dir(target), "/") {
		if part != "." && dir != nil {
			dir = dir.entries[part]
		}
	}
	if dir == nil || dir.entries[path.Base(target)] == nil {
		return noTarget(target)
	}
	n := dir.entries[path.Base(target)]
	if n.mode.IsDir() {
		return linkToDirectory(target)
	}
	return x.put(name, n)
}

// leading is the level that is left out, as tree.leading has it.
func (x *index) leading() string {
	if len(x.root.entries) != 1 {
		return "."
	}
	for name, n := range x.root.entries {
		for inside := range n.entries {
			if namesAppSpec(inside) {
				return name
			}
		}
	}
	return "."
}

// single is a sink that keeps the content of one entry, the last of its name.
type single struct {
	name string
	data []byte
}

func (s *single) directory(string, attributes) error       { return nil }
func (s *single) symlink(string, string, attributes) error { return nil }
func (s *single) hardLink(string, string) error            { return nil }

func (s *single) file(name string, a attributes, _ int64, write func(io.Writer) error) error {
	keep := &keeper{}
	if name == s.name {
		keep.most = maxReadAgain
	}
	err := write(keep)
	if name == s.name {
		s.data = keep.data
	}
	return err
}

// find returns the node of a path. A link at its end is followed if follow is set; links on the way always are.
func (x *index) find(op, name string, follow bool) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, err := x.walk(name, follow)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n, nil
}

var errLeavesBundle = errors.New("a link leads out of the bundle")

// leavesError is errLeavesBundle for a link that says which path of the host it leads to.
type leavesError struct{ path string }

func (*leavesError) Error() string { return errLeavesBundle.Error() }
func (*leavesError) Unwrap() error { return errLeavesBundle }

func (x *index) walk(name string, follow bool) (*node, error) {
	rest := strings.Split(name, "/")
	way := []*node{x.root}
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(way) == 1 {
				return nil, errLeavesBundle
			}
			way = way[:len(way)-1]
			continue
		}
		n := way[len(way)-1].entries[part]
		switch {
		case n == nil:
			return nil, fs.ErrNotExist
		case n.mode&fs.ModeSymlink != 0 && (follow || len(rest) > 0):
			if links++; links > maxLinks {
				return nil, errors.New("too many links")
			}
			if path.IsAbs(n.target) {
				return nil, &leavesError{path.Join(append([]string{n.target}, rest...)...)}
			}
			rest = append(strings.Split(n.target, "/"), rest...)
		default:
			way = append(way, n)
		}
	}
	return way[len(way)-1], nil
}

// Open opens a file or directory.
func (x *index) Open(name string) (fs.File, error) {
	n, err := x.find("open", name, true)
	if err != nil {
		if out := x.outside(err); out != "" {
			return os.Open(out)
		}
		return nil, err
	}
	info := nodeInfo{path.Base(name), n}
	if n.mode.IsDir() {
		entries := make([]fs.DirEntry, 0, len(n.entries))
		for base, e := range n.entries {
			entries = append(entries, fs.FileInfoToDirEntry(nodeInfo{base, e}))
		}
		slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		return &openFolder{info, entries}, nil
	}
	data := n.data
	if !n.held && x.direct != nil {
		return x.direct(n.entry)
	}
	if !n.held {
		if data, err = x.reread(n.entry); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return &openFile{info, bytes.NewReader(data)}, nil
}

// outside is the path of the host that a preview's link leads to, "" if the error says something else.
func (x *index) outside(err error) string {
	var leaves *leavesError
	if !x.preview || !errors.As(err, &leaves) {
		return ""
	}
	return leaves.path
}

// Stat describes what a path leads to.
func (x *index) Stat(name string) (fs.FileInfo, error) { return x.info("stat", name, true) }

// Lstat describes a path itself.
func (x *index) Lstat(name string) (fs.FileInfo, error) { return x.info("lstat", name, false) }

func (x *index) info(op, name string, follow bool) (fs.FileInfo, error) {
	n, err := x.find(op, name, follow)
	if err != nil {
		if out := x.outside(err); out != "" && follow {
			return os.Stat(out)
		}
		return nil, err
	}
	return nodeInfo{path.Base(name), n}, nil
}

// ReadLink returns where a link leads.
func (x *index) ReadLink(name string) (string, error) {
	n, err := x.find("readlink", name, false)
	if err == nil && n.mode&fs.ModeSymlink == 0 {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return n.target, nil
}
