package revision

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"codedeploy-agent/agent/progress"
)

// bucket is a small S3: one object per "key" or "key?version", ranges, If-Match, and whatever interfere does first.
type bucket struct {
	url   string
	etags sync.Map

	mu          sync.Mutex
	objects     map[string][]byte
	headers     map[string]string // added to each object's answer
	noETag      bool
	noRange     bool
	ignoreMatch bool // If-Match
	requests    []*http.Request
	interfere   func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool // n counts from 1; true: it has answered
}

func newBucket(t testing.TB, objects map[string][]byte) *bucket {
	b := &bucket{objects: objects, headers: map[string]string{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

func md5of(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// etag is the md5of data. The objects do not change, so it is computed once.
func (b *bucket) etag(data []byte) string {
	if len(data) == 0 {
		return md5of(data)
	}
	type slice struct {
		first *byte
		n     int
	}
	sum, ok := b.etags.Load(slice{&data[0], len(data)})
	if !ok {
		sum, _ = b.etags.LoadOrStore(slice{&data[0], len(data)}, md5of(data))
	}
	return sum.(string)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "REQ1")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.requests = append(b.requests, r.Clone(context.Background()))
	n, interfere := len(b.requests), b.interfere
	name := strings.TrimPrefix(r.URL.Path, "/releases/")
	if v := r.URL.Query().Get("versionId"); v != "" {
		name += "?" + v
		w.Header().Set("X-Amz-Version-Id", v)
	}
	data, ok := b.objects[name]
	noETag, noRange, ignoreMatch := b.noETag, b.noRange, b.ignoreMatch
	b.mu.Unlock()
	if !ok {
		refuse(w, 404, "NoSuchKey", "The specified key does not exist.")
		return
	}
	if match := strings.Trim(r.Header.Get("If-Match"), `"`); match != "" && match != b.etag(data) && !ignoreMatch {
		refuse(w, 412, "PreconditionFailed", "At least one of the preconditions you specified did not hold.")
		return
	}
	if !noETag {
		w.Header().Set("ETag", `"`+b.etag(data)+`"`)
	}
	for name, value := range b.headers {
		w.Header().Set(name, value)
	}
	if interfere != nil && interfere(n, w, r, data) {
		return
	}
	if noRange {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data)
		return
	}
	r.Header.Del("If-Match") // it is dealt with
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (b *bucket) asked() []*http.Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*http.Request(nil), b.requests...)
}

func (b *bucket) options(pauses *[]time.Duration) S3Options {
	return S3Options{Region: "eu-west-1", EndpointOverride: b.url, Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", "SESSION"),
		UserAgent: "codedeploy-agent/1.0",
		Sleep: func(ctx context.Context, d time.Duration) error {
			if pauses != nil {
				*pauses = append(*pauses, d)
			}
			return ctx.Err()
		}}
}

// cut answers with the first part of what was asked for and breaks the connection.
func cut(w http.ResponseWriter, r *http.Request, data []byte, part func(int) int) {
	status, start := 200, 0
	if header := r.Header.Get("Range"); header != "" {
		fmt.Sscanf(header, "bytes=%d-", &start)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(data)-1, len(data)))
		status = 206
	}
	rest := data[start:]
	w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
	w.WriteHeader(status)
	w.Write(rest[:part(len(rest))])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func half(n int) int { return n / 2 }

func random(n int) []byte {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data)
	return data
}

func download(t *testing.T, o S3Options, key, version, etag string) (string, Fetched, error) {
	t.Helper()
	s, err := NewS3(o, "releases", key, version, etag)
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.tar")
	got, err := Download(context.Background(), s, bundle, 0o644, nil)
	if err != nil {
		if rest := names(t, filepath.Dir(bundle)); len(rest) > 0 {
			t.Errorf("a failed download leaves %v", rest)
		}
	}
	return bundle, got, err
}

