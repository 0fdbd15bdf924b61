package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

type countingProvider struct{ count int }

func (p *countingProvider) retrieve(context.Context) (aws.Credentials, error) {
	p.count++
	return newProvider().credentials, nil
}

func TestRetries(t *testing.T) {
	t.Parallel()
	ok := answer(200, `{"CommandStatus":"InProgress"}`)
	serverError := answer(500, `{"__type":"ServerException","message":"no"}`)
	tests := []struct {
		name     string
		handlers []http.HandlerFunc
		requests int
		want     string // in the error; empty: none
	}{
		{"500 once", []http.HandlerFunc{serverError, ok}, 2, ""},
		{"500 for ever", []http.HandlerFunc{serverError}, 4, "HTTP 500 ServerException: no (request id req-1)"},
		{"503 html", []http.HandlerFunc{answer(503, "<html>later</html>"), ok}, 2, ""},
		{"dropped connection", []http.HandlerFunc{hangUp, ok}, 2, ""},
		{"dropped for ever", []http.HandlerFunc{hangUp}, 4, "the connection was closed before the answer was complete"},
		{"garbage", []http.HandlerFunc{answer(200, "\x00\xffnot json{{{"), ok}, 2, ""},
		{"half an answer", []http.HandlerFunc{answer(200, `{"CommandStatus":"InPro`), ok}, 2, ""},
		{"ClientException", []http.HandlerFunc{refuse("ClientException", "finished"), ok}, 1, "HTTP 400 ClientException: finished"},
		{"namespaced", []http.HandlerFunc{refuse("com.example.v1#ClientException:http://x", "finished")}, 1, "HTTP 400 ClientException: finished"},
		{"throttle", []http.HandlerFunc{refuse("ThrottlingException", "Rate exceeded"), ok}, 2, ""},
		{"429", []http.HandlerFunc{answer(429, ``), ok}, 2, ""},
		{"throttle for ever", []http.HandlerFunc{refuse("ThrottlingException", "Rate exceeded")}, 6, "ThrottlingException"},
		{"wrong type", []http.HandlerFunc{answer(200, `{"CommandStatus":7}`), ok}, 1, "field CommandStatus is a number"},
		{"access denied", []http.HandlerFunc{refuse("AccessDeniedException", "no"), ok}, 1, "check the permissions"},
		{"operation", []http.HandlerFunc{refuse("UnknownOperationException", ""), ok}, 1, "HTTP 400 UnknownOperationException (request id req-1); check that enable_auth_policy"},
		{"token and 500", []http.HandlerFunc{refuse("UnrecognizedClientException", "x"), serverError, ok}, 3, ""},
		{"token twice", []http.HandlerFunc{refuse("ExpiredToken", "x"), refuse("ExpiredToken", "x"), ok}, 2, "ExpiredToken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, tt.handlers...)
			status, err := newTestClient(t, s.URL).Acknowledge(t.Context(), "hc-1", false)
			if n := len(s.seen()); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if tt.want == "" {
				if err != nil || status != StatusInProgress {
					t.Errorf("Acknowledge() = %q, %v, want InProgress", status, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("Acknowledge() succeeded, want an error with %q", tt.want)
			}
			mustHave(t, "error", err.Error(), "cannot call PutHostCommandAcknowledgement: ", tt.want)
		})
	}
}

func TestPollIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, h := range []http.HandlerFunc{answer(500, ``), hangUp, answer(200, `<`), refuse("ThrottlingException", "x")} {
		s := newService(t, h)
		if _, err := newTestClient(t, s.URL).Poll(t.Context(), "h"); err == nil {
			t.Error("Poll() succeeded, want an error")
		}
		if n := len(s.seen()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	}
}

func TestExpiredToken(t *testing.T) {
	t.Parallel()
	s := newService(t, refuse("ExpiredTokenException", "expired"), answer(200, `{}`))
	p := newProvider()
	c := newTestClient(t, s.URL, func(o *Options) { o.Credentials = p })
	if _, err := c.Poll(t.Context(), "h"); err != nil {
		t.Errorf("Poll() error = %v, want the second attempt to succeed", err)
	}
	if p.invalidated != 1 {
		t.Errorf("credentials were invalidated %d times, want 1", p.invalidated)
	}
	s = newService(t, refuse("ExpiredTokenException", "expired"))
	_, err := newTestClient(t, s.URL).Poll(t.Context(), "h")
	if !IsExpiredToken(err) || len(s.seen()) != 2 {
		t.Errorf("Poll() error = %v after %d requests, want an expired token after 2", err, len(s.seen()))
	}
}

// shifted is a service whose clock is off by skew and that checks the time of signatures.
func shifted(t *testing.T, skew func() time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Add(skew())
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Errorf("X-Amz-Date: %v", err)
		}
		if now.Sub(signed).Abs() > 5*time.Minute {
			refuse("InvalidSignatureException", "Signature expired: "+testToken)(w, r)
			return
		}
		answer(200, `{}`)(w, r)
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{2 * time.Hour, -26 * time.Hour} {
		current := skew
		s := newService(t, shifted(t, func() time.Duration { return current }))
		core, logs := observer.New(zapcore.WarnLevel)
		c := newTestClient(t, s.URL, func(o *Options) { o.Log = zap.New(core) })
		for range 3 {
			if _, err := c.Poll(t.Context(), "h"); err != nil {
				t.Fatalf("Poll() with a skew of %v: error = %v", skew, err)
			}
		}
		if n := len(s.seen()); n != 4 {
			t.Errorf("%d requests for 3 polls, want 4: the correction is kept", n)
		}
		if n := logs.Len(); n != 1 {
			t.Errorf("%d warnings about the clock, want 1", n)
		}
		if got, ok := c.ClockSkew(); !ok || (got-skew).Abs() > 5*time.Second {
			t.Errorf("ClockSkew() = %v, %v, want about %v", got, ok, skew)
		}
		// Somebody sets the host's clock: the correction is given up, without a warning.
		current = 0
		if _, err := c.Poll(t.Context(), "h"); err != nil {
			t.Errorf("Poll() after the clock was set: error = %v", err)
		}
		if n := logs.Len(); n != 1 {
			t.Errorf("%d warnings about the clock, want still 1", n)
		}
	}
}

