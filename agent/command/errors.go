package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"codedeploy-agent/agent/secrets"
)

// Error is a call that did not succeed. Its text is one line for an operator and carries no credentials.
type Error struct {
	// Operation is the service's name for the call, for example PollHostCommand.
	Operation string
	// HTTPStatus is 0 when there was no answer.
	HTTPStatus int
	// Code is the service's error code without namespace, for example ClientException. Empty when there was none.
	Code string
	// Message is the service's text, cleaned and shortened, or what is wrong with its answer.
	Message string
	// RequestID is the service's id of the call, for AWS support. May be empty.
	RequestID string
	// Err is why there was no answer; nil when there was one.
	Err error

	transient bool          // the same call may succeed in a moment
	skewed    bool          // refused because of this host's clock
	skew      time.Duration // the service's clock minus this host's
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("cannot call " + e.Operation + ": ")
	switch {
	case e.HTTPStatus == 0:
		b.WriteString(e.Message)
	case e.Code != "":
		fmt.Fprintf(&b, "HTTP %d %s", e.HTTPStatus, e.Code)
		if e.Message != "" {
			b.WriteString(": " + e.Message)
		}
	default:
		fmt.Fprintf(&b, "HTTP %d: %s", e.HTTPStatus, e.Message)
	}
	if e.RequestID != "" {
		b.WriteString(" (request id " + e.RequestID + ")")
	}
	if hint := e.hint(); hint != "" {
		b.WriteString("; " + hint)
	}
	return b.String()
}

// Unwrap returns the cause when there was no answer, so that errors.Is finds a cancelled context.
func (e *Error) Unwrap() error { return e.Err }

// hint is what the operator can do about it.
func (e *Error) hint() string {
	switch {
	case e.skewed && e.skew.Abs() > skewThreshold:
		side := "behind"
		if e.skew < 0 {
			side = "ahead of"
		}
		return fmt.Sprintf("this host's clock is %v %s the service's: check its time synchronisation", e.skew.Abs().Round(time.Second), side)
	case e.Code == "UnknownOperationException":
		return "check that enable_auth_policy and the endpoint belong together"
	case strings.HasPrefix(e.Code, "AccessDenied"):
		return "check the permissions of the instance profile or user, and enable_auth_policy if a VPC endpoint has a policy"
	}
	return ""
}

// IsThrottle says whether the service refused the call because there were too many. Resending it later helps.
func IsThrottle(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.HTTPStatus == 0 {
		return false
	}
	if e.HTTPStatus == http.StatusTooManyRequests || e.Code == "TooManyRequests" {
		return true
	}
	if _, ok := retry.DefaultThrottleErrorCodes[e.Code]; ok {
		return true
	}
	return e.HTTPStatus >= 300 && strings.Contains(strings.ToLower(e.Message), "rate exceeded")
}

// IsRefusal says whether the service definitely refuses this request, whoever sends it and whenever: ClientException
// (an unknown or finished command, wrong diagnostics) and the validation errors. Missing permissions, credentials, the
// clock, a wrong endpoint and anything that something between us and the service may have answered are no refusals.
func IsRefusal(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.HTTPStatus < 400 || e.HTTPStatus > 499 {
		return false
	}
	if IsThrottle(e) || IsExpiredToken(e) || e.skewed {
		return false
	}
	switch e.Code {
	case "ClientException", "ValidationException", "ValidationError", "SerializationException", "BadRequestException",
		"MissingParameter", "DeploymentNotFoundException", "HostNotFoundException",
		"InvalidParameterException", "InvalidParameterValueException", "InvalidParameterValue", "InvalidRequestException":
		return true
	}
	return false
}

// IsExpiredToken says whether the service does not accept the credentials because they have expired or are not known
// to it. Fresh credentials help.
func IsExpiredToken(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "ExpiredToken", "ExpiredTokenException", "UnrecognizedClient", "UnrecognizedClientException",
		"InvalidClientTokenId", "InvalidClientTokenIdException":
		return true
	}
	return false
}

// IsClockSkew says whether the service refused the signature because of this host's clock, and how far the service's
// clock is ahead of it (negative: behind).
func IsClockSkew(err error) (skew time.Duration, ok bool) {
	var e *Error
	if !errors.As(err, &e) || !e.skewed {
		return 0, false
	}
	return e.skew, true
}

// Describe puts an error of a call into one line for operators: operation, HTTP status, code, message, request id.
func Describe(err error) string {
	switch {
	case err == nil:
		return ""
	case err == context.Canceled:
		return "cancelled"
	case err == context.DeadlineExceeded:
		return "timed out"
	}
	return oneLine(err.Error(), 2000)
}

// noAnswer is the error for a call that was not answered. timeout is that of one attempt.
func noAnswer(err error, timeout time.Duration) *Error {
	e := &Error{Err: err, transient: true}
	var certificate *tls.CertificateVerificationError
	var operation *net.OpError
	var named *net.DNSError
	var late net.Error
	switch {
	case errors.As(err, &certificate):
		// Trying again does not change the certificate.
		e.transient = false
		e.Message = "the server's certificate is not accepted: " + certificate.Err.Error()
	case errors.As(err, &named):
		e.Message = named.Error()
	case errors.As(err, &operation):
		e.Message = operation.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "the connection was closed before the answer was complete"
	case errors.As(err, &late) && late.Timeout():
		e.Message = fmt.Sprintf("no complete answer within %v", timeout)
	default:
		e.Message = withoutURL(err).Error()
	}
	e.Message = oneLine(e.Message, 500)
	return e
}

// cancelled is the error for a call that the caller gave up.
func cancelled(err error) *Error {
	return &Error{Err: err, Message: Describe(err)}
}

func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// oneLine makes one line of at most about limit bytes of foreign text: control characters become spaces, and what looks
// like a password or a token is left out.
func oneLine(s string, limit int) string {
	s = secrets.Redact(strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	return clip(s, limit)
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + " [...]"
}
