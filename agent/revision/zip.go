package revision

import (
	"archive/zip"
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

const (
	zipBzip2   = 12
	maxZipLink = 4096 // a link's target is its content; Linux has no longer ones
)

// zip unpacks a zip. Owners are not applied, and set-id and sticky bits are left out, as unzip does.
func (u *unpacker) zip(in io.ReaderAt, size int64) error {
	z := &zipFile{ReaderAt: in, size: size, most: max(u.limits.maxEntries, 0)}
	r, err := zip.NewReader(z, size)
	z.most = 0
	var many *entriesError
	if errors.As(err, &many) {
		return u.limits.tooMany()
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are checked here, whatever GODEBUG says
		if errors.Is(err, zip.ErrFormat) {
			return errors.New("it has no zip directory at its end; it is damaged, cut short or no zip archive")
		}
		return damaged(err)
	}
	r.RegisterDecompressor(zip.Deflate, inflate)
	r.RegisterDecompressor(zipBzip2, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	r.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20)))
	var total uint64
	files := int64(0)
	for _, f := range r.File {
		total += min(f.UncompressedSize64, math.MaxInt64/2)
		total = min(total, math.MaxInt64/2)
		if !strings.HasSuffix(f.Name, "/") {
			files++
		}
	}
	if err := u.limits.declared(int64(total), int64(len(r.File))); err != nil {
		return err
	}
	u.o.Work.Expect(files, int64(total))
	if err := z.check(r.File); err != nil {
		return err
	}
	for _, f := range r.File {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		if err := u.limits.entry(); err != nil {
			return err
		}
		if err := u.zipEntry(f); err != nil {
			return ofEntry(f.Name, err)
		}
	}
	return nil
}

func (u *unpacker) zipEntry(f *zip.File) error {
	raw := f.Name
	if f.CreatorVersion>>8 != 3 && !strings.Contains(raw, "/") { // some Windows tools write backslashes; on Unix they are part of a name
		raw = strings.ReplaceAll(raw, `\`, "/")
	}
	name, err := u.name(raw)
	if err != nil {
		return err
	}
	const typeMask, directory, regular, symlink = 0xf000, 0x4000, 0x8000, 0xa000 // S_IFMT and three of its values
	mode := f.ExternalAttrs >> 16
	a := attributes{mode: mode & 0o777, uid: -1, gid: -1, mtime: zipTime(f)}
	isDir := strings.HasSuffix(raw, "/") || mode&typeMask == directory
	if mode == 0 { // made without Unix modes
		a.mode = 0o644
		if isDir {
			a.mode = 0o755
		} else if f.ExternalAttrs&1 != 0 { // MS-DOS read only
			a.mode = 0o444
		}
	}
	if isDir {
		return u.to.directory(name, a)
	}
	switch mode & typeMask {
	case 0, regular, symlink:
	default:
		u.leaveOut(f.Name, fmt.Sprintf("mode %06o", mode))
		return nil
	}
	if f.Flags&1 != 0 {
		return errors.New("it is encrypted; a bundle has to be readable without a password")
	}
	r, err := f.Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		return fmt.Errorf("it is compressed with method %d, which is not supported; deflate is", f.Method)
	}
	if err != nil {
		return damaged(err)
	}
	defer r.Close()
	if mode&typeMask == symlink {
		return u.zipLink(name, a, r)
	}
	return u.regular(name, a, int64(min(f.UncompressedSize64, math.MaxInt64)), r)
}

func (u *unpacker) zipLink(name string, a attributes, r io.Reader) error {
	u.o.Work.Did(1, 0)
	if err := u.o.link(); err != nil {
		return err
	}
	if name == "." {
		return errors.New("it is a link in the place of the archive")
	}
	target, err := io.ReadAll(io.LimitReader(r, maxZipLink+1))
	if err != nil {
		return damaged(err)
	}
	if len(target) > maxZipLink {
		return errors.New("it is a link whose target is too long")
	}
	return u.to.symlink(name, string(target), a)
}

// zipTime is when an entry was changed. Without an extended time stamp a zip has only the local time of nowhere in particular,
// which unzip takes as that of this host.
func zipTime(f *zip.File) time.Time {
	const extended = 0x5455
	for extra := f.Extra; len(extra) >= 4; {
		id, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+size {
			break
		}
		if id == extended || id == 0x000a || id == 0x5855 || id == 0x000d { // extended, NTFS, Unix, Info-ZIP Unix: package zip has read them
			return f.Modified
		}
		extra = extra[4+size:]
	}
	m := f.Modified.UTC()
	return time.Date(m.Year(), m.Month(), m.Day(), m.Hour(), m.Minute(), m.Second(), 0, time.Local)
}

// inflaters keeps decompressors for the next entry; each has a window of 32 KiB, and a buffer so that the bundle is not read in many small pieces.
var inflaters sync.Pool

// inflate is zip's deflate method.
func inflate(r io.Reader) io.ReadCloser {
	i, ok := inflaters.Get().(*inflater)
	if !ok {
		i = &inflater{in: bufio.NewReaderSize(nil, 64<<10)}
	}
	i.in.Reset(r)
	if i.z == nil || i.z.(flate.Resetter).Reset(i.in, nil) != nil {
		i.z = flate.NewReader(i.in)
	}
	return &pooled{i}
}

// inflater inflates what its buffer reads.
type inflater struct {
	in *bufio.Reader
	z  io.ReadCloser
}

// pooled is an entry that gives its inflater back when it is closed.
type pooled struct{ i *inflater }

func (p *pooled) Read(b []byte) (int, error) {
	if p.i == nil {
		return 0, errors.New("read of a closed entry")
	}
	return p.i.z.Read(b)
}

func (p *pooled) Close() error {
	if p.i == nil {
		return nil
	}
	err := p.i.z.Close()
	p.i.in.Reset(nil)
	inflaters.Put(p.i)
	p.i = nil
	return err
}
