package revision

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var packed = time.Unix(1700000000, 0) // when the test archives' entries were last changed

func isRoot() bool { return os.Geteuid() == 0 }

// entry of an archive. The kind is that of a tar; 0 is a regular file, 'b' and 's' are a block device and a socket of a zip.
type entry struct {
	name     string
	data     string
	mode     int64
	kind     byte
	link     string
	uid, gid int
	uname    string
	gname    string
}

func file(name, data string, mode int64) entry { return entry{name: name, data: data, mode: mode} }
func dir(name string, mode int64) entry        { return entry{name: name, mode: mode, kind: tar.TypeDir} }
func link(name, target string) entry {
	return entry{name: name, mode: 0o777, kind: tar.TypeSymlink, link: target}
}
func hard(name, target string) entry { return entry{name: name, kind: tar.TypeLink, link: target} }

func packTar(t testing.TB, format tar.Format, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Typeflag: e.kind, Linkname: e.link, ModTime: packed, Uid: e.uid, Gid: e.gid,
			Uname: e.uname, Gname: e.gname, Format: format}
		if e.kind == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(e.data))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compressed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packZip(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: packed, CreatorVersion: 3 << 8}
		kind := uint32(0x8000)
		switch e.kind {
		case tar.TypeDir:
			kind = 0x4000
		case tar.TypeSymlink:
			kind, e.data = 0xa000, e.link
		case tar.TypeFifo:
			kind = 0x1000
		case tar.TypeChar:
			kind = 0x2000
		case 'b':
			kind = 0x6000
		case 's':
			kind = 0xc000
		}
		if e.mode >= 0 {
			h.ExternalAttrs = (kind | uint32(e.mode)) << 16
		}
		if e.kind == tar.TypeDir {
			h.Name, h.Method = h.Name+"/", zip.Store
		}
		out, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// store writes a bundle and returns its path and that of the archive to make, in a directory of their own.
func store(t testing.TB, data []byte) (bundle, archive string) {
	t.Helper()
	d := t.TempDir()
	if err := os.Chmod(d, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeTree(d) }) // TempDir cannot remove what a closed directory holds
	bundle = filepath.Join(d, "bundle.tar")
	if err := os.WriteFile(bundle, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return bundle, filepath.Join(d, "deployment-archive")
}

// snapshot describes everything below a directory: name -> kind, mode, owner, time, content. Directories that are closed to an
// ordinary user are opened for a moment.
func snapshot(t testing.TB, top string) map[string]string {
	t.Helper()
	all := map[string]string{}
	var walk func(at, name string)
	walk = func(at, name string) {
		info, err := os.Lstat(at)
		if err != nil {
			t.Fatal(err)
		}
		uid, gid := ownerOf(info)
		text := fmt.Sprintf("%s %d:%d", info.Mode(), uid, gid)
		if info.ModTime().Equal(packed) {
			text += " packed"
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at)
			if err != nil {
				t.Fatal(err)
			}
			text = fmt.Sprintf("link %d:%d %s", uid, gid, target)
		case info.IsDir():
			if info.Mode().Perm()&0o500 != 0o500 {
				os.Chmod(at, 0o700)
				defer os.Chmod(at, info.Mode())
			}
			entries, err := os.ReadDir(at)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				walk(filepath.Join(at, e.Name()), filepath.Join(name, e.Name()))
			}
		case info.Mode().IsRegular():
			if info.Mode().Perm()&0o400 == 0 {
				os.Chmod(at, 0o400)
				defer os.Chmod(at, info.Mode())
			}
			data, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprintf(" %d %x", len(data), sha256.Sum256(data))
		}
		all[name] = text
	}
	walk(top, ".")
	return all
}
