package agent

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// fleet is many hosts that poll one service of limited capacity, in simulated time.
type fleet struct {
	now      time.Time
	due      polls
	capacity int // requests that the service answers in a second
	second   time.Time
	inSecond int
	peak     int // most requests in a second since the service is back
}

// poll is when a host polls next.
type poll struct {
	at   time.Time
	host int
}

type polls []poll

func (p polls) Len() int           { return len(p) }
func (p polls) Less(i, j int) bool { return p[i].at.Before(p[j].at) }
func (p polls) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *polls) Push(x any)        { *p = append(*p, x.(poll)) }
func (p *polls) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

// afterOutage lets all hosts' polls break at once, as those that the service holds open do, and all polls fail until the outage is over.
// failed is the pause of a host after its n-th failure in a row, from 1. It returns how long after the outage the last host was served.
func (f *fleet) afterOutage(hosts int, outage time.Duration, failed func(host, n int) time.Duration) time.Duration {
	begin := f.now
	back := begin.Add(outage)
	failures := make([]int, hosts)
	for h := range hosts {
		failures[h] = 1
		f.due = append(f.due, poll{begin.Add(failed(h, 1)), h})
	}
	heap.Init(&f.due)
	for f.due.Len() > 0 {
		p := heap.Pop(&f.due).(poll)
		f.now = p.at
		if !p.at.Before(back) && f.answered() {
			continue // served; it polls on at its ordinary pace
		}
		failures[p.host]++
		heap.Push(&f.due, poll{p.at.Add(failed(p.host, failures[p.host])), p.host})
	}
	return f.now.Sub(back)
}

// answered counts a request and says whether the service has room for it.
func (f *fleet) answered() bool {
	if at := f.now.Truncate(time.Second); !at.Equal(f.second) {
		f.second, f.inSecond = at, 0
	}
	f.inSecond++
	f.peak = max(f.peak, f.inSecond)
	return f.inSecond <= f.capacity
}

// Ten thousand hosts come back after five minutes without the service, which answers 500 requests in a second. The official agents pause by a
// fixed table without jitter: hosts whose polls broke in the same moment stay together.
func TestFleetAfterOutage(t *testing.T) {
	t.Parallel()
	const hosts, outage, capacity = 10_000, 5 * time.Minute, 500
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

	ours := &fleet{now: begin, capacity: capacity}
	random := rand.New(rand.NewPCG(1, 2))
	paces := make([]*pace, hosts)
	for h := range paces {
		paces[h] = newPace(30 * time.Second)
		paces[h].random = random.Float64
		paces[h].now = func() time.Time { return ours.now }
	}
	took := ours.afterOutage(hosts, outage, func(h, _ int) time.Duration { return paces[h].failed() })

	table := []time.Duration{10, 13, 17, 21, 27, 34, 44, 56, 71, 90}
	official := &fleet{now: begin, capacity: capacity}
	theirs := official.afterOutage(hosts, outage, func(_, n int) time.Duration { return table[min(n, len(table))-1] * time.Second })

	t.Logf("%d hosts, %v outage, %d requests per second:\n%-24s %15s %20s\n%-24s %13d/s %20v\n%-24s %13d/s %20v", hosts, outage, capacity,
		"", "peak rate", "all served after", "this agent", ours.peak, took.Round(time.Second), "fixed table, no jitter", official.peak, theirs.Round(time.Second))
	if ours.peak > capacity {
		t.Errorf("the fleet comes back with %d requests in a second, the service answers %d", ours.peak, capacity)
	}
	if took > maxBackoff {
		t.Errorf("the last host is served %v after the outage, want at most %v", took, maxBackoff)
	}
	if official.peak < hosts {
		t.Errorf("the fixed table has a peak of %d: the simulation is not what it was", official.peak)
	}
}
