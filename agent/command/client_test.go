package command

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
)

const pollAnswer = `{"HostCommand":{"HostCommandIdentifier":"hc-1","HostIdentifier":"arn:host","DeploymentExecutionId":"a/b/d-1/c",
	"CommandName":"BeforeInstall","Nonce":7,"SomethingNew":{"a":[1]}},"More":null}`

func TestWire(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		prefix, name := "CodeDeployCommandService_v20141006.", "codedeploy-commands"
		if secure {
			prefix, name = "CodeDeployCommandService.", "codedeploy-commands-secure"
		}
		s := newService(t, answer(200, pollAnswer))
		c := newTestClient(t, s.URL, func(o *Options) { o.AuthPolicy = secure })
		got, err := c.Poll(t.Context(), "arn:host")
		if err != nil {
			t.Fatalf("Poll() error = %v", err)
		}
		want := &HostCommand{ID: "hc-1", HostIdentifier: "arn:host", ExecutionID: "a/b/d-1/c", Name: "BeforeInstall", Nonce: 7}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Poll() -want +got:\n%s", d)
		}
		r := s.seen()[0]
		for header, want := range map[string]string{
			"X-Amz-Target":                   prefix + "PollHostCommand",
			"Content-Type":                   "application/x-amz-json-1.1",
			"X-Amz-Codedeploy-Agent-Version": ProtocolVersion,
			"User-Agent":                     "codedeploy-agent/test",
			"X-Amz-Security-Token":           testToken,
		} {
			if got := r.header.Get(header); got != want {
				t.Errorf("header %s = %q, want %q", header, got, want)
			}
		}
		auth := r.header.Get("Authorization")
		mustHave(t, "Authorization", auth, "AWS4-HMAC-SHA256 Credential="+testKey+"/", "/us-east-1/"+name+"/aws4_request",
			"Signature=", "x-amz-target", "x-amz-codedeploy-agent-version", "x-amz-security-token", "host")
		if string(r.raw) != `{"HostIdentifier":"arn:host"}` || r.path != "/" {
			t.Errorf("request = %s %s, want the host identifier at /", r.path, r.raw)
		}
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	s := newService(t,
		answer(200, `{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{"GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"p"},"VariantId":"x"}}`),
		answer(200, `{"CommandStatus":"InProgress"}`),
		answer(200, `{"CommandStatus":"Failed"}`),
		answer(200, ``),
	)
	c := newTestClient(t, s.URL)
	a, err := c.Specification(t.Context(), "a/b/c/d", "host")
	if err != nil || a.System != "CodeDeploy" || a.Envelope == nil || *a.Envelope != (Envelope{"PKCS7/JSON", "p"}) {
		t.Errorf("Specification() = %+v, %v, want the envelope", a, err)
	}
	if status, err := c.Acknowledge(t.Context(), "hc-1", true); status != "InProgress" || err != nil {
		t.Errorf("Acknowledge() = %q, %v, want InProgress", status, err)
	}
	if status, err := c.Update(t.Context(), "hc-1", Diagnostics{Message: "half"}, time.Unix(1_800_000_000, 5)); status != "Failed" || err != nil {
		t.Errorf("Update() = %q, %v, want Failed", status, err)
	}
	if err := c.Complete(t.Context(), "hc-1", StatusSucceeded, Diagnostics{Message: "Succeeded <&>"}); err != nil {
		t.Errorf("Complete() error = %v", err)
	}
	var got []string
	for _, r := range s.seen() {
		got = append(got, strings.TrimPrefix(r.header.Get("X-Amz-Target"), "CodeDeployCommandService_v20141006.")+" "+string(r.raw))
	}
	want := []string{
		`GetDeploymentSpecification {"DeploymentExecutionId":"a/b/c/d","HostIdentifier":"host"}`,
		`PutHostCommandAcknowledgement {"HostCommandIdentifier":"hc-1","Diagnostics":{"Format":"JSON","Payload":"{\"IsCommandNoop\":true}"}}`,
		`PostHostCommandUpdate {"HostCommandIdentifier":"hc-1","EstimatedCompletionTime":1800000000,"Diagnostics":{"Format":"JSON","Payload":"{\"error_code\":0,\"script_name\":\"\",\"message\":\"half\",\"log\":\"\"}"}}`,
		`PutHostCommandComplete {"HostCommandIdentifier":"hc-1","CommandStatus":"Succeeded","Diagnostics":{"Format":"JSON","Payload":"{\"error_code\":0,\"script_name\":\"\",\"message\":\"Succeeded <&>\",\"log\":\"\"}"}}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("requests -want +got:\n%s", d)
	}
}

func TestPollWithoutCommand(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{}`, `{"HostCommand":null}`, " \n", `{"Other":1}`} {
		s := newService(t, answer(200, body))
		if got, err := newTestClient(t, s.URL).Poll(t.Context(), "h"); got != nil || err != nil {
			t.Errorf("Poll() of %q = %v, %v, want nothing", body, got, err)
		}
	}
}

