package crew

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
)

func TestCrew(t *testing.T) {
	t.Parallel()
	var c Crew
	var done, now, most atomic.Int64
	for round := range 2 { // a crew can be used again
		for range 100 {
			c.Do(func() error {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				now.Add(-1)
				done.Add(1)
				return nil
			})
		}
		if err := c.Wait(); err != nil || done.Load() != int64(100*(round+1)) {
			t.Errorf("Wait = %v with %d pieces of work done, want all %d", err, done.Load(), 100*(round+1))
		}
	}
	if most.Load() > int64(Size()) {
		t.Errorf("%d pieces of work at a time, want %d at most", most.Load(), Size())
	}
}

func TestCrewFails(t *testing.T) {
	t.Parallel()
	var c Crew
	first := errors.New("first")
	c.Do(func() error { return first })
	if err := c.Wait(); err != first || !c.Failed() {
		t.Errorf("Wait = %v, Failed = %v, want the error", err, c.Failed())
	}
	c.Do(func() error { return errors.New("second") })
	if err := c.Wait(); err != first {
		t.Errorf("Wait = %v, want the first error", err)
	}
}

func TestCrewPanics(t *testing.T) {
	t.Parallel()
	var c Crew
	c.Do(func() error { panic("at work") })
	defer func() {
		if p := recover(); p != "at work" {
			t.Errorf("Wait panicked with %v, want what the work panicked with", p)
		}
	}()
	c.Wait()
	t.Error("Wait returned")
}
