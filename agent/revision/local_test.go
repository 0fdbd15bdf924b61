//go:build unix

package revision

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLocalFile(t *testing.T) {
	d := t.TempDir()
	t.Chdir(d) // not parallel: for a relative path
	if err := os.WriteFile("app.tgz", []byte("bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("root", 0o755); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(d, "root", "bundle.tar")
	for range 2 { // again over the first one
		got, err := Download(context.Background(), NewLocalFile("app.tgz"), bundle, 0o644, nil)
		if err != nil || got.Bytes != 6 {
			t.Fatalf("Download = %+v, %v, want 6 bytes", got, err)
		}
	}
	if target, err := os.Readlink(bundle); err != nil || target != filepath.Join(d, "app.tgz") {
		t.Errorf("bundle.tar links to %q, %v, want the archive's absolute path", target, err)
	}
	if m := mode(t, "app.tgz"); m != 0o600 {
		t.Errorf("the archive's mode became %v", m)
	}
	for path, want := range map[string]string{"none.tgz": "no such file", "root": "it is a directory; deploy it with the type directory", "/dev/null": "not a regular file"} {
		if _, err := Download(context.Background(), NewLocalFile(path), filepath.Join(d, "root", "other"), 0o644, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Download(%s) = %v, want an error with %q", path, err, want)
		}
	}
	if got := names(t, filepath.Join(d, "root")); !cmp.Equal(got, []string{"bundle.tar"}) {
		t.Errorf("beside the bundle are %v", got)
	}
}

func TestDownloadAfterInterruption(t *testing.T) {
	t.Parallel()
	b := newBucket(t, map[string][]byte{"app.tgz": []byte("new")})
	s, err := NewS3(b.options(nil), "releases", "app.tgz", "", "")
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.tar")
	for _, path := range []string{bundle, stagedName(bundle)} {
		if err := os.WriteFile(path, []byte("left by an earlier attempt"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Download(context.Background(), s, bundle, 0o644, nil); err != nil {
		t.Fatalf("Download = %v, want no error", err)
	}
	wantContent(t, bundle, []byte("new"))
	wantAlone(t, filepath.Join(filepath.Dir(bundle), "none"))
}

func TestCopyArchive(t *testing.T) {
	t.Parallel()
	data, src := store(t, packTar(t, 0, append([]entry{file("suid", "1", 0o4755), dir("sticky", 0o1777)}, revisionEntries[:13]...)...))
	if err := Unpack(context.Background(), Tar, data, src, UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d/none", "d/closed"} { // an ordinary user cannot read these
		if err := os.Chmod(filepath.Join(src, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if isRoot() {
		if err := os.Lchown(filepath.Join(src, "d/all"), 1234, 5678); err != nil {
			t.Fatal(err)
		}
	}
	dst := filepath.Join(t.TempDir(), "archive")
	t.Cleanup(func() { removeTree(dst) })
	if err := os.MkdirAll(filepath.Join(dst, "older"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := CopyArchive(context.Background(), src, dst, UnpackOptions{}); err != nil {
		t.Fatalf("CopyArchive = %v, want no error", err)
	}
	want, got := snapshot(t, src), snapshot(t, dst)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("CopyArchive (-source +copy):\n%s", d)
	}
	wantAlone(t, dst)
}

func TestCopyDirectory(t *testing.T) {
	t.Parallel()
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "archive")
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	modes := map[string]fs.FileMode{"script.sh": 0o755, "shared": 0o666, "secret": 0o600, "closed": fs.ModeDir | 0o700, "closed/in": 0o444}
	for _, name := range slices.Sorted(maps.Keys(modes)) {
		path, m := filepath.Join(src, name), modes[name]
		var err error
		if m.IsDir() {
			err = os.Mkdir(path, 0o700)
		} else {
			err = os.WriteFile(path, []byte(name), 0o600)
		}
		if err := errors.Join(err, os.Chmod(path, m.Perm()), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
		if isRoot() {
			if err := os.Lchown(path, 1234, 5678); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 { // again over the first one
		if err := CopyDirectory(context.Background(), src, dst, UnpackOptions{}); err != nil {
			t.Fatalf("CopyDirectory = %v, want no error", err)
		}
	}
	want := map[string]fs.FileMode{"script.sh": 0o755, "shared": 0o644, "secret": 0o600, "closed": fs.ModeDir | 0o755, "closed/in": 0o444}
	for name, m := range want {
		info, err := os.Lstat(filepath.Join(dst, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != m || info.ModTime().Equal(old) {
			t.Errorf("%s: mode %v, time %v; want %v and the time of the copy", name, info.Mode(), info.ModTime(), m)
		}
		if uid, _ := ownerOf(info); uid != os.Getuid() {
			t.Errorf("%s belongs to uid %d, want the agent's user", name, uid)
		}
	}
	wantContent(t, filepath.Join(dst, "closed/in"), []byte("closed/in"))
	wantAlone(t, dst)
}

func TestCopyDirectoryRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(src string) (dst string, err error)
		want    string
	}{
		"named pipe":  {func(src string) (string, error) { return "", syscall.Mkfifo(filepath.Join(src, "d/pipe"), 0o644) }, `entry "d/pipe": it is a special file`},
		"into itself": {func(src string) (string, error) { return filepath.Join(src, "d/archive"), nil }, "deployment root lies inside it"},
		"through a link": {func(src string) (string, error) {
			return filepath.Join(src, "l/archive"), os.Symlink("d", filepath.Join(src, "l"))
		}, "deployment root lies inside it"},
		"no directory":  {func(src string) (string, error) { return "", os.RemoveAll(src) }, "no such file"},
		"file":          {func(src string) (string, error) { os.RemoveAll(src); return "", os.WriteFile(src, nil, 0o644) }, "it is not a directory"},
		"no deployment": {func(src string) (string, error) { return filepath.Join(filepath.Dir(src), "none/archive"), nil }, "no such file"},
	} {
		src := filepath.Join(t.TempDir(), "src")
		if err := os.MkdirAll(filepath.Join(src, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		dst, err := test.prepare(src)
		if err != nil {
			t.Fatal(err)
		}
		if dst == "" {
			dst = filepath.Join(t.TempDir(), "archive")
		}
		if err := CopyDirectory(context.Background(), src, dst, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("CopyDirectory(%s) = %v, want an error with %q", name, err, test.want)
		}
		if _, err := os.Lstat(dst); err == nil {
			t.Errorf("CopyDirectory(%s) leaves %s", name, dst)
		}
		if _, err := os.Lstat(stagedName(dst)); err == nil {
			t.Errorf("CopyDirectory(%s) leaves %s", name, stagedName(dst))
		}
	}
}

// TestCopyDirectoryLinks has links that lead out: they are copied, not followed.
func TestCopyDirectoryLinks(t *testing.T) {
	t.Parallel()
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "archive")
	for name, target := range map[string]string{"etc": "/etc", "up": "..", "self": "self"} {
		if err := os.Symlink(target, filepath.Join(src, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := CopyDirectory(context.Background(), src, dst, UnpackOptions{}); err != nil {
		t.Fatalf("CopyDirectory = %v, want no error", err)
	}
	for name, target := range map[string]string{"etc": "/etc", "up": "..", "self": "self"} {
		if got, err := os.Readlink(filepath.Join(dst, name)); err != nil || got != target {
			t.Errorf("%s links to %q, %v, want %q", name, got, err, target)
		}
	}
	if m := mode(t, dst); m != fs.ModeDir|0o755 {
		t.Errorf("the copy's mode is %v, want 0755", m)
	}
}
