//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// local deploys locally with the host's configuration.
func (h *host) local(args ...string) ran {
	h.t.Helper()
	return newCommand(h, append([]string{"deploy-local", "-c", h.config, "-g", group}, args...)...)
}

// What does not ask for a deployment starts none, no daemon either, and leaves nothing on the host.
func TestCommandLineStartsNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.env = append(h.env, "CODEDEPLOY_AGENT_CONFIG_FILE="+h.config)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--version"}, 0, "codedeploy-agent "},
		{[]string{"--help"}, 0, "Usage:"},
		{[]string{"run", "--help"}, 0, "SIGTERM"},
		{[]string{"deploy-local", "--help"}, 0, "--bundle-location"},
		{nil, 0, "Usage:"},
		{[]string{"run", "extra"}, 2, "extra"},
		{[]string{"--nonsense"}, 2, "nonsense"},
		{[]string{"nonsense"}, 2, "nonsense"},
		{[]string{h.config}, 2, "agent.yml"},
	} {
		r := newCommand(h, tt.args...)
		if r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.want) {
			t.Errorf("%q: code %d, want %d saying %q:\n%s%s", tt.args, r.code, tt.code, tt.want, r.stdout, r.stderr)
		}
	}
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "agent.yml" && e.Name() != "signers.pem" {
			t.Errorf("%s was made", e.Name())
		}
	}
	if n := len(h.service.Requests()) + len(h.metadata.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// A version and an ETag in an S3 address choose and check the object.
func TestDeployLocalFromS3(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	etags := map[string]string{}
	for _, label := range []string{"one", "two"} {
		etag, err := h.service.Put("bundles", "dir/app 1.tgz", rehearsal.Object{Data: pack(t, h.stopping(label)), Version: "version-" + label})
		if err != nil {
			t.Fatal(err)
		}
		etags[label] = etag
	}
	for _, tt := range []struct{ query, want string }{
		{"?versionId=version-one", "one"}, {"", "two"}, {"?versionId=version-one&etag=" + etags["one"], "one"}, {"?etag=%22" + etags["two"] + "%22", "two"},
	} {
		if r := h.local("-t", "tgz", "-l", "s3://bundles/dir/app 1.tgz"+tt.query); r.code != 0 {
			t.Fatalf("%q: %+v", tt.query, r)
		}
		h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+tt.want)
	}
	r := h.local("-t", "tgz", "-l", "s3://bundles/dir/app 1.tgz?etag="+etags["one"])
	if r.code != 1 || !strings.Contains(r.stderr, etags["one"]) {
		t.Errorf("another ETag: %+v, want code 1 and the ETag", r)
	}
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
}

// A directory's links arrive as links, also those to directories; the same bundle under appspec.yaml is found without being told.
func TestDeployLocalDirectoryWithLinksAndYamlName(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, label := range []string{"one", "two"} {
		files := h.slim(label, map[string]string{"AfterInstall": ""}, file{"content/real/a.txt", label, 0o644})
		files[0].name = "appspec.yaml"
		dir := h.layOut("bundle", files)
		for name, target := range map[string]string{"to-file": "index.html", "to-dir": "real", "dangling": "nowhere", "absolute": "/etc/hostname"} {
			os.Remove(dir + "/content/" + name)
			if err := os.Symlink(target, dir+"/content/"+name); err != nil {
				t.Fatal(err)
			}
		}
		if r := h.local("-l", dir); r.code != 0 {
			t.Fatalf("deploy-local: %+v", r)
		}
		h.wantTree(". drwxr-xr-x", "absolute Lrwxrwxrwx -> /etc/hostname", "dangling Lrwxrwxrwx -> nowhere", "index.html -rw-r--r-- "+label,
			"real drwxr-xr-x", "real/a.txt -rw-r--r-- "+label, "to-dir drwxr-xr-x", "to-dir/a.txt -rw-r--r-- "+label, "to-file Lrwxrwxrwx -> index.html")
	}
	h.wantNotes("AfterInstall one", "AfterInstall two")
}

// appspec.yaml is found in every event of the service's deployments, too.
func TestAppSpecNamedYaml(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	for _, label := range []string{"one", "two"} {
		files := h.stopping(label)
		files[0].name = "appspec.yaml"
		h.deploy(files, rehearsal.Succeeded)
	}
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
	h.wantNotes("BeforeInstall one", "ApplicationStop one", "BeforeInstall two")
}

// Each local deployment has an id and a directory of its own, also where process ids come again.
func TestDeployLocalIdsAreUnique(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	run := func(args ...string) string { // in a container every deployment has the same process id
		argv := append([]string{binary, "deploy-local", "-c", h.config, "-g", group}, args...)
		if exec.Command("unshare", "--pid", "--fork", "true").Run() == nil {
			argv = append([]string{"unshare", "--pid", "--fork"}, argv...)
		}
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env, cmd.Dir = h.env, h.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("deploy-local: %v\n%s", err, out)
		}
		return string(out)
	}
	ids := regexp.MustCompile(`d-[A-Z0-9]{9}-local`)
	var seen []string
	for _, label := range []string{"one", "two", "three"} {
		args := []string{"-l", h.layOut("bundle-"+label, h.slim(label, nil, file{"content/only-in-" + label, label, 0o644}))}
		if label == "three" {
			h.write("bundle.tgz", string(pack(t, h.slim(label, nil, file{"content/only-in-" + label, label, 0o644}))))
			args = []string{"-t", "tgz", "-l", "bundle.tgz"}
		}
		id := ids.FindString(run(args...))
		if id == "" || slices.Contains(seen, id) {
			t.Fatalf("the deployment of %s has the id %q, after %q", label, id, seen)
		}
		seen = append(seen, id)
		only, err := filepath.Glob(h.path("root/" + group + "/" + id + "/deployment-archive/content/only-in-*"))
		if err != nil || len(only) != 1 {
			t.Errorf("the archive of %s holds %q, %v; want its own file only", label, only, err)
		}
	}
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- three", "only-in-three -rw-r--r-- three")
}

