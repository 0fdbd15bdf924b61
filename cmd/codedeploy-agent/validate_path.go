package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/revision"
	"codedeploy-agent/appspec/lint"
)

// path checks a directory, an archive or an AppSpec. prefix turns a path in it into one that the user can open. An error means that there is
// nothing that could be checked.
func (v *validation) path(ctx context.Context, path string) (r *lint.Report, prefix func(string) string, err error) {
	same := func(name string) string { return name }
	if path == "-" {
		data, err := readAppSpec(v.in)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read standard input: %w", err)
		}
		return lint.File("stdin", data, v.options), same, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, unopened(path, err)
	}
	within := func(name string) string { return filepath.Join(path, filepath.FromSlash(name)) }
	if info.IsDir() {
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, nil, unopened(path, err)
		}
		defer root.Close()
		return lint.Bundle(root.FS(), v.options), within, nil
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("cannot validate %s: it is neither a file nor a directory", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, unopened(path, err)
	}
	defer f.Close()
	if format := archiveFormat(path, f); format != "" {
		bundle, err := revision.Index(ctx, format, path, archiveLimits())
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if err != nil {
			return lint.Archive(err), within, nil
		}
		o := v.options
		o.Finished = true
		return lint.Bundle(bundle, o), within, nil
	}
	data, err := readAppSpec(f)
	if err != nil {
		return nil, nil, unopened(path, err)
	}
	return lint.File(path, data, v.options), same, nil
}

// readAppSpec reads more than an AppSpec may have and not without end.
func readAppSpec(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, 16<<20)) }

func unopened(path string, err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("cannot validate %s: %w", path, err)
}

// archiveLimits are those of an agent that is not configured otherwise.
func archiveLimits() revision.UnpackOptions {
	c := config.Default()
	return revision.UnpackOptions{MaxBytes: c.ArchiveMaxExtractionSize, MaxEntries: int64(c.ArchiveMaxEntries), MaxRatio: int64(c.ArchiveMaxRatio),
		MaxDepth: c.ArchiveMaxDepth}
}

// archiveFormat says what kind of archive a file is, by its name or else by its content; empty for none.
func archiveFormat(path string, content io.ReaderAt) revision.Format {
	name := strings.ToLower(filepath.Base(path))
	ends := func(suffixes ...string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
	}
	switch {
	case ends(".zip"):
		return revision.Zip
	case ends(".tgz", ".tar.gz"):
		return revision.TGZ
	case ends(".tar", ".tar.bz2", ".tbz2", ".tar.zst", ".tar.xz", ".txz"):
		return revision.Tar
	case ends(".yml", ".yaml"):
		return ""
	}
	head := make([]byte, 512)
	n, err := content.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return ""
	}
	begins := func(at int, mark string) bool { return strings.HasPrefix(string(head[min(at, n):n]), mark) }
	switch {
	case begins(0, "PK\x03\x04"):
		return revision.Zip
	case begins(0, "\x1f\x8b"):
		return revision.TGZ
	case begins(257, "ustar"), begins(0, "BZh"), begins(0, "\x28\xb5\x2f\xfd"):
		return revision.Tar
	}
	return ""
}
