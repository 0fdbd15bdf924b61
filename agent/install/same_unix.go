//go:build unix

package install

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// sameFiles says whether two regular files have the same content; what cannot be read is not the same. Thousands of files are compared, so there is
// no more than the system calls that it takes.
func sameFiles(one, other string) bool {
	x, ok := openToCompare(one)
	if !ok {
		return false
	}
	defer unix.Close(x)
	y, ok := openToCompare(other)
	if !ok {
		return false
	}
	defer unix.Close(y)
	buffer := comparing.Get().(*[]byte)
	defer comparing.Put(buffer)
	p, q := (*buffer)[:comparedAtOnce], (*buffer)[comparedAtOnce:]
	for {
		n, ok := readFull(x, p)
		m, fine := readFull(y, q)
		if !ok || !fine || !bytes.Equal(p[:n], q[:m]) {
			return false
		}
		if n < len(p) {
			return true
		}
	}
}

func openToCompare(path string) (fd int, ok bool) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, false
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
			unix.Close(fd)
			return -1, false
		}
		return fd, true
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
