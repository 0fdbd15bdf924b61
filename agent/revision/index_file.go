package revision

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"time"
)

// nodeInfo describes a node under one of its names.
type nodeInfo struct {
	name string
	*node
}

func (i nodeInfo) Name() string       { return i.name }
func (i nodeInfo) Size() int64        { return i.size }
func (i nodeInfo) Mode() fs.FileMode  { return i.mode }
func (i nodeInfo) ModTime() time.Time { return i.mtime }
func (i nodeInfo) IsDir() bool        { return i.mode.IsDir() }
func (i nodeInfo) Sys() any           { return owned{i.node} }

// owned is what a preview knows of a node besides (install.Entry).
type owned struct{ *node }

// Owner is who owns the entry once it is unpacked.
func (e owned) Owner() (uid, gid int) {
	if e.uid < 0 {
		return os.Geteuid(), os.Getegid()
	}
	return e.uid, e.gid
}

// SHA256 is the digest of a file's content, nil if it is not known.
func (e owned) SHA256() []byte { return e.digest }

// openFile is an open file of an index.
type openFile struct {
	info nodeInfo
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// openFolder is an open directory of an index.
type openFolder struct {
	info nodeInfo
	rest []fs.DirEntry
}

func (f *openFolder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFolder) Close() error               { return nil }

func (f *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.name, Err: fs.ErrInvalid}
}

func (f *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(f.rest)
	} else if len(f.rest) == 0 {
		return nil, io.EOF
	}
	out := f.rest[:min(n, len(f.rest))]
	f.rest = f.rest[len(out):]
	return out, nil
}
