//go:build linux

package packaging

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// cloud is what is outside of a machine: the command service and the metadata of one instance, at the address where instances look for it.
type cloud struct {
	t        *testing.T
	service  *rehearsal.Service
	workflow *rehearsal.Workflow
	metadata *rehearsal.Metadata
	n        atomic.Int64

	noRole atomic.Bool // the metadata has no credentials
	front  *http.Server
}

func newCloud(t *testing.T, instance string) *cloud {
	t.Helper()
	service, err := rehearsal.NewService(rehearsal.Options{Redeliver: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	c := &cloud{t: t, service: service, workflow: rehearsal.NewWorkflow(service, nil, nil)}
	c.become(instance)
	t.Cleanup(func() { c.metadata.Close() })
	return c
}

// become makes the metadata another instance's.
func (c *cloud) become(instance string) {
	c.t.Helper()
	if c.metadata != nil {
		c.metadata.Close()
	}
	var err error
	if c.metadata, err = rehearsal.NewMetadata(rehearsal.MetadataOptions{InstanceID: instance}); err != nil {
		c.t.Fatal(err)
	}
}

// appear makes the metadata reachable.
func (c *cloud) appear() {
	c.t.Helper()
	listener, err := net.Listen("tcp", "169.254.169.254:80")
	if err != nil {
		c.t.Fatal(err)
	}
	c.front = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.noRole.Load() && strings.Contains(r.URL.Path, "/iam/") {
			http.NotFound(w, r)
			return
		}
		to, err := url.Parse(c.metadata.URL())
		if err != nil {
			panic(err)
		}
		// The metadata answer no request that says that it was forwarded.
		(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}).ServeHTTP(w, r)
	})}
	go c.front.Serve(listener)
	c.t.Cleanup(func() { c.front.Close() })
}

// configure gives the machine a configuration that leads to this cloud.
func (c *cloud) configure(m *machine, lines ...string) string {
	c.t.Helper()
	m.write("/etc/signers.pem", string(c.service.SignerCAPEM()), 0o644)
	text := strings.Join(append([]string{":wait_between_runs: 1", ":deploy_control_endpoint: " + c.service.URL(), ":s3_endpoint_override: " + c.service.URL(),
		"deployment_signer_ca_file: /etc/signers.pem"}, lines...), "\n") + "\n"
	m.write("/etc/codedeploy-agent/conf/codedeployagent.yml", text, 0o644)
	return text
}

// revision is a bundle that installs /srv/app/label and whose scripts note their event in /srv/notes. bodies are what the scripts do besides.
func (c *cloud) revision(label string, bodies map[string]string) rehearsal.SpecOptions {
	c.t.Helper()
	spec := "version: 0.0\nos: linux\nfiles:\n  - source: label\n    destination: /srv/app\nhooks:\n"
	files := map[string]string{"label": label + "\n"}
	for _, event := range []string{"ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService"} {
		spec += fmt.Sprintf("  %s:\n    - location: %s.sh\n      timeout: 600\n", event, event)
		files[event+".sh"] = fmt.Sprintf("#!/bin/sh\necho \"%s %s\" >>/srv/notes\n%s\n", event, label, bodies[event])
	}
	files["appspec.yml"] = spec
	var bundle bytes.Buffer
	z := gzip.NewWriter(&bundle)
	w := tar.NewWriter(z)
	for name, content := range files {
		mode := int64(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			c.t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		c.t.Fatal(err)
	}
	n := c.n.Add(1)
	key := fmt.Sprintf("revision-%d.tgz", n)
	etag, err := c.service.Put("bundles", key, rehearsal.Object{Data: bundle.Bytes()})
	if err != nil {
		c.t.Fatal(err)
	}
	return rehearsal.SpecOptions{DeploymentID: fmt.Sprintf("d-PACKAGE%02d", n), GroupID: "1f2e3d4c-0000-4000-8000-000000000001", GroupName: "fleet",
		ApplicationName: "shop", Revision: rehearsal.Revision{S3: &rehearsal.S3Location{Bucket: "bundles", Key: key, ETag: etag, BundleType: "tgz"}}}
}

// begin begins a deployment; the function it returns waits for its end and fails the test unless it succeeds.
func (c *cloud) begin(m *machine, spec rehearsal.SpecOptions) (wait func()) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	c.t.Cleanup(cancel)
	type end struct {
		outcome rehearsal.Outcome
		err     error
	}
	ended := make(chan end, 1)
	host := rehearsal.Host{ID: c.metadata.HostIdentifier(), Name: "web"}
	go func() {
		outcome, err := c.workflow.InPlace(ctx, rehearsal.Deployment{Spec: spec}, host)
		ended <- end{outcome, err}
	}()
	return func() {
		c.t.Helper()
		e := <-ended
		if e.err != nil || e.outcome.Status != rehearsal.Succeeded {
			text := ""
			for _, ev := range e.outcome.Events {
				text += fmt.Sprintf("%s %s code %d: %s\n", ev.Name, ev.Status, ev.ErrorCode, ev.Message)
			}
			c.t.Fatalf("deployment %s: %v %s\n%s\n%s", spec.DeploymentID, e.err, e.outcome.Status, text, m.journal())
		}
	}
}

func (c *cloud) deploy(m *machine, spec rehearsal.SpecOptions) {
	c.t.Helper()
	c.begin(m, spec)()
}
