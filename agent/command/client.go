package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"
)

// The operations of the service model.
const (
	opPoll          = "PollHostCommand"
	opSpecification = "GetDeploymentSpecification"
	opAcknowledge   = "PutHostCommandAcknowledgement"
	opUpdate        = "PostHostCommandUpdate"
	opComplete      = "PutHostCommandComplete"
)

// DefaultReadTimeout is how long one attempt of a call may take (http_read_timeout, official agents).
const DefaultReadTimeout = 80 * time.Second

// Options configure a Client.
type Options struct {
	// Endpoint is the full URL of the service, used as it is; see the function Endpoint.
	Endpoint string
	// Region is the signing region.
	Region string
	// AuthPolicy is the setting enable_auth_policy: another target prefix and signing name. Service and host must agree:
	// the wrong pair is answered with UnknownOperationException.
	AuthPolicy bool
	// Credentials sign the calls. A provider that has no method Invalidate is put into an aws.CredentialsCache.
	Credentials aws.CredentialsProvider
	// Transport does proxies, TLS roots and connections. nil is http.DefaultTransport.
	Transport http.RoundTripper
	// ReadTimeout limits one attempt of a call from connecting to the end of the answer. 0 is DefaultReadTimeout.
	ReadTimeout time.Duration
	// UserAgent names the program, for example "codedeploy-agent/0.1.0 (linux; amd64)". Empty is "codedeploy-agent".
	UserAgent string
	// Gate is shared by all clients of the process. nil is one of the client's own.
	Gate *Gate
	// Log gets a debug line for each call. nil discards them.
	Log *zap.Logger
}

// Client calls the command service. It is safe for concurrent use.
type Client struct {
	endpoint     *url.URL
	region       string
	targetPrefix string
	signingName  string
	userAgent    string
	credentials  invalidator
	http         *http.Client
	signer       *v4.Signer
	gate         *Gate
	clock        clock
	log          *zap.Logger
	backoff      func(n int) time.Duration
}

// invalidator is a credentials provider that can be told that the service no longer accepts what it gave.
type invalidator interface {
	aws.CredentialsProvider
	Invalidate()
}

