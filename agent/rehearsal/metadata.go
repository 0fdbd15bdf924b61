package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MetadataOptions say which instance a Metadata server belongs to. Only InstanceID has no default.
type MetadataOptions struct {
	// InstanceID is for example "i-0123456789abcdef0".
	InstanceID string
	// Region, Account, Partition and Domain default to us-east-1, 123456789012, aws and amazonaws.com.
	Region, Account, Partition, Domain string
	// Role is the instance profile's role; empty means "rehearsal", "none" that the instance has no profile.
	Role string
	// V1 also answers requests without a token, as instances do whose metadata option HttpTokens is "optional".
	V1 bool
	// Life is how long the credentials it hands out are valid; zero means 6 hours.
	Life time.Duration
	// Clock dates tokens and credentials; nil means the real one.
	Clock Clock
}

// Metadata is the instance metadata service of one instance. Its methods may be called from any goroutine.
type Metadata struct {
	options    MetadataOptions
	accessKey  string
	secret     string
	session    string
	server     *http.Server
	url        string
	served     chan struct{}
	serveError error

	mu       sync.Mutex
	tokens   map[string]time.Time // until when they are good
	requests []MetadataRequest
	broken   int // requests still to be answered with 503; Forever for all
}

// MetadataRequest is one request a Metadata server received.
type MetadataRequest struct {
	Method, Path string
	// Token tells whether it had a token, good or not.
	Token  bool
	Status int
}

// The longest life of a metadata token (AWS user guide).
const tokenLife = 6 * time.Hour

// NewMetadata starts the metadata service of one instance on a free port of the loopback interface. The agent finds
// it through the environment variable AWS_EC2_METADATA_SERVICE_ENDPOINT.
func NewMetadata(options MetadataOptions) (*Metadata, error) {
	if options.InstanceID == "" {
		return nil, errors.New("cannot start a metadata service: it needs an instance id")
	}
	options = options.withDefaults()
	// Keys look like an instance profile's (they begin with ASIA) and are worth nothing.
	m := &Metadata{options: options, tokens: map[string]time.Time{}, served: make(chan struct{}),
		accessKey: "ASIA" + strings.ToUpper(randomHex(8)), secret: randomHex(20), session: randomHex(32)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen on loopback: %w", err)
	}
	m.url = "http://" + listener.Addr().String()
	m.server = &http.Server{Handler: http.HandlerFunc(m.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(m.served)
		if err := m.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.serveError = err
		}
	}()
	return m, nil
}

func (o MetadataOptions) withDefaults() MetadataOptions {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&o.Region, "us-east-1")
	set(&o.Account, "123456789012")
	set(&o.Partition, "aws")
	set(&o.Domain, "amazonaws.com")
	set(&o.Role, "rehearsal")
	if o.Life == 0 {
		o.Life = tokenLife
	}
	if o.Clock == nil {
		o.Clock = realClock{}
	}
	return o
}

// URL is the service's address.
func (m *Metadata) URL() string { return m.url }

// HostIdentifier is how the instance calls itself at the command service: its ARN.
func (m *Metadata) HostIdentifier() string {
	o := m.options
	return fmt.Sprintf("arn:%s:ec2:%s:%s:instance/%s", o.Partition, o.Region, o.Account, o.InstanceID)
}

// Credentials are the access key and the secret it hands out, for Options.Credentials of a Service.
func (m *Metadata) Credentials() (accessKey, secret string) { return m.accessKey, m.secret }

// Requests returns what was received so far.
func (m *Metadata) Requests() []MetadataRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

// Break makes it answer the next n requests with 503; Forever for all until Break(0).
func (m *Metadata) Break(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = n
}

// Close stops the service.
func (m *Metadata) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if m.server.Shutdown(ctx) != nil {
		if err := m.server.Close(); err != nil {
			return fmt.Errorf("cannot close the metadata service: %w", err)
		}
	}
	<-m.served
	return m.serveError
}