// What a person needs is on the screen: where it happens, which script failed, and what is wrong with a request before anything is done.
func TestDeployLocalTellsWhatAPersonNeeds(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	bad := h.layOut("bad", h.slim("bad", map[string]string{"AfterInstall": "echo not healthy; exit 7"}))
	for range 2 {
		r := h.local("-l", bad)
		folder := regexp.MustCompile(`from within folder (\S+/d-[A-Z0-9]{9}-local)\n`).FindStringSubmatch(r.stdout)
		if r.code != 1 || folder == nil || !strings.Contains(r.stdout, "your script at "+folder[1]+"/deployment-archive/hooks/AfterInstall.sh\n") ||
			!strings.Contains(r.stdout, "the deployment log at "+folder[1]+"/logs/scripts.log") || !strings.Contains(r.stderr, "[stdout]not healthy") {
			t.Errorf("a script that fails: %+v; want its folder, path, log and output", r)
		}
	}
	misspelt := h.layOut("misspelt", []file{{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  AfterInstal:\n    - location: a.sh\n", 0o644}, {"a.sh", "#!/bin/sh\n", 0o755}})
	for _, tt := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"-l", misspelt}, 1, []string{"AfterInstal", "AfterInstall"}},
		{[]string{"-l", misspelt, "-e", "AfterInstal"}, 0, nil}, // an event of one's own
		{[]string{"-l", "http://example.com/x.tgz", "-t", "tgz"}, 2, []string{"http://example.com/x.tgz", "https://"}},
		{[]string{"-l", "ftp://example.com/x.tgz", "-t", "tgz"}, 2, []string{"ftp://example.com/x.tgz", "s3://"}},
		{[]string{"-l", "https://example.com/x.tgz", "-t", "tgz"}, 2, []string{"https://example.com/x.tgz", "https://github.com/"}},
		{[]string{"-l", bad, "-c", h.path("missing.yml")}, 2, []string{"missing.yml"}},
	} {
		r := h.local(tt.args...)
		if r.code != tt.code {
			t.Errorf("%q: code %d, want %d:\n%s%s", tt.args, r.code, tt.code, r.stdout, r.stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(r.stdout+r.stderr, want) {
				t.Errorf("%q does not say %q:\n%s%s", tt.args, want, r.stdout, r.stderr)
			}
		}
	}
}

// A repository's address is fetched from GitHub, here through a proxy that asks for a password, which nobody gets to read.
func TestDeployLocalFromGitHub(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	type asked struct{ path, authorization string }
	requests := make(chan asked, 8)
	bundles := map[string]string{"HEAD": "one", "v2": "two"}
	github := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- asked{r.Host + r.URL.Path, r.Header.Get("Authorization")}
		files := map[string]string{}
		for _, f := range h.slim(bundles[filepath.Base(r.URL.Path)], nil) {
			files["acme-shop-0123abc/"+f.name] = f.content
		}
		w.Header().Set("Content-Type", "application/zip")
		w.Write(zipOf(t, files, nil))
	}))
	certificate, authority := certificateFor(t, "api.github.com")
	github.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	github.StartTLS()
	t.Cleanup(github.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "api.github.com:443" || r.Header.Get("Proxy-Authorization") == "" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		there, err := net.Dial("tcp", github.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		w.WriteHeader(http.StatusOK)
		here, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		go func() { io.Copy(there, buffered); there.(*net.TCPConn).CloseWrite() }()
		io.Copy(here, there)
	}))
	t.Cleanup(proxy.Close)
	h.write("github.pem", authority)
	h.write("agent.yml", h.read(h.config)+"ca_bundle_file: "+h.path("github.pem")+"\nverbose: true\nproxy_uri: "+
		strings.Replace(proxy.URL, "http://", "http://user:pass-of-the-proxy@", 1)+"\n")
	for _, tt := range []struct{ location, path, want string }{
		{"https://github.com/acme/shop", "api.github.com/repos/acme/shop/zipball/HEAD", "one"},
		{"https://github.com/acme/shop.git/tree/v2", "api.github.com/repos/acme/shop/zipball/v2", "two"},
	} {
		h.env = append(h.env, "CODEDEPLOY_GITHUB_TOKEN=secret-of-github")
		r := h.local("-t", "zip", "-l", tt.location)
		if r.code != 0 {
			t.Fatalf("%s: %+v", tt.location, r)
		}
		h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- "+tt.want)
		if got := <-requests; got.path != tt.path || got.authorization != "token secret-of-github" {
			t.Errorf("%s: GitHub was asked %+v, want %s with the token", tt.location, got, tt.path)
		}
		for _, secret := range []string{"secret-of-github", "pass-of-the-proxy"} {
			if strings.Contains(r.stdout+r.stderr+h.read(h.path("log/codedeploy-local.log")), secret) {
				t.Errorf("%s is shown", secret)
			}
		}
	}
}

// certificateFor is a server's certificate and, in PEM form, the authority that signed it.
func certificateFor(t testing.TB, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
