package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPause(t *testing.T) {
	t.Parallel()
	clock := time.Unix(1_800_000_000, 0)
	p := newPace(30 * time.Second)
	p.now, p.random = func() time.Time { return clock }, func() float64 { return 0.5 }

	if got := p.pause(); got != 30*time.Second {
		t.Errorf("pause of an idle host = %v, want wait_between_runs", got)
	}
	p.commandEnded()
	for i, want := range burst {
		if got := p.pause(); got != want {
			t.Errorf("pause %d after a command = %v, want %v", i, got, want)
		}
	}
	clock = clock.Add(4 * time.Minute)
	if got := p.pause(); got != time.Second {
		t.Errorf("pause while a deployment is under way = %v, want 1s", got)
	}
	clock = clock.Add(time.Minute)
	if got := p.pause(); got != 30*time.Second {
		t.Errorf("pause five minutes after the last command = %v, want wait_between_runs", got)
	}
}

func TestPauseHasJitter(t *testing.T) {
	t.Parallel()
	p := newPace(30 * time.Second)
	for random, want := range map[float64]time.Duration{0: 27 * time.Second, 0.999999999: 33 * time.Second} {
		p.random = func() float64 { return random }
		if got := p.pause().Round(time.Millisecond); got != want {
			t.Errorf("pause with random %v = %v, want %v", random, got, want)
		}
	}
}

func TestBackoffGrowsToItsLimitAndEndsWithSuccess(t *testing.T) {
	t.Parallel()
	p := newPace(30 * time.Second)
	p.random = func() float64 { return 1 }
	for i, want := range []time.Duration{2, 4, 8, 16, 32, 64, 90, 90, 90} {
		if got := p.failed(); got != want*time.Second {
			t.Errorf("backoff %d = %v, want %v", i+1, got, want*time.Second)
		}
	}
	p.succeeded()
	if got := p.failed(); got != 2*time.Second {
		t.Errorf("backoff after a success = %v, want 2s", got)
	}
	p.random = func() float64 { return 0 }
	if got := p.failed(); got != 0 {
		t.Errorf("backoff with random 0 = %v: full jitter reaches down to zero", got)
	}
}

func TestWaitEndsWhenACommandEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPace(30 * time.Second)
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			p.commandEnded()
		}()
		p.wait(context.Background(), time.Minute, true)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("the wait took %v, want 3s", took)
		}
		stop, cancel := context.WithCancel(context.Background())
		cancel()
		p.wait(stop, time.Minute, true)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("a wait went on after stop")
		}
	})
}
