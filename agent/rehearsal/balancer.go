package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// VersionHeader is the response header in which an application says its version, for the counts by version.
const VersionHeader = "X-Version"

// BalancerOptions say how a Balancer judges its targets. The zero value is usable.
type BalancerOptions struct {
	// HealthPath is asked to learn whether a target is well; empty means "/health".
	HealthPath string
	// Every is the time between such questions, zero means 50 ms; Healthy how many good answers in a row make a target
	// healthy, zero means 2; Limit how long Register waits for that, zero means 10 s.
	Every   time.Duration
	Healthy int
	Limit   time.Duration
	// Drain is how long Deregister waits for requests under way; zero means 10 s.
	Drain time.Duration
	// Log is told of targets that come and go; nil means none.
	Log *zap.Logger
}

// Balancer is a small HTTP load balancer on loopback. It sends each request to the next of the registered targets and
// counts what became of it. Its methods may be called from any goroutine.
type Balancer struct {
	options   BalancerOptions
	transport *http.Transport
	server    *http.Server
	url       string
	served    chan struct{}
	failure   error
	quiet     *log.Logger // the proxy's own

	mu      sync.Mutex
	targets map[string]*target
	line    []*target // registered, in the order of registration
	next    int
	tally   tally
}

// target is a host that can be registered.
type target struct {
	id      string
	url     *url.URL
	version string // of its last answer
	busy    int
	idle    chan struct{} // non-nil while Deregister waits; closed when busy falls to zero
}

// NewBalancer starts a load balancer without targets on a free port of the loopback interface.
func NewBalancer(options BalancerOptions) (*Balancer, error) {
	options = options.withDefaults()
	quiet, err := zap.NewStdLogAt(options.Log, zap.DebugLevel)
	if err != nil {
		return nil, fmt.Errorf("cannot make the load balancer's log: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen on loopback: %w", err)
	}
	b := &Balancer{options: options, quiet: quiet, url: "http://" + listener.Addr().String(), served: make(chan struct{}),
		targets: map[string]*target{}, tally: tally{},
		// No proxy: the environment's may not reach loopback.
		transport: &http.Transport{MaxIdleConnsPerHost: 16, ResponseHeaderTimeout: 10 * time.Second}}
	b.server = &http.Server{Handler: http.HandlerFunc(b.serve), ErrorLog: quiet, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(b.served)
		if err := b.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			b.failure = err
		}
	}()
	return b, nil
}

func (o BalancerOptions) withDefaults() BalancerOptions {
	if o.HealthPath == "" {
		o.HealthPath = "/health"
	}
	if o.Every == 0 {
		o.Every = 50 * time.Millisecond
	}
	if o.Healthy == 0 {
		o.Healthy = 2
	}
	if o.Limit == 0 {
		o.Limit = 10 * time.Second
	}
	if o.Drain == 0 {
		o.Drain = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return o
}

// URL is where clients ask.
func (b *Balancer) URL() string { return b.url }

// AddTarget makes a host known under its HostIdentifier; it gets no traffic until it is registered.
func (b *Balancer) AddTarget(host, address string) error {
	at, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("cannot add target %s: %w", host, err)
	}
	if at.Host == "" {
		return fmt.Errorf("cannot add target %s: %q is no URL with a host", host, address)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.targets[host] != nil {
		return fmt.Errorf("cannot add target %s: it is known already", host)
	}
	b.targets[host] = &target{id: host, url: at}
	return nil
}

// Register waits until the host is healthy and sends it traffic.
func (b *Balancer) Register(ctx context.Context, host string) error {
	t, err := b.find(host)
	if err != nil {
		return err
	}
	if err := b.awaitHealthy(ctx, t); err != nil {
		return fmt.Errorf("cannot register %s: %w", host, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.line, t) {
		b.line = append(b.line, t)
		b.options.Log.Info("target registered", zap.String("host", host))
	}
	return nil
}

// Deregister sends the host no more traffic and waits until it has answered what it had begun.
func (b *Balancer) Deregister(ctx context.Context, host string) error {
	t, err := b.find(host)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.line = slices.DeleteFunc(b.line, func(x *target) bool { return x == t })
	var idle chan struct{}
	if t.busy > 0 {
		if t.idle == nil {
			t.idle = make(chan struct{})
		}
		idle = t.idle
	}
	b.mu.Unlock()
	b.options.Log.Info("target deregistered", zap.String("host", host))
	if idle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.options.Drain)
	defer cancel()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot wait until %s has answered its last requests: %w", host, ctx.Err())
	}
}

