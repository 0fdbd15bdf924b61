package revision

import (
	"io"
	"io/fs"
	"os"

	"codedeploy-agent/hooks/faultpoint"
)

// handleNames is nothing here: names are reached through the directory's Root.
type handleNames struct{}

func (*handleNames) open(*os.Root) error { return nil }
func (*handleNames) close()              {}

// create makes a file, the name of which is one component.
func (f *handle) create(base string, a attributes, content []byte) error {
	file, err := f.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = faultpoint.At("unpack written")
	}
	if err == nil {
		err = dress(file, a)
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil && !a.mtime.IsZero() {
		err = f.Chtimes(base, a.mtime, a.mtime)
	}
	return err
}

// statInfo is nothing here.
type statInfo struct{}

// list returns the names in the directory.
func (f *handle) list() ([]string, error) {
	d, err := f.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// lstat says what a name is.
func (f *handle) lstat(base string, _ *statInfo) (fs.FileInfo, error) { return f.Lstat(base) }

// read returns the content of a file and what it is.
func (f *handle) read(base string, _ []byte, _ *statInfo) ([]byte, fs.FileInfo, error) {
	file, err := f.Open(base)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errBecameSpecial
	}
	content, err := io.ReadAll(file)
	return content, info, err
}
