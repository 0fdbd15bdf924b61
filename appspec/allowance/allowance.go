// Package allowance holds a fuzz target to what one input may cost. What the agent reads was written by whoever could push to a bucket: no
// input may keep it busy for long or take the memory of the host.
package allowance

import (
	"flag"
	"fmt"
	"runtime/metrics"
	"testing"
	"time"
)

const (
	// Time is how much of the processor one input may take while a target is fuzzed.
	Time = time.Second
	// Memory is how many bytes one input may make the target allocate, all together, which is more than it ever holds at a time.
	Memory = 256 << 20
	// slack is how many times longer it may take in an ordinary test run, with the race detector and other tests beside it.
	slack = 20
	// hang is how long an input may take by the clock until the process ends itself, for the fuzzing engine to keep the input.
	hang = time.Minute
)

// Hold runs f and fails the test if it takes more than the allowance.
func Hold(t testing.TB, f func()) {
	t.Helper()
	limit := Time
	if fuzz := flag.Lookup("test.fuzz"); fuzz == nil || fuzz.Value.String() == "" {
		limit *= slack
	}
	watchdog := time.AfterFunc(hang, func() { panic(fmt.Sprintf("one input has taken more than %v", hang)) })
	defer watchdog.Stop()
	busy, allocated := processorTime(), allocations()
	f()
	busy, allocated = processorTime()-busy, allocations()-allocated
	if busy > limit {
		t.Errorf("one input took %v of the processor; %v is allowed", busy.Round(time.Millisecond), limit)
	}
	if allocated > Memory {
		t.Errorf("one input made the target allocate %d MiB; %d MiB are allowed", allocated>>20, Memory>>20)
	}
}

// allocations is how many bytes this process has allocated on its heap since it began.
func allocations() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
