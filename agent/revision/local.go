package revision

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"codedeploy-agent/agent/progress"
)

type localFile struct{ path string }

// NewLocalFile is an archive on this host. It is not copied: the bundle becomes a symbolic link with the archive's absolute path,
// as the official agent makes it (Windows: a copy). path may be relative to the working directory of the moment of Fetch.
func NewLocalFile(path string) Source { return localFile{path} }

func (l localFile) String() string { return l.path }

func (l localFile) Fetch(ctx context.Context, path string, work *progress.Work) (Fetched, error) {
	archive, err := filepath.Abs(l.path)
	if err != nil {
		return Fetched{}, fmt.Errorf("cannot find the bundle %s: %w", l.path, err)
	}
	info, err := os.Stat(archive)
	if err != nil {
		return Fetched{}, fmt.Errorf("cannot find the bundle: %w", err)
	}
	if info.IsDir() {
		return Fetched{}, fmt.Errorf("cannot use %s as an archive: it is a directory; deploy it with the type directory", archive)
	}
	if !info.Mode().IsRegular() {
		return Fetched{}, fmt.Errorf("cannot use %s as an archive: it is not a regular file", archive)
	}
	if err := ctx.Err(); err != nil {
		return Fetched{}, err
	}
	if err := discardPart(path); err != nil {
		return Fetched{}, err
	}
	size := info.Size()
	if runtime.GOOS == "windows" { // links need a privilege there
		size, err = copyLocal(archive, path, size)
	} else {
		err = os.Symlink(archive, path)
	}
	if err != nil {
		return Fetched{}, fmt.Errorf("cannot take the bundle %s: %w", archive, err)
	}
	work.Expect(0, size)
	work.Has(size)
	return Fetched{Bytes: size}, nil
}

func copyLocal(from, to string, size int64) (int64, error) {
	f, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return copyTo(openPart, to, f, size, nil)
}
