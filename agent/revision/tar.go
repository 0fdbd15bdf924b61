package revision

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/zap"

	"codedeploy-agent/agent/disk"
)

const readAhead = 256 << 10

// tarball unpacks a tar that is compressed as k says.
func (u *unpacker) tarball(in io.Reader, k kind) error {
	buffered := bufio.NewReaderSize(&consumed{in, u}, readAhead)
	stream := io.Reader(buffered)
	switch k {
	case gzipped:
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return damaged(err)
		}
		defer z.Close()
		stream = z
	case bzipped:
		stream = bzip2.NewReader(buffered)
	case xzed:
		z, err := newXZ(u.ctx, buffered)
		if err != nil {
			return err
		}
		defer z.Close()
		stream = z
	case zstded:
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return err
		}
		defer z.Close()
		stream = z
	}
	if k != plain {
		stream = &metered{stream, u.limits}
	}
	if err := disk.Need(u.limits.dir, u.limits.packed, 0); err != nil { // it takes that much at least, give or take its headers
		return err
	}
	if err := u.entries(tar.NewReader(stream)); err != nil {
		return err
	}
	return u.drain(stream, k)
}

// consumed counts what is read of a bundle.
type consumed struct {
	r io.Reader
	u *unpacker
}

func (c *consumed) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.u.o.Work.Read(int64(n), c.u.limits.packed)
	return n, err
}

// metered counts what comes out of a decompressor.
type metered struct {
	r io.Reader
	l *limits
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if e := m.l.stream(int64(n)); e != nil {
		return 0, e
	}
	return n, err
}

// drain reads a compressed bundle to its end, where its checksum is. Bytes after the compressed data are no error, as with gzip.
func (u *unpacker) drain(stream io.Reader, k kind) error {
	if k == plain {
		return nil
	}
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		_, err := stream.Read(u.buf)
		switch {
		case err == nil:
		case err == io.EOF:
			return nil
		case errors.Is(err, gzip.ErrHeader):
			u.o.Log.Warn("the bundle has bytes after its compressed data; they are ignored")
			return nil
		default:
			return damaged(err)
		}
	}
}

func (u *unpacker) entries(r *tar.Reader) error {
	owners := newOwners(u.o.IgnoreOwnership)
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // names are checked here, whatever GODEBUG says
			if errors.Is(err, tar.ErrHeader) {
				err = fmt.Errorf("no tar entry can be read after entry %d; the bundle is damaged or is no tar archive (%w)", u.limits.entries, err)
			}
			return damaged(err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == 'V' { // a comment, a volume label: no file
			continue
		}
		if err := u.limits.entry(); err != nil {
			return err
		}
		if err := u.tarEntry(r, h, owners); err != nil {
			return ofEntry(h.Name, err)
		}
	}
}

func (u *unpacker) tarEntry(r io.Reader, h *tar.Header, owners *owners) error {
	name, err := u.name(h.Name)
	if err != nil {
		return err
	}
	a := attributes{mode: uint32(h.Mode & 0o7777), mtime: h.ModTime}
	if a.uid, a.gid, err = owners.of(h); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir, 'D': // D: a directory of GNU tar's incremental dumps; its list of names is skipped
		return u.to.directory(name, a)
	case tar.TypeSymlink:
		if err := u.o.link(); err != nil {
			return err
		}
		if name == "." {
			return errors.New("it is a link in the place of the archive")
		}
		return u.to.symlink(name, h.Linkname, a)
	case tar.TypeLink:
		return u.tarLink(name, h.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		what := map[byte]string{tar.TypeChar: "character device", tar.TypeBlock: "block device", tar.TypeFifo: "named pipe"}
		u.leaveOut(h.Name, what[h.Typeflag])
		return nil
	case 'M':
		return errors.New("it continues a file of another volume; multi-volume archives cannot be unpacked")
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
	default:
		u.o.Log.Warn("the bundle has an entry of an unknown type; it is unpacked as a file, as tar does",
			zap.String("entry", h.Name), zap.String("type", string(h.Typeflag)))
	}
	if err := u.limits.coming(h.Size); err != nil {
		return err
	}
	return u.regular(name, a, h.Size, r)
}

// leaveOut says that an entry is not made. A bundle that happens to hold a special file can be deployed without it.
func (u *unpacker) leaveOut(name, what string) {
	u.o.Log.Warn("a special file of the bundle is left out; files, directories and links are unpacked", zap.String("entry", name), zap.String("kind", what))
}

func (u *unpacker) tarLink(name, linked string) error {
	if err := u.o.link(); err != nil {
		return err
	}
	target, err := u.name(linked)
	if err != nil {
		return fmt.Errorf("it is a hard link to %q: %w", linked, errors.New(strings.Replace(err.Error(), "its name", "the target's name", 1)))
	}
	if name == "." || target == "." {
		return errors.New("it is a hard link to or from the archive itself")
	}
	return u.to.hardLink(name, target)
}
