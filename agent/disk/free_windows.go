package disk

import "golang.org/x/sys/windows"

// Free returns what this process may still write on the volume of dir; false if it does not say. Its quota, if it has one, counts.
func Free(dir string) (Room, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return Room{}, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil || free > 1<<62 {
		return Room{}, false
	}
	return Room{Bytes: int64(free), Files: NoLimit}, true
}
