package network

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
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

// RoundTrip implements http.RoundTripper. Of a request with a body that cannot be had again (see http.Request.GetBody), the call that meets an
// unlikely authority fails, and the next succeeds.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	first := t.carrier.Load()
	answer, err := first.RoundTrip(r)
	if refused := (*tls.CertificateVerificationError)(nil); !errors.As(err, &refused) {
		return answer, err
	}
	all, wrong := t.widen()
	if wrong != nil {
		return nil, errors.Join(err, wrong)
	}
	if all == first {
		return nil, err
	}
	if t.carrier.CompareAndSwap(first, all) {
		first.CloseIdleConnections()
	}
	if r.Body != nil && r.Body != http.NoBody {
		if r.GetBody == nil {
			return nil, err
		}
		body, wrong := r.GetBody()
		if wrong != nil {
			return nil, errors.Join(err, wrong)
		}
		r = new(*r)
		r.Body = body
	}
	return all.RoundTrip(r)
}