func wantContent(t *testing.T, bundle string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(bundle)
	if err != nil {
		t.Error(err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the bundle has %d bytes (%x), want %d (%x)", len(got), sha256.Sum256(got), len(want), sha256.Sum256(want))
	}
}

func TestS3Download(t *testing.T) {
	t.Parallel()
	odd := "folder one/sub+dir/über & co=#?%41.tgz"
	content := random(100_000)
	b := newBucket(t, map[string][]byte{odd: content, "app.tgz?v 1": []byte("old"), "app.tgz": []byte("newer"), "empty": {}})
	bundle, got, err := download(t, b.options(nil), odd, "", `"`+md5of(content)+`"`)
	if err != nil {
		t.Fatalf("Download = %v, want no error", err)
	}
	wantContent(t, bundle, content)
	if d := cmp.Diff(Fetched{ETag: md5of(content), Bytes: 100_000}, got); d != "" {
		t.Errorf("Download (-want +got):\n%s", d)
	}
	if m := mode(t, bundle); m != 0o644 {
		t.Errorf("the bundle's mode is %v, want 0644", m)
	}
	r := b.asked()[0]
	if r.Header.Get("Range") != "" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256") ||
		!strings.Contains(r.Header.Get("User-Agent"), "codedeploy-agent/1.0") || r.Header.Get("Accept-Encoding") != "identity" {
		t.Errorf("the request has the headers %v", r.Header)
	}
	bundle, got, err = download(t, b.options(nil), "app.tgz", "v 1", "")
	if err != nil || got.VersionID != "v 1" {
		t.Errorf("Download(version) = %+v, %v, want version \"v 1\"", got, err)
	}
	wantContent(t, bundle, []byte("old"))
	bundle, _, err = download(t, b.options(nil), "empty", "", "")
	if err != nil {
		t.Errorf("Download(empty) = %v, want no error", err)
	}
	wantContent(t, bundle, nil)
	anonymous := b.options(nil)
	anonymous.Credentials = nil
	if _, _, err = download(t, anonymous, "app.tgz", "", ""); err != nil {
		t.Errorf("Download(anonymous) = %v, want no error", err)
	}
	requests := b.asked()
	if a := requests[len(requests)-1].Header.Get("Authorization"); a != "" {
		t.Errorf("an anonymous request is signed: %s", a)
	}
}

func TestS3Retries(t *testing.T) {
	t.Parallel()
	content := random(3 << 20)
	for _, test := range []struct {
		name      string
		interfere func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool
		change    func(*bucket)
		requests  int
		ranges    []string // of the requests after the first
		want      string   // in the error
	}{
		{name: "500 twice", requests: 3, interfere: func(n int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			if n <= 2 {
				refuse(w, 500, "InternalError", "We encountered an internal error.")
			}
			return n <= 2
		}},
		{name: "slow down", requests: 2, interfere: func(n int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			if n == 1 {
				refuse(w, 503, "SlowDown", "Please reduce your request rate.")
			}
			return n == 1
		}},
		{name: "500 always", requests: 5, want: "status 500, InternalError: oops (request id REQ1); S3 could not answer",
			interfere: func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
				refuse(w, 500, "InternalError", "oops")
				return true
			}},
		{name: "dropped", requests: 2, interfere: func(n int, _ http.ResponseWriter, _ *http.Request, _ []byte) bool {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}},
		{name: "403", requests: 1, want: "status 403, AccessDenied: Access Denied (request id REQ1); allow s3:GetObject on releases/*",
			interfere: func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
				refuse(w, 403, "AccessDenied", "Access Denied")
				return true
			}},
		{name: "404", requests: 1, want: "status 404, NoSuchKey: The specified key does not exist. (request id REQ1); check the key",
			change: func(b *bucket) { b.objects = nil }},
		{name: "cut once", requests: 2, ranges: []string{"bytes=1572864-3145727"},
			interfere: func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
				if n == 1 {
					cut(w, r, data, half)
				}
				return false
			}},
		{name: "cut without ETag", requests: 2, ranges: []string{""}, change: func(b *bucket) { b.noETag = true },
			interfere: func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
				if n == 1 {
					cut(w, r, data, half)
				}
				return false
			}},
		{name: "cut, no ranges", requests: 2, want: "ignores Range", change: func(b *bucket) { b.noRange = true },
			interfere: func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
				if n == 1 {
					cut(w, r, data, half)
				}
				return false
			}},
		{name: "cut always", requests: 5, want: "the connection broke off after 3047424 of 3145728 bytes: unexpected EOF (after 5 attempts)",
			interfere: func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
				cut(w, r, data, half)
				return true
			}},
		{name: "nothing always", requests: 5, want: "the connection broke off after 0 of 3145728 bytes",
			interfere: func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
				cut(w, r, data, func(int) int { return 0 })
				return true
			}},
		{name: "replaced meanwhile", requests: 2, want: "replaced while it was being downloaded",
			interfere: func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
				if n == 1 {
					cut(w, r, data, half)
				}
				w.Header().Set("ETag", `"ffffffffffffffffffffffffffffffff"`)
				return false
			}},
	} {
		b := newBucket(t, map[string][]byte{"app.tgz": content})
		b.interfere = test.interfere
		if test.change != nil {
			test.change(b)
		}
		var pauses []time.Duration
		bundle, _, err := download(t, b.options(&pauses), "app.tgz", "", "")
		if test.want == "" {
			if err != nil {
				t.Errorf("Download(%s) = %v, want no error", test.name, err)
			} else {
				wantContent(t, bundle, content)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "s3://releases/app.tgz from region eu-west-1") {
			t.Errorf("Download(%s) = %v, want an error with %q", test.name, err, test.want)
		}
		requests := b.asked()
		if len(requests) != test.requests || len(pauses) != test.requests-1 && test.name != "cut, no ranges" && test.name != "replaced meanwhile" {
			t.Errorf("Download(%s) made %d requests with the pauses %v, want %d", test.name, len(requests), pauses, test.requests)
		}
		for i, want := range test.ranges {
			got := requests[i+1].Header
			if got.Get("Range") != want || want != "" && got.Get("If-Match") != `"`+md5of(content)+`"` {
				t.Errorf("Download(%s): request %d has Range %q and If-Match %q, want %q and the first answer's ETag",
					test.name, i+2, got.Get("Range"), got.Get("If-Match"), want)
			}
		}
		var total time.Duration
		for _, p := range pauses {
			total += p
		}
		if total > 10*time.Second {
			t.Errorf("Download(%s) waits %v, want less than 10 s", test.name, total)
		}
	}
}

