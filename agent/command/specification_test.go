package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"codedeploy-agent/appspec/allowance"
)

type object = map[string]any

// plainSpecification is a specification with only what is required, with some fields changed; nil leaves one out.
func plainSpecification(change object) []byte {
	spec := object{
		"DeploymentId": "d-ABC", "DeploymentGroupId": "g-1", "DeploymentGroupName": "fleet", "ApplicationName": "app",
		"Revision": object{"RevisionType": "S3", "S3Revision": object{"Bucket": "b", "Key": "k/x.zip", "BundleType": "zip"}},
	}
	maps.Copy(spec, change)
	for k, v := range spec {
		if v == nil {
			delete(spec, k)
		}
	}
	b, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	return b
}

func github(change object) object {
	in := object{"Account": "acme", "Repository": "shop", "CommitId": "0123abcd"}
	maps.Copy(in, change)
	return object{"RevisionType": "GitHub", "GitHubRevision": in}
}

func TestParseSpecification(t *testing.T) {
	t.Parallel()
	plain := func() *Specification {
		return &Specification{DeploymentID: "d-ABC", GroupID: "g-1", GroupName: "fleet", ApplicationName: "app", Creator: "user",
			Type: "IN_PLACE", AppSpecFilename: "appspec.yml", FileExistsBehavior: "DISALLOW",
			Revision: Revision{Type: "S3", Bucket: "b", Key: "k/x.zip", BundleType: "zip"}}
	}
	for name, tt := range map[string]struct {
		change object
		want   func(*Specification)
	}{
		"only what is required": {nil, func(*Specification) {}},
		"everything": {object{
			"DeploymentId": "arn:aws:codedeploy:us-east-1:123456789012:deployment/d-XYZ", "DeploymentCreator": "autoscaling",
			"DeploymentType": "BLUE_GREEN", "AppSpecFilename": "deploy/app..yml", "Unknown": object{"a": 1},
			"AgentActionOverrides":         object{"AgentOverrides": object{"FileExistsBehavior": "retain", "x": 1}},
			"AllPossibleLifecycleEvents":   []string{"BeforeInstall", "Custom"},
			"ReuseArchiveFromDeploymentId": "arn:aws-cn:codedeploy:cn-north-1:123456789012:deployment:d-OLD",
			"Revision": object{"RevisionType": "S3", "S3Revision": object{"Bucket": "b", "Key": "ü ?#/../k.tgz", "BundleType": "tgz",
				"Version": "v1", "ETag": "e1"}},
		}, func(s *Specification) {
			s.DeploymentID, s.Creator, s.Type, s.AppSpecFilename = "d-XYZ", "autoscaling", "BLUE_GREEN", "deploy/app..yml"
			s.FileExistsBehavior, s.ReuseArchiveFrom = "RETAIN", "d-OLD"
			s.AllPossibleLifecycleEvents = []string{"BeforeInstall", "Custom"}
			s.Revision = Revision{Type: "S3", Bucket: "b", Key: "ü ?#/../k.tgz", BundleType: "tgz", Version: "v1", ETag: "e1"}
		}},
		"empty strings": {object{"AppSpecFilename": "", "DeploymentCreator": "", "DeploymentType": "", "ReuseArchiveFromDeploymentId": "",
			"AgentActionOverrides": object{"AgentOverrides": object{"FileExistsBehavior": ""}}}, func(*Specification) {}},
		"empty list": {object{"AllPossibleLifecycleEvents": []string{}}, func(s *Specification) { s.AllPossibleLifecycleEvents = []string{} }},
		"nulls": {object{"AppSpecFilename": json.RawMessage("null"), "AllPossibleLifecycleEvents": json.RawMessage("null"),
			"AgentActionOverrides": json.RawMessage("null")}, func(*Specification) {}},
		"empty overrides": {object{"AgentActionOverrides": object{}}, func(*Specification) {}},
		"unknown behaviour": {object{"AgentActionOverrides": object{"AgentOverrides": object{"FileExistsBehavior": "burn"}}},
			func(s *Specification) { s.FileExistsBehavior = "BURN" }},
		"public GitHub": {object{"Revision": github(nil)}, func(s *Specification) {
			s.Revision = Revision{Type: "GitHub", Account: "acme", Repository: "shop", CommitID: "0123abcd", Anonymous: true}
		}},
		"private GitHub": {object{"GitHubAccessToken": "ghs_secret", "Revision": github(object{"Anonymous": false, "OAuthToken": "unused", "BundleType": "tar"})},
			func(s *Specification) {
				s.Revision = Revision{Type: "GitHub", Account: "acme", Repository: "shop", CommitID: "0123abcd", Token: "ghs_secret", BundleType: "tar"}
			}},
		"GitHub without bundle type": {object{"Revision": github(object{"BundleType": ""})}, func(s *Specification) {
			s.Revision = Revision{Type: "GitHub", Account: "acme", Repository: "shop", CommitID: "0123abcd", Anonymous: true}
		}},
	} {
		want := plain()
		tt.want(want)
		for _, parse := range []func([]byte) (*Specification, error){ParseSpecification, ParseLocalSpecification} {
			got, err := parse(plainSpecification(tt.change))
			if err != nil {
				t.Errorf("%s: error = %v", name, err)
				continue
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s: -want +got:\n%s", name, d)
			}
		}
	}
}

