package revision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"codedeploy-agent/agent/disk"
)

// CopyDirectory makes the directory dst a copy of the contents of src, for local deployments of the type directory. Like Unpack it
// works under a hidden name beside dst and renames at the end. The copies are new files and directories of the agent's user, as
// with the official agent 1.8: they have the time of the copy, files their modes without write permission for others, and
// directories mode 0755. Links are made again with their targets as they are. Devices, named pipes and sockets are refused. Of the
// options those about links, set-id files and dst's own mode count.
func CopyDirectory(ctx context.Context, src, dst string, o UnpackOptions) error {
	return copyDirectory(ctx, src, dst, o, renewed)
}

// CopyArchive is CopyDirectory for an archive that Unpack made: the copy is as if it had been unpacked again, with the modes, times
// and, when the agent runs as root, the owners of src. Of the options those about links, set-id files, owners and dst's own mode count.
func CopyArchive(ctx context.Context, src, dst string, o UnpackOptions) error {
	as := preserved
	if o.IgnoreOwnership {
		as = func(info fs.FileInfo) attributes { a := preserved(info); a.uid, a.gid = -1, -1; return a }
	}
	return copyDirectory(ctx, src, dst, o, as)
}

func copyDirectory(ctx context.Context, src, dst string, o UnpackOptions, as func(fs.FileInfo) attributes) error {
	if err := disk.Explain(copyContents(ctx, src, dst, o, as), filepath.Dir(dst), 0); err != nil {
		return fmt.Errorf("cannot copy the directory %s: %w", src, err)
	}
	return nil
}

func copyContents(ctx context.Context, src, dst string, o UnpackOptions, as func(fs.FileInfo) attributes) error {
	if err := outside(src, filepath.Dir(dst)); err != nil {
		return err
	}
	top, err := os.OpenRoot(src)
	if err != nil {
		return err
	}
	defer top.Close()
	s, err := newStaging(dst)
	if err != nil {
		return err
	}
	c := &copier{ctx: ctx, o: o, gauge: disk.Gauge{Dir: filepath.Dir(dst)}, as: as}
	t := newTree(s.root, func(bool) error {
		c.counting.Lock()
		defer c.counting.Unlock()
		return c.gauge.Made(0)
	})
	t.small.fetch = c.fetch
	c.to, c.tree = t, t
	err = c.directory(top, ".", ".")
	if e := t.settle(); err == nil {
		err = e
	}
	err = disk.Explain(err, filepath.Dir(dst), 0) // while there is still what has filled the disk
	t.close()
	if err == nil {
		err = t.finish(ctx, ".", o.mode())
	}
	if err == nil {
		err = s.publish(".")
	}
	if e := s.discard(); err == nil {
		err = e
	}
	return err
}

// outside refuses a copy of a directory into itself.
func outside(src, dst string) error {
	top, err := os.Stat(src)
	if err != nil {
		return err
	}
	if !top.IsDir() {
		return errors.New("it is not a directory; deploy it with the type tar, tgz or zip")
	}
	at, err := filepath.Abs(dst)
	if err != nil {
		return err
	}
	for { // a host that has had no deployment has no deployment root yet
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			at = real
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(at) == at {
			return err
		}
		at = filepath.Dir(at)
	}
	for {
		if info, err := os.Stat(at); err == nil && os.SameFile(info, top) {
			return fmt.Errorf("the deployment root lies inside it (%s); deploy a directory that does not hold it", dst)
		}
		up := filepath.Dir(at)
		if up == at {
			return nil
		}
		at = up
	}
}

type copier struct {
	ctx  context.Context
	o    UnpackOptions
	to   sink
	tree *tree                        // which makes small files by itself; nil: to does not
	as   func(fs.FileInfo) attributes // of the copy of an entry
	// glance is told of a file instead of to, which then gets no content.
	glance func(name string, a attributes, size int64) error

	seen statInfo // of the entry that is being copied

	counting sync.Mutex
	gauge    disk.Gauge
}

