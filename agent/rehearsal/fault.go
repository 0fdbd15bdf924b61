package rehearsal

import (
	"sync"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The faults. Each stands for something agents meet in the field.
const (
	// InternalError answers 500, Unavailable 503.
	InternalError FaultKind = "error 500"
	Unavailable   FaultKind = "error 503"
	// TooManyRequests answers 429; Throttled answers as AWS JSON services throttle: 400 with ThrottlingException. For
	// S3 both are 503 SlowDown.
	TooManyRequests FaultKind = "error 429"
	Throttled       FaultKind = "throttled"
	// Refused answers 400 ClientException; for S3 403 AccessDenied.
	Refused FaultKind = "refused"
	// Expired answers 400 ExpiredTokenException (S3: ExpiredToken).
	Expired FaultKind = "expired token"
	// Delayed waits Fault.Delay, then carries on as usual.
	Delayed FaultKind = "delayed"
	// Dropped closes the connection without an answer; Reset does so with a TCP reset.
	Dropped FaultKind = "dropped"
	Reset   FaultKind = "reset"
	// Garbage answers 200 with bytes that are no JSON, HTML with a captive portal's page, Empty with nothing.
	Garbage FaultKind = "garbage"
	HTML    FaultKind = "html"
	Empty   FaultKind = "empty"
	// Truncated (S3 only) ends the body half-way. Stalled (S3 only) sends half of the body, and then nothing until the caller goes
	// away. WrongETag (S3 only) serves the object under another ETag.
	Truncated FaultKind = "truncated"
	Stalled   FaultKind = "stalled"
	WrongETag FaultKind = "wrong etag"
	// AnswerLost carries the request out and then closes the connection: the caller cannot know that it succeeded.
	AnswerLost FaultKind = "answer lost"
)

// Forever is the Times of a fault that does not wear off.
const Forever = -1

// Fault is something that is to go wrong.
type Fault struct {
	// Operation is the operation it befalls, for example "PutHostCommandComplete" or "GetObject". Empty means any
	// operation of the command service (and any request for Key, if that is set).
	Operation string
	// Key, when set, makes it a fault of S3 for this object's key.
	Key  string
	Kind FaultKind
	// Times is how often it happens; zero means once, Forever until ClearFaults.
	Times int
	// Delay is how long Delayed waits.
	Delay time.Duration
}

// faults is the list of what is to go wrong, in the order it was ordered.
type faults struct {
	mu   sync.Mutex
	list []*Fault
}

func (f *faults) add(fault Fault) {
	if fault.Times == 0 {
		fault.Times = 1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &fault)
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// take returns the fault that befalls this request, if any, and counts it.
func (f *faults) take(operation, key string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, x := range f.list {
		if !x.befalls(operation, key) {
			continue
		}
		if x.Times > 0 {
			if x.Times--; x.Times == 0 {
				f.list = append(f.list[:i:i], f.list[i+1:]...)
			}
		}
		return *x, true
	}
	return Fault{}, false
}

// befalls tells whether the fault is for this operation; key is empty for operations of the command service.
func (f *Fault) befalls(operation, key string) bool {
	switch {
	case f.Key != "":
		return f.Key == key && (f.Operation == "" || f.Operation == operation)
	case f.Operation == "":
		return key == ""
	default:
		return f.Operation == operation
	}
}
