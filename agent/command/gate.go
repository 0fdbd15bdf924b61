package command

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	gateFirst = time.Second
	gateLast  = 30 * time.Second
)

// Gate holds back calls after the service has throttled one of them. It closes for one second, then for twice as long
// each time it is tripped again, up to 30 s; everyone who waits adds up to a quarter of that by chance, so that they do
// not return together. A success opens it (numbers: official agent 2.x).
//
// One Gate is shared by all clients of a process. It is safe for concurrent use.
type Gate struct {
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	jitter func() float64 // 0 to 1

	mu    sync.Mutex
	pause time.Duration // length of the latest closure; 0: none since the last success
	until time.Time
	trips uint64
}

// NewGate returns an open gate.
func NewGate() *Gate {
	return &Gate{now: time.Now, sleep: sleep, jitter: rand.Float64}
}

// Wait returns once the gate is open. Its only error is the context's.
func (g *Gate) Wait(ctx context.Context) error {
	_, err := g.enter(ctx)
	return err
}

// Trip closes the gate because the service throttled a call. While it is closed nothing changes: the calls that were
// under way when it closed count as one.
func (g *Gate) Trip() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	if now.Before(g.until) {
		return
	}
	g.pause = min(max(gateFirst, 2*g.pause), gateLast)
	g.until = now.Add(g.pause)
	g.trips++
}

// Throttled says whether the gate is closed now.
func (g *Gate) Throttled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now().Before(g.until)
}

// Reset opens the gate and forgets how often it was tripped.
func (g *Gate) Reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open()
}

func (g *Gate) open() {
	g.pause, g.until = 0, time.Time{}
}

// enter waits like Wait. The number it returns is for succeeded.
func (g *Gate) enter(ctx context.Context) (uint64, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		g.mu.Lock()
		left, pause, trips := g.until.Sub(g.now()), g.pause, g.trips
		g.mu.Unlock()
		if left <= 0 {
			return trips, nil
		}
		if err := g.sleep(ctx, left+time.Duration(g.jitter()*float64(pause)/4)); err != nil {
			return 0, err
		}
	}
}

// succeeded opens the gate unless it was tripped after the successful call had entered: a long poll that began before
// the service started to throttle says nothing about now.
func (g *Gate) succeeded(trips uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trips == trips {
		g.open()
	}
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
