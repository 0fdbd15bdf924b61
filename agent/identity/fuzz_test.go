package identity

import (
	"context"
	"strings"
	"testing"

	"codedeploy-agent/appspec/allowance"
)

const fuzzedPath = "/etc/none.yml"

// FuzzOnPremises reads on-premises files. What is wrong with one must be told without what may be a secret.
func FuzzOnPremises(f *testing.F) {
	f.Add([]byte("region: us-east-1\niam_user_arn: arn:aws:iam::123456789012:user/x\naws_access_key_id: A\naws_secret_access_key: SECRET\n"))
	f.Add([]byte("---\n:region: eu-west-1\n:iam_session_arn: arn:aws:sts::123456789012:assumed-role/r/s\n:aws_credentials_file: /nowhere\n"))
	f.Add([]byte("regio: x\niam_user_arn: [a]\naws_secret_access_key: {a: b}\n"))
	f.Add([]byte("a: &a [*a]\n? [x]\n: y\n"))
	f.Add([]byte("aws_secret_access_key: \"SECRET\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var file *onPremises
		var err error
		allowance.Hold(t, func() { file, err = parseOnPremises(fuzzedPath, data) })
		if (file == nil) == (err == nil) {
			t.Fatalf("%+v, %v", file, err)
		}
		if err == nil {
			if file.credentialsFile != "" { // it would be read
				return
			}
			var id *Identity
			id, err = New(Options{}).onPremises(context.Background(), file)
			if err == nil && (id.Region == "" || id.Credentials == nil || !strings.HasPrefix(id.HostIdentifier, "arn:")) {
				t.Fatalf("%+v", id)
			}
		}
		if err != nil && (!strings.Contains(err.Error(), fuzzedPath) || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "SECRET")) {
			t.Fatalf("the error is %q", err)
		}
	})
}

// FuzzCredentials reads files with a session's credentials.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte("[default]\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = T\n"))
	f.Add([]byte("aws_access_key_id=A\r\naws_secret_access_key==S=\r\n[other]\naws_access_key_id=B\n"))
	f.Add([]byte("[default\n# aws_access_key_id=A\n;\n=\n\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		allowance.Hold(t, func() {
			c, err := parseCredentials(data)
			if err == nil && (c.AccessKeyID == "" || c.SecretAccessKey == "") {
				t.Errorf("%+v", c)
			}
		})
	})
}
