//go:build unix

package revision

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"codedeploy-agent/agent/durable"
	"codedeploy-agent/agent/progress"
	"codedeploy-agent/agent/rehearsal"
)

// downloadTo makes the test binary a process that downloads an object of the service at one address to another place; see TestMain.
const downloadTo = "REVISION_TEST_DOWNLOAD"

// downloadAsChild is what that process does. It is going to be killed.
func downloadAsChild(arguments string) int {
	url, bundle, _ := strings.Cut(arguments, " ")
	s, err := NewS3(serviceOptions(url), "releases", "app.tgz", "", "")
	if err == nil {
		_, err = Download(context.Background(), s, bundle, 0o644, nil)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return 0
}

func serviceOptions(url string) S3Options {
	return S3Options{Region: "eu-west-1", EndpointOverride: url, Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", "")}
}

func newService(t *testing.T, content []byte) *rehearsal.Service {
	t.Helper()
	service, err := rehearsal.NewService(rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	if _, err := service.Put("releases", "app.tgz", rehearsal.Object{Data: content}); err != nil {
		t.Fatal(err)
	}
	return service
}

// waitForPartial waits until the description beside the part of bundle has so many bytes.
func waitForPartial(t *testing.T, bundle string, bytes int64) *partial {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if p, err := loadPartial(stagedName(bundle)); err != nil {
			t.Fatal(err)
		} else if p != nil && p.spans().bytes() >= bytes {
			return p
		}
	}
	t.Fatalf("no description of %d bytes has appeared", bytes)
	return nil
}

// TestKilledDownload kills processes in the middle of downloads. The next download fetches what is missing and nothing else.
func TestKilledDownload(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		size    int
		stalled int   // requests that bring half of what they ask for and then nothing
		want    int64 // bytes that have come then
	}{
		{name: "one connection", size: 20 << 20, stalled: 1, want: 10 << 20},
		// The first 16 MiB come, being the first part; of the four other parts of 16, 16, 16 and 6 MiB the halves.
		{name: "several connections", size: 70 << 20, stalled: 5, want: 43 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			content := random(test.size)
			service := newService(t, content)
			bundle := filepath.Join(t.TempDir(), "bundle.tar")
			service.Inject(rehearsal.Fault{Operation: "GetObject", Key: "app.tgz", Kind: rehearsal.Stalled, Times: test.stalled})
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), downloadTo+"="+service.URL()+" "+bundle)
			var said bytes.Buffer
			child.Stdout, child.Stderr = &said, &said
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			exited := make(chan struct{})
			go func() { child.Wait(); close(exited) }()
			t.Cleanup(func() { child.Process.Kill(); <-exited })
			p := waitForPartial(t, bundle, test.want)
			if got := p.spans().bytes(); got != test.want {
				t.Errorf("the description has %d bytes, want %d", got, test.want)
			}
			child.Process.Kill()
			<-exited
			if _, err := os.Stat(bundle); err == nil || said.Len() > 0 {
				t.Fatalf("the download ended before it was killed: %s", &said)
			}

			before := len(service.Requests("GetObject"))
			s, err := NewS3(serviceOptions(service.URL()), "releases", "app.tgz", "", "")
			if err != nil {
				t.Fatal(err)
			}
			var work progress.Work
			got, err := Download(context.Background(), s, bundle, 0o644, &work)
			if err != nil {
				t.Fatalf("Download = %v, want no error", err)
			}
			wantContent(t, bundle, content)
			if _, done := work.Done(); got.Bytes != int64(test.size) || done != got.Bytes {
				t.Errorf("Download = %+v, %d bytes done, want %d", got, done, test.size)
			}
			var asked, want []string
			for _, r := range service.Requests("GetObject")[before:] {
				asked = append(asked, r.Range)
				if strings.Trim(r.IfMatch, `"`) != md5of(content) {
					t.Errorf("a request has If-Match %q, want the ETag", r.IfMatch)
				}
			}
			for _, x := range p.spans().missing(int64(test.size), s3Part) {
				want = append(want, "bytes="+strconv.FormatInt(x.from, 10)+"-"+strconv.FormatInt(x.to-1, 10))
			}
			slices.Sort(asked)
			slices.Sort(want)
			if d := cmp.Diff(want, asked); d != "" {
				t.Errorf("requests of the second download (-want +got):\n%s", d)
			}
		})
	}
}

