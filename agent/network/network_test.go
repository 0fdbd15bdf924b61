package network

import (
	"encoding/pem"
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
