package runner

import (
	"os"
	"sync/atomic"
	"time"
)

// intake is how far a script's outputs have been read and logged.
type intake struct {
	busy  atomic.Int32 // not 0 while something that was read is not logged yet
	bytes atomic.Int64 // what was read
}

const (
	// intakePause is the time between two looks at the outputs.
	intakePause = 5 * time.Millisecond
	// intakeAhead is more than is read at a time. What a look finds neither in the pipes nor counted is at most that much.
	intakeAhead = 256 << 10
)

// caughtUp returns when everything that was in the pipes when it was called is logged, or both have ended. Logging may be slower than the script
// was, and the end of its output is what the diagnostics show. What other processes go on writing is not waited for.
func caughtUp(drained <-chan struct{}, in *intake, pipes ...*os.File) {
	left := func() (n int) {
		for _, p := range pipes {
			n += unread(p)
		}
		return n
	}
	goal := in.bytes.Load() + int64(left()) + intakeAhead
	for idle := false; in.bytes.Load() < goal; {
		before := in.bytes.Load()
		now := in.busy.Load() == 0 && left() == 0
		if now && idle {
			return // twice in a row, because it may have been read and not been said yet
		}
		select {
		case <-drained:
			return
		case <-time.After(intakePause):
		}
		idle = now && in.bytes.Load() == before
	}
}
