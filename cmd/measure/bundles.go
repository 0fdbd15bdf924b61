//go:build linux

package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// revision is the content of a bundle.
type revision struct {
	files, perDirectory int
	least, most         int // bytes of a file
	scripts             int // of AfterInstall
	permissions         string
}

// write makes the revision's directory. The content is random, so that it is what a build brings rather than what compresses well, and
// the same in every run.
func (r revision) write(dir, dest string) error {
	random := rand.New(rand.NewPCG(1, 2))
	spec := "version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: " + dest + "\n" + r.permissions
	if r.scripts > 0 {
		spec += "hooks:\n  AfterInstall:\n"
	}
	for i := range r.scripts {
		name := fmt.Sprintf("scripts/%04d.sh", i)
		spec += "    - location: " + name + "\n"
		if err := put(filepath.Join(dir, name), 0o755, strings.NewReader("#!/bin/sh\n:\n")); err != nil {
			return err
		}
	}
	if err := put(filepath.Join(dir, "appspec.yml"), 0o644, strings.NewReader(spec)); err != nil {
		return err
	}
	for i := range r.files {
		name := filepath.Join(dir, "app", fmt.Sprintf("d%04d", i/r.perDirectory), fmt.Sprintf("f%06d", i))
		if err := put(name, 0o644, io.LimitReader(noise{random}, int64(r.least+random.IntN(r.most-r.least+1)))); err != nil {
			return err
		}
	}
	return nil
}

type noise struct{ *rand.Rand }

func (n noise) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += 8 {
		v := n.Uint64()
		for j := i; j < min(i+8, len(p)); j++ {
			p[j] = byte(v)
			v >>= 8
		}
	}
	return len(p), nil
}

func put(path string, mode fs.FileMode, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// pack makes dir.tar, dir.tgz or dir.zip.
func pack(dir, format string) error {
	f, err := os.Create(dir + "." + format)
	if err != nil {
		return err
	}
	var close []io.Closer
	switch format {
	case "zip":
		w := zip.NewWriter(f)
		err = w.AddFS(os.DirFS(dir))
		close = append(close, w)
	case "tgz":
		z := gzip.NewWriter(f)
		w := tar.NewWriter(z)
		err = w.AddFS(os.DirFS(dir))
		close = append(close, w, z)
	default:
		w := tar.NewWriter(f)
		err = w.AddFS(os.DirFS(dir))
		close = append(close, w)
	}
	for _, c := range append(close, f) {
		err = errors.Join(err, c.Close())
	}
	return err
}
