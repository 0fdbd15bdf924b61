package revision

import (
	"archive/tar"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"codedeploy-agent/appspec/allowance"
)

// fuzzUnpack checks that no bundle changes anything but the archive, that a failure leaves nothing, and that the switches hold.
func fuzzUnpack(f *testing.F, format Format) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, strict := range []bool{false, true} {
			o := UnpackOptions{MaxBytes: 1 << 20, MaxEntries: 100, MaxRatio: 100, MaxDepth: 20,
				RejectSymlinks: strict, RejectTraversal: strict, RejectSetID: strict, IgnoreOwnership: strict}
			bundle, archive := store(t, data)
			around := filepath.Join(filepath.Dir(archive), "around")
			if err := os.MkdirAll(filepath.Join(around, "d"), 0o755); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, around)
			var err error
			allowance.Hold(t, func() { err = Unpack(context.Background(), format, bundle, archive, o) })
			if d := cmp.Diff(before, snapshot(t, around)); d != "" {
				t.Errorf("a directory beside the archive changed (-before +after):\n%s", d)
			}
			want := []string{"around", "bundle.tar"}
			if err == nil {
				want = append(want, "deployment-archive")
				for name, text := range snapshot(t, archive) {
					if strict && (strings.HasPrefix(text, "link ") || strings.HasPrefix(text, "u") || strings.HasPrefix(text, "g-")) {
						t.Errorf("the switches let %q pass: %s", name, text)
					}
				}
			}
			if d := cmp.Diff(want, names(t, filepath.Dir(archive))); d != "" {
				t.Errorf("Unpack = %v leaves (-want +got):\n%s", err, d)
			}
		}
	})
}

// windowed is a zstd frame that says it needs a window of a size, a power of two, and holds nothing.
func windowed(log byte) []byte {
	return []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 1, 0, 0}
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
	f.Add(rawTar(paxEntry("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=x", "GNU.sparse.realsize=99999"), rawEntry("x", '0', "", "", "1\n0\n0\n")))
	f.Add(rawTar(rawEntry("d", '6', "", "", ""), rawEntry("d/x", '0', "", "", "x"), rawEntry("././@LongLink", 'L', "", "", "../x\x00"), rawEntry("x", 'Z', "", "", "")))
	for _, log := range []byte{10, 20, 27, 30} {
		f.Add(windowed(log))
	}
	fuzzUnpack(f, Tar)
}

func FuzzUnpackZip(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(packZip(f, seed...))
	}
	f.Add(honestZip())
	f.Add(dosZip(f, `..\\..\\climbed`))
	fuzzUnpack(f, Zip)
}