// NewClient checks the options. It does not connect.
func NewClient(o Options) (*Client, error) {
	endpoint, err := parseEndpoint(o.Endpoint)
	var problems []error
	if err != nil {
		problems = append(problems, err)
	}
	if o.Region == "" {
		problems = append(problems, errors.New("the region is missing"))
	}
	if o.Credentials == nil {
		problems = append(problems, errors.New("there are no credentials"))
	}
	if o.ReadTimeout < 0 {
		problems = append(problems, fmt.Errorf("the read timeout is negative (%v)", o.ReadTimeout))
	}
	if strings.ContainsFunc(o.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		problems = append(problems, fmt.Errorf("the user agent %q is not plain ASCII", o.UserAgent))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("cannot set up the client of the command service: %w", errors.Join(problems...))
	}
	c := &Client{
		endpoint:     endpoint,
		region:       o.Region,
		targetPrefix: "CodeDeployCommandService_v20141006",
		signingName:  "codedeploy-commands",
		userAgent:    o.UserAgent,
		http: &http.Client{
			Transport: o.Transport,
			Timeout:   o.ReadTimeout,
			// A signed request must not go to another host, whatever the answer says.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		signer:  v4.NewSigner(),
		gate:    o.Gate,
		log:     o.Log,
		backoff: backoff,
	}
	if o.AuthPolicy {
		c.targetPrefix, c.signingName = "CodeDeployCommandService", "codedeploy-commands-secure"
	}
	if c.userAgent == "" {
		c.userAgent = "codedeploy-agent"
	}
	if c.http.Timeout == 0 {
		c.http.Timeout = DefaultReadTimeout
	}
	if c.gate == nil {
		c.gate = NewGate()
	}
	if c.log == nil {
		c.log = zap.NewNop()
	}
	c.clock.log = c.log
	if i, ok := o.Credentials.(invalidator); ok {
		c.credentials = i
	} else {
		c.credentials = aws.NewCredentialsCache(o.Credentials)
	}
	return c, nil
}

func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// The parser's error repeats the URL, and with it a password.
		return nil, errors.New("the endpoint is not a URL")
	case u.User != nil:
		return nil, fmt.Errorf("the endpoint %s must not carry a user or password", u.Redacted())
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the endpoint %q must begin with https:// or http://", s)
	case u.Hostname() == "":
		return nil, fmt.Errorf("the endpoint %q names no host", s)
	case smithyhttp.ValidateEndpointHost(u.Host) != nil:
		return nil, fmt.Errorf("the endpoint %q has no valid host name", s)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the endpoint %q must not have a query or fragment", s)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

type pollInput struct{ HostIdentifier string }

type pollOutput struct {
	HostCommand *struct {
		HostCommandIdentifier, HostIdentifier, DeploymentExecutionId, CommandName string
		Nonce                                                                     int64
	}
}

// Poll asks for the next command of this host; nil when there is none. The service may hold the call for a while. A poll
// that fails is not repeated here, but for stale credentials and a wrong clock.
func (c *Client) Poll(ctx context.Context, hostIdentifier string) (*HostCommand, error) {
	if err := required(opPoll, "host identifier", hostIdentifier); err != nil {
		return nil, err
	}
	out, err := call[pollOutput](ctx, c, opPoll, pollInput{hostIdentifier})
	if err != nil || out.HostCommand == nil {
		return nil, err
	}
	h := out.HostCommand
	if h.HostCommandIdentifier == "" {
		return nil, fmt.Errorf("cannot use the answer to %s: its command %q has no HostCommandIdentifier", opPoll, clip(h.CommandName, 100))
	}
	return &HostCommand{ID: h.HostCommandIdentifier, HostIdentifier: h.HostIdentifier,
		ExecutionID: h.DeploymentExecutionId, Name: h.CommandName, Nonce: h.Nonce}, nil
}

type specificationInput struct{ DeploymentExecutionId, HostIdentifier string }

type specificationOutput struct {
	DeploymentSystem        string
	DeploymentSpecification *struct{ GenericEnvelope *Envelope }
}

// Specification fetches the deployment specification of a command. It is not verified yet.
func (c *Client) Specification(ctx context.Context, executionID, hostIdentifier string) (*SpecificationAnswer, error) {
	if err := required(opSpecification, "deployment execution id", executionID, "host identifier", hostIdentifier); err != nil {
		return nil, err
	}
	out, err := call[specificationOutput](ctx, c, opSpecification, specificationInput{executionID, hostIdentifier})
	if err != nil {
		return nil, err
	}
	a := &SpecificationAnswer{System: out.DeploymentSystem}
	if s := out.DeploymentSpecification; s != nil {
		a.Envelope = s.GenericEnvelope
	}
	return a, nil
}

type statusOutput struct{ CommandStatus string }

type acknowledgeInput struct {
	HostCommandIdentifier string
	Diagnostics           Envelope
}

// Acknowledge tells the service that the command was received. noop says that the AppSpec has nothing to do for it. The
// status is what the command's status is centrally, empty when the service did not say (then the command is to be run,
// service model).
func (c *Client) Acknowledge(ctx context.Context, commandID string, noop bool) (status string, err error) {
	if err := required(opAcknowledge, "command id", commandID); err != nil {
		return "", err
	}
	payload := fmt.Sprintf(`{"IsCommandNoop":%t}`, noop)
	out, err := call[statusOutput](ctx, c, opAcknowledge, acknowledgeInput{commandID, Envelope{"JSON", payload}})
	if err != nil {
		return "", err
	}
	return out.CommandStatus, nil
}

type updateInput struct {
	HostCommandIdentifier   string
	EstimatedCompletionTime *int64 `json:",omitempty"` // AWS JSON 1.1 writes times as seconds since 1970
	Diagnostics             Envelope
}

// Update reports the progress of a command that runs. estimated is when it may end, the zero time when that is not
// known. The status is as for Acknowledge: Succeeded or Failed mean that the service no longer waits for the command.
func (c *Client) Update(ctx context.Context, commandID string, d Diagnostics, estimated time.Time) (status string, err error) {
	if err := required(opUpdate, "command id", commandID); err != nil {
		return "", err
	}
	in := updateInput{HostCommandIdentifier: commandID, Diagnostics: d.envelope()}
	if !estimated.IsZero() {
		s := estimated.Unix()
		in.EstimatedCompletionTime = &s
	}
	out, err := call[statusOutput](ctx, c, opUpdate, in)
	if err != nil {
		return "", err
	}
	return out.CommandStatus, nil
}

type completeInput struct {
	HostCommandIdentifier, CommandStatus string
	Diagnostics                          Envelope
}

// Complete reports how a command ended; status is StatusSucceeded or StatusFailed. The service keeps the first report of
// a command, so repeating it does no harm.
func (c *Client) Complete(ctx context.Context, commandID, status string, d Diagnostics) error {
	if err := required(opComplete, "command id", commandID); err != nil {
		return err
	}
	if status != StatusSucceeded && status != StatusFailed {
		return fmt.Errorf("cannot call %s: a command ends as %s or %s, not as %q", opComplete, StatusSucceeded, StatusFailed, status)
	}
	_, err := call[struct{}](ctx, c, opComplete, completeInput{commandID, status, d.envelope()})
	return err
}

// required takes names and values in turn.
func required(operation string, namesAndValues ...string) error {
	var missing []string
	for i := 0; i < len(namesAndValues); i += 2 {
		if namesAndValues[i+1] == "" {
			missing = append(missing, namesAndValues[i])
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("cannot call %s: there is no %s", operation, strings.Join(missing, " and no "))
}