// directory copies the entries of the directory base of in, which is called name in the copy, in the order in which the system lists them.
func (c *copier) directory(in *os.Root, base, name string) error {
	from, err := openHandle(in, base)
	if err != nil {
		return err
	}
	defer from.release()
	entries, err := from.list()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, e := range entries {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		at := path.Join(name, e)
		if err := c.entry(from, e, at); err != nil {
			return ofEntry(at, err)
		}
	}
	return nil
}

// maxDepth is how many directories deep a local directory may be: no honest one is deeper, and each level costs an open directory.
const maxDepth = 512

func (c *copier) entry(from *handle, base, at string) error {
	if strings.Count(at, "/") >= maxDepth {
		return fmt.Errorf("it lies more than %d directories deep", maxDepth)
	}
	info, err := from.lstat(base, &c.seen)
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		if err := c.to.directory(at, c.as(info)); err != nil {
			return err
		}
		return c.directory(from.Root, base, at)
	case fs.ModeSymlink:
		if err := c.o.link(); err != nil {
			return err
		}
		target, err := from.Readlink(base)
		if err != nil {
			return err
		}
		return c.to.symlink(at, target, c.as(info))
	case 0:
		if c.tree != nil && info.Size() <= smallFile {
			return c.tree.fetched(at, from, base)
		}
		return c.file(from.Root, base, at)
	}
	return fmt.Errorf("it is a special file (%s); only files, directories and links are deployed", info.Mode().Type())
}

func (c *copier) file(from *os.Root, base, at string) error {
	in, err := from.OpenFile(base, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errBecameSpecial
	}
	if err := c.o.setID(c.as(info).mode); err != nil {
		return err
	}
	if c.glance != nil {
		return c.glance(at, c.as(info), info.Size())
	}
	if err := c.expect(info.Size()); err != nil {
		return err
	}
	c.o.Work.Did(1, 0)
	return c.to.file(at, c.as(info), info.Size(), func(out io.Writer) error {
		for {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			// Two plain files, so that the system copies without bringing the bytes here, in pieces that can be interrupted.
			n, err := io.CopyN(out, in, 64<<20)
			if err == io.EOF {
				err = nil
			}
			c.o.Work.Did(0, n)
			if err == nil {
				err = c.wrote(n)
			}
			if err != nil || n == 0 {
				return err
			}
		}
	})
}

// fetch reads a small file. It is called by several goroutines.
func (c *copier) fetch(from *handle, base string, with *fetching) ([]byte, attributes, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, attributes{}, err
	}
	content, info, err := from.read(base, with.buffer, &with.is)
	if err != nil {
		return nil, attributes{}, err
	}
	a := c.as(info)
	if err := c.o.setID(a.mode); err != nil {
		return nil, a, err
	}
	c.o.Work.Did(1, int64(len(content)))
	return content, a, c.wrote(int64(len(content)))
}

func (c *copier) expect(size int64) error {
	c.counting.Lock()
	defer c.counting.Unlock()
	return c.gauge.Expect(size)
}

func (c *copier) wrote(n int64) error {
	c.counting.Lock()
	defer c.counting.Unlock()
	return c.gauge.Wrote(n, 0)
}

var errBecameSpecial = errors.New("it became a special file while it was being copied")

// preserved are the attributes of an entry as they are.
func preserved(info fs.FileInfo) attributes {
	a := attributes{mode: permissions(info.Mode()), uid: -1, gid: -1, mtime: info.ModTime()}
	if givesAway {
		a.uid, a.gid = ownerOf(info)
	}
	return a
}

// permissions are those of a mode as attributes have them.
func permissions(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, s := range special {
		if m&s.flag != 0 {
			bits |= s.bit
		}
	}
	return bits
}

// renewed are the attributes of a new file or directory made after an entry.
func renewed(info fs.FileInfo) attributes {
	mode := uint32(0o755)
	if !info.IsDir() {
		mode = permissions(info.Mode())
	}
	return attributes{mode: mode &^ 0o022, uid: -1, gid: -1}
}
