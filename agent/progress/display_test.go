package progress

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDisplay(t *testing.T) {
	watched := func(t *testing.T, during time.Duration, work func(*Work)) (lines []string) {
		synctest.Test(t, func(t *testing.T) {
			d := &Display{First: time.Second, Every: 2 * time.Second,
				Show: func(line string) { lines = append(lines, line) }, Clear: func() { lines = append(lines, "cleared") }}
			w, stop := d.Watch("installing")
			go work(w)
			time.Sleep(during)
			stop()
			n := len(lines)
			time.Sleep(time.Hour)
			if len(lines) != n {
				t.Errorf("lines after the end: %q", lines[n:])
			}
		})
		return lines
	}
	steady := func(files, bytes int64) func(*Work) {
		return func(w *Work) {
			for range 8 {
				time.Sleep(time.Second - time.Millisecond) // before the display looks
				w.Did(files, bytes)
				time.Sleep(time.Millisecond)
			}
		}
	}
	tests := map[string]struct {
		during time.Duration
		work   func(*Work)
		want   []string
	}{
		"short work shows nothing": {999 * time.Millisecond, steady(1, 1), nil},
		"everything is known": {6 * time.Second, func(w *Work) { w.Expect(8, 8<<20); steady(1, 1<<20)(w) }, []string{
			"installing: 1 of 8 files, 1.0 MiB of 8.0 MiB, 12 %",
			"installing: 3 of 8 files, 3.0 MiB of 8.0 MiB, 37 %, 1.0 MiB/s, 5 s left",
			"installing: 5 of 8 files, 5.0 MiB of 8.0 MiB, 62 %, 1.0 MiB/s, 3 s left", "cleared"}},
		"only what has been read is known": {4 * time.Second, func(w *Work) {
			for range 8 {
				time.Sleep(999 * time.Millisecond)
				w.Did(2, 3<<20)
				w.Read(500, 4000)
				time.Sleep(time.Millisecond)
			}
		}, []string{"installing: 2 files, 3.0 MiB, 12 %", "installing: 6 files, 9.0 MiB, 37 %, 3.0 MiB/s, 5 s left", "cleared"}},
		"nothing is known": {4 * time.Second, steady(2, 500), []string{
			"installing: 2 files, 500 B", "installing: 6 files, 1.5 KiB, 500 B/s", "cleared"}},
		"continued, then it hangs": {10 * time.Second, func(w *Work) { w.Expect(0, 1000<<20); w.Has(500 << 20); time.Sleep(2 * time.Second); w.Has(600 << 20) }, []string{
			"installing: 500.0 MiB of 1000.0 MiB, 50 %",
			"installing: 600.0 MiB of 1000.0 MiB, 60 %, 50.0 MiB/s, 8 s left",
			"installing: 600.0 MiB of 1000.0 MiB, 60 %, 25.0 MiB/s, 16 s left",
			"installing: 600.0 MiB of 1000.0 MiB, 60 %, 16.7 MiB/s, 24 s left",
			"installing: 600.0 MiB of 1000.0 MiB, 60 %, 0 B/s", "cleared"}},
		"more than was expected": {4 * time.Second, func(w *Work) { w.Expect(1, 10); w.Did(3, 2048) }, []string{
			"installing: 3 of 1 files, 2.0 KiB of 10 B, 100 %, finishing", "installing: 3 of 1 files, 2.0 KiB of 10 B, 100 %, finishing", "cleared"}},
		"begun anew": {4 * time.Second, func(w *Work) { w.Has(1 << 20); time.Sleep(1500 * time.Millisecond); w.Has(1024) }, []string{
			"installing: 1.0 MiB", "installing: 1.0 KiB, 0 B/s", "cleared"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, watched(t, test.during, test.work)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWork(t *testing.T) {
	w := &Work{}
	var many sync.WaitGroup
	for range 4 {
		many.Go(func() {
			w.Did(1, 10)
			w.Read(1, 40)
		})
	}
	many.Wait()
	if s := w.state(); s.files != 4 || s.bytes != 40 || s.share != 0.1 {
		t.Errorf("state = %+v", s)
	}
	var none *Work
	none.Expect(1, 1)
	none.Did(1, 1)
	none.Has(1)
	none.Read(1, 1)
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0 s", 99 * time.Second: "99 s", 100 * time.Second: "2 min", 3 * time.Hour: "3 h"} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v) = %q, want %q", d, got, want)
		}
	}
}
