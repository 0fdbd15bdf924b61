//go:build linux

package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// revision is the content of a bundle.
type revision struct {
	files, perDirectory int
	least, most         int // bytes of a file
	scripts             int // of AfterInstall
	permissions         string
	each                string // files or permissions: that section of the AppSpec has an entry for each file
	seed                uint64 // other content for another one
	text                bool   // the content compresses to a third or so, as that of large files does
}

// write makes the revision's directory. The content is the same in every run, and random, so that it is what a build brings rather than
// what compresses well, unless it is to be text.
func (r revision) write(dir, dest string) error {
	random := rand.New(rand.NewPCG(1, 2+r.seed))
	var content io.Reader = noise{random}
	if r.text {
		content = newProse(random)
	}
	name := func(i int) string { return fmt.Sprintf("d%04d/f%06d", i/r.perDirectory, i) }
	var appSpec strings.Builder
	appSpec.WriteString("version: 0.0\nos: linux\nfiles:\n")
	if r.each == "files" {
		for i := range r.files {
			fmt.Fprintf(&appSpec, "  - source: app/%s\n    destination: %s/%s\n", name(i), dest, path.Dir(name(i)))
		}
	} else {
		appSpec.WriteString("  - source: app\n    destination: " + dest + "\n" + r.permissions)
	}
	if r.each == "permissions" {
		appSpec.WriteString("permissions:\n")
		for i := range r.files {
			fmt.Fprintf(&appSpec, "  - object: %s/%s\n    mode: 640\n    type: [file]\n", dest, name(i))
		}
	}
	if r.scripts > 0 {
		appSpec.WriteString("hooks:\n  AfterInstall:\n")
	}
	for i := range r.scripts {
		name := fmt.Sprintf("scripts/%04d.sh", i)
		appSpec.WriteString("    - location: " + name + "\n")
		if err := put(filepath.Join(dir, name), 0o755, strings.NewReader("#!/bin/sh\n:\n")); err != nil {
			return err
		}
	}
	if err := put(filepath.Join(dir, "appspec.yml"), 0o644, strings.NewReader(appSpec.String())); err != nil {
		return err
	}
	for i := range r.files {
		size := int64(r.least + random.IntN(r.most-r.least+1))
		if err := put(filepath.Join(dir, "app", name(i)), 0o644, io.LimitReader(content, size)); err != nil {
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

// prose is what compresses like a program or a text: a megabyte of words from a small vocabulary, again and again, with numbers in between
// that never come again.
type prose struct {
	random *rand.Rand
	text   []byte
	at     int
}

// numberEvery is how many bytes of text there are between two numbers.
const numberEvery = 64

func newProse(random *rand.Rand) *prose {
	words := make([][]byte, 2000)
	for i := range words {
		for range 2 + random.IntN(9) {
			words[i] = append(words[i], byte('a'+random.IntN(26)))
		}
		words[i] = append(words[i], ' ')
	}
	p := &prose{random: random}
	for len(p.text) < 1<<20 {
		p.text = append(p.text, words[random.IntN(len(words))]...)
	}
	p.text = p.text[:1<<20]
	return p
}

func (p *prose) Read(to []byte) (int, error) {
	if p.at == len(p.text) {
		p.at = 0
	}
	if p.at == 0 {
		for i := 0; i < len(p.text); i += numberEvery {
			binary.LittleEndian.PutUint64(p.text[i:], p.random.Uint64())
		}
	}
	n := copy(to, p.text[p.at:])
	p.at += n
	return n, nil
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
