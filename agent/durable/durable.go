// Package durable writes small files that survive a power loss: a reader sees the old content or the new, never a part.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"codedeploy-agent/hooks/faultpoint"
)

// WriteFile replaces path by a file with this content and mode: it is written under a temporary name in the same directory,
// synced, renamed, and the directory is synced. The umask does not matter. A link at path is replaced, not followed. The temporary name
// is always the same one, so that what a crash leaves of it is gone with the next write; a path must not have two writers at a time.
func WriteFile(path string, content []byte, mode fs.FileMode) error {
	return Write(path, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Write is WriteFile with what content writes. Each of its writes is a system call.
func Write(path string, mode fs.FileMode, content func(io.Writer) error) error {
	if err := replace(path, content, mode); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// Temporary is the name under which WriteFile writes what is going to be path. Who removes path for good removes it too.
func Temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

func replace(path string, content func(io.Writer) error, mode fs.FileMode) (err error) {
	if err := faultpoint.At("write " + filepath.Base(path)); err != nil {
		return err
	}
	temp := Temporary(path)
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // new, so nobody else sees the content
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := content(f); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := faultpoint.At("rename " + filepath.Base(path)); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return faultpoint.At("renamed " + filepath.Base(path))
}

// Remove removes path and makes the removal durable. A file that is not there is no error.
func Remove(path string) error {
	if err := faultpoint.At("remove " + filepath.Base(path)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes the entries of a directory durable. Windows has no such call; there it does nothing.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
