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
	from, err := os.OpenRoot(src)
	if err != nil {
		return err
	}
	defer from.Close()
	s, err := newStaging(dst)
	if err != nil {
		return err
	}
	c := &copier{ctx: ctx, o: o, gauge: disk.Gauge{Dir: filepath.Dir(dst)}, as: as}
	t := newTree(s.root, func(bool) error { return c.gauge.Made(0) })
	c.to = onDisk{t}
	err = c.directory(from, ".")
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
	ctx   context.Context
	o     UnpackOptions
	to    sink
	gauge disk.Gauge
	as    func(fs.FileInfo) attributes // of the copy of an entry
	// glance is told of a file instead of to, which then gets no content.
	glance func(name string, a attributes, size int64) error
}

// directory copies the entries of from, which is called name in the copy, in the order in which the system lists them.
func (c *copier) directory(from *os.Root, name string) error {
	entries, err := list(from, -1)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, e := range entries {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		at := path.Join(name, e.Name())
		if err := c.entry(from, e.Name(), at); err != nil {
			var deeper *copyError
			if errors.As(err, &deeper) {
				return err
			}
			return &copyError{at, err}
		}
	}
	return nil
}

// copyError says which entry could not be copied.
type copyError struct {
	name string
	err  error
}

func (e *copyError) Error() string { return fmt.Sprintf("entry %s: %v", shown(e.name), e.err) }
func (e *copyError) Unwrap() error { return e.err }

// maxDepth is how many directories deep a local directory may be: no honest one is deeper, and each level costs an open directory.
const maxDepth = 512

func (c *copier) entry(from *os.Root, base, at string) error {
	if strings.Count(at, "/") >= maxDepth {
		return fmt.Errorf("it lies more than %d directories deep", maxDepth)
	}
	info, err := from.Lstat(base)
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		sub, err := from.OpenRoot(base)
		if err != nil {
			return err
		}
		defer sub.Close()
		if err := c.to.directory(at, c.as(info)); err != nil {
			return err
		}
		return c.directory(sub, at)
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
		return c.file(from, base, at)
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
		return errors.New("it became a special file while it was being copied")
	}
	if err := c.o.setID(c.as(info).mode); err != nil {
		return err
	}
	if c.glance != nil {
		return c.glance(at, c.as(info), info.Size())
	}
	if err := c.gauge.Expect(info.Size()); err != nil {
		return err
	}
	c.o.Work.Did(1, 0)
	return c.to.file(at, c.as(info), func(out io.Writer) error {
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
				err = c.gauge.Wrote(n, 0)
			}
			if err != nil || n == 0 {
				return err
			}
		}
	})
}

// preserved are the attributes of an entry as they are.
func preserved(info fs.FileInfo) attributes {
	m := info.Mode()
	a := attributes{mode: uint32(m.Perm()), uid: -1, gid: -1, mtime: info.ModTime()}
	for _, s := range special {
		if m&s.flag != 0 {
			a.mode |= s.bit
		}
	}
	if os.Geteuid() == 0 {
		a.uid, a.gid = ownerOf(info)
	}
	return a
}

// renewed are the attributes of a new file or directory made after an entry.
func renewed(info fs.FileInfo) attributes {
	a := preserved(info)
	if info.IsDir() {
		a.mode = 0o755
	}
	return attributes{mode: a.mode &^ 0o022, uid: -1, gid: -1}
}
