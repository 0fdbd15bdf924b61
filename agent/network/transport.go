package network

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
)

// Transport carries requests over HTTP/1.1, through the configured proxy and trusting the configured authorities and the system's. It is safe
// for use by several goroutines.
//
// It begins with the authorities that are likely to be needed. When they do not vouch for a certificate, it takes all of them, for good, and
// calls again; nothing of a request has been sent by then.
type Transport struct {
	carrier atomic.Pointer[http.Transport]
	widen   func() (*http.Transport, error) // sync.OnceValues
}

// NewTransport returns the transport for the command service, S3 and GitHub. The variables AWS_CA_BUNDLE and AWS_SSL_CA_BUNDLE (files) and
// AWS_SSL_CA_DIRECTORY (official agents) add to the trusted authorities. SSL_CERT_FILE and SSL_CERT_DIR say where those of the system are.
func NewTransport(s Settings) (*Transport, error) {
	files, err := configuredAuthorities(s)
	if err != nil {
		return nil, err
	}
	choose := proxy(s)
	carrier := func(authorities func([]authority) (*x509.CertPool, error)) (*http.Transport, error) {
		pool, err := authorities(files)
		if err != nil {
			return nil, err
		}
		t := direct()
		t.Proxy = choose
		t.TLSClientConfig.RootCAs = pool
		t.ResponseHeaderTimeout = s.ReadTimeout
		return t, nil
	}
	t := &Transport{widen: sync.OnceValues(func() (*http.Transport, error) { return carrier(everyAuthority) })}
	first, err := carrier(likelyAuthorities)
	if err == nil && first.TLSClientConfig.RootCAs == nil {
		first, err = t.widen()
	}
	t.carrier.Store(first)
	return t, err
}

// Proxy returns the proxy for a request, nil for none.
func (t *Transport) Proxy(r *http.Request) (*url.URL, error) {
	return t.carrier.Load().Proxy(r)
}

// CloseIdleConnections closes the connections that carry nothing now.
func (t *Transport) CloseIdleConnections() {
	t.carrier.Load().CloseIdleConnections()
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	first := t.carrier.Load()
	attempt, body := r, (*unsentBody)(nil)
	if r.Body != nil && r.Body != http.NoBody {
		body = &unsentBody{ReadCloser: r.Body}
		attempt = new(*r)
		attempt.Body = body
	}
	answer, err := first.RoundTrip(attempt)
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) {
		all, wrong := t.widen()
		if wrong != nil {
			err = errors.Join(err, wrong)
		} else if all != first {
			if t.carrier.CompareAndSwap(first, all) {
				first.CloseIdleConnections()
			}
			return all.RoundTrip(r)
		}
	}
	if body != nil {
		body.release()
	}
	return answer, err
}

// unsentBody is a request's body that stays open until it is released, so that it can be sent by a second attempt.
type unsentBody struct {
	io.ReadCloser
	mu               sync.Mutex
	closed, released bool
}

func (b *unsentBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if !b.released {
		return nil
	}
	return b.ReadCloser.Close()
}

// release lets the body be closed, or closes it if it was to be closed before.
func (b *unsentBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	if b.closed {
		b.ReadCloser.Close()
	}
}
