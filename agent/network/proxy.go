package network

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// proxies chooses the proxy of a request as golang.org/x/net/http/httpproxy does, which curl and net/http agree with. That package is not used
// because it brings the tables for international host names which net/http has a second time: here names are compared as they are written, so that
// whoever writes a name with letters beyond ASCII writes it in both places alike.
type proxies struct {
	http, https *url.URL // nil: direct
	direct      []exemption
}

// exemption is what is reached directly: everything, a network, an address or a domain.
type exemption struct {
	all     bool
	network *net.IPNet
	address net.IP
	domain  string // begins with a dot
	itself  bool   // the domain's own name, too
	port    string // empty: every port
}

// environmentProxies are those of the environment; of each name, lower case comes first.
func environmentProxies() *proxies {
	variable := func(name string) string { return cmp.Or(os.Getenv(name), os.Getenv(strings.ToUpper(name))) }
	return newProxies(variable("http_proxy"), variable("https_proxy"), variable("no_proxy"))
}

// newProxies takes addresses (http is assumed where there is no scheme) and a list of what is reached directly, with commas. What cannot be
// understood is left out.
func newProxies(forHTTP, forHTTPS, noProxy string) *proxies {
	return &proxies{http: proxyAddress(forHTTP), https: proxyAddress(forHTTPS), direct: exemptions(noProxy)}
}

func exemptions(list string) (found []exemption) {
	for entry := range strings.SplitSeq(list, ",") {
		if e, ok := parseExemption(strings.ToLower(strings.TrimSpace(entry))); ok {
			found = append(found, e)
		}
	}
	return found
}

func proxyAddress(s string) *url.URL {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" {
		if assumed, err := url.Parse("http://" + s); err == nil {
			return assumed
		}
	}
	if err != nil {
		return nil
	}
	return u
}

func parseExemption(entry string) (e exemption, ok bool) {
	if entry == "*" {
		return exemption{all: true}, true
	}
	if _, network, err := net.ParseCIDR(entry); err == nil {
		return exemption{network: network}, true
	}
	host, port, err := net.SplitHostPort(entry)
	if err != nil {
		host, port = entry, ""
	}
	if address := net.ParseIP(host); address != nil {
		return exemption{address: address, port: port}, true
	}
	if host == "" {
		return e, false
	}
	if strings.HasPrefix(host, "*.") {
		host = host[1:]
	}
	domain := "." + strings.TrimPrefix(host, ".")
	return exemption{domain: domain, itself: host[0] != '.', port: port}, true
}

func (e exemption) covers(host, port string, address net.IP) bool {
	switch {
	case e.all:
		return true
	case e.port != "" && e.port != port:
		return false
	case e.network != nil:
		return address != nil && e.network.Contains(address)
	case e.address != nil:
		return e.address.Equal(address)
	}
	return address == nil && (strings.HasSuffix(host, e.domain) || e.itself && host == e.domain[1:])
}

// forRequest is for http.Transport.Proxy; nil is direct, as for this host itself.
func (p *proxies) forRequest(r *http.Request) (*url.URL, error) {
	proxy, port := p.http, "80"
	switch r.URL.Scheme {
	case "http":
	case "https":
		proxy, port = p.https, "443"
	default:
		return nil, nil
	}
	if proxy == nil {
		return nil, nil
	}
	host := r.URL.Hostname()
	port = cmp.Or(r.URL.Port(), port)
	if host == "localhost" {
		return nil, nil
	}
	var address net.IP
	if parsed, err := netip.ParseAddr(host); err == nil {
		address = parsed.AsSlice()
		if address.IsLoopback() {
			return nil, nil
		}
	}
	host = strings.ToLower(strings.TrimSpace(host))
	if slices.ContainsFunc(p.direct, func(e exemption) bool { return e.covers(host, port, address) }) {
		return nil, nil
	}
	return proxy, nil
}
