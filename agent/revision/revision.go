// Package revision fetches a revision from where it is stored (S3, GitHub, a local archive or a local directory) and unpacks it.
//
// Download stores the bundle as it came, whatever its format; Unpack, CopyDirectory and CopyArchive make the deployment archive of
// it. All work under a hidden name beside their target and rename at the end: the target is complete or it is not there, and an
// attempt that was interrupted (even by a power loss) leaves only a hidden name that the next attempt clears away.
//
// A download that was cut short is the exception: what it left is described in a small file beside it and continued, see Download.
//
// A bundle is untrusted. Nothing in it can name a place outside the archive, write through a link, make a device or a named
// pipe, or fill the disk; see Unpack.
package revision

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"codedeploy-agent/agent/disk"
	"codedeploy-agent/agent/durable"
	"codedeploy-agent/agent/progress"
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
	// Fetch stores the bundle as the file path and returns what is known of it. What an earlier Fetch left there is continued or
	// replaced. work, which may be nil, says meanwhile how far it is. On failure a part of the bundle may be
	// left at path, and its description beside it.
	Fetch(ctx context.Context, path string, work *progress.Work) (Fetched, error)
	// String names the source in logs and errors, without secrets.
	String() string
}

// Fetched says what was stored. ETag has no quotes; it and VersionID are empty for sources that have no such thing.
type Fetched struct {
	ETag, VersionID string
	Bytes           int64
}

// Download stores the bundle of s as the file bundle, replacing an older one. It is written beside it under a hidden name,
// synced to disk, given the mode and renamed, so that bundle is never a part of a bundle and never has another mode. On failure nothing
// is left. work, which may be nil, says meanwhile how far it is.
//
// A Download that was cut short, by a kill, a power loss or the end of ctx, leaves its part with a description. The next Download
// of the same object goes on from there, also when the bundle was complete and had not been unpacked.
func Download(ctx context.Context, s Source, bundle string, mode fs.FileMode, work *progress.Work) (Fetched, error) {
	staged := stagedName(bundle)
	takeBack(bundle, staged)
	got, err := s.Fetch(ctx, staged, work)
	if err == nil {
		err = publish(staged, bundle, mode)
	}
	if err != nil {
		if ctx.Err() == nil || !begun(staged) {
			discardPart(staged) // of the two errors the first one counts
		}
		return Fetched{}, disk.Explain(err, filepath.Dir(bundle), 0)
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
