//go:build unix

package install

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// sameFiles says whether two regular files have the same content; what cannot be read is not the same.
func sameFiles(one, other string) bool {
	x, size, ok := openToCompare(unix.AT_FDCWD, one)
	if !ok {
		return false
	}
	defer unix.Close(x)
	y, otherSize, ok := openToCompare(unix.AT_FDCWD, other)
	if !ok {
		return false
	}
	defer unix.Close(y)
	return size == otherSize && sameBytes(x, y, size)
}

// sameBytes compares two files of that size. Thousands are compared, so there is no more than the system calls that it takes.
func sameBytes(x, y int, size int64) bool {
	buffer := comparing.Get().(*[]byte)
	defer comparing.Put(buffer)
	p, q := (*buffer)[:comparedAtOnce], (*buffer)[comparedAtOnce:]
	for size > 0 {
		most := min(size, comparedAtOnce)
		n, ok := readFull(x, p[:most])
		m, fine := readFull(y, q[:most])
		if !ok || !fine || int64(n) < most || !bytes.Equal(p[:n], q[:m]) {
			return false
		}
		size -= most
	}
	return true
}

// openToCompare opens a regular file by its path from an open directory.
func openToCompare(dir int, path string) (fd int, size int64, ok bool) {
	for {
		fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, 0, false
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			unix.Close(fd)
			return -1, 0, false
		}
		return fd, st.Size, true
	}
}

// readFull fills the buffer, or as much of it as there is left of the file.
func readFull(fd int, buffer []byte) (int, bool) {
	n := 0
	for n < len(buffer) {
		m, err := unix.Read(fd, buffer[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, false
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, true
}
