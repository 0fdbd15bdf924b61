package revision

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/agent/progress"
)

// GitHubOptions say how GitHub is reached.
type GitHubOptions struct {
	Endpoint  string            // empty: https://api.github.com
	Transport http.RoundTripper // nil: http.DefaultTransport
	Token     string            // empty: anonymous, for public repositories
	UserAgent string            // GitHub refuses requests without one; empty: "codedeploy-agent"
	Log       *zap.Logger       // nil: nothing is logged

	Stall time.Duration                              // give up a connection that brings nothing for so long; 0: a minute
	Sleep func(context.Context, time.Duration) error // waits between attempts; nil: by the clock
}

// githubPauses are the times between attempts. The official agents wait 10, 30 and 90 seconds, after every error; here most
// hiccups are over after the first two seconds, and what cannot succeed is not tried again.
var githubPauses = []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, 90 * time.Second}

// githubPatience is the longest wait that GitHub may ask for.
const githubPatience = 2 * time.Minute

type github struct {
	o    GitHubOptions
	url  string
	name string
	open opener
}

// NewGitHub is a commit (or tag or branch) of a repository as the archive that GitHub makes of it: a zip for the format Zip, else a
// compressed tar, which Unpack takes as Tar or TGZ. The token goes to the endpoint's host only, not to where it redirects.
func NewGitHub(o GitHubOptions, account, repository, commit string, f Format) (Source, error) {
	if o.Endpoint == "" {
		o.Endpoint = "https://api.github.com"
	}
	if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("cannot use the GitHub endpoint: it is no http or https URL")
	}
	kind := map[Format]string{Zip: "zipball", Tar: "tarball", TGZ: "tarball"}[f]
	if kind == "" {
		return nil, fmt.Errorf("cannot download a %q from GitHub: it has tar and zip", string(f))
	}
	address := strings.TrimSuffix(o.Endpoint, "/") + "/repos"
	for _, part := range []struct{ what, value string }{{"account", account}, {"repository", repository}, {"commit", commit}} {
		escaped, ok := escapeSegments(part.value, part.what == "commit")
		if !ok {
			return nil, fmt.Errorf("cannot use the GitHub revision %s/%s at %q: the %s %q is not a valid name", account, repository, commit, part.what, part.value)
		}
		if part.what == "commit" {
			address += "/" + kind
		}
		address += "/" + escaped
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.UserAgent == "" {
		o.UserAgent = "codedeploy-agent"
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	return &github{o: o, open: openPart, url: address, name: account + "/" + repository + " at " + commit}, nil
}

// escapeSegments escapes a name for a URL's path. A branch may have slashes.
func escapeSegments(name string, slashes bool) (string, bool) {
	segments := []string{name}
	if slashes {
		segments = strings.Split(name, "/")
	}
	for i, s := range segments {
		if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "\x00\r\n") {
			return "", false
		}
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/"), true
}

func (g *github) String() string { return "GitHub " + g.name }

func (g *github) Fetch(ctx context.Context, path string, work *progress.Work) (Fetched, error) {
	for attempt := 0; ; attempt++ {
		got, err := g.attempt(ctx, path, work)
		if err == nil {
			return got, nil
		}
		if ctx.Err() != nil {
			return Fetched{}, fmt.Errorf("cannot download %s: %w", g, context.Cause(ctx))
		}
		var again *again
		if !errors.As(err, &again) || again.after > githubPatience {
			return Fetched{}, fmt.Errorf("cannot download %s: %w", g, err)
		}
		if attempt == len(githubPauses) {
			return Fetched{}, fmt.Errorf("cannot download %s: %w (after %d attempts)", g, err, attempt+1)
		}
		pause := max(githubPauses[attempt], again.after)
		g.o.Log.Warn("the download from GitHub failed; it is tried again", zap.Stringer("source", g), zap.Int("attempt", attempt+1),
			zap.Duration("pause", pause), zap.Error(err))
		if err := g.o.Sleep(ctx, pause); err != nil {
			return Fetched{}, fmt.Errorf("cannot download %s: %w", g, err)
		}
	}
}

// again marks an error that may be gone later. A positive after is the wait that GitHub asks for.
type again struct {
	err   error
	after time.Duration
}

func (e *again) Error() string { return e.err.Error() }
func (e *again) Unwrap() error { return e.err }

func (g *github) attempt(ctx context.Context, path string, work *progress.Work) (Fetched, error) {
	ctx, dog := watch(ctx, g.o.Stall)
	defer dog.stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url, nil)
	if err != nil {
		return Fetched{}, withoutURL(err)
	}
	request.Header.Set("User-Agent", g.o.UserAgent)
	request.Header.Set("Accept-Encoding", "identity") // the archive as it is, not unpacked on the way
	if g.o.Token != "" {
		request.Header.Set("Authorization", "token "+g.o.Token)
	}
	client := &http.Client{Transport: g.o.Transport, CheckRedirect: g.redirect}
	answer, err := client.Do(request)
	if err != nil {
		var certificate *tls.CertificateVerificationError
		var refused *redirectError
		err = stallCause(ctx, withoutURL(err))
		if errors.As(err, &certificate) || errors.As(err, &refused) {
			return Fetched{}, err
		}
		return Fetched{}, &again{err: err}
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return Fetched{}, g.refusal(answer)
	}
	if err := discardPart(path); err != nil { // what the last attempt brought: GitHub cannot continue
		return Fetched{}, err
	}
	n, err := copyTo(g.open, path, dog.body(ctx, answer.Body), max(answer.ContentLength, 0), work)
	var storage *storageError
	if errors.As(err, &storage) {
		return Fetched{}, err
	}
	if err != nil {
		return Fetched{}, &again{err: fmt.Errorf("the connection broke off after %d bytes: %w", n, err)}
	}
	return Fetched{Bytes: n}, nil
}

