package disk

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNeed(t *testing.T) {
	t.Parallel()
	const dir = "/srv/root"
	for _, test := range []struct {
		room         Room
		bytes, files int64
		want         string // the error; empty: there is room
	}{
		{Room{10 << 20, 100}, 9 << 20, 100, ""},
		{Room{10 << 20, 100}, 9<<20 + 1, 0,
			"not enough disk space at /srv/root: 9437185 bytes are needed, 10485760 are available (9.0 MiB, 10.0 MiB), of which 1048576 are kept for the agent's own state and logs; free some, or keep fewer revisions (max_revisions)"},
		{Room{500, 100}, 1, 0, "not enough disk space at /srv/root: 1 bytes are needed, 500 are available, of which 1048576 are kept for the agent's own state and logs; free some, or keep fewer revisions (max_revisions)"},
		{Room{500, 100}, 0, 1, ""},
		{Room{10 << 20, 100}, 5, 101,
			"not enough inodes at /srv/root: 101 files are to be made, 100 inodes are available; remove files there that are not needed, or keep fewer revisions (max_revisions)"},
		{Room{10 << 20, 0}, 5, 1,
			"not enough inodes at /srv/root: 1 files are to be made, 0 inodes are available; remove files there that are not needed, or keep fewer revisions (max_revisions)"},
		{Room{10 << 20, NoLimit}, 5, 1 << 50, ""},
	} {
		err := test.room.need(dir, test.bytes, test.files)
		if got := fmt.Sprint(err); got != test.want && !(err == nil && test.want == "") {
			t.Errorf("%+v.need(%d, %d) = %v\nwant %s", test.room, test.bytes, test.files, err, test.want)
		}
	}
	if err := Need(t.TempDir(), 1<<60, 0); err == nil {
		t.Error("Need(a billion gigabytes) = nil, want an error")
	}
	if err := Need(t.TempDir(), 0, 0); err != nil {
		t.Errorf("Need(nothing) = %v, want no error", err)
	}
}

// TestGauge writes to a file system until it says stop, which others are filling too.
func TestGauge(t *testing.T) {
	t.Parallel()
	for _, others := range []int64{0, 1, 3} { // bytes that they write for each of ours
		const step = 128 << 10
		left, looks := int64(1<<30), 0
		g := Gauge{Dir: "/d", free: func(string) (Room, bool) { looks++; return Room{left, NoLimit}, true }}
		var err error
		for err == nil {
			if err = g.Wrote(step, 4711); err == nil {
				left -= step * (1 + others)
			}
		}
		var full *Full
		if !errors.As(err, &full) || full.Needed != 4711 || full.Available != left {
			t.Errorf("Wrote = %v, want a *Full with what is missing and left", err)
		}
		if left < Reserve-(1+others)*(step+leastBytes) || left >= Reserve {
			t.Errorf("with others writing %d times as much it stopped with %d bytes left, want somewhat less than %d", others, left, Reserve)
		}
		if looks > 100 {
			t.Errorf("it looked %d times, want 100 at most", looks)
		}
	}
	inodes, looks := int64(5000), 0
	g := Gauge{Dir: "/d", free: func(string) (Room, bool) { looks++; return Room{1 << 30, inodes}, true }}
	var err error
	for err == nil {
		if err = g.Made(12); err == nil {
			inodes--
		}
	}
	if want := "not enough inodes at /d: 12 files are to be made, 0 inodes are available"; inodes != 0 || !strings.Contains(err.Error(), want) || looks > 40 {
		t.Errorf("Made = %v with %d inodes left after %d looks, want %q with none left", err, inodes, looks, want)
	}
	g = Gauge{Dir: "/d", free: func(string) (Room, bool) { return Room{1 << 30, NoLimit}, true }}
	for range 5000 {
		if err := g.Made(0); err != nil {
			t.Fatalf("Made without a limit = %v", err)
		}
	}
	g = Gauge{Dir: "/d", free: func(string) (Room, bool) { return Room{}, false }}
	if err := errors.Join(g.Wrote(1<<40, 0), g.Made(0), g.Expect(1<<50)); err != nil {
		t.Errorf("a file system that does not tell: %v, want no error", err)
	}
}

func TestGaugeExpects(t *testing.T) {
	t.Parallel()
	looks := 0
	g := Gauge{Dir: "/d", free: func(string) (Room, bool) { looks++; return Room{9 << 20, NoLimit}, true }}
	for range 1000 {
		if err := g.Expect(1 << 20); err != nil {
			t.Fatalf("Expect = %v, want no error", err)
		}
	}
	if looks != 1 {
		t.Errorf("it looked %d times for small sizes, want once", looks)
	}
	var full *Full
	if err := g.Expect(20 << 20); !errors.As(err, &full) || full.Needed != 20<<20 || full.Available != 9<<20 {
		t.Errorf("Expect(more than there is) = %v, want a *Full", err)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5136384: "4.9 MiB", 1 << 62: "4.0 EiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}