// Registered returns the hosts that get traffic, in order of registration.
func (b *Balancer) Registered() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	hosts := make([]string, len(b.line))
	for i, t := range b.line {
		hosts[i] = t.id
	}
	return hosts
}

// Counts returns what became of the requests so far, by target and version.
func (b *Balancer) Counts() []Count {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tally.counts()
}

// Close stops the load balancer.
func (b *Balancer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if b.server.Shutdown(ctx) != nil {
		if err := b.server.Close(); err != nil {
			return fmt.Errorf("cannot close the load balancer: %w", err)
		}
	}
	<-b.served
	b.transport.CloseIdleConnections()
	return b.failure
}

func (b *Balancer) find(host string) (*target, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.targets[host]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("the load balancer knows no target %s", host)
}

// awaitHealthy asks the target until it has answered well often enough.
func (b *Balancer) awaitHealthy(ctx context.Context, t *target) error {
	ctx, cancel := context.WithTimeout(ctx, b.options.Limit)
	defer cancel()
	client := &http.Client{Transport: b.transport, Timeout: 2 * time.Second}
	last := errors.New("it was not asked")
	for good := 0; ; {
		err := b.ask(ctx, client, t)
		switch {
		case err == nil:
			if good++; good == b.options.Healthy {
				return nil
			}
		case ctx.Err() == nil: // else it is the waiting that ended, which says nothing of the target
			good, last = 0, err
		}
		select {
		case <-time.After(b.options.Every):
		case <-ctx.Done():
			return fmt.Errorf("it did not become healthy within %v: %w", b.options.Limit, last)
		}
	}
}

func (b *Balancer) ask(ctx context.Context, client *http.Client, t *target) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.JoinPath(b.options.HealthPath).String(), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", request.URL, response.Status)
	}
	b.learn(t, response)
	return nil
}

// learn remembers the version a target says it is.
func (b *Balancer) learn(t *target, response *http.Response) {
	if version := response.Header.Get(VersionHeader); version != "" {
		b.mu.Lock()
		t.version = version
		b.mu.Unlock()
	}
}

// take picks the next registered target for a request; nil if there is none.
func (b *Balancer) take() *target {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.line) == 0 {
		b.tally.add("", "", false)
		return nil
	}
	t := b.line[b.next%len(b.line)]
	b.next++
	t.busy++
	return t
}

func (b *Balancer) release(t *target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.busy--; t.busy == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

func (b *Balancer) serve(w http.ResponseWriter, r *http.Request) {
	t := b.take()
	if t == nil {
		http.Error(w, "no target is registered", http.StatusServiceUnavailable)
		return
	}
	defer b.release(t)
	// Until the whole answer has been passed on, the request is lost.
	version, served, gone := "", false, false
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !gone {
			b.tally.add(t.id, or(version, t.version), served)
		}
	}()
	answered := false
	proxy := httputil.ReverseProxy{
		Transport: b.transport,
		ErrorLog:  b.quiet,
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(t.url); p.SetXForwarded() },
		ModifyResponse: func(response *http.Response) error {
			b.learn(t, response)
			version = response.Header.Get(VersionHeader)
			answered = response.StatusCode < http.StatusInternalServerError
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if gone = r.Context().Err() != nil; gone {
				return // the client went away; nobody lost an answer
			}
			b.options.Log.Info("target did not answer", zap.String("host", t.id), zap.Error(err))
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	proxy.ServeHTTP(w, r) // panics when the answer breaks off
	served = answered
}
