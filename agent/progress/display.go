package progress

import (
	"fmt"
	"strings"
	"time"

	"codedeploy-agent/agent/disk"
)

// Display shows how far pieces of work are that take a while.
type Display struct {
	// First is how long work goes on before it is shown, Every the time between two lines.
	First, Every time.Duration
	// Show shows a line of text, which has no line feed.
	Show func(line string)
	// Clear is called when work is over of which something was shown; nil does nothing.
	Clear func()
}

// Watch shows how far the work is that is done on w, under a name such as "downloading", until stop is called. Nothing is shown any more
// when stop returns.
func (d *Display) Watch(name string) (w *Work, stop func()) {
	w = &Work{}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		d.watch(name, w, end)
	}()
	return w, func() {
		close(end)
		<-ended
	}
}

func (d *Display) watch(name string, w *Work, end <-chan struct{}) {
	var pace pace
	next := time.NewTimer(d.First)
	defer next.Stop()
	shown := false
	for {
		select {
		case <-end:
			if shown && d.Clear != nil {
				d.Clear()
			}
			return
		case now := <-next.C:
			shown = true
			pace.add(now, w.state())
			d.Show(name + ": " + pace.String())
			next.Reset(d.Every)
		}
	}
}

// paceTime is the time over which a rate is taken: short enough to show that a download hangs, long enough not to jump.
const paceTime = 5 * time.Second

type moment struct {
	at time.Time
	state
}

// pace is how far work was at the last moments at which it was shown, the oldest first. What was there before the first one, such as the
// part of a bundle that an earlier attempt has fetched, is no measure of the work's speed.
type pace []moment

func (p *pace) add(now time.Time, s state) {
	*p = append(*p, moment{now, s})
	for len(*p) > 2 && now.Sub((*p)[1].at) >= paceTime {
		*p = (*p)[1:]
	}
}

// String is the line about the last moment, of which there must be one: "3120 of 10000 files, 120.4 MiB of 250.0 MiB, 48 %, 60.1 MiB/s, 2 s left".
// What nobody knows is left out.
func (p pace) String() string {
	first, last := p[0], p[len(p)-1]
	var parts []string
	if last.files > 0 || last.allFiles > 0 {
		parts = append(parts, count(last.files, last.allFiles)+" files")
	}
	bytes := disk.Size(last.bytes)
	if last.allBytes > 0 {
		bytes += " of " + disk.Size(last.allBytes)
	}
	parts = append(parts, bytes)
	if last.share >= 0 {
		parts = append(parts, fmt.Sprintf("%d %%", int(last.share*100)))
	}
	if last.share == 1 {
		return strings.Join(append(parts, "finishing"), ", ") // what is written has to reach the disk
	}
	if took := last.at.Sub(first.at).Seconds(); took > 0 {
		parts = append(parts, disk.Size(int64(max(float64(last.bytes-first.bytes), 0)/took))+"/s")
		if done := last.share - first.share; last.share >= 0 && done > 0 {
			left := time.Duration((1 - last.share) / done * took * float64(time.Second))
			parts = append(parts, duration(left)+" left")
		}
	}
	return strings.Join(parts, ", ")
}

func count(n, all int64) string {
	if all > 0 {
		return fmt.Sprintf("%d of %d", n, all)
	}
	return fmt.Sprint(n)
}

// duration is a time as people say it, in seconds, minutes or hours.
func duration(d time.Duration) string {
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int64((d+time.Second/2)/time.Second))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min", int64((d+time.Minute/2)/time.Minute))
	}
	return fmt.Sprintf("%d h", int64((d+time.Hour/2)/time.Hour))
}
