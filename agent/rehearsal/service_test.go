package rehearsal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const testHost = "arn:aws:ec2:us-east-1:123456789012:instance/i-0000000000000001"

func newTestService(t *testing.T, options Options) *Service {
	t.Helper()
	s, err := NewService(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// caller is a tiny client of the command service, written from the protocol and not from the agent's client, so that
// the two can be wrong only independently.
type caller struct {
	url, prefix, signFor, accessKey, secret string
	client                                  *http.Client
	change                                  func(*http.Request)
}

func newCaller(t *testing.T, s *Service) *caller {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{url: s.URL(), prefix: "CodeDeployCommandService_v20141006", signFor: "codedeploy-commands",
		accessKey: "ASIATEST", secret: "secret", client: &http.Client{Transport: transport}}
}

// reply is an answer of the command service.
type reply struct {
	status int
	body   []byte
}

func (r reply) kind() string {
	var e struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(r.body, &e) != nil {
		return ""
	}
	return e.Type
}

func (r reply) field(path ...string) any {
	var v any
	if json.Unmarshal(r.body, &v) != nil {
		return nil
	}
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func (c *caller) call(ctx context.Context, operation string, in any) (reply, error) {
	body, ok := in.(string)
	if !ok {
		text, err := json.Marshal(in)
		if err != nil {
			return reply{}, err
		}
		body = string(text)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/", strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", c.prefix+"."+operation)
	r.Header.Set("X-Amz-Codedeploy-Agent-Version", "2.1.0")
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: c.accessKey, SecretAccessKey: c.secret, SessionToken: "token"},
		r, hex.EncodeToString(sum[:]), c.signFor, "us-east-1", time.Now())
	if err != nil {
		return reply{}, err
	}
	if c.change != nil {
		c.change(r)
	}
	response, err := c.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, text}, err
}

func (c *caller) must(t *testing.T, operation string, in any) reply {
	t.Helper()
	got, err := c.call(context.Background(), operation, in)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	if got.status != http.StatusOK {
		t.Fatalf("%s = %d %s, want 200", operation, got.status, got.body)
	}
	return got
}

func mustQueue(t *testing.T, s *Service, options CommandOptions) *Command {
	t.Helper()
	c, err := s.Queue(options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type fields = map[string]any

func jsonDiagnostics(payload string) fields { return fields{"Format": "JSON", "Payload": payload} }

func completion(id, status string, code int, log string) fields {
	return fields{"HostCommandIdentifier": id, "CommandStatus": status, "Diagnostics": jsonDiagnostics(
		fmt.Sprintf(`{"error_code":%d,"script_name":"s.sh","message":"m","log":%q}`, code, log))}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{TLS: true, Hold: time.Millisecond})
	path, err := s.CAFile(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, s.TLSCAPEM()) {
		t.Errorf("CAFile() wrote %q, want TLSCAPEM() %q", text, s.TLSCAPEM())
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	c := newCaller(t, s)
	c.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	c.must(t, "PollHostCommand", fields{"HostIdentifier": testHost})

	stranger := newCaller(t, s)
	if got, err := stranger.call(context.Background(), "PollHostCommand", fields{"HostIdentifier": testHost}); err == nil {
		t.Errorf("a client without the CA got %d, want an error", got.status)
	}
}

func TestCAFileWithoutTLS(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	if path, err := s.CAFile(t.TempDir()); err == nil {
		t.Errorf("CAFile() = %q, want an error", path)
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{Hold: time.Hour})
	command := mustQueue(t, s, CommandOptions{Name: "Install", Host: "another host"})
	polled := make(chan reply, 1)
	c := newCaller(t, s)
	go func() {
		got, _ := c.call(context.Background(), "PollHostCommand", fields{"HostIdentifier": testHost})
		polled <- got
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.WaitFor(ctx, func(r []Request) bool { return len(r) == 1 }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if got := <-polled; got.status != http.StatusServiceUnavailable {
		t.Errorf("the held poll got %d, want 503", got.status)
	}
	if result, err := command.Wait(ctx); err != nil || result.Status != "Failed" {
		t.Errorf("Wait() = %+v, %v, want Failed", result, err)
	}
	if _, err := s.Queue(CommandOptions{Name: "Install", Host: testHost}); err == nil {
		t.Error("Queue() after Close() = nil error, want one")
	}
}