// interrupt downloads half of an object, as one whose process goes down leaves it, and returns what it had noted.
func interrupt(t *testing.T, b *bucket, bundle, version string, change ...func(*s3Source)) *partial {
	t.Helper()
	b.mu.Lock()
	b.interfere = func(n int, w http.ResponseWriter, r *http.Request, data []byte) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:len(data)/2])
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	b.mu.Unlock()
	s, err := NewS3(b.options(nil), "releases", "app.tgz", version, "")
	if err != nil {
		t.Fatal(err)
	}
	s.(*s3Source).recordEvery = time.Millisecond
	for _, c := range change {
		c(s.(*s3Source))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := Download(ctx, s, bundle, 0o644, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("Download = %v, want context canceled", err)
		}
	})
	p := waitForPartial(t, bundle, 1)
	if len(change) == 0 {
		p = waitForPartial(t, bundle, p.Size/2)
	}
	cancel()
	all.Wait()
	b.mu.Lock()
	b.interfere, b.requests = nil, nil
	b.mu.Unlock()
	return p
}

// TestContinuedDownload has what may have happened between two downloads. Whatever it is, the bundle is the object in the end.
func TestContinuedDownload(t *testing.T) {
	t.Parallel()
	content, other := random(3<<20), bytes.Repeat([]byte("other"), 600_000)
	staged := func(bundle string) string { return stagedName(bundle) }
	rewrite := func(change func(p *partial)) func(*testing.T, *bucket, string) {
		return func(t *testing.T, _ *bucket, bundle string) {
			p, err := loadPartial(staged(bundle))
			if err != nil {
				t.Fatal(err)
			}
			change(p)
			if err := p.save(staged(bundle)); err != nil {
				t.Fatal(err)
			}
		}
	}
	overwrite := func(name func(string) string, data string) func(*testing.T, *bucket, string) {
		return func(t *testing.T, _ *bucket, bundle string) {
			if err := os.WriteFile(name(bundle), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	description := func(bundle string) string { return partialName(staged(bundle)) }
	rest := []string{"bytes=1572864-3145727"}
	for _, test := range []struct {
		name    string
		version string // asked for
		change  func(t *testing.T, b *bucket, bundle string)
		ranges  []string // of the requests
		want    []byte   // nil: content
	}{
		{name: "nothing", ranges: rest},
		{name: "nothing, by version", version: "v1", ranges: rest},
		{name: "nothing, by version without ETag", version: "v1", ranges: rest, change: func(_ *testing.T, b *bucket, _ string) { b.noETag = true }},
		{name: "the object is another one", ranges: append(rest, ""), want: other,
			change: func(_ *testing.T, b *bucket, _ string) { b.objects["app.tgz"] = other }},
		{name: "the object is another one, and the server ignores If-Match", ranges: append(rest, ""), want: other,
			change: func(_ *testing.T, b *bucket, _ string) { b.objects["app.tgz"], b.ignoreMatch = other, true }},
		{name: "the object is shorter, and the server ignores If-Match", ranges: append(rest, ""), want: other[:1000],
			change: func(_ *testing.T, b *bucket, _ string) { b.objects["app.tgz"], b.ignoreMatch = other[:1000], true }},
		{name: "the server has no ranges any more", ranges: append(rest, ""), change: func(_ *testing.T, b *bucket, _ string) { b.noRange = true }},
		{name: "the part is gone", ranges: []string{""}, change: func(t *testing.T, _ *bucket, bundle string) { os.Remove(staged(bundle)) }},
		{name: "the part is short", ranges: []string{""}, change: overwrite(staged, "short")},
		{name: "the part is a link", ranges: []string{""}, change: func(t *testing.T, _ *bucket, bundle string) {
			os.Rename(staged(bundle), bundle+".elsewhere")
			os.Symlink(bundle+".elsewhere", staged(bundle))
			t.Cleanup(func() { os.Remove(bundle + ".elsewhere") })
		}},
		{name: "the part is damaged", ranges: append(rest, ""), change: func(t *testing.T, b *bucket, bundle string) {
			f, err := os.OpenFile(staged(bundle), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("damage"), 4711); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "the description is gone", ranges: []string{""}, change: func(t *testing.T, _ *bucket, bundle string) { os.Remove(description(bundle)) }},
		{name: "the description is empty", ranges: []string{""}, change: overwrite(description, "")},
		{name: "the description is cut", ranges: []string{""}, change: overwrite(description, `{"source":"s3://rel`)},
		{name: "the description is of another source", ranges: []string{""}, change: rewrite(func(p *partial) { p.Source = "s3://releases/app.tgz?versionId=v1" })},
		{name: "the description names no object", ranges: []string{""}, change: rewrite(func(p *partial) { p.ETag = "" })},
		{name: "the description has other checksums", ranges: []string{""}, change: rewrite(func(p *partial) { p.Checksums = map[string]string{"MD4": "x"} })},
		{name: "ranges overlap", ranges: []string{""}, change: rewrite(func(p *partial) { p.Ranges = [][2]int64{{0, 10}, {5, 20}} })},
		{name: "ranges are out of bounds", ranges: []string{""}, change: rewrite(func(p *partial) { p.Ranges = [][2]int64{{0, p.Size + 1}} })},
		{name: "a range is negative", ranges: []string{""}, change: rewrite(func(p *partial) { p.Ranges = [][2]int64{{-5, 20}} })},
		{name: "no ranges", ranges: []string{""}, change: rewrite(func(p *partial) { p.Ranges = nil })},
		{name: "a description was being written", ranges: []string{""}, change: func(t *testing.T, _ *bucket, bundle string) {
			os.Remove(description(bundle))
			overwrite(func(b string) string { return durable.Temporary(description(b)) }, "{")(t, nil, bundle)
		}},
		{name: "more had come than was described", ranges: []string{"bytes=1000-3145727"}, change: rewrite(func(p *partial) { p.Ranges = [][2]int64{{0, 1000}} })},
		{name: "holes", ranges: []string{"bytes=0-99", "bytes=1000-1999", "bytes=3000-3145727"},
			change: rewrite(func(p *partial) { p.Ranges = [][2]int64{{100, 1000}, {2000, 3000}} })},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			name := "app.tgz"
			if test.version != "" {
				name += "?" + test.version
			}
			b := newBucket(t, map[string][]byte{name: content})
			b.headers["X-Amz-Checksum-Crc64nvme"] = crc64Of(content)
			if strings.Contains(test.name, "without ETag") {
				b.noETag = true
			}
			bundle := filepath.Join(t.TempDir(), "bundle.tar")
			interrupt(t, b, bundle, test.version)
			if d := cmp.Diff([]string{".bundle.tar.part", ".bundle.tar.part.json"}, names(t, filepath.Dir(bundle))); d != "" {
				t.Fatalf("an interrupted download leaves (-want +got):\n%s", d)
			}
			if test.change != nil {
				test.change(t, b, bundle)
			}
			want := content
			if test.want != nil {
				want = test.want
			}
			b.headers["X-Amz-Checksum-Crc64nvme"] = crc64Of(want)
			s, err := NewS3(b.options(nil), "releases", "app.tgz", test.version, "")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Download(context.Background(), s, bundle, 0o644, nil); err != nil {
				t.Fatalf("Download = %v, want no error", err)
			}
			wantContent(t, bundle, want)
			var ranges []string
			for _, r := range b.asked() {
				ranges = append(ranges, r.Header.Get("Range"))
			}
			if d := cmp.Diff(test.ranges, ranges); d != "" {
				t.Errorf("requests (-want +got):\n%s", d)
			}
			for _, name := range names(t, filepath.Dir(bundle)) {
				if name != "bundle.tar" && name != ".bundle.tar.part.json" && name != "bundle.tar.elsewhere" {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

// TestDownloadAfterPowerLoss has a disk that forgets what was not synced. What the description names must be there all the same.
func TestDownloadAfterPowerLoss(t *testing.T) {
	t.Parallel()
	for range 5 {
		content := random(3 << 20)
		b := newBucket(t, map[string][]byte{"app.tgz": content})
		b.headers["X-Amz-Checksum-Crc64nvme"] = "" // nothing but the description says what is good
		bundle := filepath.Join(t.TempDir(), "bundle.tar")
		interrupt(t, b, bundle, "", func(s *s3Source) {
			s.open = func(path string, flag int) (part, error) {
				p, err := openPart(path, flag)
				return &forgetfulPart{part: p, wrote: make(chan struct{}, 1)}, err
			}
		})
		s, err := NewS3(b.options(nil), "releases", "app.tgz", "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Download(context.Background(), s, bundle, 0o644, nil); err != nil {
			t.Fatalf("Download = %v, want no error", err)
		}
		wantContent(t, bundle, content)
		if r := b.asked(); len(r) != 1 || r[0].Header.Get("Range") == "" {
			t.Errorf("%d requests were made, want one with a range", len(r))
		}
	}
}

// forgetfulPart keeps what is written in memory until it is synced. A sync takes until more has been written, for which it does not hold.
type forgetfulPart struct {
	part
	wrote chan struct{}

	mu      sync.Mutex
	pending []func() error
}

func (p *forgetfulPart) WriteAt(data []byte, at int64) (int, error) {
	data = bytes.Clone(data)
	p.mu.Lock()
	p.pending = append(p.pending, func() error { _, err := p.part.WriteAt(data, at); return err })
	p.mu.Unlock()
	select {
	case p.wrote <- struct{}{}:
	default:
	}
	return len(data), nil
}

func (p *forgetfulPart) SyncData() error {
	p.mu.Lock()
	pending := p.pending
	p.pending = nil
	p.mu.Unlock()
	for _, write := range pending {
		if err := write(); err != nil {
			return err
		}
	}
	select {
	case <-p.wrote:
	case <-time.After(20 * time.Millisecond): // the download has come to its end
	}
	return nil
}

// TestDownloadNotUnpacked downloads a bundle again that came completely before the agent went down.
func TestDownloadNotUnpacked(t *testing.T) {
	t.Parallel()
	content := compressed(t, packTar(t, 0, file("appspec.yml", "x", 0o644), file("random", string(random(2<<20)), 0o644)))
	b := newBucket(t, map[string][]byte{"app.tgz": content})
	bundle := filepath.Join(t.TempDir(), "bundle.tar")
	interrupt(t, b, bundle, "")
	get := func() []string {
		t.Helper()
		b.mu.Lock()
		b.requests = nil
		b.mu.Unlock()
		s, err := NewS3(b.options(nil), "releases", "app.tgz", "", "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Download(context.Background(), s, bundle, 0o644, nil); err != nil || got.Bytes != int64(len(b.objects["app.tgz"])) {
			t.Fatalf("Download = %+v, %v", got, err)
		}
		wantContent(t, bundle, b.objects["app.tgz"])
		var ranges []string
		for _, r := range b.asked() {
			ranges = append(ranges, r.Header.Get("Range"))
		}
		return ranges
	}
	get()
	last := "bytes=" + strconv.Itoa(len(content)-1) + "-" + strconv.Itoa(len(content)-1)
	if d := cmp.Diff([]string{last}, get()); d != "" {
		t.Errorf("requests for a bundle that is here (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{".bundle.tar.part.json", "bundle.tar"}, names(t, filepath.Dir(bundle))); d != "" {
		t.Errorf("before unpacking there is (-want +got):\n%s", d)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	archive := filepath.Join(filepath.Dir(bundle), "deployment-archive")
	if err := Unpack(canceled, TGZ, bundle, archive, UnpackOptions{}); err == nil {
		t.Error("Unpack(canceled) = nil, want an error")
	}
	if d := cmp.Diff([]string{last}, get()); d != "" {
		t.Errorf("requests for a bundle whose unpacking was cut short (-want +got):\n%s", d)
	}
	if err := Unpack(context.Background(), TGZ, bundle, archive, UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"bundle.tar", "deployment-archive"}, names(t, filepath.Dir(bundle))); d != "" {
		t.Errorf("after unpacking there is (-want +got):\n%s", d)
	}
	interrupt(t, b, bundle, "")
	get()
	b.objects["app.tgz"] = append(bytes.Clone(content), "another one"...)
	if d := cmp.Diff([]string{last, ""}, get()); d != "" {
		t.Errorf("requests for a bundle that is here and was replaced (-want +got):\n%s", d)
	}
}

// TestFailedDownloadLeavesNothing has a continued download that fails, one that is discarded, and sources that cannot continue.
func TestFailedDownloadLeavesNothing(t *testing.T) {
	t.Parallel()
	content := random(1 << 20)
	local := filepath.Join(t.TempDir(), "local.tgz")
	if err := os.WriteFile(local, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		then func(t *testing.T, b *bucket, bundle string) error
		want []string
		err  string
	}{
		{"403", func(t *testing.T, b *bucket, bundle string) error {
			b.interfere = func(_ int, w http.ResponseWriter, _ *http.Request, _ []byte) bool {
				refuse(w, 403, "AccessDenied", "Access Denied")
				return true
			}
			s := must(NewS3(b.options(nil), "releases", "app.tgz", "", ""))
			_, err := Download(context.Background(), s, bundle, 0o644, nil)
			return err
		}, nil, "status 403"},
		{"another ETag was deployed", func(t *testing.T, b *bucket, bundle string) error {
			s := must(NewS3(b.options(nil), "releases", "app.tgz", "", "abc"))
			_, err := Download(context.Background(), s, bundle, 0o644, nil)
			return err
		}, nil, "expected ETag abc"},
		{"no room for the rest", func(t *testing.T, b *bucket, bundle string) error {
			p := must(loadPartial(stagedName(bundle)))
			p.Size = 1 << 55
			if err := p.save(stagedName(bundle)); err != nil {
				t.Fatal(err)
			}
			s := must(NewS3(b.options(nil), "releases", "app.tgz", "", ""))
			_, err := Download(context.Background(), s, bundle, 0o644, nil)
			if n := len(b.asked()); n > 0 {
				t.Errorf("%d requests were made, want none", n)
			}
			return err
		}, nil, "it has 36028797018963968 bytes, 524288 of them are here, and takes as many again or more when it is unpacked: not enough disk space at"},
		{"discarded", func(t *testing.T, b *bucket, bundle string) error { return Discard(bundle) }, nil, ""},
		{"GitHub", func(t *testing.T, b *bucket, bundle string) error {
			h := newHub(t)
			s := must(NewGitHub(GitHubOptions{Endpoint: h.api.URL}, "some org", "repo", "feature/x", TGZ))
			_, err := Download(context.Background(), s, bundle, 0o644, nil)
			return err
		}, []string{"bundle.tar"}, ""},
		{"a local file", func(t *testing.T, b *bucket, bundle string) error {
			_, err := Download(context.Background(), NewLocalFile(local), bundle, 0o644, nil)
			return err
		}, []string{"bundle.tar"}, ""},
	} {
		b := newBucket(t, map[string][]byte{"app.tgz": content})
		bundle := filepath.Join(t.TempDir(), "bundle.tar")
		interrupt(t, b, bundle, "")
		err := test.then(t, b, bundle)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
		if d := cmp.Diff(test.want, names(t, filepath.Dir(bundle))); d != "" {
			t.Errorf("%s leaves (-want +got):\n%s", test.name, d)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	var s spans
	for _, x := range []span{{50, 60}, {10, 20}, {20, 25}, {70, 80}, {5, 10}, {30, 30}, {24, 26}, {55, 58}, {0, 1}} {
		s.add(x)
	}
	if d := cmp.Diff(spans{{0, 1}, {5, 26}, {50, 60}, {70, 80}}, s, cmp.AllowUnexported(span{})); d != "" {
		t.Errorf("spans (-want +got):\n%s", d)
	}
	if n := s.bytes(); n != 42 {
		t.Errorf("bytes = %d, want 42", n)
	}
	if d := cmp.Diff([]span{{1, 5}, {26, 41}, {41, 50}, {60, 70}, {80, 95}, {95, 100}}, s.missing(100, 15), cmp.AllowUnexported(span{})); d != "" {
		t.Errorf("missing (-want +got):\n%s", d)
	}
	s.add(span{1, 70})
	s.add(span{80, 100})
	if d := cmp.Diff(spans{{0, 100}}, s, cmp.AllowUnexported(span{})); d != "" || len(s.missing(100, 15)) != 0 {
		t.Errorf("spans (-want +got):\n%s", d)
	}
}
