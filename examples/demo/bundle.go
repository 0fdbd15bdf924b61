package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// source is the example revision: its files, and the server it installs.
type source struct {
	files  fs.FS
	server []byte
}

// readSource takes a directory that has the example revision, and its server where the AppSpec expects it.
func readSource(dir string) (*source, error) {
	server, err := os.ReadFile(filepath.Join(dir, "bin", "webserver"))
	if err != nil {
		return nil, fmt.Errorf("cannot read the web server: %w", err)
	}
	return &source{files: os.DirFS(dir), server: server}, nil
}

// buildSource finds the example revision and builds its server.
func buildSource(ctx context.Context, dir string) (*source, error) {
	module, err := command(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, fmt.Errorf("cannot find the examples (run the demo inside the source tree): %w", err)
	}
	binary := filepath.Join(dir, "webserver")
	if _, err := command(ctx, module, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./examples/webserver"); err != nil {
		return nil, fmt.Errorf("cannot build the web server: %w", err)
	}
	server, err := os.ReadFile(binary)
	if err = errors.Join(err, os.Remove(binary)); err != nil {
		return nil, fmt.Errorf("cannot read the web server: %w", err)
	}
	return &source{files: os.DirFS(filepath.Join(module, "examples", "web")), server: server}, nil
}

// command runs a tool without cgo and returns its standard output.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	var errText bytes.Buffer
	c.Stderr = &errText
	text, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(append([]string{name}, args...), " "), err, strings.TrimSpace(errText.String()))
	}
	return strings.TrimSpace(string(text)), nil
}

// bundle packs a version of the revision. The revision says /srv; root is what this host has instead.
func (s *source) bundle(version, root string) ([]byte, error) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zip)
	add := func(name string, mode int64, content []byte) error {
		header := &tar.Header{Name: name, Mode: mode, Size: int64(len(content)), ModTime: time.Now(), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	}
	err := fs.WalkDir(s.files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !inBundle(name) {
			return err
		}
		content, err := fs.ReadFile(s.files, name)
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if path.Dir(name) == "scripts" {
			mode = 0o755
		}
		return add(name, mode, bytes.ReplaceAll(content, []byte("/srv"), []byte(root)))
	})
	if err == nil {
		var settings []byte
		if settings, err = fs.ReadFile(s.files, "versions/"+version+".conf"); err == nil {
			err = add("site/site.conf", 0o644, settings)
		}
	}
	if err == nil {
		err = add("bin/webserver", 0o755, s.server)
	}
	if err = errors.Join(err, archive.Close(), zip.Close()); err != nil {
		return nil, fmt.Errorf("cannot pack version %s: %w", version, err)
	}
	return packed.Bytes(), nil
}

// inBundle leaves out what is in the directory but is not the revision's, or is added by bundle.
func inBundle(name string) bool {
	if name == "site/site.conf" {
		return false
	}
	top, _, _ := strings.Cut(name, "/")
	return name == "appspec.yml" || top == "scripts" || top == "site"
}
