package identity

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/rehearsal"
	"codedeploy-agent/agent/secrets"
)

// resolver is one whose host has no on-premises file, and its log. What the environment says is taken away.
func resolver(t *testing.T, o rehearsal.MetadataOptions) (*Resolver, *rehearsal.Metadata, *observer.ObservedLogs) {
	t.Helper()
	for _, name := range []string{"AWS_REGION", "AWS_HOST_IDENTIFIER", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
	}
	c := config.Default()
	c.OnPremisesConfigFile = filepath.Join(t.TempDir(), "onpremises.yml")
	o.InstanceID = "i-0123456789abcdef0"
	m, err := rehearsal.NewMetadata(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", m.URL())
	core, logs := observer.New(zap.InfoLevel)
	return New(Options{Config: c, Log: zap.New(core)}), m, logs
}

func accessKey(t *testing.T, id *Identity) string {
	t.Helper()
	c, err := id.Credentials.Retrieve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c.AccessKeyID
}

func TestInstance(t *testing.T) {
	r, m, _ := resolver(t, rehearsal.MetadataOptions{Region: "cn-north-1", Partition: "aws-cn", Domain: "amazonaws.com.cn"})
	// Neither a proxy nor keys of the environment are used.
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	id, err := r.Resolve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if id.Region != "cn-north-1" || id.HostIdentifier != m.HostIdentifier() || id.Partition != "aws-cn" || id.Domain != "amazonaws.com.cn" || id.OnPremises {
		t.Errorf("%+v", id)
	}
	want, _ := m.Credentials()
	if got := accessKey(t, id); got != want {
		t.Errorf("access key %s, want %s", got, want)
	}
	for _, q := range m.Requests() {
		if q.Method == http.MethodGet && !q.Token {
			t.Errorf("%s was asked without a token", q.Path)
		}
	}
}

func TestEnvironmentWins(t *testing.T) {
	r, m, _ := resolver(t, rehearsal.MetadataOptions{})
	t.Setenv("AWS_REGION", "eu-west-3")
	id, err := r.Resolve(context.Background())
	if err != nil || id.Region != "eu-west-3" || id.HostIdentifier != m.HostIdentifier() {
		t.Errorf("%+v, %v", id, err)
	}
	t.Setenv("AWS_HOST_IDENTIFIER", "arn:aws:ec2:x")
	id, err = r.Resolve(context.Background())
	if err != nil || id.Region != "eu-west-3" || id.HostIdentifier != "arn:aws:ec2:x" || id.Domain != "amazonaws.com" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestVersion1(t *testing.T) {
	r, m, _ := resolver(t, rehearsal.MetadataOptions{V1: true})
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method == http.MethodPut {
			http.NotFound(w, q)
			return
		}
		if !strings.HasPrefix(q.URL.Path, "/old") { // on the same host that is fine
			http.Redirect(w, q, "/old"+q.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		to, err := url.Parse(m.URL())
		if err != nil {
			t.Error(err)
			return
		}
		q.URL.Path = strings.TrimPrefix(q.URL.Path, "/old")
		httputil.NewSingleHostReverseProxy(to).ServeHTTP(w, q)
	}))
	defer old.Close()
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", old.URL)
	if id, err := r.Resolve(context.Background()); err != nil || id.HostIdentifier != m.HostIdentifier() {
		t.Errorf("%+v, %v", id, err)
	}
	before := len(m.Requests())
	r.config.DisableIMDSv1 = true
	if id, err := r.Resolve(context.Background()); err == nil || len(m.Requests()) != before {
		t.Errorf("disable_imds_v1 does not hold: %+v", id)
	}
}

// Instance metadata is believed on its own host only, and not without end.
func TestOddMetadata(t *testing.T) {
	r, m, _ := resolver(t, rehearsal.MetadataOptions{})
	for name, odd := range map[string]http.HandlerFunc{
		"redirects": func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, m.URL()+q.URL.Path, http.StatusTemporaryRedirect)
		},
		"never ends": func(w http.ResponseWriter, q *http.Request) {
			for w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600"); q.Context().Err() == nil; {
				if _, err := io.WriteString(w, `{"region":"us-east-1","x":"`+strings.Repeat("x", 1<<16)); err != nil {
					return
				}
			}
		},
	} {
		server := httptest.NewServer(odd)
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
		if id, err := r.Resolve(context.Background()); err == nil || len(m.Requests()) > 0 {
			t.Errorf("metadata that %s: %+v, %v, %d requests where it leads", name, id, err, len(m.Requests()))
		}
		server.CloseClientConnections()
		server.Close()
	}
}

