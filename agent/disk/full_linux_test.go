package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullFileSystem fills a small file system to its end, first its inodes and then its blocks.
func TestFullFileSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m,nr_inodes=20"); err != nil {
		t.Skipf("needs to mount a file system: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	before, ok := Free(dir)
	if !ok || before.Bytes != 4<<20 || before.Files != 19 { // the directory itself has one
		t.Fatalf("Free = %+v, %v, want 4 MiB and 19 inodes", before, ok)
	}
	var err error
	made := 0
	for ; err == nil; made++ {
		err = os.WriteFile(filepath.Join(dir, strconv.Itoa(made)), nil, 0o600)
	}
	if got := Explain(err, dir, 4711); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(got.Error(), "not enough inodes at "+dir+": 0 are available") {
		t.Errorf("Explain(%v) = %v, want one about inodes", err, got)
	}
	if made != 20 {
		t.Errorf("%d files could be made, want 19", made-1)
	}
	f, err := os.OpenFile(filepath.Join(dir, "0"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := Gauge{Dir: dir}
	page := make([]byte, 4096)
	for err = g.Wrote(4096, 9); err == nil; err = g.Wrote(4096, 9) {
		if _, e := f.Write(page); e != nil {
			t.Fatalf("the disk was full (%v) before the gauge told", e)
		}
	}
	if _, e := f.Write(make([]byte, Reserve)); e == nil || !strings.Contains(Explain(e, dir, 4711).Error(), "4711 bytes are needed, 0 are available") {
		t.Errorf("a write beyond the end: %v", Explain(e, dir, 4711))
	}
}
