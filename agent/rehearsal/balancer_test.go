package rehearsal

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// site is an application behind the load balancer.
type site struct {
	*httptest.Server
	status  atomic.Int64  // of every answer
	release chan struct{} // what /slow waits for
}

func newSite(t *testing.T, version string) *site {
	s := &site{release: make(chan struct{})}
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(VersionHeader, version)
		switch r.URL.Path {
		case "/slow":
			<-s.release
		case "/broken":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
			return
		}
		w.WriteHeader(int(s.status.Load()))
	}))
	t.Cleanup(s.Close)
	return s
}

func newTestBalancer(t *testing.T, options BalancerOptions, sites map[string]*site) *Balancer {
	t.Helper()
	options.Every = time.Millisecond
	b, err := NewBalancer(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	for host, site := range sites {
		if err := b.AddTarget(host, site.URL); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// get asks through the load balancer and returns the status; 0 if the answer broke off.
func get(t *testing.T, b *Balancer, path string) int {
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(b.URL() + path)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0
	}
	return response.StatusCode
}

func TestBalancerCounts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	one, two := newSite(t, "1"), newSite(t, "2")
	b := newTestBalancer(t, BalancerOptions{}, map[string]*site{"a": one, "b": two})
	if got := get(t, b, "/"); got != http.StatusServiceUnavailable {
		t.Errorf("GET without targets = %d, want 503", got)
	}
	for _, host := range []string{"a", "b", "a"} { // the second time is no harm
		if err := b.Register(ctx, host); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, b.Registered()); diff != "" {
		t.Errorf("Registered() (-want +got):\n%s", diff)
	}
	for range 10 {
		if got := get(t, b, "/"); got != http.StatusOK {
			t.Errorf("GET = %d, want 200", got)
		}
	}
	if err := b.Deregister(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		get(t, b, "/")
	}
	two.status.Store(http.StatusNotFound) // an answer, too
	get(t, b, "/")
	two.status.Store(http.StatusInternalServerError)
	get(t, b, "/")
	two.status.Store(http.StatusOK)
	if got := get(t, b, "/broken"); got != 0 {
		t.Errorf("GET of an answer that breaks off = %d, want an error", got)
	}
	two.CloseClientConnections()
	two.Listener.Close()
	if got := get(t, b, "/"); got != http.StatusBadGateway {
		t.Errorf("GET from a target that is gone = %d, want 502", got)
	}
	want := []Count{{Lost: 1}, {Target: "a", Version: "1", Served: 5}, {Target: "b", Version: "2", Served: 9, Lost: 3}}
	if diff := cmp.Diff(want, b.Counts()); diff != "" {
		t.Errorf("Counts() (-want +got):\n%s", diff)
	}
}

func TestBalancerRegisterNeedsHealth(t *testing.T) {
	t.Parallel()
	sick := newSite(t, "1")
	sick.status.Store(http.StatusInternalServerError)
	b := newTestBalancer(t, BalancerOptions{Limit: time.Second}, map[string]*site{"a": sick})
	err := b.Register(context.Background(), "a")
	if err == nil || !strings.Contains(err.Error(), "500") || len(b.Registered()) > 0 {
		t.Errorf("Register() of a sick target = %v, registered %q, want its answer as the reason", err, b.Registered())
	}
	time.AfterFunc(10*time.Millisecond, func() { sick.status.Store(http.StatusOK) })
	b.options.Limit = 10 * time.Second
	if err := b.Register(context.Background(), "a"); err != nil {
		t.Errorf("Register() of a target that gets well = %v", err)
	}
	for _, err := range []error{b.Register(context.Background(), "x"), b.Deregister(context.Background(), "x"),
		b.AddTarget("a", sick.URL), b.AddTarget("y", "nonsense")} {
		if err == nil {
			t.Error("an unknown, doubled or nonsensical target = nil error, want one")
		}
	}
}

func TestDeregisterDrains(t *testing.T) {
	t.Parallel()
	slow := newSite(t, "1")
	b := newTestBalancer(t, BalancerOptions{Drain: 30 * time.Millisecond}, map[string]*site{"a": slow})
	if err := b.Register(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() { answered <- get(t, b, "/slow") }()
	for busy := 0; busy == 0; time.Sleep(time.Millisecond) {
		b.mu.Lock()
		busy = b.targets["a"].busy
		b.mu.Unlock()
	}
	if err := b.Deregister(context.Background(), "a"); err == nil {
		t.Error("Deregister() with a request that does not end = nil error, want one")
	}
	b.options.Drain = 10 * time.Second
	time.AfterFunc(10*time.Millisecond, func() { close(slow.release) })
	if err := b.Deregister(context.Background(), "a"); err != nil {
		t.Errorf("Deregister() = %v, want it to wait for the request", err)
	}
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the request under way got %d, want 200", got)
	}
}

// The client asks all the time while targets change, and loses nothing.
func TestTraffic(t *testing.T) {
	t.Parallel()
	one, two := newSite(t, "1"), newSite(t, "2")
	b := newTestBalancer(t, BalancerOptions{}, map[string]*site{"a": one, "b": two})
	if err := b.Register(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	traffic := StartTraffic(b.URL(), time.Millisecond)
	wait := func(version string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			counts, _ := traffic.Counts()
			for _, c := range counts {
				if c.Version == version && c.Served+c.Lost > 5 {
					return
				}
			}
			if time.Now().After(end) {
				t.Fatalf("no requests for version %q: %+v", version, counts)
			}
		}
	}
	wait("1")
	if err := b.Register(context.Background(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := b.Deregister(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	wait("2")
	counts, last := traffic.Stop()
	if len(counts) != 2 || counts[0].Version != "1" || counts[1].Version != "2" || counts[0].Lost+counts[1].Lost > 0 || last != nil {
		t.Errorf("Stop() = %+v, %v, want versions 1 and 2 and nothing lost", counts, last)
	}
	if diff := cmp.Diff(fmt.Sprint(counts), fmt.Sprint(withoutTargets(b.Counts()))); diff != "" {
		t.Errorf("the client's and the balancer's counts differ (-client +balancer):\n%s", diff)
	}
	if again, _ := traffic.Counts(); !cmp.Equal(again, counts) {
		t.Errorf("Counts() after Stop() = %+v, want %+v", again, counts)
	}

	two.status.Store(http.StatusInternalServerError)
	traffic = StartTraffic(b.URL(), time.Millisecond)
	time.Sleep(20 * time.Millisecond)
	counts, last = traffic.Stop()
	if len(counts) != 1 || counts[0].Lost == 0 || counts[0].Served > 0 || last == nil {
		t.Errorf("Stop() with a failing target = %+v, %v, want only lost requests and the reason", counts, last)
	}
}

func withoutTargets(counts []Count) []Count {
	for i := range counts {
		counts[i].Target = ""
	}
	return counts
}
