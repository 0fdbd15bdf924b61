package command

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/zap"
)

const (
	testKey    = "AKIDEXAMPLE000000001"
	testSecret = "a-secret-key/with+odd=characters"
	testToken  = "a-session-token/with+odd=characters=="
)

// received is a request as the service under test saw it.
type received struct {
	header http.Header
	path   string
	body   map[string]any
	raw    []byte
}

// service is a command service whose answers are scripted: the n-th request is answered by the n-th handler, later ones
// by the last.
type service struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	handlers []http.HandlerFunc
	requests []received
}

func newService(t *testing.T, handlers ...http.HandlerFunc) *service {
	s := &service{t: t, handlers: handlers}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Errorf("reading the request: %v", err)
	}
	got := received{header: r.Header.Clone(), path: r.URL.Path, raw: raw}
	if err := json.Unmarshal(raw, &got.body); err != nil {
		s.t.Errorf("request body %q: %v", raw, err)
	}
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, got)
	h := s.handlers[min(n, len(s.handlers)-1)]
	s.mu.Unlock()
	h(w, r)
}

func (s *service) seen() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.requests...)
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amzn-Requestid", "req-1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func refuse(code, message string) http.HandlerFunc {
	b, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		panic(err)
	}
	return answer(http.StatusBadRequest, string(b))
}

// hangUp closes the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// provider is a credentials provider that can be invalidated.
type provider struct {
	mu          sync.Mutex
	credentials aws.Credentials
	err         error
	invalidated int
}

func (p *provider) Retrieve(context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.credentials, p.err
}

func (p *provider) Invalidate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.invalidated++
}

func newProvider() *provider {
	return &provider{credentials: aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: testToken}}
}

// newTestClient is a client of url that repeats calls without delay.
func newTestClient(t *testing.T, url string, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Endpoint: url, Region: "us-east-1", Credentials: newProvider(), UserAgent: "codedeploy-agent/test",
		ReadTimeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}, Gate: quickGate(), Log: zap.NewNop()}
	for _, f := range change {
		f(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatalf("NewClient: %v", err)
	}
	c.backoff = func(int) time.Duration { return 0 }
	return c
}

// quickGate is a gate in whose clock a wait takes no time.
func quickGate() *Gate {
	g := NewGate()
	var mu sync.Mutex
	now := time.Unix(1_800_000_000, 0)
	g.now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	g.sleep = func(ctx context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
		return ctx.Err()
	}
	return g
}

// mustHave fails unless text contains all the parts.
func mustHave(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s = %q, want %q in it", what, text, p)
		}
	}
}

// mustNotHave fails if text contains one of the parts.
func mustNotHave(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%s = %q, want no %q in it", what, text, p)
		}
	}
}

// recorder is an answer in memory.
type recorder struct {
	bytes.Buffer
	status int
}

func newRecorder() *recorder { return &recorder{status: http.StatusOK} }

func (w *recorder) response(r *http.Request) *http.Response {
	return &http.Response{StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(&w.Buffer), Request: r}
}