func TestParseSpecificationProblems(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change object
		want   []string
	}{
		{object{"DeploymentId": nil}, []string{"DeploymentId is missing"}},
		{object{"DeploymentId": ""}, []string{"DeploymentId is empty"}},
		{object{"DeploymentId": 7}, []string{"DeploymentId is a number instead of a string"}},
		{object{"DeploymentId": "../x"}, []string{`DeploymentId "../x" is not a plain name`}},
		{object{"DeploymentId": ".."}, []string{`DeploymentId ".." is not a plain name`}},
		{object{"DeploymentId": `a\b`}, []string{`DeploymentId "a\\b" is not a plain name`}},
		{object{"DeploymentId": "a\nb"}, []string{`DeploymentId "a\nb" is not a plain name`}},
		{object{"DeploymentId": "a\x00b"}, []string{"DeploymentId contains a NUL character"}},
		{object{"DeploymentId": strings.Repeat("x", 256)}, []string{"DeploymentId has 256 characters"}},
		{object{"DeploymentId": "arn:aws:codedeploy:r:1:deployment/"}, []string{"names no deployment"}},
		{object{"DeploymentId": "arn:"}, []string{"names no deployment"}},
		{object{"DeploymentId": "arn:aws:codedeploy:r:1:deployment/../../etc"}, []string{`"../../etc" is not a plain name`}},
		{object{"DeploymentGroupId": "a/b"}, []string{`DeploymentGroupId "a/b" is not a plain name`}},
		{object{"DeploymentGroupId": "Deployment-Instructions"}, []string{"is the name of a directory of the agent"}},
		{object{"DeploymentGroupName": nil, "ApplicationName": []string{}}, []string{"DeploymentGroupName is missing", "ApplicationName is a list instead of a string"}},
		{object{"AppSpecFilename": "/../etc/x.yml"}, []string{`AppSpecFilename "/../etc/x.yml" is not a path inside the revision`}},
		{object{"AppSpecFilename": "a/../../b.yml"}, []string{"AppSpecFilename"}},
		{object{"AppSpecFilename": "."}, []string{"AppSpecFilename"}},
		{object{"AppSpecFilename": `a\b.yml`}, []string{"AppSpecFilename"}},
		{object{"AppSpecFilename": object{}}, []string{"AppSpecFilename is an object instead of a string"}},
		{object{"ReuseArchiveFromDeploymentId": "../d-X"}, []string{"ReuseArchiveFromDeploymentId"}},
		{object{"ReuseArchiveFromDeploymentId": true}, []string{"ReuseArchiveFromDeploymentId is a boolean"}},
		{object{"AllPossibleLifecycleEvents": "Install"}, []string{"AllPossibleLifecycleEvents is a string instead of a list"}},
		{object{"AllPossibleLifecycleEvents": []any{"a", 1, nil}}, []string{"AllPossibleLifecycleEvents[1] is a number", "AllPossibleLifecycleEvents[2] is null"}},
		{object{"AgentActionOverrides": "x"}, []string{"AgentActionOverrides is a string instead of an object"}},
		{object{"AgentActionOverrides": object{"AgentOverrides": []int{}}}, []string{"AgentActionOverrides.AgentOverrides is a list instead of an object"}},
		{object{"AgentActionOverrides": object{"AgentOverrides": object{"FileExistsBehavior": 1}}}, []string{"AgentActionOverrides.AgentOverrides.FileExistsBehavior is a number"}},
		{object{"Revision": nil}, []string{"Revision is missing"}},
		{object{"Revision": []int{}}, []string{"Revision is a list instead of an object"}},
		{object{"Revision": object{}}, []string{"Revision.RevisionType is missing"}},
		{object{"Revision": object{"RevisionType": "Carrier Pigeon"}}, []string{`Revision.RevisionType is "Carrier Pigeon", not one of S3, GitHub`}},
		{object{"Revision": object{"RevisionType": "S3"}}, []string{"Revision.S3Revision is missing"}},
		{object{"Revision": object{"RevisionType": "S3", "S3Revision": 1}}, []string{"Revision.S3Revision is a number instead of an object"}},
		{object{"Revision": object{"RevisionType": "S3", "S3Revision": object{"Bucket": "", "BundleType": "rar", "ETag": 1}}},
			[]string{"S3Revision.Bucket is empty", "S3Revision.Key is missing", `S3Revision.BundleType is "rar", not one of tar, tgz, zip`, "S3Revision.ETag is a number"}},
		{object{"Revision": object{"RevisionType": "GitHub"}}, []string{"Revision.GitHubRevision is missing"}},
		{object{"Revision": github(object{"Account": "a/b", "Repository": "..", "CommitId": "a b"})}, []string{"GitHubRevision.Account", "GitHubRevision.Repository", "GitHubRevision.CommitId"}},
		{object{"Revision": github(object{"CommitId": "a/../../b", "Anonymous": "no", "BundleType": "rar"})}, []string{"CommitId", "BundleType", "Anonymous is a string instead of true or false"}},
		{object{"Revision": github(object{"Anonymous": false})}, []string{"GitHubRevision.OAuthToken is missing"}},
		{object{"GitHubAccessToken": "se\ncret", "Revision": github(nil)}, []string{"GitHubAccessToken contains characters"}},
		{object{"DeploymentId": nil, "DeploymentGroupId": nil, "DeploymentGroupName": nil, "ApplicationName": nil, "Revision": nil},
			[]string{"DeploymentId is missing", "DeploymentGroupId is missing", "DeploymentGroupName is missing", "ApplicationName is missing", "Revision is missing"}},
	} {
		got, err := ParseSpecification(plainSpecification(tt.change))
		var problems *SpecificationError
		if got != nil || !errors.As(err, &problems) {
			t.Errorf("%v: ParseSpecification() = %+v, %v, want a SpecificationError", tt.change, got, err)
			continue
		}
		if len(problems.Problems) != len(tt.want) {
			t.Errorf("%v: problems = %q, want %d", tt.change, problems.Problems, len(tt.want))
			continue
		}
		for i, want := range tt.want {
			mustHave(t, "problem", problems.Problems[i], want)
		}
		mustHave(t, "error", err.Error(), "cannot use the deployment specification: ")
		mustNotHave(t, "error", err.Error(), "cret")
	}
}

