package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.uber.org/zap"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/progress"
)

// UnpackOptions are the limits and switches of Unpack. The zero value is what the official agents do with honest bundles. The
// switches have the names, meaning and default of the official agent 2.x.
type UnpackOptions struct {
	// The limits hold for what is really unpacked, whatever the bundle says of itself; 0 is none.
	MaxBytes   int64 // archive_max_extraction_size: most bytes of content, besides what the disk has
	MaxEntries int64 // archive_max_entries: most entries, and directories that have none of their own
	MaxRatio   int64 // archive_max_ratio: most times the bundle's size, looked at from 64 MiB on
	MaxDepth   int   // archive_max_depth: most directories that an entry lies deep

	RejectSymlinks  bool // reject_symlinks_in_bundle: refuse symbolic and hard links
	RejectTraversal bool // reject_path_traversal_in_bundle: refuse absolute names, which are else made relative as tar does
	RejectSetID     bool // reject_unsafe_permissions_in_bundle: refuse set-user-id and set-group-id files
	IgnoreOwnership bool // ignore_ownership_in_bundle: files belong to the agent's user, whatever a tar says

	Mode fs.FileMode // the archive's own mode; 0: 0755

	Log  *zap.Logger    // nil: nothing is logged
	Work *progress.Work // says how far it is; nil: nobody wants to know

	fault func(step, name string) error // of tests, see tree
}

// Unpack makes the directory archive of the bundle, replacing an older one. It is made beside archive under a hidden name, written
// to disk as a whole (Linux: one syncfs before the rename; single files are not synced) and renamed. On failure nothing is left
// and an older archive is as it was.
//
// As with the official agents: permissions, set-id and sticky bits of a tar are exact whatever the umask, those of a zip lack the
// set-id and sticky bits; times are kept; links are made as links; owners are applied from a tar when the agent runs as root,
// by name where the host knows the name, else by number; a tar may be compressed in any way that is recognised, with xz if the host
// has that program; if the archive
// holds one directory only and an AppSpec lies in it, that level is left out; the archive itself has o.Mode. Among entries of
// one name the last one counts.
//
// Always refused: names with "..", entries below a link, hard links to what is not in the bundle, a file in the place of a
// directory, a zip whose entries overlap or whose headers disagree about a name, and what goes over the limits or what the disk has
// room for. Devices, named pipes and sockets are left out with a warning. Absolute names are made relative.
//
// With Unpack the download is over: the description that Download may have left is removed, unless ctx has ended.
func Unpack(ctx context.Context, f Format, bundle, archive string, o UnpackOptions) error {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	in, err := os.Open(bundle)
	if err != nil {
		return fmt.Errorf("cannot open the bundle: %w", disk.Explain(err, filepath.Dir(bundle), 0))
	}
	defer in.Close()
	err = unpack(ctx, f, in, archive, o)
	if ctx.Err() == nil {
		os.Remove(partialName(stagedName(bundle)))
	}
	if err != nil {
		return fmt.Errorf("cannot unpack the bundle %s (type %s): %w", bundle, f, err)
	}
	return nil
}

func unpack(ctx context.Context, f Format, in *os.File, archive string, o UnpackOptions) (err error) {
	toCome := func() int64 { return 0 }
	defer func() { err = disk.Explain(err, filepath.Dir(archive), toCome()) }()
	var s *staging
	var t *tree
	err = entriesTo(ctx, f, in, o, filepath.Dir(archive), func(u *unpacker) (sink, error) {
		toCome = func() int64 { return u.limits.bytesToCome }
		if s, err = newStaging(archive); err != nil {
			return nil, err
		}
		t = newTree(s.root, u.making)
		t.fault = o.fault
		return t, nil
	})
	if s == nil {
		return err
	}
	defer func() {
		t.close()
		if e := s.discard(); err == nil && e != nil {
			o.Log.Warn("cannot remove what the archive replaced; it is removed with the next attempt", zap.String("path", s.dir), zap.Error(e))
		}
	}()
	if e := t.settle(); err == nil {
		err = e
	}
	if err != nil {
		return disk.Explain(err, filepath.Dir(archive), toCome()) // while there is still what has filled the disk
	}
	top, err := t.leading()
	if err != nil {
		return err
	}
	if err := t.finish(ctx, top, o.mode()); err != nil {
		return err
	}
	return s.publish(top)
}

// sink is where the entries of a bundle go: onto the disk, or into an index of what is only read.
type sink interface {
	directory(name string, a attributes) error
	// file gets the content from write, which gives up at the first error of the writer. size is what the bundle says that it has; it may lie.
	file(name string, a attributes, size int64, write func(io.Writer) error) error
	symlink(name, target string, a attributes) error
	hardLink(name, target string) error
}

// entriesTo reads a bundle whose content fits its format and gives its entries to the sink that to returns. dir is on the file system that has
// to have room for them; "" if none has to. to is not called for a bundle that cannot be what it should.
func entriesTo(ctx context.Context, f Format, in *os.File, o UnpackOptions, dir string, to func(*unpacker) (sink, error)) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	if info.Size() == 0 {
		return errors.New("it is empty (0 bytes); was the revision uploaded completely?")
	}
	kind, err := sniff(in)
	if err != nil {
		return err
	}
	if err := fits(f, kind); err != nil {
		return err
	}
	u := &unpacker{ctx: ctx, o: o, limits: newLimits(o, info.Size(), dir), buf: make([]byte, 128<<10)}
	if u.to, err = to(u); err != nil {
		return err
	}
	if f == Zip {
		return u.zip(in, info.Size())
	}
	return u.tarball(in, kind)
}

