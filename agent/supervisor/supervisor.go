// Package supervisor tells the service manager that started the agent how it is: for what it waits, that it is ready, that it is alive, that it
// stops. The service manager is systemd (Type=notify); where there is none, nobody is told.
package supervisor

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"codedeploy-agent/appspec/plaintext"
)

const (
	// lookEvery is how often an agent without a watchdog looks whether its time to start or to stop has to be extended.
	lookEvery = 30 * time.Second
	// extension is what the time to start or to stop is extended by with each look. It has to be well above lookEvery.
	extension = 2 * time.Minute
	// maxStatus bounds the status line; systemctl shows one line.
	maxStatus = 400
)

// Supervisor is the service manager. Its methods may be called from any goroutine, and a nil Supervisor does nothing.
type Supervisor struct {
	log    *zap.Logger
	redact func(string) string
	send   func(string) error
	every  time.Duration // between two signs of life
	now    func() time.Time
	ended  chan struct{}

	mu       sync.Mutex
	status   string
	ready    bool
	stopping bool
	deadline time.Time // until when whoever called Expect last may take; the zero time is for ever
	told     bool      // that the deadline has passed
	closed   bool
}

// New returns the service manager that the environment names, nil if it names none. redact, which may be nil, leaves out of a status what
// nobody must be told. The supervisor gives signs of life until Close.
func New(log *zap.Logger, redact func(string) string) *Supervisor {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	every := lookEvery
	if watchdog, err := daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn("cannot use the service manager's watchdog", zap.Error(err))
	} else if watchdog > 0 {
		every = min(watchdog/3, lookEvery)
	}
	s := newSupervisor(log, redact, every, time.Now, func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	})
	go s.live()
	return s
}

func newSupervisor(log *zap.Logger, redact func(string) string, every time.Duration, now func() time.Time, send func(string) error) *Supervisor {
	if redact == nil {
		redact = func(s string) string { return s }
	}
	return &Supervisor{log: log, redact: redact, send: send, every: every, now: now, ended: make(chan struct{})}
}

// Status says in a line what the agent does or for what it waits.
func (s *Supervisor) Status(format string, args ...any) {
	if s == nil {
		return
	}
	line := s.redact(plaintext.Line(fmt.Sprintf(format, args...)))
	if len(line) > maxStatus {
		line = strings.ToValidUTF8(line[:maxStatus], "") + "…"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if line != s.status && !s.closed {
		s.status = line
		s.tell("STATUS=" + line)
	}
}

// Ready says that the agent does its work. Only the first call says it.
func (s *Supervisor) Ready() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready && !s.stopping && !s.closed {
		s.ready = true
		s.tell(daemon.SdNotifyReady)
	}
}

// Expect says that the caller will be heard of again within d, by another call of Expect. If it is not, the agent is taken for hung: it gives
// no sign of life any more and the service manager restarts it. d zero or less is for ever.
func (s *Supervisor) Expect(d time.Duration) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline, s.told = time.Time{}, false
	if d > 0 {
		s.deadline = s.now().Add(d)
	}
}

// Stopping says that the agent stops and will have done so within limit.
func (s *Supervisor) Stopping(limit time.Duration) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.stopping = true
	if !s.closed {
		s.tell(daemon.SdNotifyStopping)
	}
	s.mu.Unlock()
	s.Expect(limit + extension)
	s.look()
}

// Close ends the signs of life.
func (s *Supervisor) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.ended)
	}
}

// live gives signs of life until Close.
func (s *Supervisor) live() {
	t := time.NewTicker(s.every)
	defer t.Stop()
	for {
		s.look()
		select {
		case <-t.C:
		case <-s.ended:
			return
		}
	}
}

// look gives a sign of life unless the agent hangs. While the service starts or stops there is no watchdog; then the time that it may take is
// extended instead.
func (s *Supervisor) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case !s.deadline.IsZero() && s.now().After(s.deadline):
		if !s.told {
			s.told = true
			s.log.Error("the agent has not been heard of for too long and is taken for hung; the service manager will restart it",
				zap.Time("expected_until", s.deadline))
		}
	case s.ready && !s.stopping:
		s.tell(daemon.SdNotifyWatchdog)
	default:
		s.tell(daemon.SdNotifyWatchdog + "\n" + fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", (extension+s.every).Microseconds()))
	}
}

// tell sends a state. The caller holds the lock, so that states arrive in their order.
func (s *Supervisor) tell(state string) {
	if err := s.send(state); err != nil {
		s.log.Debug("cannot tell the service manager", zap.String("state", state), zap.Error(err))
	}
}