func TestS3ETag(t *testing.T) {
	t.Parallel()
	content := []byte("new content")
	for name, ignoresIfMatch := range map[string]bool{"412": false, "a server that ignores If-Match": true} {
		b := newBucket(t, map[string][]byte{"app.tgz": content})
		if ignoresIfMatch {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("If-Match")
				b.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			b.url = server.URL
		}
		_, _, err := download(t, b.options(nil), "app.tgz", "", "abc")
		var mismatch *etagError
		if !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "expected ETag abc but got "+md5of(content)) {
			t.Errorf("Download(%s) = %v, want an error with both ETags", name, err)
		}
	}
	b := newBucket(t, map[string][]byte{"app.tgz": content})
	b.noETag = true
	if _, _, err := download(t, b.options(nil), "app.tgz", "", md5of(content)); err != nil {
		t.Errorf("Download(no ETag in the answer) = %v, want no error", err)
	}
}

func TestS3Parallel(t *testing.T) {
	t.Parallel()
	content := random(70<<20 + 12345)
	b := newBucket(t, map[string][]byte{"app.tgz": content})
	b.interfere = func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
		if n == 1 { // the first connection breaks within its part
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			w.Write(data[:5<<20])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		if n == 4 {
			refuse(w, 503, "SlowDown", "wait")
			return true
		}
		return false
	}
	b.headers["X-Amz-Checksum-Crc64nvme"] = crc64Of(content)
	s, err := NewS3(b.options(nil), "releases", "app.tgz", "", "")
	if err != nil {
		t.Fatal(err)
	}
	o := s.(*s3Source)
	o.o.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	bundle := filepath.Join(t.TempDir(), "bundle.tar")
	var work progress.Work
	got, err := Download(context.Background(), s, bundle, 0o644, &work)
	if err != nil {
		t.Fatalf("Download = %v, want no error", err)
	}
	wantContent(t, bundle, content)
	size := int64(len(content))
	if _, done := work.Done(); got.Bytes != size || done != size {
		t.Errorf("Download = %+v, %d bytes done, want %d", got, done, size)
	}
	for i, r := range b.asked() {
		if i > 0 && (r.Header.Get("Range") == "" || r.Header.Get("If-Match") == "") {
			t.Errorf("request %d has Range %q and If-Match %q, want both", i+1, r.Header.Get("Range"), r.Header.Get("If-Match"))
		}
	}
}