func (m *Metadata) serve(w http.ResponseWriter, r *http.Request) {
	status, text, ttl := m.respond(r)
	m.mu.Lock()
	m.requests = append(m.requests, MetadataRequest{r.Method, r.URL.Path, r.Header.Get(tokenHeader) != "", status})
	m.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "EC2ws")
	if ttl != "" {
		w.Header().Set(ttlHeader, ttl)
	}
	w.WriteHeader(status)
	if text != "" && r.Method != http.MethodHead {
		// An error means that the caller is gone; there is nobody to tell.
		_, _ = w.Write([]byte(text))
	}
}

const (
	tokenHeader = "X-Aws-Ec2-Metadata-Token"
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// respond returns status and text, and the life of a token that was made.
func (m *Metadata) respond(r *http.Request) (status int, text, ttl string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.options.Clock.Now()
	if m.broken != 0 {
		if m.broken > 0 {
			m.broken--
		}
		return http.StatusServiceUnavailable, "", ""
	}
	switch r.Method {
	case http.MethodPut:
		ttl := r.Header.Get(ttlHeader)
		seconds, err := strconv.Atoi(ttl)
		life := time.Duration(seconds) * time.Second
		switch {
		case r.URL.Path != "/latest/api/token":
			return http.StatusNotFound, "", ""
		case err != nil || life < time.Second || life > tokenLife:
			return http.StatusBadRequest, "", ""
		case r.Header.Get("X-Forwarded-For") != "":
			// The real one refuses what came through a proxy.
			return http.StatusForbidden, "", ""
		}
		token := randomHex(28)
		m.tokens[token] = now.Add(life)
		return http.StatusOK, token, ttl
	case http.MethodGet, http.MethodHead:
		if token := r.Header.Get(tokenHeader); token != "" || !m.options.V1 {
			if !now.Before(m.tokens[token]) {
				return http.StatusUnauthorized, "", ""
			}
		}
		text, found := m.lookUp(r.URL.Path, now)
		if !found {
			return http.StatusNotFound, "", ""
		}
		return http.StatusOK, text, ""
	default:
		return http.StatusMethodNotAllowed, "", ""
	}
}

func (m *Metadata) lookUp(path string, now time.Time) (text string, found bool) {
	o := m.options
	const credentials = "/latest/meta-data/iam/security-credentials"
	if strings.HasPrefix(path, credentials) && o.Role == "none" {
		return "", false
	}
	switch strings.TrimSuffix(path, "/") {
	case "/latest/meta-data":
		return "iam/\ninstance-id\nplacement/\nservices/", true
	case "/latest/meta-data/instance-id":
		return o.InstanceID, true
	case "/latest/meta-data/services/partition":
		return o.Partition, true
	case "/latest/meta-data/services/domain":
		return o.Domain, true
	case "/latest/meta-data/placement/region":
		return o.Region, true
	case "/latest/meta-data/placement/availability-zone":
		return o.Region + "a", true
	case "/latest/dynamic/instance-identity/document":
		return document(map[string]string{
			"accountId": o.Account, "architecture": "x86_64", "availabilityZone": o.Region + "a",
			"instanceId": o.InstanceID, "instanceType": "t3.micro", "region": o.Region, "version": "2017-09-30",
		}), true
	case credentials:
		return o.Role, true
	case credentials + "/" + o.Role:
		return document(map[string]string{
			"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": m.accessKey, "SecretAccessKey": m.secret,
			"Token": m.session, "LastUpdated": now.UTC().Format(time.RFC3339),
			"Expiration": now.Add(o.Life).UTC().Format(time.RFC3339),
		}), true
	}
	return "", false
}

// document is fields as JSON. A map of strings can always be encoded.
func document(fields map[string]string) string {
	text, _ := json.MarshalIndent(fields, "", "  ")
	return string(text)
}