func TestClockSkewThatStays(t *testing.T) {
	t.Parallel()
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		// Another clock in each answer, so that no correction fits.
		skew := -2 * time.Hour
		if r.Header.Get("Amz-Sdk-Request") == "attempt=1; max=11" {
			skew = -time.Hour
		}
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		refuse("InvalidSignatureException", "Signature not yet current")(w, r)
	})
	_, err := newTestClient(t, s.URL).Poll(t.Context(), "h")
	skew, ok := IsClockSkew(err)
	if !ok || (skew+2*time.Hour).Abs() > 5*time.Second || len(s.seen()) != 2 {
		t.Errorf("Poll() error = %v after %d requests, IsClockSkew = %v, %v, want -2h after 2", err, len(s.seen()), skew, ok)
	}
	mustHave(t, "error", err.Error(), "this host's clock is ", " ahead of the service's: check its time synchronisation")
	if IsRefusal(err) {
		t.Error("IsRefusal() = true for a clock skew, want false")
	}

	// The same code with a clock that is right is no matter of clocks.
	s = newService(t, refuse("InvalidSignatureException", "wrong key"))
	_, err = newTestClient(t, s.URL).Poll(t.Context(), "h")
	if _, ok := IsClockSkew(err); ok || err == nil || len(s.seen()) != 1 {
		t.Errorf("Poll() error = %v after %d requests, want an error that is no clock skew after 1", err, len(s.seen()))
	}
}

func TestGateIsUsed(t *testing.T) {
	t.Parallel()
	s := newService(t, refuse("ThrottlingException", "Rate exceeded"), answer(200, `{}`))
	g := quickGate()
	var waits []time.Duration
	inner := g.sleep
	g.sleep = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return inner(ctx, d)
	}
	c := newTestClient(t, s.URL, func(o *Options) { o.Gate = g })
	_, err := c.Poll(t.Context(), "h")
	if !IsThrottle(err) || !g.Throttled() {
		t.Fatalf("Poll() error = %v, Throttled() = %v, want a throttle", err, g.Throttled())
	}
	if _, err := c.Poll(t.Context(), "h"); err != nil || g.Throttled() {
		t.Errorf("Poll() error = %v, Throttled() = %v, want success and an open gate", err, g.Throttled())
	}
	if len(waits) != 1 || waits[0] < time.Second || waits[0] > 1250*time.Millisecond {
		t.Errorf("waits = %v, want one of 1 s to 1.25 s", waits)
	}
}

func TestTransportErrors(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = newTestClient(t, refused).Poll(t.Context(), "h")
	mustHave(t, "error", Describe(err), "cannot call PollHostCommand: dial tcp 127.0.0.1:", "connection refused")
	mustNotHave(t, "error", Describe(err), "Post", "http://", "RequestID")

	stop := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(func() { close(stop); slow.Close() })
	_, err = newTestClient(t, slow.URL, func(o *Options) { o.ReadTimeout = 50 * time.Millisecond }).Poll(t.Context(), "h")
	mustHave(t, "error", Describe(err), "no complete answer within 50ms")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = newTestClient(t, slow.URL).Acknowledge(ctx, "hc", false)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Acknowledge() error = %v, want the context's", err)
	}
	mustHave(t, "error", Describe(err), "cannot call PutHostCommandAcknowledgement: timed out")
	if IsRefusal(err) {
		t.Errorf("IsRefusal(%v) = true, want false", err)
	}

	secure := httptest.NewUnstartedServer(http.HandlerFunc(answer(200, `{}`)))
	secure.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	secure.StartTLS()
	t.Cleanup(secure.Close)
	_, err = newTestClient(t, secure.URL).Acknowledge(t.Context(), "hc", false)
	mustHave(t, "error", Describe(err), "the server's certificate is not accepted", "unknown authority")
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	other := newService(t, answer(200, `{}`))
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", other.URL+"/login?session=hunter2")
			w.WriteHeader(status)
		})
		_, err := newTestClient(t, s.URL).Acknowledge(t.Context(), "hc", false)
		if err == nil || len(s.seen()) != 1 {
			t.Fatalf("HTTP %d: error = %v after %d requests, want one after 1", status, err, len(s.seen()))
		}
		mustHave(t, "error", err.Error(), fmt.Sprintf("HTTP %d: the answer redirects to 127.0.0.1:", status), "not followed")
		mustNotHave(t, "error", err.Error(), "hunter2")
	}
	if n := len(other.seen()); n != 0 {
		t.Errorf("%d requests at the other host, want none", n)
	}
}

