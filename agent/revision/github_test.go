package revision

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hub is a GitHub whose archives lie on another host than its API.
type hub struct {
	api, files *httptest.Server
	mu         sync.Mutex
	seen       []string // requests, with their token
	refuse     func(n int, w http.ResponseWriter) bool
	serve      func(n int, w http.ResponseWriter, r *http.Request)
	stall      time.Duration // 0: a minute
}

func newHub(t *testing.T) *hub {
	h := &hub{}
	h.files = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := h.note("files", r)
		if h.serve != nil {
			h.serve(n, w, r)
		}
		fmt.Fprint(w, "archive")
	}))
	h.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := h.note("api", r)
		if h.refuse != nil && h.refuse(n, w) {
			return
		}
		http.Redirect(w, r, h.files.URL+"/legacy.tar.gz?token=DOWNLOADSECRET", http.StatusFound)
	}))
	t.Cleanup(h.api.Close)
	t.Cleanup(h.files.Close)
	return h
}

func (h *hub) note(host string, r *http.Request) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, strings.TrimSpace(host+" "+r.URL.EscapedPath()+" "+r.Header.Get("Authorization")))
	return len(h.seen)
}

func (h *hub) fetch(t *testing.T, token string) (string, []time.Duration, error) {
	t.Helper()
	var pauses []time.Duration
	s, err := NewGitHub(GitHubOptions{Endpoint: h.api.URL, Token: token, Stall: h.stall, Sleep: func(ctx context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return ctx.Err()
	}}, "some org", "repo", "feature/x", TGZ)
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.tar")
	_, err = Download(context.Background(), s, bundle, 0o644, nil)
	if err != nil && strings.Contains(err.Error(), "SECRET") {
		t.Errorf("the error has a secret: %v", err)
	}
	return bundle, pauses, err
}

func TestGitHubDownload(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	bundle, _, err := h.fetch(t, "SECRET")
	if err != nil {
		t.Fatalf("Download = %v, want no error", err)
	}
	wantContent(t, bundle, []byte("archive"))
	want := []string{"api /repos/some%20org/repo/tarball/feature/x token SECRET", "files /legacy.tar.gz"}
	if d := cmp.Diff(want, h.seen); d != "" {
		t.Errorf("requests, with their token (-want +got):\n%s", d)
	}
}

// TestGitHubRedirect has what net/http would do by itself: it keeps the token for a subdomain.
func TestGitHubRedirect(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ to, want string }{
		{"https://codeload.ghe.example/x", ""},
		{"https://api.ghe.example/x", "token SECRET"},
		{"http://api.ghe.example/x", "without encryption"},
		{"https://api.ghe.example:444/x", ""},
	} {
		first, next := httptest.NewRequest("GET", "https://api.ghe.example/repos", nil), httptest.NewRequest("GET", test.to, nil)
		next.Header.Set("Authorization", "token SECRET")
		var got string
		if err := (&github{}).redirect(next, []*http.Request{first}); err != nil {
			got = err.Error()
		} else {
			got = next.Header.Get("Authorization")
		}
		if !strings.Contains(got, test.want) || test.want == "" && got != "" {
			t.Errorf("redirect to %s = %q, want %q", test.to, got, test.want)
		}
	}
}

