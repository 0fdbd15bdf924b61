package revision

import (
	"archive/tar"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"codedeploy-agent/agent/rehearsal"
)

// small is a revision of n files of 1 KiB, 50 in a directory.
func small(n int) []entry {
	entries := []entry{file("appspec.yml", "x", 0o644)}
	for i := range n / 50 {
		entries = append(entries, dir(fmt.Sprintf("app/module%03d/src", i), 0o755))
		for j := range 50 {
			entries = append(entries, file(fmt.Sprintf("app/module%03d/src/file%02d.txt", i, j), strings.Repeat("revision", 128), 0o644))
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
	benchmarkUnpack(b, Tar, packTar(b, tar.FormatGNU, small(10_000)...))
}
func BenchmarkUnpackTGZ(b *testing.B) {
	benchmarkUnpack(b, TGZ, compressed(b, packTar(b, tar.FormatGNU, small(10_000)...)))
}
func BenchmarkUnpackZip(b *testing.B) { benchmarkUnpack(b, Zip, packZip(b, small(10_000)...)) }

// BenchmarkDownload fetches 256 MiB from a server in this process, over four connections.
func BenchmarkDownload(b *testing.B) {
	const size = 256 << 20
	service, err := rehearsal.NewService(rehearsal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { service.Close() })
	if _, err := service.Put("releases", "app.tgz", rehearsal.Object{Data: random(size)}); err != nil {
		b.Fatal(err)
	}
	s, err := NewS3(S3Options{Region: "eu-west-1", EndpointOverride: service.URL(), Credentials: credentials.NewStaticCredentialsProvider("A", "S", "")},
		"releases", "app.tgz", "", "")
	if err != nil {
		b.Fatal(err)
	}
	bundle := filepath.Join(b.TempDir(), "bundle.tar")
	b.SetBytes(size)
	for b.Loop() {
		if _, err := Download(context.Background(), s, bundle, 0o644, nil); err != nil {
			b.Fatal(err)
		}
	}
}
