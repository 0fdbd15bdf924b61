package main

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"codedeploy-agent/agent/rehearsal"
)

// Whatever proxies are set, instance metadata is asked directly: it has this host's credentials. The rest goes through the proxy.
func TestMetadataNeverGoesThroughAProxy(t *testing.T) {
	t.Parallel()
	for _, inFile := range []bool{true, false} {
		h := newHost(t)
		// 0.0.0.0 is this host, and unlike 127.0.0.1 no address that proxies are never used for.
		outside := func(address string) string { return strings.Replace(address, "127.0.0.1", "0.0.0.0", 1) }
		p := newProxy(t, "a password", map[string]http.Handler{"0.0.0.0": forward(t, h.service.URL())})
		config := strings.ReplaceAll(h.read(h.config), h.service.URL(), outside(h.service.URL()))
		if inFile {
			config += "proxy_uri: " + p.url + "\n"
		}
		h.write("agent.yml", config)
		for i, v := range h.env {
			h.env[i] = outside(v)
		}
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
			h.env = append(h.env, name+"="+p.url)
		}
		h.env = append(h.env, "NO_PROXY=", "no_proxy=")
		h.start()
		h.deploy(h.revision("one", nil), rehearsal.Succeeded)
		h.deploy(h.revision("two", nil), rehearsal.Succeeded)
		if len(h.metadata.Requests()) == 0 {
			t.Error("metadata was not asked")
		}
		objects := 0
		for _, r := range p.requests() {
			if strings.Contains(r.URL.Path, "/latest/") || r.Header.Get("X-Aws-Ec2-Metadata-Token") != "" {
				t.Errorf("the proxy was asked for %s", r.URL)
			}
			if strings.HasPrefix(r.URL.Path, "/bundles/") {
				objects++
			}
		}
		if objects < 2 {
			t.Errorf("proxy in the file %v: %d bundles came through the proxy, want both", inFile, objects)
		}
		h.stop()
	}
}

// A server that nobody vouches for, or that speaks an old protocol, is told nothing.
func TestServersThatAreNotTrusted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		highest uint16
		want    string
	}{
		{"self-signed", tls.VersionTLS13, "certificate is not accepted"},
		{"TLS 1.1", tls.VersionTLS11, "protocol version"},
	} {
		h := newHost(t)
		var asked atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tt.highest}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		defer server.Close()
		h.write("agent.yml", strings.Replace(h.read(h.config), ":deploy_control_endpoint: "+h.service.URL(), ":deploy_control_endpoint: "+server.URL, 1))
		h.start()
		h.waitForLog("cannot poll for commands")
		if log := h.log(); !strings.Contains(log, tt.want) || asked.Load() > 0 {
			t.Errorf("%s: %d requests, and the log does not say %q:\n%s", tt.name, asked.Load(), tt.want, log)
		}
		h.stop()
	}
}

// With the authority in ca_bundle_file the same kind of server is trusted.
func TestOwnAuthority(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	plain := h.service.URL()
	service, err := rehearsal.NewService(rehearsal.Options{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	h.service, h.workflow = service, rehearsal.NewWorkflow(service, nil, nil)
	ca, err := service.CAFile(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	h.write("signers.pem", string(service.SignerCAPEM()))
	h.write("agent.yml", strings.ReplaceAll(h.read(h.config), plain, service.URL())+"ca_bundle_file: "+ca+"\n")
	h.start()
	h.deploy(h.revision("one", nil), rehearsal.Succeeded)
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
}

// A redirect of the service is not followed: what is sent there is signed for one host.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer elsewhere.Close()
	service := forward(t, h.service.URL())
	var polls, objects atomic.Int32
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PollHostCommand") && polls.Add(1) == 1 || strings.HasPrefix(r.URL.Path, "/bundles/") && objects.Add(1) == 1 {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		service.ServeHTTP(w, r)
	}))
	defer front.Close()
	h.write("agent.yml", strings.ReplaceAll(h.read(h.config), h.service.URL(), front.URL))
	h.start()
	h.waitForLog("the answer redirects")
	spec := h.spec(h.revision("one", nil))
	if r := h.command("DownloadBundle", spec); r.Succeeded() || !strings.Contains(r.Message, "status 307") {
		t.Errorf("a bundle that is elsewhere: %+v", r)
	}
	h.deploy(h.revision("two", nil), rehearsal.Succeeded)
	h.deploy(h.revision("three", nil), rehearsal.Succeeded)
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests went where the redirects lead", n)
	}
}
