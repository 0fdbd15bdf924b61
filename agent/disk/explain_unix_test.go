//go:build linux || darwin

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for errno, want := range map[syscall.Errno][]string{
		syscall.ENOSPC: {"no space left", "not enough disk space at " + dir, "4711 bytes are needed", "are available", "max_revisions"},
		syscall.EDQUOT: {"quota", dir, "4711 more bytes are needed", fmt.Sprintf("the user with the id %d", os.Geteuid()), "raise it"},
		syscall.EIO:    {"input/output error", "the device of " + dir, "dmesg"},
		syscall.EROFS:  {"read-only", dir, "mount it read-write"},
		syscall.EMFILE: {"too many open files", "LimitNOFILE="},
		syscall.ENFILE: {"fs.file-max"},
		syscall.EFBIG:  {"may not be that big", dir, "ulimit -f"},
	} {
		cause := fmt.Errorf("cannot store it: %w", &fs.PathError{Op: "write", Path: dir + "/x", Err: errno})
		err := Explain(cause, dir, 4711)
		for _, w := range append(want, "cannot store it: write "+dir+"/x: ") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("Explain(%v) = %v, want %q in it", errno, err, w)
			}
		}
		if !errors.Is(err, errno) || errors.Unwrap(err) != cause {
			t.Errorf("Explain(%v) = %v, want the cause in it", errno, err)
		}
		if again := Explain(fmt.Errorf("again: %w", err), dir, 1); again.Error() != "again: "+err.Error() {
			t.Errorf("Explain(Explain(%v)) = %v, want no second explanation", errno, again)
		}
	}
	for _, err := range []error{nil, errors.New("something else"), &fs.PathError{Op: "open", Path: dir, Err: syscall.EACCES}, &Full{Dir: dir}} {
		if got := Explain(err, dir, 1); got != err {
			t.Errorf("Explain(%v) = %v, want it as it is", err, got)
		}
	}
}

func TestRoomOf(t *testing.T) {
	t.Parallel()
	plain := unix.Statfs_t{Blocks: 1000, Bavail: 100, Bfree: 150, Bsize: 4096, Files: 10, Ffree: 7}
	flexible, endless := plain, plain
	flexible.Files, flexible.Ffree = 0, 0
	endless.Bfree, endless.Bavail = 1<<60, 1<<60
	for _, test := range []struct {
		name string
		s    unix.Statfs_t
		root bool
		want Room
		ok   bool
	}{
		{"ordinary user", plain, false, Room{100 * 4096, 7}, true},
		{"root", plain, true, Room{150 * 4096, 7}, true},
		{"inodes as needed", flexible, false, Room{100 * 4096, NoLimit}, true},
		{"more than any disk", endless, false, Room{}, false},
	} {
		if got, ok := roomOf(&test.s, test.root); got != test.want || ok != test.ok {
			t.Errorf("%s: %+v, %v, want %+v, %v", test.name, got, ok, test.want, test.ok)
		}
	}
	if _, ok := Free(t.TempDir() + "/missing"); ok {
		t.Error("Free(missing directory) is known, want unknown")
	}
}