func TestParseSpecificationNotAnObject(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                "it is not JSON",
		"certainly not json":              "it is not JSON",
		"{\"GitHubAccessToken\":\"secret": "it is not JSON",
		"{} x":                            "it is not JSON",
		"[]":                              "it is not a JSON object",
		"7":                               "it is not a JSON object",
		"null":                            "it is null",
		strings.Repeat("[", 100_000):      "it is nested more than 32 levels deep",
		strings.Repeat(`{"a":`, 100_000):  "it is nested more than 32 levels deep",
		strings.Repeat(" ", maxSpecification) + "{}": "more than the 1048576 allowed",
	} {
		got, err := ParseSpecification([]byte(in))
		if got != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseSpecification(%.40q) = %v, %v, want %q", in, got, err, want)
		}
	}
}

func TestLocalRevisions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		revision object
		want     Revision
	}{
		{object{"RevisionType": "Local File", "LocalRevision": object{"Location": "/tmp/a.tgz", "BundleType": "tgz"}},
			Revision{Type: RevisionLocalFile, Location: "/tmp/a.tgz", BundleType: "tgz"}},
		{object{"RevisionType": "Local Directory", "LocalRevision": object{"Location": "/etc", "BundleType": "directory"}},
			Revision{Type: RevisionLocalDirectory, Location: "/etc", BundleType: "directory"}},
	} {
		content := plainSpecification(object{"Revision": tt.revision})
		if got, err := ParseSpecification(content); err == nil {
			t.Errorf("ParseSpecification() = %+v: the service names a local file, want an error", got.Revision)
		}
		got, err := ParseLocalSpecification(content)
		if err != nil || got.Revision != tt.want {
			t.Errorf("ParseLocalSpecification() = %+v, %v, want %+v", got, err, tt.want)
		}
	}
	_, err := ParseLocalSpecification(plainSpecification(object{"Revision": object{"RevisionType": "Local File", "LocalRevision": object{"BundleType": "directory"}}}))
	if err == nil {
		t.Fatal("ParseLocalSpecification() succeeded, want an error")
	}
	mustHave(t, "error", err.Error(), "Revision.LocalRevision.Location is missing", `BundleType is "directory"`)
}