func TestS3ParallelFails(t *testing.T) {
	t.Parallel()
	content := random(40 << 20)
	b := newBucket(t, map[string][]byte{"app.tgz": content})
	b.interfere = func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
		if n > 1 {
			refuse(w, 403, "AccessDenied", "Access Denied")
		}
		return n > 1
	}
	if _, _, err := download(t, b.options(nil), "app.tgz", "", ""); err == nil || !strings.Contains(err.Error(), "status 403") {
		t.Errorf("Download = %v, want an error with status 403", err)
	}
}

func crc64Of(data []byte) string {
	h := crc64.New(crc64nvme())
	h.Write(data)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestS3Checksums(t *testing.T) {
	t.Parallel()
	h := crc64.New(crc64nvme())
	io.WriteString(h, "123456789")
	if got := h.Sum64(); got != 0xae8b14860a799888 { // the check value of the catalogue of CRC algorithms
		t.Errorf("CRC64NVME(123456789) = %x, want ae8b14860a799888", got)
	}
	content := random(5000)
	sum := sha256.Sum256(content)
	for _, test := range []struct{ header, value, kind, want string }{
		{"X-Amz-Checksum-Crc64nvme", crc64Of(content), "FULL_OBJECT", ""},
		{"X-Amz-Checksum-Crc64nvme", crc64Of(content[1:]), "FULL_OBJECT", "arrived damaged: its CRC64NVME checksum is"},
		{"X-Amz-Checksum-Sha256", base64.StdEncoding.EncodeToString(sum[:]), "", ""},
		{"X-Amz-Checksum-Crc32", "AAAAAA==", "", "arrived damaged: its CRC32 checksum is"},
		{"X-Amz-Checksum-Crc32c", "AAAAAA==", "", "arrived damaged: its CRC32C checksum is"},
		{"X-Amz-Checksum-Sha1", "AAAA", "", "arrived damaged: its SHA1 checksum is"},
		{"X-Amz-Checksum-Crc32", "AAAAAA==-3", "", ""},
		{"X-Amz-Checksum-Crc32", "AAAAAA==", "COMPOSITE", ""},
	} {
		b := newBucket(t, map[string][]byte{"app.tgz": content})
		b.headers[test.header] = test.value
		if test.kind != "" {
			b.headers["X-Amz-Checksum-Type"] = test.kind
		}
		_, _, err := download(t, b.options(nil), "app.tgz", "", "")
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("Download(%s: %s, %s) = %v, want %q", test.header, test.value, test.kind, err, test.want)
		}
		if mode := b.asked()[0].Header.Get("X-Amz-Checksum-Mode"); mode != "ENABLED" {
			t.Errorf("x-amz-checksum-mode is %q, want ENABLED", mode)
		}
	}
}

func TestS3OtherRegion(t *testing.T) {
	t.Parallel()
	content := []byte("content")
	for _, test := range []struct {
		name, header, code, message string
		status                      int
		ok                          bool
	}{
		{"header", "ap-south-1", "PermanentRedirect", "The bucket must be addressed using the specified endpoint.", 301, true},
		{"message", "", "AuthorizationHeaderMalformed", "the region 'eu-west-1' is wrong; expecting 'ap-south-1'", 400, true},
		{"no region", "", "PermanentRedirect", "The bucket must be addressed using the specified endpoint.", 301, false},
		{"the same region", "eu-west-1", "PermanentRedirect", "again", 301, false},
		{"no region's name", "evil.example.com/", "PermanentRedirect", "again", 301, false},
		{"ever another", "us-east-1", "PermanentRedirect", "again", 301, false},
	} {
		b := newBucket(t, map[string][]byte{"app.tgz": content})
		b.interfere = func(_ int, w http.ResponseWriter, r *http.Request, _ []byte) bool {
			if strings.Contains(r.Header.Get("Authorization"), "/ap-south-1/s3/") {
				return false
			}
			w.Header().Set("Location", "http://"+r.Host+"/elsewhere")
			if test.header != "" {
				w.Header().Set("X-Amz-Bucket-Region", test.header)
			}
			refuse(w, test.status, test.code, test.message)
			return true
		}
		bundle, _, err := download(t, b.options(nil), "app.tgz", "", "")
		if (err == nil) != test.ok {
			t.Errorf("Download(%s) = %v, want success %v", test.name, err, test.ok)
		} else if test.ok {
			wantContent(t, bundle, content)
		}
		if n := len(b.asked()); n > 2 {
			t.Errorf("Download(%s) made %d requests, want 2 at most", test.name, n)
		}
	}
}

