package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// proxy is an HTTP proxy that stands for the whole internet: it answers for the hosts it knows, also inside TLS, with certificates of its own
// authority.
type proxy struct {
	t         testing.TB
	url       string
	user      *url.Userinfo // who may use it, nil for everybody
	authority []byte        // PEM
	hosts     map[string]http.Handler

	certify func(host string) *tls.Certificate
	inside  *handed

	mu   sync.Mutex
	seen []*http.Request
}

// newProxy starts a proxy. password empty lets everybody use it.
func newProxy(t testing.TB, password string, hosts map[string]http.Handler) *proxy {
	t.Helper()
	p := &proxy{t: t, hosts: hosts, inside: &handed{conns: make(chan net.Conn), done: make(chan struct{})}}
	if password != "" {
		p.user = url.UserPassword("agent", password)
	}
	p.makeAuthority()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.inside.addr = listener.Addr()
	address := url.URL{Scheme: "http", Host: listener.Addr().String(), User: p.user}
	p.url = address.String()
	quiet := log.New(io.Discard, "", 0)
	for l, h := range map[net.Listener]http.HandlerFunc{listener: p.serve, p.inside: p.serveInside} {
		server := &http.Server{Handler: h, ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
		go server.Serve(l)
		t.Cleanup(func() { server.Close() })
	}
	return p
}

// requests returns what was asked for, with the headers that reached the proxy; those inside TLS have the scheme https.
func (p *proxy) requests() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*http.Request(nil), p.seen...)
}

func (p *proxy) note(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, r.Clone(r.Context()))
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	p.note(r)
	if p.user != nil && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(plainUser(p.user))) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
		http.Error(w, "who are you, "+r.Header.Get("Proxy-Authorization")+"?", http.StatusProxyAuthRequired)
		return
	}
	r.Header.Del("Proxy-Authorization")
	host := r.URL.Hostname()
	handler := p.hosts[host]
	switch {
	case handler == nil:
		http.Error(w, "no such host", http.StatusBadGateway)
	case r.Method != http.MethodConnect:
		handler.ServeHTTP(w, r)
	default:
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			p.t.Error(err)
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
			conn.Close()
			return
		}
		p.inside.hand(tls.Server(&readAhead{conn, buffered.Reader}, &tls.Config{Certificates: []tls.Certificate{*p.certify(host)}, MinVersion: tls.VersionTLS12}))
	}
}

func (p *proxy) serveInside(w http.ResponseWriter, r *http.Request) {
	r.URL.Scheme, r.URL.Host = "https", r.Host
	p.note(r)
	host, _, _ := strings.Cut(r.Host, ":")
	p.hosts[host].ServeHTTP(w, r)
}

func plainUser(u *url.Userinfo) string {
	password, _ := u.Password()
	return u.Username() + ":" + password
}

// makeAuthority makes the proxy's authority and how it certifies hosts.
func (p *proxy) makeAuthority() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority of the test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.certify = func(host string) *tls.Certificate {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		der, err := x509.CreateCertificate(rand.Reader, leaf, template, key.Public(), key)
		if err != nil {
			p.t.Error(err)
		}
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
}

// forward sends requests on to another address.
func forward(t testing.TB, to string) http.Handler {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = u.Scheme, u.Host, r.In.Host
	}}
}

// readAhead is a connection of which a part was read already.
type readAhead struct {
	net.Conn
	r *bufio.Reader
}

func (c *readAhead) Read(p []byte) (int, error) { return c.r.Read(p) }

// handed is a listener of connections that are handed to it.
type handed struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (h *handed) hand(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handed) Addr() net.Addr { return h.addr }
