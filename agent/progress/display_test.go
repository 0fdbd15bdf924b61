package progress

import (
	"math"
	"strings"
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
		"everything is known": {6 * time.Second, func(w *Work) { w.Expect(8, 8e6); steady(1, 1e6)(w) }, []string{
			"installing: 1 of 8 files, 1.0 MB of 8.0 MB, 12 %",
			"installing: 3 of 8 files, 3.0 MB of 8.0 MB, 37 %, 1.0 MB/s, 5 s left",
			"installing: 5 of 8 files, 5.0 MB of 8.0 MB, 62 %, 1.0 MB/s, 3 s left", "cleared"}},
		"only what has been read is known": {4 * time.Second, func(w *Work) {
			for range 8 {
				time.Sleep(999 * time.Millisecond)
				w.Did(2, 3e6)
				w.Read(500, 4000)
				time.Sleep(time.Millisecond)
			}
		}, []string{"installing: 2 files, 3.0 MB, 12 %", "installing: 6 files, 9.0 MB, 37 %, 3.0 MB/s, 5 s left", "cleared"}},
		"nothing is known": {4 * time.Second, steady(2, 500), []string{
			"installing: 2 files, 500 bytes", "installing: 6 files, 1.5 kB, 500 bytes/s", "cleared"}},
		"continued, then it hangs": {10 * time.Second, func(w *Work) { w.Expect(0, 1e9); w.Has(5e8); time.Sleep(2 * time.Second); w.Has(6e8) }, []string{
			"installing: 500.0 MB of 1.0 GB, 50 %",
			"installing: 600.0 MB of 1.0 GB, 60 %, 50.0 MB/s, 8 s left",
			"installing: 600.0 MB of 1.0 GB, 60 %, 25.0 MB/s, 16 s left",
			"installing: 600.0 MB of 1.0 GB, 60 %, 16.7 MB/s, 24 s left",
			"installing: 600.0 MB of 1.0 GB, 60 %, 0 bytes/s", "cleared"}},
		"more than was expected": {4 * time.Second, func(w *Work) { w.Expect(1, 10); w.Did(3, 2000) }, []string{
			"installing: 3 of 1 files, 2.0 kB of 10 bytes, 100 %, finishing", "installing: 3 of 1 files, 2.0 kB of 10 bytes, 100 %, finishing", "cleared"}},
		"begun anew": {4 * time.Second, func(w *Work) { w.Has(1e6); time.Sleep(1500 * time.Millisecond); w.Has(1000) }, []string{
			"installing: 1.0 MB", "installing: 1.0 kB, 0 bytes/s", "cleared"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, watched(t, test.during, test.work)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNobodyLooks(t *testing.T) {
	w, stop := (*Display)(nil).Watch("unpacking")
	var many sync.WaitGroup
	for range 4 {
		many.Go(func() {
			w.Did(1, 10)
			w.Read(1, 40)
		})
	}
	many.Wait()
	stop()
	if s := w.state(); s.files != 4 || s.bytes != 40 || s.share != 0.1 {
		t.Errorf("state = %+v", s)
	}
	var none *Work
	none.Expect(1, 1)
	none.Did(1, 1)
	none.Has(1)
	none.Read(1, 1)
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1_500_000: "1.5 MB",
		2_000_000_000: "2.0 GB", math.MaxInt64: "9.2 EB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0 s", 99 * time.Second: "99 s", 100 * time.Second: "2 min", 3 * time.Hour: "3 h"} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v) = %q, want %q", d, got, want)
		}
	}
	if strings.Contains(Bytes(-1), "kB") {
		t.Error(Bytes(-1))
	}
}
