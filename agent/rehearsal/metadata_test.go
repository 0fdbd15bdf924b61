package rehearsal

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// setClock is a clock that goes only when it is told to.
type setClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *setClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *setClock) After(time.Duration) <-chan time.Time { return nil }

func (c *setClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newTestMetadata(t *testing.T, options MetadataOptions) *Metadata {
	t.Helper()
	m, err := NewMetadata(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return m
}

func askMetadata(t *testing.T, m *Metadata, method, path string, header map[string]string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, m.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	clock := &setClock{now: time.Now()}
	m := newTestMetadata(t, MetadataOptions{InstanceID: "i-1", Region: "cn-north-1", Partition: "aws-cn", Domain: "amazonaws.com.cn", Clock: clock})
	if got, want := m.HostIdentifier(), "arn:aws-cn:ec2:cn-north-1:123456789012:instance/i-1"; got != want {
		t.Errorf("HostIdentifier() = %s, want %s", got, want)
	}
	status, token := askMetadata(t, m, "PUT", "/latest/api/token", map[string]string{ttlHeader: "60"})
	if status != http.StatusOK || token == "" {
		t.Fatalf("PUT token = %d %q, want 200 and a token", status, token)
	}
	with := map[string]string{tokenHeader: token}
	tests := []struct {
		name, method, path string
		header             map[string]string
		status             int
		want               string
	}{
		{"instance id", "GET", "/latest/meta-data/instance-id", with, 200, "i-1"},
		{"region", "GET", "/latest/meta-data/placement/region", with, 200, "cn-north-1"},
		{"partition", "GET", "/latest/meta-data/services/partition", with, 200, "aws-cn"},
		{"domain", "GET", "/latest/meta-data/services/domain", with, 200, "amazonaws.com.cn"},
		{"role", "GET", "/latest/meta-data/iam/security-credentials/", with, 200, "rehearsal"},
		{"credentials", "GET", "/latest/meta-data/iam/security-credentials/rehearsal", with, 200, "SecretAccessKey"},
		{"identity", "GET", "/latest/dynamic/instance-identity/document", with, 200, `"accountId": "123456789012"`},
		{"unknown path", "GET", "/latest/meta-data/nothing", with, 404, ""},
		{"no token", "GET", "/latest/meta-data/instance-id", nil, 401, ""},
		{"wrong token", "GET", "/latest/meta-data/instance-id", map[string]string{tokenHeader: "guess"}, 401, ""},
		{"token without a life", "PUT", "/latest/api/token", nil, 400, ""},
		{"token for ever", "PUT", "/latest/api/token", map[string]string{ttlHeader: "21601"}, 400, ""},
		{"token through a proxy", "PUT", "/latest/api/token", map[string]string{ttlHeader: "60", "X-Forwarded-For": "10.0.0.1"}, 403, ""},
		{"token elsewhere", "PUT", "/latest/token", map[string]string{ttlHeader: "60"}, 404, ""},
		{"post", "POST", "/latest/meta-data/instance-id", with, 405, ""},
	}
	for _, test := range tests {
		if status, text := askMetadata(t, m, test.method, test.path, test.header); status != test.status || !strings.Contains(text, test.want) {
			t.Errorf("%s = %d %q, want %d with %q", test.name, status, text, test.status, test.want)
		}
	}
	clock.advance(time.Minute)
	if status, _ := askMetadata(t, m, "GET", "/latest/meta-data/instance-id", with); status != http.StatusUnauthorized {
		t.Errorf("GET with an expired token = %d, want 401", status)
	}
	m.Break(1)
	if status, _ := askMetadata(t, m, "PUT", "/latest/api/token", map[string]string{ttlHeader: "60"}); status != http.StatusServiceUnavailable {
		t.Errorf("PUT after Break(1) = %d, want 503", status)
	}
	if status, _ := askMetadata(t, m, "PUT", "/latest/api/token", map[string]string{ttlHeader: "60"}); status != http.StatusOK {
		t.Errorf("second PUT after Break(1) = %d, want 200", status)
	}
	requests := m.Requests()
	if first := requests[0]; first.Method != "PUT" || first.Token || first.Status != 200 || len(requests) != len(tests)+4 {
		t.Errorf("Requests() = %d, the first %+v, want %d, the first the token's", len(requests), first, len(tests)+4)
	}
}

func TestMetadataV1(t *testing.T) {
	t.Parallel()
	m := newTestMetadata(t, MetadataOptions{InstanceID: "i-1", V1: true, Role: "none"})
	if status, text := askMetadata(t, m, "GET", "/latest/meta-data/instance-id", nil); status != 200 || text != "i-1" {
		t.Errorf("GET = %d %q, want 200 i-1", status, text)
	}
	if status, _ := askMetadata(t, m, "GET", "/latest/meta-data/instance-id", map[string]string{tokenHeader: "guess"}); status != 401 {
		t.Errorf("GET with a wrong token = %d, want 401", status)
	}
	for _, path := range []string{"/", "/none"} {
		if status, _ := askMetadata(t, m, "GET", "/latest/meta-data/iam/security-credentials"+path, nil); status != 404 {
			t.Errorf("GET credentials%s of an instance without a role = %d, want 404", path, status)
		}
	}
	if _, err := NewMetadata(MetadataOptions{}); err == nil {
		t.Error("NewMetadata() without an instance id = nil error, want one")
	}
}

// The AWS SDK must take it for the real one.
func TestMetadataWithSDK(t *testing.T) {
	t.Parallel()
	m := newTestMetadata(t, MetadataOptions{InstanceID: "i-1"})
	client := imds.New(imds.Options{Endpoint: m.URL(), EnableFallback: aws.FalseTernary})
	document, err := client.GetInstanceIdentityDocument(context.Background(), nil)
	if err != nil || document.InstanceID != "i-1" || document.Region != "us-east-1" || document.AccountID != "123456789012" {
		t.Errorf("identity document = %+v, %v, want that of i-1", document, err)
	}
	got, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }).Retrieve(context.Background())
	key, secret := m.Credentials()
	if err != nil || got.AccessKeyID != key || got.SecretAccessKey != secret || got.SessionToken == "" {
		t.Errorf("credentials = %v, want those of Credentials()", err)
	}
	if left := time.Until(got.Expires); !got.CanExpire || left < 30*time.Minute || left > 6*time.Hour {
		t.Errorf("credentials expire in %v, want at most 6 h", left)
	}
}
