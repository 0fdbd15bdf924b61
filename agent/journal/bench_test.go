package journal

import "testing"

// BenchmarkNote appends the line of a step, which is not synced.
func BenchmarkNote(b *testing.B) {
	j, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	e := &Entry{CommandID: "command", CommandName: "Install", ExecutionID: "e", DeploymentID: "d-1"}
	if err := j.Begin(e); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Note(e, "unpacked"); err != nil {
			b.Fatal(err)
		}
	}
}
