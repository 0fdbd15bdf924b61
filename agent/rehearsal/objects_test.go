package rehearsal

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func newTLSCaller(t *testing.T, s *Service) *caller {
	c := newCaller(t, s)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.TLSCAPEM())
	c.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	return c
}

// getObject asks with a connection of its own, so that Go's client does not ask again by itself.
func getObject(t *testing.T, s *Service, method, path string, header map[string]string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL()+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=ASIATEST/20261124/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

func TestObjects(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	file := filepath.Join(t.TempDir(), "bundle")
	if err := os.WriteFile(file, []byte("second version"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := s.Put("bucket", "a key/with space", Object{Data: []byte("0123456789"), Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if sum := md5.Sum([]byte("0123456789")); first != hex.EncodeToString(sum[:]) {
		t.Errorf("Put() = %s, want the MD5 %x", first, sum)
	}
	second, err := s.Put("bucket", "a key/with space", Object{File: file, Version: "v2", ETag: "chosen-2"})
	if err != nil || second != "chosen-2" {
		t.Fatalf("Put() = %s, %v, want chosen-2", second, err)
	}
	if _, err := s.Put("bucket", "empty", Object{}); err != nil {
		t.Fatal(err)
	}
	const key, old = "bucket/a%20key/with%20space", "bucket/a%20key/with%20space?versionId=v1"
	tests := []struct {
		name, method, path string
		header             map[string]string
		status             int
		body, etag         string
		contentRange       string
	}{
		{"newest", "GET", key, nil, 200, "second version", "chosen-2", ""},
		{"by version", "GET", old, nil, 200, "0123456789", first, ""},
		{"unknown version", "GET", key + "?versionId=v3", nil, 404, "NoSuchVersion", "", ""},
		{"unknown key", "GET", "bucket/nothing", nil, 404, "NoSuchKey", "", ""},
		{"unknown bucket", "GET", "nobucket/nothing", nil, 404, "NoSuchBucket", "", ""},
		{"head", "HEAD", old, nil, 200, "", first, ""},
		{"head of nothing", "HEAD", "bucket/nothing", nil, 404, "", "", ""},
		{"put", "PUT", key, nil, 405, "MethodNotAllowed", "", ""},
		{"unsigned", "GET", key, map[string]string{"Authorization": ""}, 403, "AccessDenied", "", ""},
		{"matches", "GET", old, map[string]string{"If-Match": `"` + first + `"`}, 200, "0123456789", first, ""},
		{"does not match", "GET", key, map[string]string{"If-Match": `"` + first + `"`}, 412, "PreconditionFailed", "", ""},
		{"middle", "GET", old, map[string]string{"Range": "bytes=2-4"}, 206, "234", first, "bytes 2-4/10"},
		{"from", "GET", old, map[string]string{"Range": "bytes=7-"}, 206, "789", first, "bytes 7-9/10"},
		{"suffix", "GET", old, map[string]string{"Range": "bytes=-2"}, 206, "89", first, "bytes 8-9/10"},
		{"beyond the end", "GET", old, map[string]string{"Range": "bytes=8-99"}, 206, "89", first, "bytes 8-9/10"},
		{"behind the end", "GET", old, map[string]string{"Range": "bytes=10-"}, 416, "InvalidRange", "", ""},
		{"range of nothing", "GET", "bucket/empty", map[string]string{"Range": "bytes=0-9"}, 416, "InvalidRange", "", ""},
		{"odd range", "GET", old, map[string]string{"Range": "bytes=4-2"}, 200, "0123456789", first, ""},
		{"several ranges", "GET", old, map[string]string{"Range": "bytes=0-1,3-4"}, 200, "0123456789", first, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			response, body, err := getObject(t, s, test.method, test.path, test.header)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != test.status {
				t.Errorf("status = %d %s, want %d", response.StatusCode, body, test.status)
			}
			if test.status < 300 && body != test.body || test.status >= 300 && !strings.Contains(body, test.body) {
				t.Errorf("body = %q, want %q", body, test.body)
			}
			if got := strings.Trim(response.Header.Get("ETag"), `"`); got != test.etag {
				t.Errorf("ETag = %q, want %q", got, test.etag)
			}
			if got := response.Header.Get("Content-Range"); got != test.contentRange {
				t.Errorf("Content-Range = %q, want %q", got, test.contentRange)
			}
		})
	}
	if response, _, err := getObject(t, s, "GET", old, nil); err != nil || response.Header.Get("X-Amz-Version-Id") != "v1" {
		t.Errorf("X-Amz-Version-Id = %v, %v, want v1", response, err)
	}
}

func TestPutReplacesTheSameVersion(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	for _, content := range []string{"one", "two"} {
		if _, err := s.Put("bucket", "key", Object{Data: []byte(content)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, body, err := getObject(t, s, "GET", "bucket/key", nil); err != nil || body != "two" {
		t.Errorf("GET = %q, %v, want two", body, err)
	}
	if etag, err := s.Put("bucket", "key", Object{File: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Errorf("Put() of a missing file = %q, want an error", etag)
	}
}

// The AWS SDK is the client that matters: it must be able to download in ranges, by version and with the ETag pinned.
func TestDownloadWithSDK(t *testing.T) {
	t.Parallel()
	s := newTestService(t, Options{})
	content := strings.Repeat("All work and no play. ", 1_000_000)
	if _, err := s.Put("bucket", "big", Object{Data: []byte(content), Version: "v1"}); err != nil {
		t.Fatal(err)
	}
	client := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("ASIATEST", "secret", "token")})
	manager := transfermanager.New(client, func(o *transfermanager.Options) {
		o.GetObjectType = tmtypes.GetObjectRanges
		o.PartSizeBytes = 8 << 20
	})
	file, err := os.Create(filepath.Join(t.TempDir(), "download"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := manager.DownloadObject(context.Background(), &transfermanager.DownloadObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("big"), WriterAt: file}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file.Name())
	if err != nil || string(got) != content {
		t.Errorf("downloaded %d bytes, %v, want the %d of the object", len(got), err, len(content))
	}
	ranges := 0
	for _, r := range s.Requests("GetObject") {
		if r.Range != "" && r.Status == http.StatusPartialContent {
			ranges++
		}
	}
	if ranges < 2 {
		t.Errorf("%d ranges were asked for, want several", ranges)
	}
	_, err = client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("big"), IfMatch: aws.String(`"0"`)})
	if err == nil || !strings.Contains(fmt.Sprint(err), "PreconditionFailed") {
		t.Errorf("GetObject with another ETag = %v, want PreconditionFailed", err)
	}
}
