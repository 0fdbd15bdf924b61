package revision

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// wantRefusedByIndex makes sure that Index refuses what Unpack refuses, but for want of room.
func wantRefusedByIndex(t *testing.T, f Format, bundle string, o UnpackOptions, want string) {
	t.Helper()
	if strings.Contains(want, "disk space") {
		return
	}
	if _, err := Index(t.Context(), f, bundle, o); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Index(%s) = %.500v, want an error with %q", f, err, want)
	}
}

// wantIndexLike makes sure that an index of the bundle has what Unpack made of it: names, modes, contents and links.
func wantIndexLike(t *testing.T, f Format, bundle, archive string) {
	t.Helper()
	x, err := Index(t.Context(), f, bundle, UnpackOptions{})
	if err != nil {
		t.Errorf("Index(%s) = %v, want no error", f, err)
		return
	}
	indexed := 0
	err = fs.WalkDir(x, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		indexed++
		path := filepath.Join(archive, name)
		on, err := os.Lstat(path)
		if err != nil {
			return err
		}
		in, err := e.Info()
		if err != nil {
			return err
		}
		if name != "." && in.Mode() != on.Mode() {
			t.Errorf("Index(%s): %s has mode %v, and %v when unpacked", f, name, in.Mode(), on.Mode())
		}
		switch {
		case !fs.ValidPath(name): // no fs.FS opens it
		case on.Mode().IsRegular():
			want, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if got, err := fs.ReadFile(x, name); err != nil || !bytes.Equal(got, want) || in.Size() != int64(len(want)) {
				t.Errorf("Index(%s): %s is %.50q, %v, want %.50q", f, name, got, err, want)
			}
		case on.Mode()&fs.ModeSymlink != 0:
			want, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if got, err := fs.ReadLink(x, name); err != nil || got != want {
				t.Errorf("Index(%s): the link %s leads to %q, %v, want %q", f, name, got, err, want)
			}
		}
		return nil
	})
	if unpacked := len(snapshot(t, archive)); err != nil || indexed != unpacked {
		t.Errorf("Index(%s) has %d entries, %v, want %d", f, indexed, err, unpacked)
	}
}

func TestIndexIsAFileSystem(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 1<<13) // more than is kept
	entries := []entry{file("app-1/appspec.yml", "x", 0o644), file("app-1/big", big, 0o600), dir("app-1/empty", 0o700), file("app-1/d/run.sh", "#!", 0o755),
		link("app-1/inside", "d/run.sh"), link("app-1/up", "../app-1/d"), link("app-1/out", "/etc/passwd"), link("app-1/climbs", "../../x"),
		link("app-1/a", "b"), link("app-1/b", "a"), link("app-1/dir", "d")}
	for format, data := range map[Format][]byte{Tar: packTar(t, tar.FormatGNU, entries...), Zip: packZip(t, entries...)} {
		bundle, _ := store(t, data)
		x, err := Index(t.Context(), format, bundle, UnpackOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := fstest.TestFS(noLinks{x}, "appspec.yml", "big", "empty", "d/run.sh"); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if got, err := fs.ReadFile(x, "big"); err != nil || string(got) != big {
			t.Errorf("%s: big is %d bytes, %v, want %d", format, len(got), err, len(big))
		}
		for name, want := range map[string]string{"inside": "#!", "dir/run.sh": "#!"} {
			if got, err := fs.ReadFile(x, name); err != nil || string(got) != want {
				t.Errorf("%s: %s is %q, %v, want %q", format, name, got, err, want)
			}
		}
		for _, name := range []string{"out", "climbs", "a", "up/run.sh", "nothing", "d/run.sh/x", "../appspec.yml"} { // the level that "up" leads through is left out
			if info, err := fs.Stat(x, name); err == nil {
				t.Errorf("%s: %s is %v, want an error", format, name, info.Mode())
			}
		}
		if info, err := fs.Lstat(x, "out"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s: out is %v, %v, want a link", format, info, err)
		}
	}
}

// noLinks hides the links that fstest.TestFS would open.
type noLinks struct{ fs.FS }

func (n noLinks) Open(name string) (fs.File, error) {
	f, err := n.FS.Open(name)
	if d, ok := f.(fs.ReadDirFile); ok && err == nil {
		return &withoutLinks{d}, nil
	}
	return f, err
}

type withoutLinks struct{ fs.ReadDirFile }

func (w *withoutLinks) ReadDir(n int) ([]fs.DirEntry, error) {
	for {
		all, err := w.ReadDirFile.ReadDir(n)
		kept := all[:0:0]
		for _, e := range all {
			if e.Type()&fs.ModeSymlink == 0 {
				kept = append(kept, e)
			}
		}
		if len(kept) > 0 || err != nil || n <= 0 {
			return kept, err
		}
	}
}
