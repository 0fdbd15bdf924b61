package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestCopyRange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content := make([]byte, 3*copyPiece/2) // two pieces
	for i := range content {
		content[i] = byte(i >> 9)
	}
	path := filepath.Join(dir, "src")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	src, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(dir, "dst"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	var done atomic.Int64
	err = CopyRange(int(dst.Fd()), int(src.Fd()), int64(len(content)+100), func(n int64) error { done.Add(n); return nil })
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the file system cannot copy by itself")
	}
	got, e := os.ReadFile(dst.Name())
	if err != nil || e != nil || !bytes.Equal(got, content) || done.Load() != int64(len(content)) {
		t.Errorf("CopyRange = %v, %v with %d bytes copied, %d told, want %d, all the same", err, e, len(got), done.Load(), len(content))
	}
	if at, err := src.Seek(0, 1); at != 0 || err != nil {
		t.Errorf("the source is read next at %d (%v), want 0", at, err)
	}
	stop := errors.New("stop")
	if err := CopyRange(int(dst.Fd()), int(src.Fd()), int64(len(content)), func(int64) error { return stop }); err != stop {
		t.Errorf("CopyRange = %v, want the caller's error", err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := CopyRange(int(full.Fd()), int(src.Fd()), 100, func(int64) error { return nil }); !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("CopyRange to what is no file = %v, want it to be unsupported", err)
	}
}
