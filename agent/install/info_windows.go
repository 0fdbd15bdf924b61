package install

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

func infoOf(fi fs.FileInfo) info {
	return info{kind: kindOf(fi.Mode()), mode: uint32(fi.Mode().Perm()), size: fi.Size(), mtime: fi.ModTime(), atime: fi.ModTime(),
		uid: noID, gid: noID, links: 1}
}

// mayRead says whether this process may read the file.
func mayRead(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// mayChange cannot be answered on Windows without trying.
func mayChange(string) error { return nil }

// freeSpace is how many bytes this process may still write on the volume of dir; files is -1 because NTFS has no such limit.
func freeSpace(dir string, _ bool) (bytes, files int64, ok bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil || free >= 1<<62 {
		return 0, 0, false
	}
	return int64(free), -1, true
}

// mayGive always answers yes: permissions cannot be set on Windows, and the AppSpec's parser says so.
func mayGive(int, int) string { return "" }
