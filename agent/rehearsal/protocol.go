package rehearsal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// The target prefixes of the command service: the usual one, and that of hosts with enable_auth_policy, each with the
// name requests must be signed for (official agent 2.x).
var signingNames = map[string]string{
	"CodeDeployCommandService_v20141006": "codedeploy-commands",
	"CodeDeployCommandService":           "codedeploy-commands-secure",
}

// The operations of the command service.
const (
	opPoll     = "PollHostCommand"
	opSpec     = "GetDeploymentSpecification"
	opAck      = "PutHostCommandAcknowledgement"
	opUpdate   = "PostHostCommandUpdate"
	opComplete = "PutHostCommandComplete"
)

// Limits of the service's model (vendored with the official agent 1.8).
const (
	payloadLimit = 8192
	formatLimit  = 64
	bodyLimit    = 1 << 20
	contentType  = "application/x-amz-json-1.1"
)

// refusal is an error answer.
type refusal struct {
	status  int
	kind    string
	message string
}

func (r *refusal) Error() string { return r.kind + ": " + r.message }

func refuse(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "ClientException", fmt.Sprintf(format, args...)}
}

// diagnostics is what an agent says about a command.
type diagnostics struct{ Format, Payload string }

// commandRequest is the union of what the operations are asked with.
type commandRequest struct {
	HostIdentifier, HostCommandIdentifier, DeploymentExecutionId, CommandStatus string
	Diagnostics                                                                 *diagnostics
	EstimatedCompletionTime                                                     any
}

func (s *Service) serveCommand(w http.ResponseWriter, r *http.Request) {
	prefix, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	entry := describe(r, operation, s.clock.Now())
	raw, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit+1))
	if json.Valid(raw) {
		entry.Body = raw
	}
	fault, faulty := s.faults.take(operation, "")
	entry.Fault = fault.Kind
	number := s.record.begin(entry)
	finish := func(status int, problem string) {
		s.log.Debug("command request", zap.String("operation", operation), zap.Int("status", status),
			zap.String("fault", string(fault.Kind)), zap.String("problem", problem))
		s.record.end(number, s.clock.Now(), func(e *Request) { e.Status, e.Problem = status, problem })
	}
	if err != nil {
		finish(0, "the body could not be read")
		panic(http.ErrAbortHandler)
	}
	if faulty && fault.Kind != AnswerLost && fault.Kind != Delayed {
		s.fail(w, fault.Kind, func(status int) { finish(status, "") })
		return
	}
	if fault.Kind == Delayed && !s.pause(r, fault.Delay) {
		finish(0, "the caller went away")
		return
	}
	answer, err := s.command(r, prefix, operation, raw)
	if errors.Is(err, errCallerGone) {
		finish(0, err.Error())
		return
	}
	if fault.Kind == AnswerLost {
		finish(0, "")
		panic(http.ErrAbortHandler)
	}
	var no *refusal
	if errors.As(err, &no) {
		finish(no.status, no.Error())
		s.answer(w, no.status, map[string]string{"__type": no.kind, "message": no.message})
		return
	}
	// Recorded before it is sent: whoever sees the answer finds the record complete.
	finish(http.StatusOK, "")
	s.answer(w, http.StatusOK, answer)
}

// pause waits d; it returns false if the caller went away or the service closes first.
func (s *Service) pause(r *http.Request, d time.Duration) bool {
	select {
	case <-s.clock.After(d):
		return true
	case <-r.Context().Done():
	case <-s.closing:
	}
	return false
}

// fail lets a fault happen to a request of the command service.
func (s *Service) fail(w http.ResponseWriter, kind FaultKind, finish func(status int)) {
	say := func(status int, kind, message string) {
		finish(status)
		s.answer(w, status, map[string]string{"__type": kind, "message": message})
	}
	switch kind {
	case InternalError:
		say(http.StatusInternalServerError, "ServerException", "an ordered fault")
	case Unavailable:
		say(http.StatusServiceUnavailable, "ServiceUnavailableException", "an ordered fault")
	case TooManyRequests:
		say(http.StatusTooManyRequests, "ThrottlingException", "Rate exceeded")
	case Throttled:
		say(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	case Refused:
		say(http.StatusBadRequest, "ClientException", "an ordered fault")
	case Expired:
		say(http.StatusBadRequest, "ExpiredTokenException", "The security token included in the request is expired")
	default:
		s.failRaw(w, kind, finish)
	}
}

// failRaw lets those faults happen that have no error answer; they are the same for both protocols.
func (s *Service) failRaw(w http.ResponseWriter, kind FaultKind, finish func(status int)) {
	body := func(kind, text string) {
		finish(http.StatusOK)
		w.Header().Set("Content-Type", kind)
		s.write(w, []byte(text))
	}
	switch kind {
	case Garbage:
		body(contentType, "\x00\xffno JSON at all{{{")
	case HTML:
		body("text/html", "<html><head><title>Sign in</title></head><body>Sign in to use this network.</body></html>")
	case Empty:
		body(contentType, "")
	case Reset:
		finish(0)
		resetConnection(w)
	default:
		finish(0)
	}
	if kind != Garbage && kind != HTML && kind != Empty {
		panic(http.ErrAbortHandler)
	}
}

// resetConnection makes the close of the request's connection a TCP reset.
func resetConnection(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the caller's panic still closes it
	}
	under := connection
	if wrapped, ok := connection.(interface{ NetConn() net.Conn }); ok {
		under = wrapped.NetConn()
	}
	if tcp, ok := under.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = under.Close()
}

func (s *Service) answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		s.log.Error("cannot encode an answer", zap.Error(err))
		status, text = http.StatusInternalServerError, []byte(`{"__type":"ServerException"}`)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", randomHex(16))
	w.WriteHeader(status)
	s.write(w, text)
}

func (s *Service) write(w io.Writer, text []byte) {
	if _, err := w.Write(text); err != nil {
		s.log.Debug("cannot send an answer", zap.Error(err))
	}
}

// errCallerGone tells that nobody waits for the answer any more.
var errCallerGone = errors.New("the caller went away")

// command checks a request and carries it out.
func (s *Service) command(r *http.Request, prefix, operation string, raw []byte) (any, error) {
	name, known := signingNames[prefix]
	if !known || !slices.Contains([]string{opPoll, opSpec, opAck, opUpdate, opComplete}, operation) {
		return nil, &refusal{http.StatusBadRequest, "UnknownOperationException",
			fmt.Sprintf("unknown target %q", r.Header.Get("X-Amz-Target"))}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != contentType {
		return nil, refuse("content type %q is not %s", r.Header.Get("Content-Type"), contentType)
	}
	if err := s.checkSignature(r, name, raw); err != nil {
		return nil, err
	}
	if len(raw) > bodyLimit {
		return nil, refuse("the request is larger than %d bytes", bodyLimit)
	}
	var in commandRequest
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, &refusal{http.StatusBadRequest, "SerializationException", err.Error()}
	}
	switch operation {
	case opPoll:
		return s.poll(r, in)
	case opSpec:
		return s.specification(in)
	case opAck:
		return s.acknowledge(in)
	case opUpdate:
		return s.update(in)
	default:
		return s.complete(in)
	}
}
