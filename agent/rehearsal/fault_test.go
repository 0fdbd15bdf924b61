package rehearsal

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCommandFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault  FaultKind
		status int // 0: the connection ends without an answer
		kind   string
	}{
		{InternalError, 500, "ServerException"},
		{Unavailable, 503, "ServiceUnavailableException"},
		{TooManyRequests, 429, "ThrottlingException"},
		{Throttled, 400, "ThrottlingException"},
		{Refused, 400, "ClientException"},
		{Expired, 400, "ExpiredTokenException"},
		{Dropped, 0, ""},
		{Reset, 0, ""},
		{AnswerLost, 0, ""},
		{Garbage, 200, ""},
		{HTML, 200, ""},
		{Empty, 200, ""},
	}
	for _, test := range tests {
		for _, secure := range []bool{false, true} {
			name := string(test.fault)
			if secure {
				name += " over TLS"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newTestService(t, Options{TLS: secure})
				c := newCaller(t, s)
				if secure {
					c = newTLSCaller(t, s)
				}
				command := mustQueue(t, s, CommandOptions{ID: "hc-1", Host: testHost})
				s.Inject(Fault{Operation: "PutHostCommandComplete", Kind: test.fault})
				got, err := c.call(context.Background(), "PutHostCommandComplete", completion("hc-1", "Succeeded", 0, ""))
				if test.status == 0 && err == nil || test.status != 0 && (err != nil || got.status != test.status || got.kind() != test.kind) {
					t.Errorf("call = %d %q, %v, want %d %s", got.status, got.body, err, test.status, test.kind)
				}
				if done := command.Result().Succeeded(); done != (test.fault == AnswerLost) {
					t.Errorf("completed = %v, want it only when just the answer is lost", done)
				}
				record := s.Requests()[0]
				if record.Fault != test.fault || record.Status != test.status {
					t.Errorf("record = %+v, want fault %q and status %d", record, test.fault, test.status)
				}
				c.must(t, "PutHostCommandComplete", completion("hc-1", "Succeeded", 0, ""))
			})
		}
	}
}

func TestFaultTimes(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{Hold: time.Millisecond})
	c := newCaller(t, s)
	status := func() int {
		t.Helper()
		got, err := c.call(context.Background(), "PollHostCommand", fields{"HostIdentifier": testHost})
		if err != nil {
			t.Fatal(err)
		}
		return got.status
	}
	s.Inject(Fault{Operation: "PutHostCommandComplete", Kind: Refused, Times: Forever})
	s.Inject(Fault{Operation: "PollHostCommand", Kind: InternalError, Times: 2})
	s.Inject(Fault{Kind: Unavailable, Times: Forever})
	for i, want := range []int{500, 500, 503, 503} {
		if got := status(); got != want {
			t.Errorf("poll %d = %d, want %d", i+1, got, want)
		}
	}
	s.ClearFaults()
	if got := status(); got != http.StatusOK {
		t.Errorf("poll after ClearFaults() = %d, want 200", got)
	}
	s.Inject(Fault{Operation: "PollHostCommand", Kind: Delayed, Delay: 50 * time.Millisecond})
	begin := time.Now()
	if got := status(); got != http.StatusOK || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("delayed poll = %d after %v, want 200 after 50ms", got, time.Since(begin))
	}
}

func TestObjectFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault  FaultKind
		status int
		code   string
	}{
		{InternalError, 500, "InternalError"},
		{Throttled, 503, "SlowDown"},
		{Unavailable, 503, "SlowDown"},
		{Refused, 403, "AccessDenied"},
		{Expired, 400, "ExpiredToken"},
		{HTML, 200, "Sign in"},
		{Dropped, 0, ""},
		{Reset, 0, ""},
	}
	s := newTestService(t, Options{})
	for _, test := range tests {
		t.Run(string(test.fault), func(t *testing.T) {
			t.Parallel()
			key := "fault/" + string(test.fault)
			if _, err := s.Put("bucket", key, Object{Data: []byte("content")}); err != nil {
				t.Fatal(err)
			}
			s.Inject(Fault{Key: key, Kind: test.fault})
			response, body, err := getObject(t, s, http.MethodGet, "bucket/"+key, nil)
			if test.status == 0 {
				if err == nil {
					t.Errorf("GET = %s %s, want an error", response.Status, body)
				}
				return
			}
			if err != nil || response.StatusCode != test.status || !strings.Contains(body, test.code) {
				t.Errorf("GET = %v %s, %v, want %d %s", response, body, err, test.status, test.code)
			}
			if _, body, err := getObject(t, s, http.MethodGet, "bucket/"+key, nil); err != nil || body != "content" {
				t.Errorf("second GET = %q, %v, want the content", body, err)
			}
		})
	}
}

func TestTruncatedAndWrongETag(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	content := strings.Repeat("0123456789", 100_000)
	etag, err := s.Put("bucket", "key", Object{Data: []byte(content)})
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(Fault{Operation: "GetObject", Key: "key", Kind: Truncated})
	response, body, err := getObject(t, s, http.MethodGet, "bucket/key", nil)
	if err != io.ErrUnexpectedEOF || len(body) != len(content)/2 || response.ContentLength != int64(len(content)) {
		t.Errorf("truncated GET = %d of %d bytes, %v, want half and unexpected EOF", len(body), response.ContentLength, err)
	}
	s.Inject(Fault{Key: "key", Kind: WrongETag})
	response, body, err = getObject(t, s, http.MethodGet, "bucket/key", nil)
	if got := response.Header.Get("ETag"); err != nil || body != content || got == `"`+etag+`"` || got == "" {
		t.Errorf("GET with a wrong ETag = %d bytes, ETag %s, %v, want the content under another ETag", len(body), got, err)
	}
}

func TestStalled(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	content := strings.Repeat("0123456789", 100_000)
	if _, err := s.Put("bucket", "key", Object{Data: []byte(content)}); err != nil {
		t.Fatal(err)
	}
	s.Inject(Fault{Operation: "GetObject", Key: "key", Kind: Stalled})
	r, err := http.NewRequest(http.MethodGet, s.URL()+"/bucket/key", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "any")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	half := make([]byte, len(content)/2)
	if _, err := io.ReadFull(response.Body, half); err != nil || string(half) != content[:len(half)] || response.ContentLength != int64(len(content)) {
		t.Fatalf("stalled GET: %v, want half of the content", err)
	}
	if err := s.Close(); err != nil { // it does not wait for the caller
		t.Fatal(err)
	}
	if n, err := response.Body.Read(half); n != 0 || err == nil {
		t.Errorf("after the half: %d bytes, %v, want none and an error", n, err)
	}
}
