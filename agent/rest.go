package agent

import (
	"os"
	"runtime"
	"runtime/debug"
)

// restingGC is the garbage collector's percentage (see runtime/debug.SetGCPercent) while nothing is deployed here. Left alone, the heap of a
// process that polls grows to four megabytes before anything is collected, and stays there. What it costs is a collection after some twenty
// polls, of about a millisecond.
const restingGC = 25

// rest keeps the process small while nothing is deployed here, and fast while something is. It is used by the polling goroutine alone.
type rest struct {
	resting bool
	// What holds while something is deployed is what the process began with: the percentage, and how many threads run Go code.
	working, threads int
}

// begin gives what start or deployment have left behind back to the system, once. A poll wakes several goroutines in turn, and with one thread
// for all of them none has to be woken for the next one: that is a quarter of what a poll costs.
func (r *rest) begin() {
	if !r.resting {
		r.resting, r.working, r.threads = true, debug.SetGCPercent(restingGC), runtime.GOMAXPROCS(1)
		debug.FreeOSMemory()
		releaseCode()
	}
}

func (r *rest) end() {
	if r.resting {
		r.resting = false
		debug.SetGCPercent(r.working)
		if os.Getenv("GOMAXPROCS") == "" {
			runtime.SetDefaultGOMAXPROCS() // and follow the control group's limit again
		} else {
			runtime.GOMAXPROCS(r.threads)
		}
	}
}
