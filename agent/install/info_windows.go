package install

import (
	"io/fs"
	"os"
	"path/filepath"
)

func infoOf(fi fs.FileInfo) info {
	return info{kind: kindOf(fi.Mode()), mode: uint32(fi.Mode().Perm()), size: fi.Size(), mtime: fi.ModTime().UnixNano(), atime: fi.ModTime().UnixNano(),
		uid: noID, gid: noID, links: 1}
}

// mayRead says whether this process may read the file.
func mayRead(dir, name string, _ info) error {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return f.Close()
}

// mayGive always answers yes: permissions cannot be set on Windows, and the AppSpec's parser says so.
func mayGive(int, int) string { return "" }