func TestS3Endpoint(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		o    S3Options
		want string
	}{
		{S3Options{Region: "us-east-1"}, "https://s3.us-east-1.amazonaws.com/my.bucket/k"},
		{S3Options{Region: "us-gov-west-1", FIPS: true}, "https://s3-fips.us-gov-west-1.amazonaws.com/my.bucket/k"},
		{S3Options{Region: "cn-north-1", Domain: "amazonaws.com.cn"}, "https://s3.cn-north-1.amazonaws.com.cn/my.bucket/k"},
		{S3Options{Region: "us-iso-east-1", Domain: "c2s.ic.gov"}, "https://s3.us-iso-east-1.c2s.ic.gov/my.bucket/k"},
		{S3Options{Region: "us-east-1", FIPS: true, EndpointOverride: "https://s3.example:8443"}, "https://s3.example:8443/my.bucket/k"},
		{S3Options{Region: "us-east-1", EndpointOverride: "s3.example"}, "https://s3.example/my.bucket/k"},
	} {
		var got string
		test.o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r.URL.Scheme + "://" + r.URL.Host + r.URL.Path
			return &http.Response{StatusCode: 404, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})
		s, err := NewS3(test.o, "my.bucket", "k", "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Fetch(context.Background(), filepath.Join(t.TempDir(), "f"), nil); err == nil {
			t.Error("Fetch = nil, want an error")
		}
		if got != test.want {
			t.Errorf("the request goes to %s, want %s", got, test.want)
		}
	}
	if _, err := NewS3(S3Options{}, "", "k", "", ""); err == nil || !strings.Contains(err.Error(), "without bucket and region") {
		t.Errorf("NewS3(no bucket, no region) = %v, want an error that names both", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestS3Stalled(t *testing.T) {
	t.Parallel()
	content := random(10_000)
	b := newBucket(t, map[string][]byte{"app.tgz": content})
	b.interfere = func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
		switch n {
		case 1: // never an answer
			<-r.Context().Done()
			return true
		case 2: // a part of one
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			w.Write(data[:4000])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return true
		}
		return false
	}
	o := b.options(nil)
	o.Stall = 200 * time.Millisecond
	bundle, _, err := download(t, o, "app.tgz", "", "")
	if err != nil {
		t.Fatalf("Download = %v, want no error", err)
	}
	wantContent(t, bundle, content)
}

func TestS3Canceled(t *testing.T) {
	t.Parallel()
	b := newBucket(t, map[string][]byte{"app.tgz": []byte("x")})
	ctx, cancel := context.WithCancel(context.Background())
	b.interfere = func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
		cancel()
		<-r.Context().Done()
		return true
	}
	s, err := NewS3(b.options(nil), "releases", "app.tgz", "", "")
	if err != nil {
		t.Fatal(err)
	}
	d := t.TempDir()
	if _, err := Download(ctx, s, filepath.Join(d, "bundle.tar"), 0o644, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Download = %v, want context canceled", err)
	}
	if rest := names(t, d); len(rest) > 0 {
		t.Errorf("a canceled download leaves %v", rest)
	}
	if n := len(b.asked()); n != 1 {
		t.Errorf("%d requests were made, want 1", n)
	}
}

func TestS3KeepsSecrets(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	b := newBucket(t, map[string][]byte{"app.tgz": []byte("content of the object")})
	o := b.options(nil)
	o.Log, o.WireLog = zap.New(core), zap.New(core)
	o.Credentials = aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AKID", "SECRET", "SESSION"))
	if _, _, err := download(t, o, "app.tgz", "", ""); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range logs.All() {
		fmt.Fprintln(&text, e.Message, e.ContextMap())
	}
	if !strings.Contains(text.String(), "/releases/app.tgz") || !strings.Contains(text.String(), "200 OK") {
		t.Errorf("the wire log has no request and answer: %s", &text)
	}
	for _, secret := range []string{"AKID", "SECRET", "SESSION", "Signature", "content of the object"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("the wire log has %q: %s", secret, &text)
		}
	}
}
