package secrets

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestRedactByLook(t *testing.T) {
	t.Parallel()
	const presigned = "https://bucket.s3.amazonaws.com/a%20b.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Expires=900&X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2B%2F&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	tests := []struct{ in, want string }{
		{"cannot use proxy http://user:p%40ss@proxy.test:3128/x", "cannot use proxy http://[redacted]@proxy.test:3128/x"},
		{`parse "http://user:p@ss@proxy.test": invalid`, `parse "http://[redacted]@proxy.test": invalid`},
		{presigned, "https://bucket.s3.amazonaws.com/a%20b.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=[redacted]&X-Amz-Expires=900&X-Amz-Security-Token=[redacted]&X-Amz-Signature=[redacted]"},
		{"http://b.s3.amazonaws.com/k?AWSAccessKeyId=0PN5J17HBGZHT7JJ3X82&Expires=1&Signature=vjbyPxybd%2BZaNnGa%2ByT272YEAiv4%3D", "http://b.s3.amazonaws.com/k?AWSAccessKeyId=[redacted]&Expires=1&Signature=[redacted]"},
		{"https://codeload.github.com/a/r/legacy.tar.gz/x?token=AAAAB3NzaC1yc2E", "https://codeload.github.com/a/r/legacy.tar.gz/x?token=[redacted]"},
		{"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=fe5f80",
			"Authorization: [redacted] Credential=[redacted], SignedHeaders=host, Signature=[redacted]"},
		{"authorization: Basic dXNlcjpwYXNz; next", "authorization: [redacted]; next"},
		{`{"Proxy-Authorization":"Bearer abc.def","x":"y"}`, `{"Proxy-Authorization":"[redacted]","x":"y"}`},
		{"who are you, Basic YWdlbnQ6cGFzc3dvcmQ=?", "who are you, Basic [redacted]?"},
		{"Authorization: token ghp_0123456789abcdefghij", "Authorization: [redacted]"},
		{"host:x\nx-amz-security-token:IQoJb3JpZ2\nx-amz-date:1", "host:x\nx-amz-security-token:[redacted]\nx-amz-date:1"},
		{`{"GitHubAccessToken": "abcdef","DeploymentId":"d-1"}`, `{"GitHubAccessToken": "[redacted]","DeploymentId":"d-1"}`},
		{`"{\"GitHubAccessToken\":\"abcdef\",\"DeploymentId\":\"d-1\"}"`, `"{\"GitHubAccessToken\":\"[redacted]\",\"DeploymentId\":\"d-1\"}"`},
		{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_access_key = [redacted]"},
		{":aws_session_token: IQoJb3JpZ2", ":aws_session_token: [redacted]"},
		{"CODEDEPLOY_GITHUB_TOKEN=abc", "CODEDEPLOY_GITHUB_TOKEN=[redacted]"},
		{"the key AKIAIOSFODNN7EXAMPLE is unknown", "the key [redacted] is unknown"},
		{"github_pat_11AAAAAAA0123456789_abcdef and gho_0123456789abcdefghij", "[redacted] and [redacted]"},
		// What honest text has.
		{"cannot download s3://bucket/key (version 3HL4kqtJlcpXroDTDmJ) from region eu-west-1: status 403, AccessDenied: Access Denied (request id 656c76696e6727)", ""},
		{"see https://docs.aws.amazon.com/codedeploy/latest/userguide/x.html#y@z", ""},
		{"mail to ops@example.com about arn:aws:iam::123456789012:user/ops@example.com", ""},
		{"the on-premises file lacks aws_access_key_id, aws_secret_access_key", ""},
		{"no token was given; the signature is not valid", ""},
		{"a basic configuration and bearer tokens", ""},
		{"ETag d41d8cd98f00b204e9800998ecf8427e, AMIASIAX, high_rate", ""},
	}
	for _, tt := range tests {
		want := tt.want
		if want == "" {
			want = tt.in
		}
		got := Redact(tt.in)
		if got != want {
			t.Errorf("Redact(%q)\n  = %q\nwant %q", tt.in, got, want)
		}
		if again := Redact(got); again != got {
			t.Errorf("Redact(%q) = %q, it must not change what is redacted", got, again)
		}
	}
}

func TestRegisterFindsAValueInEachForm(t *testing.T) {
	t.Parallel()
	var r Register
	const secret = `pa/ss+wo"rd &%`
	r.Add(secret, "short", "", secret)
	inJSON, err := json.Marshal(map[string]string{"x": secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{secret, "a " + secret + " b", "pa%2Fss%2Bwo%22rd+%26%25", "pa%2Fss+wo%22rd%20&%25", string(inJSON), fmt.Sprintf("%q", "short "+secret)} {
		if got := r.Redact(in); strings.Contains(got, "wo") && strings.Contains(got, "rd") {
			t.Errorf("Redact(%q) = %q", in, got)
		}
	}
	if got := r.Redact("a short text"); got != "a short text" {
		t.Errorf("a value that is too short is looked for: %q", got)
	}
	if got := r.Redact(`{"token":"x"` + secret + "}"); !strings.Contains(got, mask) {
		t.Errorf("Redact() = %q", got)
	}
}

func TestRegisterKnowsTheLatestAndTheOnesBefore(t *testing.T) {
	t.Parallel()
	var r Register
	r.Add("for-good")
	for _, v := range []string{"first-value", "second-value", "second-value", "third-value"} {
		r.Renew("role", v)
	}
	r.Renew("group", "another-owner")
	got := r.Redact("for-good first-value second-value third-value another-owner")
	if want := "[redacted] first-value [redacted] [redacted] [redacted]"; got != want {
		t.Errorf("Redact() = %q, want %q", got, want)
	}
	var none *Register
	none.Add("x")
	none.Renew("x", "y")
	none.AddURL("http://u:password@h")
	if got := none.Redact("plain http://u:p@h"); got != "plain http://[redacted]@h" {
		t.Errorf("a nil register: %q", got)
	}
}

func TestRegisterTakesPasswordsOfAddresses(t *testing.T) {
	t.Parallel()
	var r Register
	r.AddURL("http://user:pass%2Fword@proxy:3128")
	r.AddURL("user:other-word@proxy:3128")
	r.AddURL("http://proxy:3128")
	r.AddURL("http://user:bad\x00@proxy")
	if got, want := r.Redact("pass/word pass%2Fword other-word user proxy dXNlcjpwYXNzL3dvcmQ="), "[redacted] [redacted] [redacted] user proxy [redacted]"; got != want {
		t.Errorf("Redact() = %q, want %q", got, want)
	}
}

func TestRegisterIsSafeForGoroutines(t *testing.T) {
	t.Parallel()
	var r Register
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 50 {
				v := fmt.Sprintf("secret-%d-%d", i, n)
				r.Renew(fmt.Sprint(i), v)
				if got := r.Redact(v); got != mask {
					t.Errorf("Redact(%q) = %q", v, got)
				}
			}
		})
	}
	group.Wait()
}
