package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestBundle(t *testing.T) {
	t.Parallel()
	s := &source{files: os.DirFS("../web"), server: []byte("the server")}
	packed, err := s.bundle("2", "/somewhere/else")
	if err != nil {
		t.Fatal(err)
	}
	files, modes := unpack(t, packed)
	var spec struct {
		Files []struct{ Source, Destination string }
		Hooks map[string][]struct{ Location string }
	}
	if err := yaml.Unmarshal([]byte(files["appspec.yml"]), &spec); err != nil {
		t.Fatal(err)
	}
	for _, f := range spec.Files {
		if !strings.HasPrefix(f.Destination, "/somewhere/else/web") {
			t.Errorf("destination = %s, want it below /somewhere/else/web", f.Destination)
		}
		found := false
		for name := range files {
			found = found || name == f.Source || strings.HasPrefix(name, f.Source+"/")
		}
		if !found {
			t.Errorf("source %s is not in the bundle", f.Source)
		}
	}
	if len(spec.Hooks) != 9 {
		t.Errorf("%d events have hooks, want all nine that can", len(spec.Hooks))
	}
	for event, scripts := range spec.Hooks {
		for _, script := range scripts {
			if !strings.HasPrefix(files[script.Location], "#!/bin/sh\n") || modes[script.Location] != 0o755 {
				t.Errorf("%s: %s has mode %o and begins with %.12q, want an executable script", event, script.Location,
					modes[script.Location], files[script.Location])
			}
		}
	}
	if !strings.Contains(files["site/site.conf"], "version=2\n") || files["bin/webserver"] != "the server" {
		t.Errorf("settings = %q, server = %q, want those of version 2 and the server", files["site/site.conf"], files["bin/webserver"])
	}
	for name, text := range files {
		if top, _, _ := strings.Cut(path.Clean(name), "/"); top == "versions" || top == "README.md" {
			t.Errorf("%s is in the bundle", name)
		}
		if strings.Contains(text, "=/srv") || strings.Contains(text, " /srv") {
			t.Errorf("%s still says /srv", name)
		}
	}
	if _, err := s.bundle("9", "/x"); err == nil {
		t.Error("bundle of an unknown version = nil error, want one")
	}
}

func unpack(t *testing.T, packed []byte) (files map[string]string, modes map[string]int64) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files, modes = map[string]string{}, map[string]int64{}
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, modes
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name], modes[header.Name] = string(text), header.Mode
	}
}
