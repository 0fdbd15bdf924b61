package command

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateDoublesAndResets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate()
		if g.Throttled() {
			t.Error("Throttled() of a new gate = true, want false")
		}
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			want *= time.Second
			g.Trip()
			g.Trip() // while it is closed a second one changes nothing
			if !g.Throttled() {
				t.Fatal("Throttled() after Trip() = false, want true")
			}
			start := time.Now()
			if err := g.Wait(t.Context()); err != nil {
				t.Fatalf("Wait() error = %v", err)
			}
			if got := time.Since(start); got < want || got > want*5/4 {
				t.Errorf("Wait() took %v, want %v and up to a quarter more", got, want)
			}
			if g.Throttled() {
				t.Error("Throttled() after Wait() = true, want false")
			}
		}
		g.Trip()
		g.Reset()
		start := time.Now()
		if err := g.Wait(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("Wait() after Reset() = %v after %v, want none at once", err, time.Since(start))
		}
		g.Trip()
		if err := g.Wait(t.Context()); err != nil || time.Since(start) > 1250*time.Millisecond {
			t.Errorf("Wait() = %v after %v, want the first length again", err, time.Since(start))
		}
	})
}

func TestGateSpreadsCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate()
		g.Trip()
		ends := make(chan time.Time, 50)
		for range cap(ends) {
			go func() {
				if err := g.Wait(t.Context()); err != nil {
					t.Errorf("Wait() error = %v", err)
				}
				ends <- time.Now()
			}()
		}
		distinct := map[time.Time]bool{}
		for range cap(ends) {
			distinct[<-ends] = true
		}
		if len(distinct) < 2 {
			t.Error("everyone left the gate at the same time, want them spread")
		}
	})
}

func TestGateCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate()
		g.Trip()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() error = %v, want the context's", err)
		}
		g.Reset()
		if err := g.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() of an open gate with a done context: error = %v, want the context's", err)
		}
	})
}

func TestGateIgnoresAnOldSuccess(t *testing.T) {
	t.Parallel()
	g := quickGate()
	before, err := g.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.Trip()
	g.succeeded(before)
	if !g.Throttled() {
		t.Error("a call that began before the throttle opened the gate, want it closed")
	}
	after, err := g.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.succeeded(after)
	if g.pause != 0 {
		t.Errorf("pause after a success = %v, want 0", g.pause)
	}
}