type redirectError struct{ text string }

func (e *redirectError) Error() string { return e.text }

// redirect follows GitHub to its download host, without the token and without giving up encryption.
func (g *github) redirect(next *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) >= 10:
		return &redirectError{"it redirects more than ten times"}
	case first.URL.Scheme == "https" && next.URL.Scheme != "https":
		return &redirectError{"it redirects to an address without encryption"}
	case next.URL.Host != first.URL.Host: // net/http keeps it for subdomains
		next.Header.Del("Authorization")
	}
	return nil
}

// withoutURL strips the address from an error of net/http: after a redirect it has a token.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refusal says what a status means and whether to try again.
func (g *github) refusal(answer *http.Response) error {
	status := answer.StatusCode
	after := retryAfter(answer.Header, time.Now())
	exhausted := answer.Header.Get("X-RateLimit-Remaining") == "0"
	limited := status == http.StatusTooManyRequests || status == http.StatusForbidden && (answer.Header.Get("Retry-After") != "" || exhausted)
	switch {
	case limited:
		hint := "deploy again later"
		if g.o.Token == "" {
			hint += ", or with a token, which has a higher limit"
		}
		return &again{fmt.Errorf("GitHub's rate limit is reached (status %d, it ends in %s); %s", status, after.Round(time.Second), hint), after}
	case status >= 500:
		return &again{fmt.Errorf("GitHub answers with status %d; see githubstatus.com", status), after}
	case status == http.StatusUnauthorized:
		return fmt.Errorf("GitHub refuses the token (status %d); connect the application to GitHub again, or renew the token", status)
	case status == http.StatusForbidden:
		return fmt.Errorf("GitHub refuses access (status %d); the token needs to read the repository's contents, and an organisation may have to authorise it", status)
	case status == http.StatusNotFound && g.o.Token == "":
		return fmt.Errorf("GitHub has no such repository or commit (status %d), or it is private and no token was given", status)
	case status == http.StatusNotFound:
		return fmt.Errorf("GitHub has no such repository or commit (status %d), or the token may not read it", status)
	}
	return fmt.Errorf("GitHub answers with status %d, not with an archive", status)
}

// retryAfter is how long GitHub asks to wait: Retry-After in seconds, or until the limit is reset.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil && h.Get("X-RateLimit-Remaining") == "0" {
		return max(time.Unix(reset, 0).Sub(now), 0)
	}
	return 0
}
