package rehearsal

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smallstep/pkcs7"
)

var testSpec = SpecOptions{DeploymentID: "d-TEST00001", GroupID: "dg-1", GroupName: "site", ApplicationName: "example",
	Revision: Revision{S3: &S3Location{Bucket: "b", Key: "k", BundleType: "tgz", ETag: "e"}}}

// published fetches a specification as an agent does and returns its format and payload.
func published(t *testing.T, s *Service, content []byte, how Envelope) reply {
	t.Helper()
	if err := s.Publish("execution", content, how); err != nil {
		t.Fatal(err)
	}
	if s.queue.find("hc-spec") == nil {
		mustQueue(t, s, CommandOptions{ID: "hc-spec", Host: testHost, ExecutionID: "execution"})
	}
	return newCaller(t, s).must(t, "GetDeploymentSpecification", fields{"DeploymentExecutionId": "execution", "HostIdentifier": testHost})
}

func signedMessage(t *testing.T, payload any) *pkcs7.PKCS7 {
	t.Helper()
	text, _ := payload.(string)
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("payload %.80q is not PEM", text)
	}
	message, err := pkcs7.Parse(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.SignerCAPEM()) {
		t.Fatal("SignerCAPEM() is no certificate in PEM")
	}
	// Longer than one segment of a BER string, and with letters to tamper with.
	big := []byte(`{"DeploymentId":"` + strings.Repeat("x", 20_000) + `"}`)
	tests := []struct {
		how           Envelope
		content       []byte
		good, trusted bool
	}{
		{Signed, []byte(`{"DeploymentId":"d-TEST00001"}`), true, true},
		{Signed, big, true, true},
		{ForeignSigner, big, true, false},
		{Tampered, big, false, false},
		{UnknownFormat, big, true, true},
		{ForeignSystem, big, true, true},
	}
	for _, test := range tests {
		got := published(t, s, test.content, test.how)
		message := signedMessage(t, got.field("DeploymentSpecification", "GenericEnvelope", "Payload"))
		if good := message.Verify() == nil; good != test.good {
			t.Errorf("%q: signature good = %v, want %v", test.how, good, test.good)
		}
		if trusted := message.VerifyWithChainAtTime(pool, time.Now()) == nil; trusted != test.trusted {
			t.Errorf("%q: chain trusted = %v, want %v", test.how, trusted, test.trusted)
		}
		if same := bytes.Equal(message.Content, test.content); same != test.good {
			t.Errorf("%q: content as published = %v, want %v", test.how, same, test.good)
		}
		if !json.Valid(message.Content) {
			t.Errorf("%q: content %.80q is no JSON", test.how, message.Content)
		}
		if n := len(message.Certificates); n != 3 {
			t.Errorf("%q: %d certificates, want signer, intermediate and root", test.how, n)
		}
		if n := len(message.Signers); n != 1 || !message.Signers[0].DigestAlgorithm.Algorithm.Equal(pkcs7.OIDDigestAlgorithmSHA256) {
			t.Errorf("%q: %d signers, want one with SHA-256", test.how, n)
		}
	}
}

func TestBrokenEnvelopes(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	content := []byte(`{"DeploymentId":"d-TEST00001"}`)
	tests := []struct {
		how             Envelope
		system          string
		format, payload any
	}{
		{PlainText, "CodeDeploy", "TEXT/JSON", string(content)},
		{PlainJSON, "CodeDeploy", "JSON", string(content)},
		{EmptyPayload, "CodeDeploy", "PKCS7/JSON", ""},
		{NoEnvelope, "CodeDeploy", nil, nil},
		{NoSpecification, "CodeDeploy", nil, nil},
	}
	for _, test := range tests {
		got := published(t, s, content, test.how)
		if system := got.field("DeploymentSystem"); system != test.system {
			t.Errorf("%s: DeploymentSystem = %v, want %v", test.how, system, test.system)
		}
		envelope := []string{"DeploymentSpecification", "GenericEnvelope"}
		if format := got.field(append(envelope, "Format")...); format != test.format {
			t.Errorf("%s: Format = %v, want %v", test.how, format, test.format)
		}
		if payload := got.field(append(envelope, "Payload")...); payload != test.payload {
			t.Errorf("%s: Payload = %v, want %v", test.how, payload, test.payload)
		}
	}
	garbage, _ := published(t, s, content, GarbageMessage).field("DeploymentSpecification", "GenericEnvelope", "Payload").(string)
	block, _ := pem.Decode([]byte(garbage))
	if block == nil {
		t.Fatalf("garbage %q is not even PEM", garbage)
	}
	if message, err := pkcs7.Parse(block.Bytes); err == nil {
		t.Errorf("garbage parses as %v", message)
	}
	if got := published(t, s, content, ForeignSystem).field("DeploymentSystem"); got == "CodeDeploy" {
		t.Error("ForeignSystem says CodeDeploy")
	}
	if got := published(t, s, content, UnknownFormat).field("DeploymentSpecification", "GenericEnvelope", "Format"); got == "PKCS7/JSON" {
		t.Error("UnknownFormat says PKCS7/JSON")
	}
	if err := s.Publish("execution", content, "odd"); err == nil {
		t.Error(`Publish(envelope "odd") = nil, want an error`)
	}
}

