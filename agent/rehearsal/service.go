package rehearsal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
)

// The AWS user guide's limits: the next event must start within five minutes, and an event may take an hour.
const (
	startLimit = 5 * time.Minute
	eventLimit = time.Hour
)

// Options say what a Service is like. The zero value is usable.
type Options struct {
	// Hold is how long a poll that finds nothing is held before it is answered; zero means 2 s. A command that is
	// queued meanwhile is delivered at once.
	Hold time.Duration
	// TLS serves HTTPS with a certificate of the service's own authority, see Service.CAFile.
	TLS bool
	// Region and Account appear in the ARNs; empty means us-east-1 and 123456789012, the account of AWS's examples.
	Region, Account string
	// StartLimit is how long a command may wait for an agent to acknowledge it; zero means the service's 5 minutes.
	// EventLimit is how long it may then take; zero means the service's 3600 seconds.
	StartLimit, EventLimit time.Duration
	// Redeliver is how long a command that was delivered may stay unacknowledged before a poll gets it again, as after
	// an answer that was lost; zero means 10 s.
	Redeliver time.Duration
	// EndNoops makes the service end a command when its acknowledgement says that there is nothing to do, and answer
	// that acknowledgement with Succeeded; the agent then does not complete it. The default is to let it be completed.
	EndNoops bool
	// Credentials, when set, maps access keys to secrets; requests to the command service must be signed with one of
	// them. When nil any signature is taken as long as the request has one.
	Credentials map[string]string
	// Log is told of every request at debug level; nil means none.
	Log *zap.Logger
	// Clock tells the time for records and limits; nil means the real one. Limits and holds count its seconds.
	Clock Clock
}

// Clock is the time a Service lives by.
type Clock interface {
	Now() time.Time
	// After sends the time on its channel once d has passed, as time.After does.
	After(d time.Duration) <-chan time.Time
}

type realClock struct{}

func (realClock) Now() time.Time                         { return time.Now() }
func (realClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Service is the embedded service. Its methods may be called from any goroutine.
type Service struct {
	options Options
	log     *zap.Logger
	clock   Clock
	signer  *identity // deployment specifications
	foreign *identity // the same, of an authority nobody trusts
	tlsRoot *identity // nil without TLS
	server  *http.Server
	url     string
	closing chan struct{}
	served  chan struct{}
	stop    sync.Once
	closed  error

	faults  faults
	record  record
	objects objects
	queue   queue
}

// NewService starts a service on a free port of the loopback interface.
func NewService(options Options) (*Service, error) {
	options = options.withDefaults()
	s := &Service{options: options, log: options.Log, clock: options.Clock,
		closing: make(chan struct{}), served: make(chan struct{})}
	s.queue.init()
	s.objects.init()
	s.record.changed = make(chan struct{})
	if err := s.makeIdentities(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen on loopback: %w", err)
	}
	s.url = "http://" + listener.Addr().String()
	if s.tlsRoot != nil {
		certificate, err := s.tlsRoot.issueServer(time.Now())
		if err != nil {
			return nil, errors.Join(err, listener.Close())
		}
		s.url = "https://" + listener.Addr().String()
		listener = tls.NewListener(listener, &tls.Config{MinVersion: tls.VersionTLS12,
			Certificates: []tls.Certificate{certificate.tlsCertificate()}})
	}
	quiet, err := zap.NewStdLogAt(s.log.Named("http"), zap.DebugLevel)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make the server's log: %w", err), listener.Close())
	}
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 30 * time.Second, ErrorLog: quiet}
	go func() {
		defer close(s.served)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the embedded service stopped", zap.Error(err))
		}
	}()
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Hold == 0 {
		o.Hold = 2 * time.Second
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "123456789012"
	}
	if o.StartLimit == 0 {
		o.StartLimit = startLimit
	}
	if o.EventLimit == 0 {
		o.EventLimit = eventLimit
	}
	if o.Redeliver == 0 {
		o.Redeliver = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	return o
}

// makeIdentities makes the authorities. Certificates are dated by the real clock, whatever Options.Clock says, because
// the agents that check them live by it.
func (s *Service) makeIdentities() error {
	now := time.Now()
	chain := func(authority string) (*identity, error) {
		root, err := newRoot(authority+" root", now)
		if err != nil {
			return nil, err
		}
		intermediate, err := root.issueAuthority(authority+" intermediate", now)
		if err != nil {
			return nil, err
		}
		return intermediate.issueSigner("codedeploy-signer-"+s.options.Region+".amazonaws.com", now)
	}
	var err error
	if s.signer, err = chain("Rehearsal signing"); err != nil {
		return err
	}
	if s.foreign, err = chain("Somebody else's signing"); err != nil {
		return err
	}
	if s.options.TLS {
		s.tlsRoot, err = newRoot("Rehearsal TLS root", now)
	}
	return err
}

// URL is the service's address, for deploy_control_endpoint and s3_endpoint_override alike.
func (s *Service) URL() string { return s.url }

// SignerCAPEM is what the agent's deployment_signer_ca_file must hold for it to trust this service's specifications.
func (s *Service) SignerCAPEM() []byte {
	parents := s.signer.parents
	root := identity{certificate: parents[len(parents)-1]}
	return root.pem()
}

// TLSCAPEM is the root certificate of the TLS listener; nil without Options.TLS.
func (s *Service) TLSCAPEM() []byte {
	if s.tlsRoot == nil {
		return nil
	}
	return s.tlsRoot.pem()
}

// CAFile writes the root certificate of the TLS listener into a file in dir and returns its path, for SSL_CERT_FILE or
// AWS_CA_BUNDLE of an agent. It is an error without Options.TLS.
func (s *Service) CAFile(dir string) (string, error) {
	if s.tlsRoot == nil {
		return "", errors.New("cannot write a CA file: the embedded service does not use TLS")
	}
	path := filepath.Join(dir, "rehearsal-tls-ca.pem")
	if err := os.WriteFile(path, s.tlsRoot.pem(), 0o644); err != nil {
		return "", fmt.Errorf("cannot write the CA file: %w", err)
	}
	return path, nil
}

// Inject orders a fault. Faults of the same operation happen in the order in which they were ordered.
func (s *Service) Inject(fault Fault) { s.faults.add(fault) }

// ClearFaults calls off every fault that has not happened yet.
func (s *Service) ClearFaults() { s.faults.clear() }

// Close stops the service: held polls are answered, other requests get a second to end. Commands that are still
// under way are ended as failed.
func (s *Service) Close() error {
	s.stop.Do(func() {
		close(s.closing)
		s.queue.abandon(s.clock.Now())
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.server.Shutdown(ctx); err != nil {
			// Connections that agents keep open and slow downloads must not keep a rehearsal from ending.
			if err := s.server.Close(); err != nil {
				s.closed = fmt.Errorf("cannot close the embedded service: %w", err)
			}
		}
		<-s.served
	})
	return s.closed
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		s.serveCommand(w, r)
		return
	}
	s.serveObject(w, r)
}