func TestFieldNames(t *testing.T) {
	t.Parallel()
	// Names are exact.
	s, err := ParseSpecification([]byte(`{"DeploymentId":"d-1","deploymentid":"d-2","DeploymentGroupId":"g",
		"DeploymentGroupName":"n","ApplicationName":"a","Revision":{"RevisionType":"S3","S3Revision":{"Bucket":"b","Key":"k","BundleType":"tar"}}}`))
	if err != nil || s.DeploymentID != "d-1" || s.GroupID != "g" {
		t.Errorf("ParseSpecification() = %+v, %v, want d-1 and g", s, err)
	}
}

// What no service sends, wherever it stands: readers would differ in what they take from it.
func TestStructure(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("]}", n/2) }
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{`{}`, nil}, {`[]`, nil}, {`7`, nil}, {`"a"`, nil}, {`null`, nil}, {``, nil}, {`no JSON`, nil}, {`{"a":1,"a"`, []string{`it has the field "a" twice`}},
		{`{"a":{"a":["a","a",{"a":"a"}]},"b":"a","A":1}`, nil},
		{`[{"a":1},{"a":2}]`, nil},
		{`{"a":1,"b":"a","a":2}`, []string{`it has the field "a" twice`}},
		{`{"a":1,"\u0061":2}`, []string{`it has the field "a" twice`}},
		{`{"x":[{"a":[],"a":{}}],"x":1}`, []string{`it has the field "a" twice`, `it has the field "x" twice`}},
		{`{"a\u001b":1,"a\u001b":1,"a\u001b":1}`, []string{`it has the field "a" twice`}},
		{deep(32), nil},
		{deep(34), []string{"it is nested more than 32 levels deep"}},
		{strings.Repeat("[", 1<<20), []string{"it is nested more than 32 levels deep"}},
	} {
		if diff := cmp.Diff(tt.want, structure([]byte(tt.in))); diff != "" {
			t.Errorf("structure(%.60s): %s", tt.in, diff)
		}
	}
	_, err := ParseSpecification([]byte(`{"DeploymentId":"d-1","DeploymentId":"d-2"}`))
	if err == nil {
		t.Fatal("a specification with two deployment ids is accepted")
	}
	mustHave(t, "error", err.Error(), `cannot use the deployment specification: it has the field "DeploymentId" twice`)
}

func TestTokenIsNotPrinted(t *testing.T) {
	t.Parallel()
	s, err := ParseSpecification(plainSpecification(object{"GitHubAccessToken": "ghs_secret", "Revision": github(nil)}))
	if err != nil || s.Revision.Token != "ghs_secret" {
		t.Fatalf("ParseSpecification() = %v, want the token", err)
	}
	j, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(j), fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%v %+v %#v %s %q", s.Revision, *s, *s, s.Revision, s.Revision)} {
		mustNotHave(t, "text", text, "ghs_secret")
	}
	mustHave(t, "revision", s.Revision.String(), "github.com/acme/shop commit 0123abcd")
}

func TestMatchesExecution(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		id, execution string
		want          bool
	}{
		{"d-ABC", "arn:aws:codedeploy:us-east-1:123456789012:deployment/d-ABC/CodeDeploy/x/d-ABC", true},
		{"d-ABC", "a/b/c/d-ABC", true},
		{"d-ABC", "d-ABC", true},
		{"d-ABC", "a/b/d-ABCD/d", false},
		{"d-ABC", "a/b/xd-ABC/d", false},
		{"d-ABC", "", false},
		{"", "a/b/c/d", false},
	} {
		if got := MatchesExecution(&Specification{DeploymentID: tt.id}, tt.execution); got != tt.want {
			t.Errorf("MatchesExecution(%q, %q) = %v, want %v", tt.id, tt.execution, got, tt.want)
		}
	}
}

