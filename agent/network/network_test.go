package network

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func through(t *testing.T, s Settings, address string) string {
	t.Helper()
	tr, err := NewTransport(s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := tr.Proxy(r)
	if err != nil {
		t.Fatal(err)
	}
	if u == nil {
		return ""
	}
	return u.String()
}

func TestProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://env.test:1")
	t.Setenv("HTTP_PROXY", "http://env.test:1")
	t.Setenv("NO_PROXY", "plain.test")
	own := Settings{ProxyURI: "http://user:pw@proxy.test:3128", NoProxy: []string{".inner.test", "10.0.0.0/8"}}
	for _, c := range []struct {
		s             Settings
		address, want string
	}{
		{Settings{}, "https://a.test", "http://env.test:1"},
		{Settings{}, "https://plain.test", ""},
		{own, "https://a.test", "http://user:pw@proxy.test:3128"},
		{own, "https://plain.test", "http://user:pw@proxy.test:3128"},
		{own, "https://b.inner.test", ""},
		{own, "http://10.1.2.3", ""},
		{own, "http://169.254.169.254/latest", ""},
		{own, "http://[fd00:ec2::254]/latest", ""},
		{Settings{}, "http://169.254.169.254/latest", ""},
	} {
		if got := through(t, c.s, c.address); got != c.want {
			t.Errorf("%s with proxy %q goes through %q, want %q", c.address, c.s.ProxyURI, got, c.want)
		}
	}
	if NewDirectTransport().Proxy != nil {
		t.Error("metadata goes through a proxy")
	}
}

func TestAuthorities(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	get := func(s Settings) error {
		tr, err := NewTransport(s)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.CloseIdleConnections()
		r, err := (&http.Client{Transport: tr}).Get(server.URL)
		if err == nil {
			r.Body.Close()
		}
		return err
	}
	if err := get(Settings{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: %v", err)
	}
	if err := get(Settings{CABundleFile: file}); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_SSL_CA_DIRECTORY", dir)
	if err := get(Settings{}); err != nil {
		t.Error(err)
	}
	t.Setenv("AWS_SSL_CA_DIRECTORY", "")
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{empty: "has no certificate in PEM form", filepath.Join(dir, "gone"): "is missing", dir: "cannot trust the authorities of ca_bundle_file"} {
		if _, err := NewTransport(Settings{CABundleFile: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What is old or vouched for by nobody is refused, by both transports.
func TestTLS(t *testing.T) {
	t.Parallel()
	both, err := NewTransport(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	secure, err := both.current()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		highest uint16
		trusted bool
		host    string
		want    string
	}{
		{"TLS 1.0", tls.VersionTLS10, true, "127.0.0.1", "protocol version"},
		{"TLS 1.1", tls.VersionTLS11, true, "127.0.0.1", "protocol version"},
		{"TLS 1.2", tls.VersionTLS12, true, "127.0.0.1", ""},
		{"TLS 1.3", tls.VersionTLS13, true, "127.0.0.1", ""},
		{"self-signed", tls.VersionTLS13, false, "127.0.0.1", "certificate"},
		{"another host's certificate", tls.VersionTLS13, true, "localhost", "localhost"},
	} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tt.highest}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		defer server.Close()
		for kind, base := range map[string]*http.Transport{"": secure, "direct ": NewDirectTransport()} {
			transport := base.Clone()
			transport.Proxy = nil
			if tt.trusted {
				transport.TLSClientConfig.RootCAs = x509.NewCertPool()
				transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
			}
			_, port, err := net.SplitHostPort(server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			r, err := (&http.Client{Transport: transport}).Get("https://" + net.JoinHostPort(tt.host, port))
			if err == nil {
				r.Body.Close()
			}
			transport.CloseIdleConnections()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s%s: %v, want %q", kind, tt.name, err, tt.want)
			}
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/head" {
			for i := range 400 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
			}
			return
		}
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, strings.Repeat("x", 1000))
	}))
	defer server.Close()
	base, err := NewTransport(Settings{})
	if err != nil {
		t.Fatal(err)
	}
	carrier, err := base.current()
	if err != nil {
		t.Fatal(err)
	}
	carrier.Proxy = nil
	for _, tt := range []struct {
		path  string
		limit int64
		from  int
		want  string
	}{
		{"/", 1000, 0, ""}, {"/", 999, 0, "the answer is larger than 999 bytes"}, {"/", 10, 300, ""}, {"/refused", 10, 300, "larger than 10 bytes"},
		{"/refused", 1000, 300, ""}, {"/head", 1000, 0, "exceeded"},
	} {
		client := http.Client{Transport: Bounded(base, tt.limit, tt.from)}
		r, err := client.Get(server.URL + tt.path)
		if err == nil {
			var body []byte
			body, err = io.ReadAll(r.Body)
			r.Body.Close()
			if err == nil && len(body) != 1000 {
				t.Errorf("%+v: %d bytes", tt, len(body))
			}
		}
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%+v: %v", tt, err)
		}
		client.CloseIdleConnections()
	}
}
