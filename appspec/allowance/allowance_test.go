package allowance

import (
	"testing"
	"time"
)

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

var sink []byte

func TestHold(t *testing.T) {
	for name, c := range map[string]struct {
		work func()
		want bool
	}{
		"little":      {func() { sink = make([]byte, 1<<20) }, false},
		"much memory": {func() { sink = make([]byte, Memory+1) }, true},
		"memory in pieces": {func() {
			for range 300 {
				sink = make([]byte, 1<<20)
			}
		}, true},
	} {
		r := &recorder{TB: t}
		Hold(r, c.work)
		if r.failed != c.want {
			t.Errorf("%s: failed %v, want %v", name, r.failed, c.want)
		}
	}
	sink = nil
}

func TestProcessorTime(t *testing.T) {
	before := processorTime()
	for end := time.Now().Add(time.Minute); processorTime() == before; {
		if time.Now().After(end) {
			t.Fatal("busy for a minute, and no time has passed")
		}
	}
}