// At boot the network, the identity and the role come one after the other. Each reason is told once, and the pauses stay short.
func TestWait(t *testing.T) {
	r, m, logs := resolver(t, rehearsal.MetadataOptions{})
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
	m.Break(rehearsal.Forever)
	var longest time.Duration
	attempts := 0
	r.pause = func(_ context.Context, d time.Duration) error {
		longest = max(longest, d)
		switch attempts++; attempts {
		case 3:
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", m.URL())
		case 6:
			m.Break(0)
		}
		return nil
	}
	if _, err := r.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, l := range logs.All() {
		told = append(told, l.ContextMap()["error"].(string))
	}
	if len(told) != 2 || !strings.Contains(told[0], "cannot be reached") || !strings.Contains(told[1], "it answers with status 503") ||
		!strings.Contains(told[0], "there is no on-premises file") {
		t.Errorf("%q", told)
	}
	if longest > maxPause || attempts != 6 {
		t.Errorf("%d attempts, longest pause %v", attempts, longest)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNoRole(t *testing.T) {
	r, _, _ := resolver(t, rehearsal.MetadataOptions{Role: "none"})
	if _, err := r.Resolve(context.Background()); err == nil || !strings.Contains(err.Error(), "attach an instance profile") {
		t.Error(err)
	}
}

func onPremisesFile(t *testing.T, r *Resolver, text string) {
	t.Helper()
	if err := os.WriteFile(r.config.OnPremisesConfigFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOnPremisesUser(t *testing.T) {
	r, m, _ := resolver(t, rehearsal.MetadataOptions{})
	for _, colon := range []string{":", ""} {
		onPremisesFile(t, r, "---\n"+colon+"region: cn-north-1\n"+colon+"iam_user_arn: arn:aws-cn:iam::1:user/a\n"+colon+"aws_access_key_id: AKIA1\n"+colon+"aws_secret_access_key: s\n")
		id, err := r.Resolve(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if id.Region != "cn-north-1" || id.HostIdentifier != "arn:aws-cn:iam::1:user/a" || !id.OnPremises || id.Partition != "aws-cn" || id.Domain != "amazonaws.com.cn" ||
			accessKey(t, id) != "AKIA1" {
			t.Errorf("%+v", id)
		}
	}
	if len(m.Requests()) != 0 {
		t.Error("an on-premises host asks instance metadata")
	}
}

func TestOnPremisesSession(t *testing.T) {
	r, _, _ := resolver(t, rehearsal.MetadataOptions{})
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key string) {
		t.Helper()
		text := "# renewed\n[other]\naws_access_key_id = NO\n[default]\naws_access_key_id = " + key + "\naws_secret_access_key=s\naws_session_token = t==\n"
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	onPremisesFile(t, r, "region: eu-west-1\niam_session_arn: arn:aws:sts::1:assumed-role/r/h\naws_credentials_file: "+file+"\n")
	if _, err := r.Resolve(context.Background()); err == nil || !strings.Contains(err.Error(), "cannot read the session's credentials from "+file+": no such file") {
		t.Error(err)
	}
	write("ASIA1")
	id, err := r.Resolve(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := accessKey(t, id); got != "ASIA1" {
		t.Error(got)
	}
	write("ASIA2")
	c, err := id.Credentials.Retrieve(context.Background())
	if err != nil || c.AccessKeyID != "ASIA2" || c.SessionToken != "t==" || !c.CanExpire {
		t.Errorf("%+v, %v: the file is not read again", c, err)
	}
	// Somebody writes the file in place and is not done yet: what is at hand stays good.
	if err := os.WriteFile(file, []byte("[default]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := accessKey(t, id); got != "ASIA2" {
		t.Error(got)
	}
	id.Credentials.(interface{ Invalidate() }).Invalidate()
	if _, err := id.Credentials.Retrieve(context.Background()); err == nil || !strings.Contains(err.Error(), "lacks aws_access_key_id") {
		t.Error(err)
	}
}

// Whoever can write the on-premises file or the credentials decides who commands the host; who can read them is somebody else's business.
func TestOnPremisesFilesThatOthersCanWriteOrRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes mean nothing on Windows")
	}
	r, _, logs := resolver(t, rehearsal.MetadataOptions{})
	guards := map[bool]*custody.Guard{true: custody.NewGuard(true, r.log), false: custody.NewGuard(false, r.log)}
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("[default]\naws_access_key_id=ASIA1\naws_secret_access_key=s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	onPremisesFile(t, r, "region: eu-west-1\niam_session_arn: arn:aws:sts::1:assumed-role/r/h\naws_credentials_file: "+file+"\n")
	for _, path := range []string{r.config.OnPremisesConfigFile, file} {
		for _, tt := range []struct {
			mode             os.FileMode
			refuse           bool
			warning, refusal string
		}{
			{0o600, true, "", ""},
			{0o644, true, "chmod 600 " + path, ""},
			{0o666, true, "chmod 600 " + path, "chmod go-w " + path},
			{0o602, true, "", "chmod go-w " + path},
			{0o602, false, "chmod go-w " + path, ""},
		} {
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			r.guard = guards[tt.refuse]
			id, err := r.Resolve(context.Background())
			if tt.refusal == "" && err != nil || tt.refusal != "" && (err == nil || id != nil && id.Credentials == nil || !strings.Contains(err.Error(), tt.refusal)) {
				t.Errorf("%s with mode %04o, require_protected_files %v: %v, want %q", filepath.Base(path), tt.mode, tt.refuse, err, tt.refusal)
			}
			said := ""
			for _, l := range logs.TakeAll() {
				said += l.Message + "\n"
			}
			if !strings.Contains(said, tt.warning) || tt.warning == "" && said != "" {
				t.Errorf("%s with mode %04o: warnings %q, want %q", filepath.Base(path), tt.mode, said, tt.warning)
			}
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCredentialsAreAnnounced(t *testing.T) {
	r, m, _ := resolver(t, rehearsal.MetadataOptions{})
	known := new(secrets.Register)
	r.secrets = known
	key, secret := m.Credentials()
	if _, err := r.Resolve(context.Background()); err != nil {
		t.Fatal(err)
	}
	onPremisesFile(t, r, "region: eu-west-1\niam_user_arn: arn:aws:iam::1:user/a\naws_access_key_id: an-odd-key\naws_secret_access_key: an-odd-secret\n")
	if _, err := r.Resolve(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, want := known.Redact(key+" "+secret+" an-odd-key an-odd-secret"), "[redacted] [redacted] [redacted] [redacted]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	file := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(file, []byte("aws_access_key_id=session-key\naws_secret_access_key=session-secret\naws_session_token=session-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	onPremisesFile(t, r, "region: eu-west-1\niam_session_arn: arn:aws:sts::1:assumed-role/r/h\naws_credentials_file: "+file+"\n")
	if _, err := r.Resolve(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, want := known.Redact("session-key session-secret session-token"), "[redacted] [redacted] [redacted]"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestHookVariables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "onpremises.yml")
	if got := HookVariables(path); got != nil {
		t.Errorf("without a file: %v", got)
	}
	for text, want := range map[string]map[string]string{
		"region: eu-west-1\niam_user_arn: arn:u\naws_access_key_id: k\naws_secret_access_key: s\n": {"AWS_REGION": "eu-west-1", "AWS_HOST_IDENTIFIER": "arn:u"},
		":region: eu-west-1\n:iam_session_arn: arn:s\n:aws_credentials_file: /c\n":                 {"AWS_REGION": "eu-west-1", "AWS_HOST_IDENTIFIER": "arn:s"},
		"region: eu-west-1\n": nil, "[": nil,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := HookVariables(path); !maps.Equal(got, want) {
			t.Errorf("HookVariables(%q) = %v, want %v", text, got, want)
		}
	}
}

// A file that cannot be used never makes the host somebody else, and its secrets are not told.
func TestOnPremisesMistakes(t *testing.T) {
	r, m, _ := resolver(t, rehearsal.MetadataOptions{})
	const secret = "wJalrXUtnFEMI"
	for text, want := range map[string]string{
		"region: a\naws_access_key_id: k\naws_secret_access_key: " + secret + "\n":                                       "it lacks iam_user_arn (or iam_session_arn)",
		"iam_user_arn: arn:aws:iam::1:user/a\naws_access_key_id: k\n":                                                    "it lacks region, aws_secret_access_key",
		"region: a\niam_session_arn: arn:aws:sts::1:assumed-role/r/h\n":                                                  "it lacks aws_credentials_file",
		"region: a\niam_user_arn: arn:a\niam_session_arn: arn:b\n":                                                       "both iam_user_arn and iam_session_arn",
		"region: a\niam_user_arn: nobody\naws_access_key_id: k\naws_secret_access_key: " + secret + "\n":                 `"nobody" is not an ARN`,
		"aws_secret_access_key: " + secret + "\n  region: [\n":                                                           "it is not a YAML mapping",
		"region: 5\niam_user_arn: arn:a\n":                                                                               "region must be a text",
		"regoin: eu-west-1\niam_user_arn: arn:aws:iam::1:user/a\naws_access_key_id: k\naws_secret_access_key: " + secret: "did you mean region?",
	} {
		onPremisesFile(t, r, text)
		_, err := r.Resolve(context.Background())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), r.config.OnPremisesConfigFile) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the secret is told: %v", err)
		}
	}
	if len(m.Requests()) != 0 {
		t.Error("metadata was asked instead")
	}
	onPremisesFile(t, r, "region: us-east-1\n") // names nobody: an instance, as for the official agent 2.x
	if id, err := r.Resolve(context.Background()); err != nil || id.OnPremises {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestPartitions(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "aws amazonaws.com", "cn-northwest-1": "aws-cn amazonaws.com.cn", "us-gov-west-1": "aws-us-gov amazonaws.com",
		"us-iso-east-1": "aws-iso c2s.ic.gov", "us-isob-east-1": "aws-iso-b sc2s.sgov.gov", "eusc-de-east-1": "aws-eusc amazonaws.eu",
	} {
		if name, domain := partitionOf(region); name+" "+domain != want {
			t.Errorf("%s: %s %s, want %s", region, name, domain, want)
		}
	}
}

var _ aws.CredentialsProvider = (*sessionFile)(nil)