// unpacker is one run of Unpack.
type unpacker struct {
	ctx    context.Context
	o      UnpackOptions
	to     sink
	limits *limits
	buf    []byte
}

// making counts what the tree is about to make.
func (u *unpacker) making(implied bool) error {
	if implied { // entries are counted where they are read
		if err := u.limits.entry(); err != nil {
			return err
		}
	}
	return u.limits.file()
}

// name checks an entry's name.
func (u *unpacker) name(raw string) (string, error) {
	return cleanName(raw, u.o.RejectTraversal, u.o.MaxDepth)
}

// link checks whether links are allowed.
func (o *UnpackOptions) link() error {
	if o.RejectSymlinks {
		return errors.New("it is a link (refused by the setting reject_symlinks_in_bundle)")
	}
	return nil
}

// mode is the archive's own mode.
func (o *UnpackOptions) mode() fs.FileMode {
	if o.Mode == 0 {
		return 0o755
	}
	return o.Mode
}

// setID checks whether a file may have the mode.
func (o *UnpackOptions) setID(mode uint32) error {
	if o.RejectSetID && mode&0o6000 != 0 {
		return fmt.Errorf("it is a set-id file, mode %04o (refused by the setting reject_unsafe_permissions_in_bundle)", mode)
	}
	return nil
}

// regular writes a file with the content of r.
func (u *unpacker) regular(name string, a attributes, size int64, r io.Reader) error {
	if name == "." {
		return errors.New("it is a file without a name")
	}
	if err := u.o.setID(a.mode); err != nil {
		return err
	}
	u.o.Work.Did(1, 0)
	return u.to.file(name, a, size, func(w io.Writer) error { return u.copy(w, r) })
}

// copy copies r to w within the limits, with the one buffer of the run. Decompressors give less at a time than is good to write.
func (u *unpacker) copy(w io.Writer, r io.Reader) error {
	for {
		if err := u.ctx.Err(); err != nil {
			return context.Cause(u.ctx)
		}
		n, err := 0, error(nil)
		for n < len(u.buf) && err == nil {
			var more int
			more, err = r.Read(u.buf[n:])
			n += more
		}
		if n > 0 {
			if e := u.limits.content(int64(n)); e != nil {
				return e
			}
			if _, e := w.Write(u.buf[:n]); e != nil {
				return e
			}
			u.o.Work.Did(0, int64(n))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
	}
}

// damaged puts the decompressors' terse errors into words.
func damaged(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the bundle ends too early; was the revision uploaded completely?")
	}
	return err
}

// entryError says which entry of a bundle or directory an error is about.
type entryError struct {
	name string
	err  error
}

func (e *entryError) Error() string { return fmt.Sprintf("entry %s: %v", shown(e.name), e.err) }
func (e *entryError) Unwrap() error { return e.err }

// ofEntry is err as the error of an entry, unless it is known to be another's.
func ofEntry(name string, err error) error {
	if known := (*entryError)(nil); errors.As(err, &known) {
		return err
	}
	return &entryError{name, err}
}

// kind is what the first bytes of a bundle show it to be.
type kind string

const (
	plain    kind = "a tar archive" // or nothing known: tar has no reliable mark
	gzipped  kind = "compressed with gzip"
	bzipped  kind = "compressed with bzip2"
	zstded   kind = "compressed with zstd"
	xzed     kind = "compressed with xz"
	compress kind = "compressed with compress"
	zipped   kind = "a zip archive"
)

func sniff(in io.ReaderAt) (kind, error) {
	head := make([]byte, 6)
	n, err := in.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	for k, mark := range map[kind]string{gzipped: "\x1f\x8b", bzipped: "BZh", zstded: "\x28\xb5\x2f\xfd", xzed: "\xfd7zXZ\x00",
		compress: "\x1f\x9d", zipped: "PK\x03\x04"} {
		if bytes.HasPrefix(head[:n], []byte(mark)) {
			return k, nil
		}
	}
	return plain, nil
}

// fits refuses a bundle whose content cannot be of its type, with the reason; the official agents fail on the same ones. A zip
// may begin with anything, and a tar may be compressed.
func fits(f Format, k kind) error {
	switch {
	case f != Tar && f != TGZ && f != Zip:
		return fmt.Errorf("%q is not a type of archive; tar, tgz and zip are", string(f))
	case f == Zip && k != zipped && k != plain:
		return fmt.Errorf("it is %s, not a zip archive; does the bundle type of the deployment fit the file?", k)
	case f == TGZ && k != gzipped:
		return errors.New("it is not compressed with gzip; does the bundle type of the deployment fit the file?")
	case f == Tar && (k == zipped || k == compress):
		return fmt.Errorf("it is %s, not a tar archive; does the bundle type of the deployment fit the file?", k)
	}
	return nil
}
