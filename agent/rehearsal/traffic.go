package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Count is how many requests were served and lost. Target is empty for requests no target was found for, and in what a
// client counted; Version is empty where it is not known. A request counts as lost if it got no answer or one with a
// status of 500 or above.
type Count struct {
	Target, Version string
	Served, Lost    int
}

// tally counts requests by target and version. It is not safe for concurrent use.
type tally map[[2]string]*Count

func (t tally) add(target, version string, served bool) {
	key := [2]string{target, version}
	if t[key] == nil {
		t[key] = &Count{Target: target, Version: version}
	}
	if served {
		t[key].Served++
	} else {
		t[key].Lost++
	}
}

func (t tally) counts() []Count {
	var all []Count
	for _, c := range t {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Target, b.Target))
	})
	return all
}

// Traffic is a client that asks all the time. Its methods may be called from any goroutine.
type Traffic struct {
	url       string
	client    *http.Client
	transport *http.Transport
	cancel    context.CancelFunc
	all       sync.WaitGroup

	mu    sync.Mutex
	tally tally
	last  error
}

// trafficAtOnce is how many requests may be under way at a time, so that one slow answer does not hide that others
// are served.
const trafficAtOnce = 8

// StartTraffic asks url every so often until Stop; every is a bound of the rate, for example 5 ms.
func StartTraffic(url string, every time.Duration) *Traffic {
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: trafficAtOnce}
	t := &Traffic{url: url, cancel: cancel, tally: tally{}, transport: transport,
		client: &http.Client{Transport: transport, Timeout: 5 * time.Second}}
	t.all.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		slots := make(chan struct{}, trafficAtOnce)
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case slots <- struct{}{}:
				t.all.Go(func() {
					defer func() { <-slots }()
					t.ask()
				})
			default: // all are waiting for answers
			}
		}
	})
	return t
}

// ask asks once. It is not cancelled by Stop: a request that was begun is counted.
func (t *Traffic) ask() {
	version, err := t.get()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally.add("", version, err == nil)
	if err != nil {
		t.last = err
	}
}

func (t *Traffic) get() (version string, err error) {
	response, err := t.client.Get(t.url)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return response.Header.Get(VersionHeader), err
	}
	if response.StatusCode >= http.StatusInternalServerError {
		err = fmt.Errorf("%s answered %s", t.url, response.Status)
	}
	return response.Header.Get(VersionHeader), err
}

// Counts returns what was asked so far by version, and why the last lost request was lost; nil if none was.
func (t *Traffic) Counts() ([]Count, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tally.counts(), t.last
}

// Stop stops asking, waits for the answers under way and returns the counts.
func (t *Traffic) Stop() ([]Count, error) {
	t.cancel()
	t.all.Wait()
	t.transport.CloseIdleConnections()
	return t.Counts()
}
