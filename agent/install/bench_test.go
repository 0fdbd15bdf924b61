//go:build unix

package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"codedeploy-agent/appspec"
)

// revisionOf is an archive of n small files, 50 in a directory, and the request to install it.
func revisionOf(b *testing.B, n int) Request {
	b.Helper()
	dir := b.TempDir()
	archive, dest := filepath.Join(dir, "archive"), filepath.Join(dir, "dest")
	for _, d := range []string{dest, filepath.Join(dir, "state")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	for i := range n {
		d := filepath.Join(archive, fmt.Sprintf("app/module%03d", i/50))
		if i%50 == 0 {
			if err := os.MkdirAll(d, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(d, fmt.Sprintf("file%05d", i)), make([]byte, 1024), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	spec, err := appspec.Parse("appspec.yml", fmt.Appendf(nil, "version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: %s\n", dest))
	if err != nil {
		b.Fatal(err)
	}
	return Request{Archive: archive, AppSpec: spec, CleanupFile: filepath.Join(dir, "state/g-cleanup"), InstructionsFile: filepath.Join(dir, "state/g-install.json"),
		RecordFile: filepath.Join(dir, "record/g"), ReplacedDir: filepath.Join(dir, "replaced"), Log: zap.NewNop()}
}

// BenchmarkBuild plans an Install of 10,000 files.
func BenchmarkBuild(b *testing.B) {
	r := revisionOf(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInstall installs 10,000 files again and again; from the second time on nothing changes.
func BenchmarkInstall(b *testing.B) {
	r := revisionOf(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		p, err := Build(context.Background(), r)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Apply(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
