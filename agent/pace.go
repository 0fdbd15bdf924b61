package agent

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// activePause is the pause between polls while a deployment is under way here.
	activePause = time.Second
	// deploymentGap is how long after a command the next one of its deployment can come (AWS: five minutes).
	deploymentGap = 5 * time.Minute
	// maxBackoff is the longest pause after failed polls (official agents end at 90 s too).
	maxBackoff = 90 * time.Second
)

// burst are the pauses right after a command has ended: the service needs a moment to send the next.
var burst = []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond}

// pace decides how long to wait before the next poll. Its methods may be called from several goroutines.
type pace struct {
	between time.Duration // wait_between_runs
	wake    chan struct{}
	now     func() time.Time
	random  func() float64 // in [0,1)
	mu      sync.Mutex
	errors  int
	last    time.Time // when a command last ended
	quick   int       // how many pauses of the burst are left
}

func newPace(between time.Duration) *pace {
	return &pace{between: between, wake: make(chan struct{}, 1), now: time.Now, random: rand.Float64}
}

// commandEnded makes the agent poll at once: the service sends a deployment's next command when it has this one's result.
func (p *pace) commandEnded() {
	p.mu.Lock()
	p.last = p.now()
	p.quick = len(burst)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// succeeded notes a poll that the service answered.
func (p *pace) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = 0
}

// failed notes a failed poll and returns the pause: exponential with full jitter, so that the hosts of a fleet do not
// come back together after an outage.
func (p *pace) failed() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors++
	limit := maxBackoff
	if p.errors < 7 {
		limit = time.Second << p.errors
	}
	return time.Duration(p.random() * float64(limit))
}

// pause is the wait after a poll that brought nothing.
func (p *pace) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quick > 0 {
		p.quick--
		return burst[len(burst)-1-p.quick]
	}
	if p.deploying() {
		return min(activePause, p.between)
	}
	// A tenth of jitter keeps hosts that were started together apart.
	return time.Duration(float64(p.between) * (0.9 + 0.2*p.random()))
}

// deploying says whether a deployment may be under way here; p.mu is held.
func (p *pace) deploying() bool { return !p.last.IsZero() && p.now().Sub(p.last) < deploymentGap }

// quiet says that no deployment is under way here.
func (p *pace) quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.deploying()
}

// active is the wait after a command that is not to be executed.
func (p *pace) active() time.Duration { return activePause }

// wait waits; with wakeable set it ends early when a command ends.
func (p *pace) wait(stop context.Context, d time.Duration, wakeable bool) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	wake := p.wake
	if !wakeable {
		wake = nil
	}
	select {
	case <-t.C:
	case <-wake:
	case <-stop.Done():
	}
}
