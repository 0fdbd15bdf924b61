package rehearsal

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is one request a Service received, without its signature and tokens.
type Request struct {
	// Time is when it arrived, Duration how long it took to answer; Duration is zero until it is answered.
	Time     time.Time
	Duration time.Duration
	// Operation is PollHostCommand and so on, GetObject or HeadObject for S3, or the method of anything else.
	Operation string
	// Body is what the request said, for operations of the command service.
	Body json.RawMessage
	// Bucket, Key, Version, Range and IfMatch are of S3 requests.
	Bucket, Key, Version, Range, IfMatch string
	// Status is the answer's status; zero when there was none (not yet, or a fault closed the connection).
	Status int
	// Fault is what befell it, empty for none. Problem is why it was refused, empty if it was not.
	Fault   FaultKind
	Problem string
	// SigningName is the service the request was signed for, from its credential scope.
	SigningName string
	// AgentVersion and UserAgent are the headers x-amz-codedeploy-agent-version and User-Agent.
	AgentVersion, UserAgent string
}

// Command is the HostCommandIdentifier in the request's body; empty if it has none.
func (r Request) Command() string {
	var body struct{ HostCommandIdentifier string }
	if json.Unmarshal(r.Body, &body) != nil {
		return ""
	}
	return body.HostCommandIdentifier
}

// record keeps what was received.
type record struct {
	mu       sync.Mutex
	requests []Request
	changed  chan struct{} // closed and replaced at every change
}

// begin notes a request and returns its number.
func (r *record) begin(request Request) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request)
	r.wake()
	return len(r.requests) - 1
}

// end notes how request number n was answered.
func (r *record) end(n int, at time.Time, change func(*Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	request := &r.requests[n]
	request.Duration = max(at.Sub(request.Time), 1)
	if change != nil {
		change(request)
	}
	r.wake()
}

func (r *record) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *record) snapshot() ([]Request, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests), r.changed
}

// Requests returns what was received so far, in order of arrival; with operations, only those.
func (s *Service) Requests(operations ...string) []Request {
	all, _ := s.record.snapshot()
	if len(operations) == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(r Request) bool { return !slices.Contains(operations, r.Operation) })
}

// WaitFor waits until condition holds of what was received; it returns the context's error if that ends first.
func (s *Service) WaitFor(ctx context.Context, condition func([]Request) bool) error {
	for {
		requests, changed := s.record.snapshot()
		if condition(requests) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// describe begins a record of r.
func describe(r *http.Request, operation string, now time.Time) Request {
	return Request{
		Time: now, Operation: operation, Range: r.Header.Get("Range"), IfMatch: r.Header.Get("If-Match"),
		Version: r.URL.Query().Get("versionId"), SigningName: signingName(r.Header.Get("Authorization")),
		AgentVersion: r.Header.Get("X-Amz-Codedeploy-Agent-Version"), UserAgent: r.UserAgent(),
	}
}

// signingName is the service named in a signature's credential scope (key/date/region/service/aws4_request).
func signingName(authorization string) string {
	_, rest, found := strings.Cut(authorization, "Credential=")
	if !found {
		return ""
	}
	scope, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(strings.TrimSpace(scope), "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[len(parts)-2]
}
