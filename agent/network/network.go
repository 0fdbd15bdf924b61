// Package network makes the HTTP transports of the agent: through the configured proxy and trusting the configured authorities for everything
// that is far away, and direct for instance metadata.
package network

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"codedeploy-agent/agent/custody"
)

// Settings are the network's part of the configuration. The zero value means the environment's proxy and the system's authorities.
type Settings struct {
	// ProxyURI is the proxy for everything that NoProxy does not name; empty: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment.
	ProxyURI string
	// NoProxy holds hosts, domains and networks (CIDR) that are reached directly when ProxyURI is set.
	NoProxy []string
	// CABundleFile is a PEM file with authorities to trust beside the system's.
	CABundleFile string
	// Guard judges files with authorities that others can write. nil refuses them.
	Guard *custody.Guard
	// ReadTimeout is how long the first byte of an answer may take; 0 means forever.
	ReadTimeout time.Duration
}

// metadataHosts are never reached through a proxy.
const metadataHosts = "169.254.169.254,fd00:ec2::254"

const (
	connectTimeout = 10 * time.Second
	// maxHeader bounds the head of an answer; honest ones have a few kilobytes.
	maxHeader = 256 << 10
)

// NewDirectTransport returns a transport that never uses a proxy, for instance metadata. Its answers must begin within ten seconds.
func NewDirectTransport() *http.Transport {
	t := direct()
	t.ResponseHeaderTimeout = connectTimeout
	t.DisableKeepAlives = true
	return t
}

// direct speaks HTTP/1.1 and nothing else, as the official agent 1.8 does: an HTTP/2 connection whose other end has silently gone takes every
// later call with it, one of HTTP/1.1 is given up with the call that found out. So make build leaves HTTP/2 out of the binary.
func direct() *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Protocols:             &protocols,
		DialContext:           (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   connectTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   16,

		MaxResponseHeaderBytes: maxHeader,
	}
}

func proxy(s Settings) func(*http.Request) (*url.URL, error) {
	p := environmentProxies()
	if s.ProxyURI != "" {
		p = newProxies(s.ProxyURI, s.ProxyURI, strings.Join(s.NoProxy, ","))
	}
	p.direct = append(p.direct, exemptions(metadataHosts)...)
	return p.forRequest
}