func TestSpecJSON(t *testing.T) {
	t.Parallel()
	full := testSpec
	full.Creator, full.Type, full.FileExistsBehavior = CreatorRollback, TypeBlueGreen, "RETAIN"
	full.AppSpecFilename, full.ReuseArchiveFromDeploymentID = "other.yml", "d-OLD000001"
	full.AllPossibleLifecycleEvents = []string{"Install"}
	full.Revision = Revision{GitHub: &GitHubLocation{Account: "a", Repository: "r", CommitID: "c", Token: "t", BundleType: "tar"}}
	tests := []struct {
		name string
		in   SpecOptions
		want fields
	}{
		{"defaults", testSpec, fields{
			"ApplicationId": "00000000-1111-2222-3333-444444444444", "ApplicationName": "example", "DeploymentCreator": "user",
			"DeploymentGroupId": "dg-1", "DeploymentGroupName": "site", "DeploymentId": "d-TEST00001", "DeploymentType": "IN_PLACE",
			"AgentActionOverrides": fields{"AgentOverrides": fields{"FileExistsBehavior": "DISALLOW"}},
			"Revision":             fields{"RevisionType": "S3", "S3Revision": fields{"Bucket": "b", "Key": "k", "BundleType": "tgz", "ETag": "e"}},
		}},
		{"everything", full, fields{
			"ApplicationId": "00000000-1111-2222-3333-444444444444", "ApplicationName": "example", "DeploymentCreator": "codeDeployRollback",
			"DeploymentGroupId": "dg-1", "DeploymentGroupName": "site", "DeploymentId": "d-TEST00001", "DeploymentType": "BLUE_GREEN",
			"AgentActionOverrides": fields{"AgentOverrides": fields{"FileExistsBehavior": "RETAIN"}},
			"Revision":             fields{"RevisionType": "GitHub", "GitHubRevision": fields{"Account": "a", "Repository": "r", "CommitId": "c", "BundleType": "tar"}},
			"GitHubAccessToken":    "t", "AppSpecFilename": "other.yml", "AllPossibleLifecycleEvents": []any{"Install"},
			"ReuseArchiveFromDeploymentId": "d-OLD000001",
		}},
	}
	for _, test := range tests {
		text, err := test.in.JSON()
		if err != nil {
			t.Errorf("%s: JSON() = %v", test.name, err)
			continue
		}
		var got fields
		if err := json.Unmarshal(text, &got); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: JSON() (-want +got):\n%s", test.name, diff)
		}
	}
	both := full
	both.Revision.S3 = testSpec.Revision.S3
	for _, in := range []SpecOptions{{DeploymentID: "d-TEST00001"}, both} {
		if text, err := in.JSON(); err == nil {
			t.Errorf("JSON() with %+v = %s, want an error", in.Revision, text)
		}
	}
}

func TestNewDeploymentID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		id := NewDeploymentID()
		if len(id) != 11 || !strings.HasPrefix(id, "d-") || strings.Trim(id[2:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || seen[id] {
			t.Errorf("NewDeploymentID() = %q, want a new one of d- and nine capital letters and digits", id)
		}
		seen[id] = true
	}
}
