package revision

import "golang.org/x/sys/windows"

// freeSpace is how many bytes this process may still write below dir; false if the file system does not say.
func freeSpace(dir string) (int64, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil || free > 1<<62 {
		return 0, false
	}
	return int64(free), true
}
