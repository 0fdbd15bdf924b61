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
// It begins with the authorities that are likely to be needed, when the first request is made. When they do not vouch for a certificate, it takes
// all of them, for good, and calls again; nothing of a request has been sent by then.
type Transport struct {
	proxy   func(*http.Request) (*url.URL, error)
	carrier atomic.Pointer[http.Transport]          // nil before the first request
	begin   func() (first *http.Transport, _ error) // sync.OnceValues
	widen   func() (all *http.Transport, _ error)   // sync.OnceValues
}

// NewTransport returns the transport for the command service, S3 and GitHub. The variables AWS_CA_BUNDLE and AWS_SSL_CA_BUNDLE (files) and
// AWS_SSL_CA_DIRECTORY (official agents) add to the trusted authorities. SSL_CERT_FILE and SSL_CERT_DIR say where those of the system are.
func NewTransport(s Settings) (*Transport, error) {
	files, err := configuredAuthorities(s)
	if err == nil {
		err = extend(x509.NewCertPool(), files)
	}
	if err != nil {
		return nil, err
	}
	t := &Transport{proxy: proxy(s)}
	carrier := func(authorities *x509.CertPool) *http.Transport {
		c := direct()
		c.Proxy = t.proxy
		c.TLSClientConfig.RootCAs = authorities
		c.ResponseHeaderTimeout = s.ReadTimeout
		return c
	}
	t.widen = sync.OnceValues(func() (*http.Transport, error) {
		all, err := everyAuthority(files)
		return carrier(all), err
	})
	t.begin = sync.OnceValues(func() (*http.Transport, error) {
		likely, err := likelyAuthorities(files)
		if likely == nil && err == nil {
			return t.widen()
		}
		return carrier(likely), err
	})
	return t, nil
}

// current returns what carries a request now.
func (t *Transport) current() (*http.Transport, error) {
	if t.carrier.Load() == nil {
		first, err := t.begin()
		if err != nil {
			return nil, err
		}
		t.carrier.CompareAndSwap(nil, first)
	}
	return t.carrier.Load(), nil
}

// Proxy returns the proxy for a request, nil for none.
func (t *Transport) Proxy(r *http.Request) (*url.URL, error) { return t.proxy(r) }

// CloseIdleConnections closes the connections that carry nothing now.
func (t *Transport) CloseIdleConnections() {
	if c := t.carrier.Load(); c != nil {
		c.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper. Of a request with a body that cannot be had again (see http.Request.GetBody), the call that meets an
// unlikely authority fails, and the next succeeds.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	first, err := t.current()
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
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
