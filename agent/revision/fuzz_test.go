package revision

import (
	"archive/tar"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzUnpack checks that no bundle changes anything but the archive, and that a failure leaves nothing.
func fuzzUnpack(f *testing.F, format Format) {
	f.Fuzz(func(t *testing.T, data []byte) {
		bundle, archive := store(t, data)
		around := filepath.Join(filepath.Dir(archive), "around")
		if err := os.MkdirAll(filepath.Join(around, "d"), 0o755); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, around)
		err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{MaxBytes: 1 << 20, MaxEntries: 100})
		if d := cmp.Diff(before, snapshot(t, around)); d != "" {
			t.Errorf("a directory beside the archive changed (-before +after):\n%s", d)
		}
		want := []string{"around", "bundle.tar"}
		if err == nil {
			want = append(want, "deployment-archive")
			snapshot(t, archive)
		}
		if d := cmp.Diff(want, names(t, filepath.Dir(archive))); d != "" {
			t.Errorf("Unpack = %v leaves (-want +got):\n%s", err, d)
		}
	})
}

var fuzzSeeds = [][]entry{
	{file("appspec.yml", "x", 0o644)},
	{dir("r", 0o555), file("r/appspec.yml", "x", 0o4755), link("r/l", ".."), hard("r/h", "r/appspec.yml")},
	{link("out", "../around"), file("out/x", "evil", 0o644)},
	{file("../around/x", "evil", 0o644), file("/etc/x", "", 0)},
}

func FuzzUnpackTar(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(packTar(f, tar.FormatGNU, seed...))
		f.Add(packTar(f, tar.FormatPAX, seed...))
		f.Add(compressed(f, packTar(f, tar.FormatGNU, seed...)))
	}
	fuzzUnpack(f, Tar)
}

func FuzzUnpackZip(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(packZip(f, seed...))
	}
	fuzzUnpack(f, Zip)
}