func FuzzParseSpecification(f *testing.F) {
	f.Add(plainSpecification(nil))
	f.Add(plainSpecification(object{"GitHubAccessToken": "t", "Revision": github(object{"Anonymous": false, "OAuthToken": "x"})}))
	f.Add([]byte(`{"DeploymentId":"arn:a:b:c:d:e/f","AllPossibleLifecycleEvents":[1,null]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		var s *Specification
		var err error
		allowance.Hold(t, func() { s, err = ParseSpecification(content) })
		if err != nil {
			var problems *SpecificationError
			if s != nil || !errors.As(err, &problems) || len(problems.Problems) == 0 {
				t.Fatalf("ParseSpecification() = %v, %v, want a SpecificationError with problems", s, err)
			}
			return
		}
		for _, id := range []string{s.DeploymentID, s.GroupID} {
			if id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/\\\x00\n") {
				t.Errorf("id = %q, want a plain name", id)
			}
		}
		if s.Revision.Type != RevisionS3 && s.Revision.Type != RevisionGitHub {
			t.Errorf("revision type = %q, want one that the service may send", s.Revision.Type)
		}
		if strings.HasPrefix(s.AppSpecFilename, "/") || strings.Contains("/"+s.AppSpecFilename+"/", "/../") || s.AppSpecFilename == "" {
			t.Errorf("AppSpecFilename = %q, want a path inside the revision", s.AppSpecFilename)
		}
	})
}

// answering is a transport that answers every request with the same body.
type answering struct {
	status int
	body   []byte
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	w := newRecorder()
	w.status = a.status
	_, _ = w.Write(a.body)
	return w.response(r), nil
}

// FuzzAnswer answers one of the operations.
func FuzzAnswer(f *testing.F) {
	f.Add(uint8(0), 200, []byte(pollAnswer))
	f.Add(uint8(0), 200, []byte(`<html>`))
	f.Add(uint8(0), 400, []byte(`{"__type":"a#ClientException:b","message":"no"}`))
	f.Add(uint8(0), 500, []byte{})
	f.Add(uint8(1), 200, []byte(`{"DeploymentSystem":"CodeDeploy","DeploymentSpecification":{"GenericEnvelope":{"Format":"PKCS7/JSON","Payload":"x"},"VariantId":1}}`))
	f.Add(uint8(1), 200, []byte(`{"DeploymentSpecification":{"GenericEnvelope":[]}}`))
	f.Add(uint8(2), 200, []byte(`{"CommandStatus":"Succeeded","CommandStatus":"Failed"}`))
	f.Add(uint8(3), 429, []byte(`{"Code":"ThrottlingException\u001b[2J\n"}`))
	f.Add(uint8(3), 302, []byte(strings.Repeat(`{"a":`, 100)))
	f.Fuzz(func(t *testing.T, operation uint8, status int, body []byte) {
		status = 200 + (status%400+400)%400
		c, err := NewClient(Options{Endpoint: "http://localhost", Region: "r", Credentials: newProvider(), Transport: answering{status, body}, Gate: quickGate()})
		if err != nil {
			t.Fatal(err)
		}
		c.backoff = func(int) time.Duration { return 0 }
		var got any
		allowance.Hold(t, func() {
			switch operation % 4 {
			case 0:
				command, e := c.Poll(t.Context(), "h")
				if err = e; command != nil {
					if got = command; command.ID == "" {
						t.Errorf("Poll() = %+v, want an id", command)
					}
				}
			case 1:
				answer, e := c.Specification(t.Context(), "e", "h")
				if err = e; answer != nil {
					got = answer
				}
			case 2:
				state, e := c.Acknowledge(t.Context(), "c", true)
				if err = e; state != "" {
					got = state
				}
			default:
				err = c.Complete(t.Context(), "c", StatusFailed, Diagnostics{})
			}
		})
		switch {
		case err != nil && got != nil:
			t.Errorf("%+v and %v, want one of them", got, err)
		case err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 2000):
			t.Errorf("error = %q, want a short line", err)
		case err == nil && (status < 200 || status > 299):
			t.Errorf("HTTP %d was accepted", status)
		}
	})
}
