package revision

import (
	"archive/tar"
	"context"
	"fmt"
	"strings"
	"testing"
)

// thousand is a revision of 1,000 files of 1 KiB in 20 directories.
func thousand() []entry {
	entries := []entry{file("appspec.yml", "x", 0o644)}
	for i := range 20 {
		entries = append(entries, dir(fmt.Sprintf("app/module%02d/src", i), 0o755))
		for j := range 50 {
			entries = append(entries, file(fmt.Sprintf("app/module%02d/src/file%02d.txt", i, j), strings.Repeat("revision", 128), 0o644))
		}
	}
	return entries
}

func benchmarkUnpack(b *testing.B, format Format, data []byte) {
	bundle, archive := store(b, data)
	b.ReportAllocs()
	for b.Loop() {
		if err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpackTar(b *testing.B) {
	benchmarkUnpack(b, Tar, packTar(b, tar.FormatGNU, thousand()...))
}
func BenchmarkUnpackTGZ(b *testing.B) {
	benchmarkUnpack(b, TGZ, compressed(b, packTar(b, tar.FormatGNU, thousand()...)))
}
func BenchmarkUnpackZip(b *testing.B) { benchmarkUnpack(b, Zip, packZip(b, thousand()...)) }
