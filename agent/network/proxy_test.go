package network

import (
	"net/http"
	"testing"

	"golang.org/x/net/http/httpproxy"
)

// The choice is that of httpproxy, which documents the cases. Only tests link it.
func TestProxyIsChosenAsElsewhere(t *testing.T) {
	lists := []string{"", "*", "*,a.test", "a.test", ".a.test", "*.a.test", "A.Test , b.test", "a.test:8080", ".a.test:443", "*.a.test:80", "10.1.2.3", "10.1.2.3:80",
		"10.0.0.0/8", "fd00::/8", "fd00::1", "[fd00::1]:443", "[fd00::1]", "::ffff:10.1.2.3", "com", ":80", ",,", "*:80", "*a.test", "..a.test", "a", "10.", "10.0.0.0/99",
		"169.254.169.254,fd00:ec2::254", "fe80::1", ".", "bücher.test", "localhost", "127.0.0.1"}
	addresses := []string{"a.test", "A.TEST", "b.a.test", "xa.test", "b.test", "a.test:8080", "a.test:443", "a.test:80", "b.a.test:443", "10.1.2.3", "10.1.2.3:80",
		"10.1.2.3:8080", "11.1.2.3", "[fd00::1]", "[fd00::1]:443", "[fd00::2]:80", "[::ffff:10.1.2.3]", "example.com", "com", "localhost", "LOCALHOST", "localhost:80",
		"127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:443", "0.0.0.0", "169.254.169.254", "[fd00:ec2::254]", "bücher.test", "x.bücher.test", "[fe80::1%25eth0]", "a.test."}
	settings := []struct{ http, https string }{{"http://h.test:1", "https://s.test:2"}, {"", "s.test:3"}, {"user:pw@h.test:1", ""}, {"http://%zz", "::"}, {"socks5://h.test", "h"}}
	for _, s := range settings {
		for _, list := range lists {
			p := newProxies(s.http, s.https, list)
			want := (&httpproxy.Config{HTTPProxy: s.http, HTTPSProxy: s.https, NoProxy: list}).ProxyFunc()
			for _, address := range addresses {
				for _, scheme := range []string{"http", "https", "ftp"} {
					r, err := http.NewRequest("GET", scheme+"://"+address+"/x", nil)
					if err != nil {
						t.Fatal(err)
					}
					expected, err := want(r.URL)
					if err != nil {
						t.Fatal(err)
					}
					got, err := p.forRequest(r)
					if err != nil || (got == nil) != (expected == nil) || got != nil && got.String() != expected.String() {
						t.Errorf("%+v, no_proxy %q: %s goes through %v, %v, want %v", s, list, r.URL, got, err, expected)
					}
				}
			}
		}
	}
}

func TestEnvironmentProxies(t *testing.T) {
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTPS_PROXY", "http://upper.test:1")
	t.Setenv("NO_PROXY", "a.test")
	if got := through(t, Settings{}, "https://b.test"); got != "http://upper.test:1" {
		t.Errorf("upper case: %q", got)
	}
	if got := through(t, Settings{}, "https://a.test"); got != "" {
		t.Errorf("NO_PROXY: %q", got)
	}
	t.Setenv("https_proxy", "lower.test:2")
	t.Setenv("no_proxy", "b.test")
	if got := through(t, Settings{}, "https://a.test"); got != "http://lower.test:2" {
		t.Errorf("lower case comes first: %q", got)
	}
	if got := through(t, Settings{}, "https://b.test"); got != "" {
		t.Errorf("no_proxy: %q", got)
	}
	if got := through(t, Settings{}, "http://a.test"); got != "" {
		t.Errorf("http without a proxy: %q", got)
	}
}