func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>captive\nportal "+testToken+"</html>"+strings.Repeat("x", 5000))
	}
	big := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"a":"`)
		for range 10 {
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}
		_, _ = io.WriteString(w, `"}`)
	}
	for _, tt := range []struct {
		handler http.HandlerFunc
		want    []string
	}{
		{html, []string{`HTTP 200: the answer is not from the command service (content type "text/html", beginning "<html>captive portal`, "[redacted]"}},
		{answer(200, `[1]`), []string{`content type "application/x-amz-json-1.1", beginning "[1]"`}},
		{answer(200, `{} {}`), []string{"not from the command service"}},
		{answer(200, `{"HostCommand":"x"}`), []string{"the answer's field HostCommand is a string"}},
		{answer(200, `{"HostCommand":{"Nonce":"x"}}`), []string{"the answer's field HostCommand.Nonce is a string"}},
		{answer(200, `{"HostCommand":{"Nonce":1e99}}`), []string{"the answer's field HostCommand.Nonce is a number"}},
		{answer(200, `{"HostCommand":{"CommandName":[]}}`), []string{"the answer's field HostCommand.CommandName is a array"}},
		{answer(200, `{"HostCommand":{"CommandName":"a","CommandName":"b"}}`), []string{`HTTP 200: the answer cannot be used: it has the field "CommandName" twice`}},
		{answer(200, strings.Repeat(`{"HostCommand":`, 1000)+"1"+strings.Repeat("}", 1000)), []string{"HTTP 200: the answer cannot be used: it is nested more than 32 levels deep"}},
		{big, []string{"HTTP 200: the answer is larger than 4 MiB"}},
		{answer(404, `<h1>no</h1>`), []string{"HTTP 404: the answer is not from the command service"}},
		{answer(404, ``), []string{"HTTP 404: the answer is not from the command service", "no body"}},
		{refuse("X", "Canonical: x-amz-security-token:"+testToken+" "+testSecret+" "+testKey), []string{"X: Canonical: x-amz-security-token:[redacted]"}},
		{answer(400, `{"__type":7,"message":[]}`), []string{"HTTP 400: the answer is not from the command service"}},
	} {
		s := newService(t, tt.handler)
		_, err := newTestClient(t, s.URL).Poll(t.Context(), "h")
		if err == nil {
			t.Fatalf("Poll() succeeded, want an error with %q", tt.want)
		}
		mustHave(t, "error", err.Error(), tt.want...)
		mustNotHave(t, "error", err.Error(), "\n", testToken, testSecret, testKey)
		if len(err.Error()) > 900 {
			t.Errorf("the error has %d bytes, want a line", len(err.Error()))
		}
		if IsRefusal(err) || IsThrottle(err) {
			t.Errorf("classes of %v: want none", err)
		}
	}
}

func TestDebugLog(t *testing.T) {
	t.Parallel()
	s := newService(t, answer(500, `{"__type":"ServerException"}`), answer(200, `{}`))
	core, logs := observer.New(zapcore.DebugLevel)
	c := newTestClient(t, s.URL, func(o *Options) { o.Log = zap.New(core) })
	if _, err := c.Acknowledge(t.Context(), "hc", false); err != nil {
		t.Fatal(err)
	}
	lines := logs.FilterMessage("called the command service").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines, want 1", len(lines))
	}
	fields := lines[0].ContextMap()
	for name, want := range map[string]any{"operation": "PutHostCommandAcknowledgement", "attempts": int64(2), "http_status": int64(200), "request_id": "req-1"} {
		if fields[name] != want {
			t.Errorf("field %s = %v, want %v", name, fields[name], want)
		}
	}
	for _, l := range logs.All() {
		mustNotHave(t, "log", fmt.Sprint(l.Message, l.ContextMap()), testToken, testSecret)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for n, most := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second} {
		for range 100 {
			if got := backoff(n); got < most/2 || got > most {
				t.Fatalf("backoff(%d) = %v, want %v to %v", n, got, most/2, most)
			}
		}
	}
	if got := backoff(1000); got > 8*time.Second || got < 4*time.Second {
		t.Errorf("backoff(1000) = %v, want 4 s to 8 s", got)
	}
}