func TestGitHubRetries(t *testing.T) {
	t.Parallel()
	status := func(code, times int, headers ...string) func(int, http.ResponseWriter) bool {
		left := times
		return func(_ int, w http.ResponseWriter) bool {
			if left == 0 {
				return false
			}
			left--
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	far := fmt.Sprint(time.Now().Add(time.Hour).Unix())
	for _, test := range []struct {
		name, token string
		refuse      func(int, http.ResponseWriter) bool
		serve       func(int, http.ResponseWriter, *http.Request)
		pauses      []time.Duration
		want        string
	}{
		{name: "404", refuse: status(404, -1), want: "or it is private and no token was given"},
		{name: "404 with a token", token: "SECRET", refuse: status(404, -1), want: "or the token may not read it"},
		{name: "401", token: "SECRET", refuse: status(401, -1), want: "refuses the token"},
		{name: "403", token: "SECRET", refuse: status(403, -1), want: "refuses access (status 403)"},
		{name: "400", refuse: status(400, -1), want: "status 400"},
		{name: "500 twice", refuse: status(500, 2), pauses: githubPauses[:2]},
		{name: "502 always", refuse: status(502, -1), pauses: githubPauses, want: "status 502; see githubstatus.com (after 5 attempts)"},
		{name: "429", refuse: status(429, 1), pauses: githubPauses[:1]},
		{name: "429 with a wait", refuse: status(429, 1, "Retry-After", "17"), pauses: []time.Duration{17 * time.Second}},
		{name: "secondary limit", refuse: status(403, 1, "Retry-After", "60"), pauses: []time.Duration{time.Minute}},
		{name: "limit of the hour", refuse: status(403, -1, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", far), want: "or with a token, which has a higher limit"},
		{name: "dropped", refuse: func(n int, _ http.ResponseWriter) bool {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, pauses: githubPauses[:1]},
		{name: "cut", serve: func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 2 {
				fmt.Fprint(w, "arch")
				http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}
		}, pauses: githubPauses[:1]},
		{name: "stalled", serve: func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 2 {
				fmt.Fprint(w, "arch")
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
		}, pauses: githubPauses[:1]},
	} {
		h := newHub(t)
		h.refuse, h.serve = test.refuse, test.serve
		if test.name == "stalled" {
			h.stall = 2 * time.Second
		}
		bundle, pauses, err := h.fetch(t, test.token)
		if test.want == "" {
			if err != nil {
				t.Errorf("Download(%s) = %v, want no error", test.name, err)
			} else {
				wantContent(t, bundle, []byte("archive"))
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "some org/repo at feature/x") {
			t.Errorf("Download(%s) = %v, want an error with %q", test.name, err, test.want)
		}
		if d := cmp.Diff(test.pauses, pauses); d != "" {
			t.Errorf("Download(%s) pauses (-want +got):\n%s", test.name, d)
		}
	}
}

func TestNewGitHub(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		account, repository, commit string
		format                      Format
		want                        string // the URL, or a part of the error
	}{
		{"a", "r", "c0ffee", Tar, "https://api.github.com/repos/a/r/tarball/c0ffee"},
		{"a", "r", "c0ffee", Zip, "https://api.github.com/repos/a/r/zipball/c0ffee"},
		{"a", "r", "x?y#z", TGZ, "https://api.github.com/repos/a/r/tarball/x%3Fy%23z"},
		{"..", "r", "c", Tar, `the account ".." is not a valid name`},
		{"a", "r/../x", "c", Tar, "https://api.github.com/repos/a/r%2F..%2Fx/tarball/c"},
		{"a", "r", "../../x", Tar, `the commit "../../x" is not a valid name`},
		{"a", "", "c", Tar, `the repository "" is not a valid name`},
		{"a", "r", "", Tar, `the commit "" is not a valid name`},
		{"a", "r", "c", Directory, `cannot download a "directory" from GitHub`},
	} {
		s, err := NewGitHub(GitHubOptions{}, test.account, test.repository, test.commit, test.format)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("NewGitHub(%q, %q, %q, %s) = %v, want %q", test.account, test.repository, test.commit, test.format, err, test.want)
			}
		} else if got := s.(*github).url; got != test.want {
			t.Errorf("NewGitHub(%q, %q, %q, %s) asks %s, want %s", test.account, test.repository, test.commit, test.format, got, test.want)
		}
	}
	if _, err := NewGitHub(GitHubOptions{Endpoint: "ftp://x"}, "a", "r", "c", Tar); err == nil {
		t.Error("NewGitHub(ftp endpoint) = nil, want an error")
	}
}
