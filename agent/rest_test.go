package agent

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func percent() int {
	p := debug.SetGCPercent(100)
	debug.SetGCPercent(p)
	return p
}

// Not parallel: the percentage is the process's.
func TestRest(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(80))
	before := runtime.GOMAXPROCS(0)
	var r rest
	r.end()
	if got := percent(); got != 80 {
		t.Errorf("an end without a beginning: %d, want 80", got)
	}
	r.begin()
	r.begin()
	if got, threads := percent(), runtime.GOMAXPROCS(0); got != restingGC || threads != 1 {
		t.Errorf("resting: %d and %d threads, want %d and 1", got, threads, restingGC)
	}
	r.end()
	if got, threads := percent(), runtime.GOMAXPROCS(0); got != 80 || threads != before {
		t.Errorf("working again: %d and %d threads, want 80 and %d", got, threads, before)
	}
	t.Setenv("GOMAXPROCS", "7")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(7))
	r.begin()
	r.end()
	if threads := runtime.GOMAXPROCS(0); threads != 7 {
		t.Errorf("working again with GOMAXPROCS=7: %d threads", threads)
	}
}

func TestQuietOnlyBetweenDeployments(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	p := newPace(30 * time.Second)
	p.now = func() time.Time { return now }
	if !p.quiet() {
		t.Error("before the first command: not quiet")
	}
	p.commandEnded()
	if p.quiet() {
		t.Error("right after a command: quiet")
	}
	now = now.Add(deploymentGap)
	if !p.quiet() {
		t.Error("after the time in which the next command of the deployment can come: not quiet")
	}
}
