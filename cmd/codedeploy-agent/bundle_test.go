package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// file is one entry of a bundle. A name that ends with a slash is a directory, a content that begins with linkMark a symbolic link. A mode of
// 0 means 0644; use noMode for a file that nobody may do anything with.
type file struct {
	name, content string
	mode          int64
}

const (
	linkMark = "link:"
	noMode   = -1
)

func link(name, target string) file          { return file{name, linkMark + target, 0o777} }
func directory(name string, mode int64) file { return file{name + "/", "", mode} }
func text(name, content string) file         { return file{name, content, 0o644} }
func script(name, content string) file       { return file{name, content, 0o755} }

// packedAt is the time that all files of bundles have.
var packedAt = time.Unix(1700000000, 0)

// entry splits a file into what the formats need.
func (f file) entry() (mode fs.FileMode, target string) {
	mode = fs.FileMode(f.mode & 0o777)
	switch {
	case f.mode == noMode:
		mode = 0
	case f.mode == 0:
		mode = 0o644
	}
	for bit, flag := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if f.mode > 0 && f.mode&bit != 0 {
			mode |= flag
		}
	}
	if strings.HasSuffix(f.name, "/") {
		return mode | fs.ModeDir, ""
	}
	if target, is := strings.CutPrefix(f.content, linkMark); is {
		return mode | fs.ModeSymlink, target
	}
	return mode, ""
}

// pack makes a tgz of files.
func pack(t testing.TB, files []file) []byte { return packAs(t, "tgz", files) }

// packAs makes a bundle of the format: tar, tgz or zip.
func packAs(t testing.TB, format string, files []file) []byte {
	t.Helper()
	var buf bytes.Buffer
	var err error
	switch format {
	case "tar":
		err = packTar(tar.NewWriter(&buf), files)
	case "tgz":
		z := gzip.NewWriter(&buf)
		if err = packTar(tar.NewWriter(z), files); err == nil {
			err = z.Close()
		}
	case "zip":
		err = packZip(zip.NewWriter(&buf), files)
	default:
		t.Fatalf("there is no format %q", format)
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func packTar(w *tar.Writer, files []file) error {
	for _, f := range files {
		mode, target := f.entry()
		header, err := tar.FileInfoHeader(fakeInfo{f, mode}, target)
		if err != nil {
			return err
		}
		header.Name, header.Format, header.Uid, header.Gid = f.name, tar.FormatGNU, os.Getuid(), os.Getgid()
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if header.Size > 0 {
			if _, err := w.Write([]byte(f.content)); err != nil {
				return err
			}
		}
	}
	return w.Close()
}

func packZip(w *zip.Writer, files []file) error {
	for _, f := range files {
		mode, target := f.entry()
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: packedAt.UTC()}
		header.SetMode(mode)
		body := f.content
		if mode.Type() == fs.ModeSymlink {
			body = target
		}
		if mode.IsDir() {
			header.Method = zip.Store
		}
		entry, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write([]byte(body)); err != nil {
			return err
		}
	}
	return w.Close()
}

// fakeInfo is what a file of a bundle would be on disk.
type fakeInfo struct {
	file file
	mode fs.FileMode
}

func (i fakeInfo) Name() string { return filepath.Base(i.file.name) }
func (i fakeInfo) Size() int64 {
	if i.mode.IsRegular() {
		return int64(len(i.file.content))
	}
	return 0
}
func (i fakeInfo) Mode() fs.FileMode  { return i.mode }
func (i fakeInfo) ModTime() time.Time { return packedAt }
func (i fakeInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fakeInfo) Sys() any           { return nil }

// layOut writes files as a plain directory and returns its path.
func (h *host) layOut(name string, files []file) string {
	h.t.Helper()
	root := h.path(name)
	var problem error
	try := func(err error) {
		if problem == nil {
			problem = err
		}
	}
	try(os.MkdirAll(root, 0o755))
	for _, f := range files {
		path := filepath.Join(root, f.name)
		mode, target := f.entry()
		try(os.MkdirAll(filepath.Dir(path), 0o755))
		switch {
		case mode.IsDir():
			try(os.MkdirAll(path, 0o755))
		case target != "":
			try(os.Symlink(target, path))
		default:
			try(os.WriteFile(path, []byte(f.content), 0o600))
		}
		for at := path; len(at) > len(h.dir) && problem == nil; at = filepath.Dir(at) {
			h.give(at)
		}
	}
	for _, f := range slices.Backward(files) { // a directory after what is in it: its mode may forbid to write there
		if mode, target := f.entry(); target == "" {
			try(os.Chmod(filepath.Join(root, f.name), mode))
			try(os.Chtimes(filepath.Join(root, f.name), packedAt, packedAt))
		}
	}
	if problem != nil {
		h.t.Fatal(problem)
	}
	return root
}