func TestMissingParts(t *testing.T) {
	t.Parallel()
	s := newService(t, answer(200, `{}`), answer(200, `{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{}}`), answer(200, `{"HostCommand":{"CommandName":"Install"}}`))
	c := newTestClient(t, s.URL)
	for range 2 {
		if a, err := c.Specification(t.Context(), "a", "h"); err != nil || a == nil || a.Envelope != nil {
			t.Errorf("Specification() = %v, %v, want an answer without envelope", a, err)
		}
	}
	if got, err := c.Poll(t.Context(), "h"); got != nil || err == nil || !strings.Contains(err.Error(), "HostCommandIdentifier") {
		t.Errorf("Poll() = %v, %v, want an error about the identifier", got, err)
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	s := newService(t, answer(200, `{}`))
	c := newTestClient(t, s.URL)
	_, poll := c.Poll(t.Context(), "")
	_, spec := c.Specification(t.Context(), "", "")
	_, ack := c.Acknowledge(t.Context(), "", false)
	_, update := c.Update(t.Context(), "", Diagnostics{}, time.Time{})
	for name, err := range map[string]error{
		"Poll": poll, "Specification": spec, "Acknowledge": ack, "Update": update,
		"Complete":        c.Complete(t.Context(), "", StatusFailed, Diagnostics{}),
		"Complete status": c.Complete(t.Context(), "hc", StatusInProgress, Diagnostics{}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "cannot call ") {
			t.Errorf("%s without arguments: error = %v, want one", name, err)
		}
	}
	if n := len(s.seen()); n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
}

func TestNewClientRefuses(t *testing.T) {
	t.Parallel()
	good := Options{Endpoint: "https://localhost", Region: "r", Credentials: newProvider()}
	if _, err := NewClient(good); err != nil {
		t.Fatalf("NewClient() error = %v", err)
	}
	for want, change := range map[string]func(*Options){
		"must begin with":        func(o *Options) { o.Endpoint = "localhost" },
		"names no host":          func(o *Options) { o.Endpoint = "https:///x" },
		"user or password":       func(o *Options) { o.Endpoint = "https://u:hunter2@localhost" },
		"is not a URL":           func(o *Options) { o.Endpoint = "https://u:hunter2@lo calhost" },
		"no valid host name":     func(o *Options) { o.Endpoint = "https://a_b~" },
		"query or fragment":      func(o *Options) { o.Endpoint = "https://localhost/?a=b" },
		"region is missing":      func(o *Options) { o.Region = "" },
		"there are no credenti":  func(o *Options) { o.Credentials = nil },
		"timeout is negative":    func(o *Options) { o.ReadTimeout = -1 },
		"is not plain ASCII":     func(o *Options) { o.UserAgent = "a\nb" },
		"missing\nthere are no ": func(o *Options) { o.Region, o.Credentials = "", nil },
	} {
		o := good
		change(&o)
		_, err := NewClient(o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("NewClient() error = %v, want %q and no password", err, want)
		}
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		region, domain   string
		authPolicy, fips bool
		want             string
	}{
		{"us-east-1", "", false, false, "https://codedeploy-commands.us-east-1.amazonaws.com"},
		{"us-east-1", "amazonaws.com", true, false, "https://codedeploy-commands-secure.us-east-1.amazonaws.com"},
		{"us-gov-west-1", "", false, true, "https://codedeploy-commands-fips.us-gov-west-1.amazonaws.com"},
		{"us-gov-west-1", "", true, true, "https://codedeploy-commands-secure-fips.us-gov-west-1.amazonaws.com"},
		{"cn-north-1", "", false, false, "https://codedeploy-commands.cn-north-1.amazonaws.com.cn"},
		{"eusc-de-east-1", "", false, false, "https://codedeploy-commands.eusc-de-east-1.amazonaws.eu"},
		{"us-iso-east-1", "c2s.ic.gov", false, false, "https://codedeploy-commands.us-iso-east-1.c2s.ic.gov"},
	} {
		if got := Endpoint(tt.region, tt.domain, tt.authPolicy, tt.fips); got != tt.want {
			t.Errorf("Endpoint(%q, %q, %v, %v) = %s, want %s", tt.region, tt.domain, tt.authPolicy, tt.fips, got, tt.want)
		}
	}
}

func TestCredentialsFailure(t *testing.T) {
	t.Parallel()
	s := newService(t, answer(200, `{}`))
	for _, p := range []*provider{{err: errors.New("no role is attached")}, {}} {
		c := newTestClient(t, s.URL, func(o *Options) { o.Credentials = p })
		_, err := c.Poll(t.Context(), "h")
		if err == nil || !strings.HasPrefix(err.Error(), "cannot call PollHostCommand: cannot get credentials: ") {
			t.Errorf("Poll() error = %v, want one about credentials", err)
		}
		if IsRefusal(err) || IsThrottle(err) || IsExpiredToken(err) {
			t.Errorf("classes of %v: want none", err)
		}
	}
	if n := len(s.seen()); n != 0 {
		t.Errorf("%d requests were sent, want none", n)
	}
}

func TestPlainProviderIsCached(t *testing.T) {
	t.Parallel()
	s := newService(t, answer(200, `{}`), answer(200, `{}`), refuse("ExpiredTokenException", "expired"), answer(200, `{}`))
	var p countingProvider
	c := newTestClient(t, s.URL, func(o *Options) { o.Credentials = aws.CredentialsProviderFunc(p.retrieve) })
	for range 3 {
		if _, err := c.Poll(t.Context(), "h"); err != nil {
			t.Fatalf("Poll() error = %v", err)
		}
	}
	if p.count != 2 {
		t.Errorf("credentials were fetched %d times, want 2: at first and after they had expired", p.count)
	}
	if n := len(s.seen()); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}

func TestEndpointPath(t *testing.T) {
	t.Parallel()
	s := newService(t, http.HandlerFunc(answer(200, `{}`)))
	if _, err := newTestClient(t, s.URL+"/stage/x").Poll(t.Context(), "h"); err != nil {
		t.Fatalf("Poll() error = %v", err)
	}
	if got := s.seen()[0].path; got != "/stage/x" {
		t.Errorf("path = %s, want /stage/x", got)
	}
}
