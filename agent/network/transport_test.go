package network

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A certificate that only an unlikely authority vouches for is accepted by the call that meets it, with its body, and by all after it.
func TestUnlikelyAuthority(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	bodies := map[string]int{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		bodies[string(body)]++
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	carrier := func(certificates ...*x509.Certificate) *http.Transport {
		c := direct()
		c.TLSClientConfig.RootCAs = x509.NewCertPool()
		for _, one := range certificates {
			c.TLSClientConfig.RootCAs.AddCert(one)
		}
		return c
	}
	post := func(tr *Transport, text string) error {
		r, err := http.NewRequest(http.MethodPost, server.URL, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if text == "once" {
			r.GetBody = nil
		}
		answer, err := tr.RoundTrip(r)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}

	widened := 0
	tr := &Transport{widen: sync.OnceValues(func() (*http.Transport, error) {
		widened++
		return carrier(server.Certificate()), nil
	})}
	tr.carrier.Store(carrier())
	defer tr.CloseIdleConnections()
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			if err := post(tr, fmt.Sprint("body ", i)); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	calls.Wait()
	if err := post(tr, "later"); err != nil {
		t.Error(err)
	}
	if len(bodies) != 9 || bodies["later"] != 1 || bodies["body 0"] != 1 || widened != 1 {
		t.Errorf("arrived: %v; all authorities were read %d times", bodies, widened)
	}

	for name, tr := range map[string]*Transport{
		"nobody vouches": {widen: func() (*http.Transport, error) { return carrier(), nil }},
		"unreadable":     {widen: func() (*http.Transport, error) { return nil, errors.New("unreadable") }},
	} {
		tr.carrier.Store(carrier())
		for range 2 {
			if err := post(tr, name); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}

	tr.carrier.Store(carrier())
	if err := post(tr, "once"); err == nil {
		t.Error("a body is sent that cannot be had again")
	}
	if err := post(tr, "once"); err != nil {
		t.Error(err)
	}
}

func certificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLikelyAuthorities(t *testing.T) {
	if len(systemBundles) == 0 {
		t.Fatal("no bundle is known")
	}
	defer func(was []string) { systemBundles = was }(systemBundles)
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "AWS_SSL_CA_BUNDLE", "AWS_SSL_CA_DIRECTORY"} {
		t.Setenv(name, "")
	}
	amazon, other, own := certificate(t, "Amazon Root CA 7"), certificate(t, "Another Root CA"), certificate(t, "Our Proxy")
	amazon2 := certificate(t, "Amazon Root CA 8")
	dir := t.TempDir()
	write := func(name string, text string, certificates ...*x509.Certificate) string {
		path := filepath.Join(dir, name)
		content := bytes.NewBufferString(text)
		for _, c := range certificates {
			if err := pem.Encode(content, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, content.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pool := func(certificates ...*x509.Certificate) *x509.CertPool {
		p := x509.NewCertPool()
		for _, c := range certificates {
			p.AddCert(c)
		}
		return p
	}
	files, err := configuredAuthorities(Settings{CABundleFile: write("own.pem", "", own)})
	if err != nil {
		t.Fatal(err)
	}
	all := write("all.pem", "# Amazon Root CA 7\n", amazon2, other, amazon)
	for name, tt := range map[string]struct {
		bundles []string
		files   []authority
		want    *x509.CertPool
	}{
		"of the system":                  {[]string{filepath.Join(dir, "missing"), all}, nil, pool(amazon, amazon2)},
		"of the system and configured":   {[]string{all}, files, pool(amazon, amazon2, own)},
		"configured alone":               {nil, files, pool(own)},
		"the first bundle counts":        {[]string{write("first.pem", "", other), all}, nil, nil},
		"none":                           {nil, nil, nil},
		"a broken one is left to others": {[]string{write("broken.pem", "-----BEGIN CERTIFICATE-----\nQW1hem9uIFJvb3QgQ0EgOQ==\n-----END CERTIFICATE-----\n", amazon)}, nil, pool(amazon)},
	} {
		systemBundles = tt.bundles
		got, err := likelyAuthorities(tt.files)
		if err != nil || (got == nil) != (tt.want == nil) || got != nil && !got.Equal(tt.want) {
			t.Errorf("%s: another pool (there is one: %t), %v", name, got != nil, err)
		}
	}
	systemBundles = []string{all}
	t.Setenv("SSL_CERT_FILE", all)
	if got, err := likelyAuthorities(files); got != nil || err != nil {
		t.Errorf("with SSL_CERT_FILE: there is a pool: %t, %v", got != nil, err)
	}
}
