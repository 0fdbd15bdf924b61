package disk

import "golang.org/x/sys/windows"

// Free returns what this process may still write on the volume of dir; false if it does not say. Its quota, if it has one, counts.
func Free(dir string) (Room, bool) { return free(dir, false) }

func free(dir string, _ bool) (Room, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return Room{}, false
	}
	var bytes uint64
	if err := windows.GetDiskFreeSpaceEx(name, &bytes, nil, nil); err != nil || bytes > 1<<62 {
		return Room{}, false
	}
	return Room{Bytes: int64(bytes), Files: NoLimit}, true
}
