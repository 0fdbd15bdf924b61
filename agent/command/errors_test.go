package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err                        *Error
		throttle, refusal, expired bool
	}{
		{&Error{HTTPStatus: 400, Code: "ClientException"}, false, true, false},
		{&Error{HTTPStatus: 400, Code: "ValidationException"}, false, true, false},
		{&Error{HTTPStatus: 400, Code: "SerializationException"}, false, true, false},
		{&Error{HTTPStatus: 500, Code: "ClientException"}, false, false, false},
		{&Error{HTTPStatus: 500, Code: "ServerException"}, false, false, false},
		{&Error{HTTPStatus: 400, Code: "ThrottlingException"}, true, false, false},
		{&Error{HTTPStatus: 400, Code: "ClientException", Message: "Rate exceeded"}, true, false, false},
		{&Error{HTTPStatus: 429}, true, false, false},
		{&Error{HTTPStatus: 400, Code: "RequestThrottled"}, true, false, false},
		{&Error{HTTPStatus: 400, Code: "ExpiredTokenException"}, false, false, true},
		{&Error{HTTPStatus: 400, Code: "UnrecognizedClientException"}, false, false, true},
		{&Error{HTTPStatus: 400, Code: "AccessDeniedException"}, false, false, false},
		{&Error{HTTPStatus: 403, Code: "InvalidSignatureException"}, false, false, false},
		{&Error{HTTPStatus: 400, Code: "UnknownOperationException"}, false, false, false},
		{&Error{HTTPStatus: 404}, false, false, false},
		{&Error{Err: errors.New("x")}, false, false, false},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("cannot report: %w", tt.err)} {
			if got := IsThrottle(err); got != tt.throttle {
				t.Errorf("IsThrottle(%v) = %v, want %v", err, got, tt.throttle)
			}
			if got := IsRefusal(err); got != tt.refusal {
				t.Errorf("IsRefusal(%v) = %v, want %v", err, got, tt.refusal)
			}
			if got := IsExpiredToken(err); got != tt.expired {
				t.Errorf("IsExpiredToken(%v) = %v, want %v", err, got, tt.expired)
			}
		}
	}
	for _, err := range []error{nil, errors.New("x"), context.Canceled} {
		if _, skewed := IsClockSkew(err); IsThrottle(err) || IsRefusal(err) || IsExpiredToken(err) || skewed {
			t.Errorf("classes of %v: want none", err)
		}
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{context.Canceled, "cancelled"},
		{context.DeadlineExceeded, "timed out"},
		{errors.New("a\n\tb\x1b[31m\x00c\xff"), "a b [31m c\uFFFD"},
		{errors.New("proxy http://user:hunter2@proxy:3128 said no"), "proxy http://[redacted]@proxy:3128 said no"},
		{errors.New("X-Amz-Security-Token: abc/+= next"), "X-Amz-Security-Token: [redacted] next"},
		{errors.New("?X-Amz-Security-Token=abc&X=1"), "?X-Amz-Security-Token=[redacted]&X=1"},
		{fmt.Errorf("cannot report hc-1: %w", &Error{Operation: "PutHostCommandComplete", HTTPStatus: 400, Code: "ClientException", Message: "no", RequestID: "r"}),
			"cannot report hc-1: cannot call PutHostCommandComplete: HTTP 400 ClientException: no (request id r)"},
	} {
		if got := Describe(tt.err); got != tt.want {
			t.Errorf("Describe(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
	if got := Describe(errors.New(strings.Repeat("ä", 5000))); len(got) > 2010 || !strings.HasSuffix(got, "ä [...]") {
		t.Errorf("Describe() of a long text has %d bytes and ends in %q", len(got), got[len(got)-12:])
	}
}
