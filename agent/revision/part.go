package revision

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/progress"
)

// part is the file under a hidden name that a bundle is written to. Tests have some that fail.
type part interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	SyncData() error // makes what was written survive a power loss
}

// opener opens a part, as os.OpenFile does.
type opener func(path string, flag int) (part, error)

// openPart is the opener of all sources. It does not follow a link in the place of the file.
func openPart(path string, flag int) (part, error) {
	f, err := os.OpenFile(path, flag|openFlags, 0o600)
	if err != nil {
		return nil, &storageError{err}
	}
	return partFile{f}, nil
}

type partFile struct{ *os.File }

func (p partFile) SyncData() error { return syncData(p.File) }

// storageError is a trouble with this host's disk, not with where the bundle comes from: another attempt would not help.
type storageError struct{ err error }

func (e *storageError) Error() string { return "cannot store the bundle: " + e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

// room refuses a bundle that the disk has no room for, before a byte of it is fetched: missing is how much of it is still to come.
// The bundle is going to be unpacked beside itself and takes as much again at least, give or take the headers of its entries.
func room(path string, size, missing int64) error {
	dir := filepath.Dir(path)
	err := disk.Need(dir, missing+size, 2)
	if err == nil {
		return nil
	}
	here := ""
	if missing < size {
		here = fmt.Sprintf(", %d of them are here", size-missing)
	}
	return &storageError{fmt.Errorf("it has %d bytes%s, and takes as many again or more when it is unpacked: %w", size, here, err)}
}

// copyTo copies r to a new file at path, which is the work. total is how much there is to come; 0 if that is not known.
func copyTo(open opener, path string, r io.Reader, total int64, work *progress.Work) (done int64, err error) {
	if total > 0 {
		if err := room(path, total, total); err != nil {
			return 0, err
		}
	}
	f, err := open(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return 0, err
	}
	w := &counted{w: io.NewOffsetWriter(f, 0), gauge: disk.Gauge{Dir: filepath.Dir(path)}, total: total, work: work}
	work.Expect(0, total)
	done, err = io.Copy(w, r)
	if e := f.Close(); err == nil && e != nil {
		err = &storageError{e}
	}
	if err != nil {
		err = disk.Explain(err, filepath.Dir(path), max(total-done, 0))
	}
	return done, err
}

// counted counts what passes through it.
type counted struct {
	w           io.Writer
	gauge       disk.Gauge
	done, total int64
	work        *progress.Work
}

func (c *counted) Write(p []byte) (int, error) {
	if err := c.gauge.Wrote(int64(len(p)), max(c.total-c.done, 0)); err != nil {
		return 0, &storageError{err}
	}
	n, err := c.w.Write(p)
	c.done += int64(n)
	if err != nil {
		return n, &storageError{err}
	}
	c.work.Has(c.done)
	return n, nil
}
