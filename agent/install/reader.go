package install

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// Contents is a revision that has not been unpacked: what Build reads when it is only to be known what an Install would do. Names are relative
// and slash-separated, as those of any fs.FS. The Sys of its entries' FileInfo may be an Entry.
type Contents interface {
	fs.ReadLinkFS
	fs.StatFS
}

// Entry is what Contents know of an entry besides its FileInfo.
type Entry interface {
	// Owner is who will own it once it is unpacked.
	Owner() (uid, gid int)
	// SHA256 is the digest of a file's content, nil where finding it out means to read the file.
	SHA256() []byte
}

// reader reads the revision. Paths are absolute and lie below its root.
type reader interface {
	// resolve follows all links, like filepath.EvalSymlinks.
	resolve(path string) (string, error)
	// look says what stands at a path, which is not followed.
	look(path string) (info, error)
	text(link string) (string, error)
	// lister returns what calls each for every entry of a directory; an error of each ends that and is returned as it is. stop ends whatever has been
	// begun.
	lister() (list func(dir string, each func(named) error) error, stop func())
	mayRead(dir, name string, i info) error
	open(path string) (io.ReadCloser, error)
	// same says whether a file has the content of the one that stands at a place of the host.
	same(path, place string) bool
}

// named is an entry of a directory.
type named struct {
	name string
	info info
}

// unpacked reads a revision from the disk.
type unpacked struct{}

func (unpacked) resolve(path string) (string, error)     { return filepath.EvalSymlinks(path) }
func (unpacked) text(link string) (string, error)        { return os.Readlink(link) }
func (unpacked) mayRead(dir, name string, i info) error  { return mayRead(dir, name, i) }
func (unpacked) open(path string) (io.ReadCloser, error) { return openRegular(path) }

func (unpacked) look(path string) (info, error) { return lstat(path) }

func unreadable(err error) error { return fmt.Errorf("cannot read the revision: %w", err) }

// listedAtOnce is how many entries of a directory are read at a time: one can have a hundred thousand.
const listedAtOnce = 256

// lister has the entries in the order in which the file system has them.
func (unpacked) lister() (func(string, func(named) error) error, func()) {
	r := newAhead()
	return r.list, r.stop
}

// pieces reads a directory as long as take takes more of it.
func (unpacked) pieces(dir string, take func(piece) bool) {
	d, err := openSeen(dir)
	if err != nil {
		take(piece{err: unreadable(err)})
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(listedAtOnce)
		if err == io.EOF {
			return
		}
		p := piece{entries: make([]named, 0, len(names))}
		for _, name := range names {
			var i info
			if i, err = lookIn(d, name); err != nil {
				break
			}
			p.entries = append(p.entries, named{name, i})
		}
		if err != nil {
			p.err = unreadable(err)
		}
		if !take(p) || err != nil {
			return
		}
	}
}

func (unpacked) same(path, place string) bool { return sameFiles(path, place) }

// packed reads a revision from Contents, as if it had been unpacked at root.
type packed struct {
	root string
	from Contents
}

// name is the name of a path below the root.
func (p packed) name(path string) string {
	rel, err := filepath.Rel(p.root, path)
	if err != nil {
		return path // no name of an fs.FS
	}
	return filepath.ToSlash(rel)
}

// resolve goes on at the host where a link leads out of the revision, as it will when the revision has been unpacked.
func (p packed) resolve(path string) (string, error) {
	at, links := p.root, 0
	rest := strings.Split(p.name(path), "/")
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		next := filepath.Join(at, part)
		if !within(p.root, next) {
			return filepath.EvalSymlinks(filepath.Join(next, filepath.Join(rest...)))
		}
		i, err := p.look(next)
		if err != nil {
			return "", err
		}
		if i.kind != link {
			if i.kind != directory && len(rest) > 0 {
				return "", &fs.PathError{Op: "lstat", Path: path, Err: syscall.ENOTDIR}
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("EvalSymlinks: too many links")
		}
		target, err := p.text(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			return filepath.EvalSymlinks(filepath.Join(target, filepath.Join(rest...)))
		}
		rest = append(strings.Split(filepath.ToSlash(target), "/"), rest...)
	}
	return at, nil
}

func (p packed) look(path string) (info, error) {
	fi, err := p.from.Lstat(p.name(path))
	if err != nil {
		return info{}, err
	}
	return packedInfo(fi), nil
}

// packedInfo is what an entry will be when it has been unpacked.
func packedInfo(fi fs.FileInfo) info {
	m := fi.Mode()
	i := info{kind: kindOf(m), mode: uint32(m.Perm()), size: fi.Size(), mtime: fi.ModTime().UnixNano(), atime: fi.ModTime().UnixNano(), uid: noID, gid: noID, links: 1}
	for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if m&flag != 0 {
			i.mode |= bit
		}
	}
	if e, ok := fi.Sys().(Entry); ok {
		i.uid, i.gid = e.Owner()
	}
	return i
}

func (p packed) text(link string) (string, error) { return p.from.ReadLink(p.name(link)) }

func (p packed) lister() (func(string, func(named) error) error, func()) { return p.list, func() {} }

func (p packed) list(dir string, each func(named) error) error {
	entries, err := fs.ReadDir(p.from, p.name(dir))
	if err != nil {
		return unreadable(err)
	}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil {
			return unreadable(err)
		}
		if err := each(named{e.Name(), packedInfo(fi)}); err != nil {
			return err
		}
	}
	return nil
}

// mayRead goes by the mode, because the file will be this process's own, or this process is root's.
func (p packed) mayRead(_, _ string, i info) error {
	if me := thisUser; me > 0 && i.uid == me && i.mode&0o400 == 0 {
		return syscall.EACCES
	}
	return nil
}

func (p packed) open(path string) (io.ReadCloser, error) { return p.from.Open(p.name(path)) }

func (p packed) same(path, place string) bool {
	fi, err := p.from.Lstat(p.name(path))
	if err != nil {
		return false
	}
	if e, ok := fi.Sys().(Entry); ok && e.SHA256() != nil {
		f, err := openRegular(place)
		if err != nil {
			return false
		}
		defer f.Close()
		digest := sha256.New()
		_, err = io.Copy(digest, f)
		return err == nil && bytes.Equal(digest.Sum(nil), e.SHA256())
	}
	f, err := p.open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return sameContent(f, place)
}

// comparing are the buffers of sameContent, for both files in one.
var comparing = sync.Pool{New: func() any { b := make([]byte, 2*comparedAtOnce); return &b }}

const comparedAtOnce = 64 << 10

// sameContent compares a file with one of the host; what cannot be read is not the same.
func sameContent(x io.Reader, place string) bool {
	y, err := openRegular(place)
	if err != nil {
		return false
	}
	defer y.Close()
	buffer := comparing.Get().(*[]byte)
	defer comparing.Put(buffer)
	p, q := (*buffer)[:comparedAtOnce], (*buffer)[comparedAtOnce:]
	for {
		n, e := io.ReadFull(x, p)
		m, g := io.ReadFull(y, q)
		if e == io.ErrUnexpectedEOF {
			e = io.EOF
		}
		if g == io.ErrUnexpectedEOF {
			g = io.EOF
		}
		if e != g || e != nil && e != io.EOF || !bytes.Equal(p[:n], q[:m]) {
			return false
		}
		if e == io.EOF {
			return true
		}
	}
}

var errNotRegular = errors.New("it is not a regular file")

func openRegular(path string) (*os.File, error) {
	f, err := openState(path)
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, cmp.Or(err, errNotRegular)
	}
	return f, nil
}
