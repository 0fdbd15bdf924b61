package agent

import "runtime/debug"

// restingGC is the garbage collector's percentage (see runtime/debug.SetGCPercent) while nothing is deployed here. Left alone, the heap of a
// process that polls grows to four megabytes before anything is collected, and stays there. What it costs is a collection after some twenty
// polls, of about a millisecond.
const restingGC = 25

// rest keeps the process small while nothing is deployed here, and fast while something is. It is used by the polling goroutine alone.
type rest struct {
	resting bool
	working int // the percentage while something is deployed: what the process began with
}

// begin gives what start or deployment have left behind back to the system, once.
func (r *rest) begin() {
	if !r.resting {
		r.resting, r.working = true, debug.SetGCPercent(restingGC)
		debug.FreeOSMemory()
	}
}

func (r *rest) end() {
	if r.resting {
		r.resting = false
		debug.SetGCPercent(r.working)
	}
}
