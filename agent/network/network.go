// Package network makes the HTTP transports of the agent: through the configured proxy and trusting the configured authorities for everything
// that is far away, and direct for instance metadata.
package network

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
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

// NewTransport returns the transport for the command service, S3 and GitHub. The variables AWS_CA_BUNDLE and AWS_SSL_CA_BUNDLE (files) and
// AWS_SSL_CA_DIRECTORY (official agents) add to the trusted authorities.
func NewTransport(s Settings) (*http.Transport, error) {
	roots, err := authorities(s.CABundleFile, s.Guard)
	if err != nil {
		return nil, err
	}
	t := direct()
	t.Proxy = proxy(s)
	t.TLSClientConfig.RootCAs = roots
	t.ResponseHeaderTimeout = s.ReadTimeout
	return t, nil
}

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

// authorities returns the system's pool with the files' certificates, nil for the system's alone.
func authorities(file string, guard *custody.Guard) (*x509.CertPool, error) {
	type source struct{ path, from string }
	var files []source
	for _, f := range []source{{file, "ca_bundle_file"}, {os.Getenv("AWS_CA_BUNDLE"), "AWS_CA_BUNDLE"}, {os.Getenv("AWS_SSL_CA_BUNDLE"), "AWS_SSL_CA_BUNDLE"}} {
		if f.path != "" {
			files = append(files, f)
		}
	}
	if dir := os.Getenv("AWS_SSL_CA_DIRECTORY"); dir != "" {
		found, err := filepath.Glob(filepath.Join(dir, "*.pem"))
		if err != nil {
			return nil, fmt.Errorf("cannot read AWS_SSL_CA_DIRECTORY: %w", err)
		}
		for _, f := range found {
			files = append(files, source{f, "AWS_SSL_CA_DIRECTORY"})
		}
	}
	if len(files) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("cannot read the system's certificate authorities: %w", err)
	}
	for _, f := range files {
		pem, err := os.ReadFile(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("cannot trust the authorities of %s: %s is missing", f.from, f.path)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot trust the authorities of %s: %w", f.from, err)
		}
		if err := guard.Check(f.path); err != nil {
			return nil, fmt.Errorf("cannot trust the authorities of %s: %w", f.from, err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot trust the authorities of %s: %s has no certificate in PEM form", f.from, f.path)
		}
	}
	return pool, nil
}
