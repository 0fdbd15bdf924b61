//go:build unix

package install

import (
	"context"
	"os"
	"testing"
)

func BenchmarkFresh(b *testing.B) {
	r := revisionOf(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		os.RemoveAll(r.AppSpec.Files[0].Destination)
		os.Mkdir(r.AppSpec.Files[0].Destination, 0o755)
		os.Remove(r.CleanupFile)
		b.StartTimer()
		p, err := Build(context.Background(), r)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Apply(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
