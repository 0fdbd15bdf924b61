// Package revision fetches a revision from where it is stored (S3, GitHub, a local archive or a local directory) and unpacks it.
//
// Download stores the bundle as it came, whatever its format; Unpack and CopyDirectory make the deployment archive of it. All
// three work under a hidden name beside their target and rename at the end: the target is complete or it is not there, and an
// attempt that was interrupted (even by a power loss) leaves only a hidden name that the next attempt clears away.
//
// A bundle is untrusted. Nothing in it can name a place outside the archive, write through a link, make a device or a named
// pipe, or fill the disk; see Unpack.
package revision

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/hooks/faultpoint"
)

// Format is how the files of a revision are packed, in the spelling of a deployment specification's BundleType.
type Format string

// The formats that the AWS user guide names. Directory is for local deployments only.
const (
	Tar       Format = "tar" // also a compressed tar: the compression is recognised, as GNU tar does
	TGZ       Format = "tgz" // a tar that must be compressed with gzip
	Zip       Format = "zip"
	Directory Format = "directory"
)

// Source is where a bundle comes from. A Source may be used by several goroutines at once.
type Source interface {
	// Fetch stores the bundle in a new file at path and returns what is known of it. progress may be nil; it is called often,
	// never by two goroutines at once. On failure a part of the bundle may be left at path.
	Fetch(ctx context.Context, path string, progress func(Progress)) (Fetched, error)
	// String names the source in logs and errors, without secrets.
	String() string
}

// Fetched says what was stored. ETag has no quotes; it and VersionID are empty for sources that have no such thing.
type Fetched struct {
	ETag, VersionID string
	Bytes           int64
}

// Progress says how far a download is, in bytes. A Total of 0 means that the size is unknown.
type Progress struct{ Done, Total int64 }

// Download stores the bundle of s as the file bundle, replacing an older one. It is written beside it under a hidden name,
// synced to disk, given the mode and renamed, so that bundle is never a part of a bundle and never has another mode. On failure nothing
// is left. progress may be nil.
func Download(ctx context.Context, s Source, bundle string, mode fs.FileMode, progress func(Progress)) (Fetched, error) {
	staged := stagedName(bundle)
	if err := os.Remove(staged); err != nil && !os.IsNotExist(err) { // of an attempt that was interrupted
		return Fetched{}, fmt.Errorf("cannot remove the rest of an earlier download: %w", err)
	}
	got, err := s.Fetch(ctx, staged, progress)
	if err == nil {
		err = publish(staged, bundle, mode)
	}
	if err != nil {
		os.Remove(staged)
		return Fetched{}, err
	}
	return got, nil
}

// publish makes the staged file durable and gives it its mode and name.
func publish(staged, bundle string, mode fs.FileMode) error {
	if err := faultpoint.At("download publish"); err != nil {
		return err
	}
	info, err := os.Lstat(staged)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() { // not a link to an archive that belongs to somebody else
		if err := syncFile(staged, mode); err != nil {
			return fmt.Errorf("cannot store the bundle: %w", err)
		}
	}
	if err := os.Rename(staged, bundle); err != nil {
		return fmt.Errorf("cannot store the bundle: %w", err)
	}
	if err := faultpoint.At("download published"); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(bundle))
}

func syncFile(path string, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if err := f.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		return err
	}
	return f.Sync()
}

// stagedName is the hidden name beside path under which it is made. It is always the same one, so that what an interrupted
// attempt left is found again.
func stagedName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part")
}

// copyTo copies r to a new file at path and reports the progress, whose Total is total.
func copyTo(path string, r io.Reader, total int64, progress func(Progress)) (done int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	return io.Copy(&counted{w: f, total: total, report: progress}, r)
}

// counted reports what passes through it.
type counted struct {
	w           io.Writer
	done, total int64
	report      func(Progress)
}

func (c *counted) Write(p []byte) (int, error) {
	if err := faultpoint.At("download write"); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	c.done += int64(n)
	if c.report != nil {
		c.report(Progress{Done: c.done, Total: c.total})
	}
	return n, err
}
