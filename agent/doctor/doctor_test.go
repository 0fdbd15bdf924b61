package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/custody"
	"codedeploy-agent/agent/identity"
	"codedeploy-agent/agent/store"
)

// stand-ins for a host on which everything is in order, whose services answer at the time of now.
func newTestHost(t *testing.T, now func() time.Time) Host {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound) // any answer will do
	}))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	c := config.Default()
	c.RootDir, c.StateDir, c.LogDir, c.PidDir = dir+"/root", dir+"/state", dir+"/log", dir+"/pid"
	c.OnPremisesConfigFile = dir + "/onpremises.yml"
	c.DeployControlEndpoint, c.S3EndpointOverride = service.URL, service.URL
	guard := custody.NewGuard(false, zap.NewNop())
	return Host{
		Config: c, Root: dir + "/host", Running: func() (bool, error) { return true, nil },
		Store:     store.New(store.Options{Root: c.RootDir, Program: "codedeploy-agent", Tracking: "ongoing-deployment", Guard: guard}),
		Transport: local{}, Proxied: func(string) string { return "" },
		Identity: func(context.Context) (*identity.Identity, error) {
			return &identity.Identity{Region: "eu-west-1", Domain: "amazonaws.com", HostIdentifier: "arn:aws:ec2:eu-west-1:1:instance/i-1", Source: "a test",
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "A", SecretAccessKey: "B", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
				})}, nil
		},
	}
}

// local refuses what is not on this host.
type local struct{}

func (local) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != "127.0.0.1" {
		return nil, errors.New("no route to host")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// deployed makes a last successful revision with a stop script.
func deployed(t *testing.T, h Host, group string) (archive string) {
	t.Helper()
	d := h.Store.Deployment(group, "d-1")
	if err := errors.Join(d.Create(), h.Store.SetLastSuccessful(d)); err != nil {
		t.Fatal(err)
	}
	write(t, d.Archive()+"/appspec.yml", "version: 0.0\nos: linux\nhooks:\n  ApplicationStop:\n    - location: stop.sh\n    - location: more.sh\n", 0o644)
	write(t, d.Archive()+"/stop.sh", "#!/bin/sh\n", 0o755)
	write(t, d.Archive()+"/more.sh", "#!/bin/sh\n", 0o755)
	return d.Archive()
}

func TestInOrder(t *testing.T) {
	t.Parallel()
	h := newTestHost(t, time.Now)
	deployed(t, h, "one")
	deployed(t, h, "two")
	findings := Look(context.Background(), h)
	if worst := Worst(findings); worst != Advice { // protections, and GitHub
		t.Errorf("the worst is %s: %+v", worst, findings)
	}
	seen := map[string]bool{}
	for _, f := range findings {
		seen[f.Check] = true
		if (f.Severity == OK) != (f.Hint == "") {
			t.Errorf("a hint that is missing or superfluous: %+v", f)
		}
	}
	for _, check := range []string{"configuration", "identity", "credentials", "network", "clock", "disk", "official agent", "service", "revisions"} {
		if !seen[check] {
			t.Errorf("nothing is said of the %s", check)
		}
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	ahead := func(d time.Duration) func() time.Time { return func() time.Time { return time.Now().Add(-d) } }
	for name, test := range map[string]struct {
		now      func() time.Time
		change   func(*testing.T, *Host)
		check    string
		severity Severity
		message  string
		hint     string
	}{
		"configuration unusable": {nil, func(_ *testing.T, h *Host) { h.Unusable = errors.New("line 3") }, "configuration", Error, "line 3", "defaults"},
		"unknown setting": {nil, func(_ *testing.T, h *Host) {
			h.Warnings = []config.Problem{{File: "a.yml", Line: 2, Message: "unknown"}}
		}, "configuration", Warning, "a.yml:2", "line"},
		"identity unknown": {nil, func(_ *testing.T, h *Host) {
			h.Identity = func(context.Context) (*identity.Identity, error) { return nil, errors.New("no metadata") }
		}, "identity", Error, "no metadata", "instance profile"},
		"credentials expired": {nil, func(_ *testing.T, h *Host) {
			h.Identity = func(context.Context) (*identity.Identity, error) {
				return &identity.Identity{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{CanExpire: true, Expires: time.Now().Add(-time.Hour)}, nil
				})}, nil
			}
		}, "credentials", Error, "expired", "renew"},
		"clock ahead":          {ahead(10 * time.Minute), nil, "clock", Error, "ahead of", "chrony"},
		"clock behind":         {ahead(-10 * time.Minute), nil, "clock", Error, "behind", "chrony"},
		"clock a little ahead": {ahead(time.Minute), nil, "clock", Warning, "ahead of", "chrony"},
		"service out of reach": {nil, func(_ *testing.T, h *Host) { h.Config.DeployControlEndpoint = "https://codedeploy.invalid" }, "network", Error, "codedeploy.invalid cannot be reached: no route", "VPC endpoints"},
		"through a proxy": {nil, func(_ *testing.T, h *Host) {
			h.Config.S3EndpointOverride = "https://s3.invalid"
			h.Proxied = func(string) string { return "http://proxy:3128" }
		}, "network", Error, "through the proxy http://proxy:3128", "proxy_uri"},
		"root_dir is a file":     {nil, func(t *testing.T, h *Host) { write(t, h.Config.RootDir, "", 0o644) }, "directories", Error, "no directory", "root_dir"},
		"state_dir below a file": {nil, func(t *testing.T, h *Host) { write(t, h.Config.StateDir, "", 0o644); h.Config.StateDir += "/x" }, "directories", Error, "state_dir", "remove it"},
		"official agent 1.8":     {nil, func(t *testing.T, h *Host) { write(t, h.Root+"/opt/codedeploy-agent/lib/instance_agent.rb", "", 0o644) }, "official agent", Warning, "instance_agent.rb", "switch.md"},
		"official agent at boot": {nil, func(t *testing.T, h *Host) {
			write(t, h.Root+"/etc/init.d/codedeploy-agent", "", 0o755)
			write(t, h.Root+"/etc/rc3.d/S99codedeploy-agent", "", 0o755)
		}, "official agent", Error, "starts with the host", "switch.md"},
		"another program is there": {nil, func(t *testing.T, h *Host) {
			write(t, h.Root+"/opt/codedeploy-agent/bin/codedeploy-agent", "\x7fELF", 0o755)
		}, "official agent", Warning, "bin/codedeploy-agent", "switch.md"},
		"official agent runs": {nil, func(t *testing.T, h *Host) {
			write(t, h.Root+"/proc/12/cmdline", "codedeploy-agent: master 12\x00", 0o444)
		}, "official agent", Error, "process 12, codedeploy-agent: master 12", "switch.md"},
		"official agent is Ruby": {nil, func(t *testing.T, h *Host) {
			write(t, h.Root+"/proc/12/cmdline", "/usr/bin/ruby3.1\x00/opt/codedeploy-agent/bin/codedeploy-agent\x00start\x00", 0o444)
		}, "official agent", Error, "process 12", "switch.md"},
		"official agent 2 runs": {nil, func(t *testing.T, h *Host) {
			write(t, h.Root+"/proc/12/cmdline", "/opt/codedeploy-agent/bin/codedeploy-agent\x00worker\x00", 0o444)
			write(t, h.Root+"/proc/12/exe", "\x7fELF", 0o755)
		}, "official agent", Error, "process 12", "switch.md"},
		"the agent does not run": {nil, func(_ *testing.T, h *Host) { h.Running = func() (bool, error) { return false, nil } }, "service", Warning, "does not run", "systemctl"},
		"nobody knows":           {nil, func(_ *testing.T, h *Host) { h.Running = func() (bool, error) { return false, os.ErrPermission } }, "service", Warning, "permission denied", "agent's user"},
		"root_dir for everybody": {nil, func(t *testing.T, h *Host) {
			if err := errors.Join(os.Mkdir(h.Config.RootDir, 0o755), os.Chmod(h.Config.RootDir, 0o777)); err != nil {
				t.Fatal(err)
			}
		}, "directories", Warning, "root", "security.md"},
		"revision gone":    {nil, func(t *testing.T, h *Host) { os.RemoveAll(deployed(t, *h, "one")) }, "revisions", Error, "group one", "one_last_successful_install"},
		"stop script gone": {nil, func(t *testing.T, h *Host) { os.Remove(deployed(t, *h, "one") + "/stop.sh") }, "revisions", Error, "stop.sh does not exist", "ignore ApplicationStop failures"},
		"both stop scripts gone": {nil, func(t *testing.T, h *Host) {
			a := deployed(t, *h, "one")
			os.Remove(a + "/stop.sh")
			os.Remove(a + "/more.sh")
		}, "revisions", Error, "more.sh does not exist", "ignore ApplicationStop failures"},
		"AppSpec unreadable":      {nil, func(t *testing.T, h *Host) { write(t, deployed(t, *h, "one")+"/appspec.yml", "version: 1.0\n", 0o644) }, "revisions", Error, "version", "one_last_successful_install"},
		"AppSpec of its own name": {nil, func(t *testing.T, h *Host) { a := deployed(t, *h, "one"); os.Rename(a+"/appspec.yml", a+"/own.yml") }, "revisions", Warning, "group one", "names its AppSpec"},
		"interpreter gone": {nil, func(t *testing.T, h *Host) {
			write(t, deployed(t, *h, "one")+"/stop.sh", "#!/nonexistent/bash\n", 0o755)
		}, "revisions", Error, "/nonexistent/bash", "ignore"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := test.now
			if now == nil {
				now = time.Now
			}
			h := newTestHost(t, now)
			if test.change != nil {
				test.change(t, &h)
			}
			findings := Look(context.Background(), h)
			for _, f := range findings {
				if f.Check == test.check && f.Severity == test.severity && strings.Contains(f.Message, test.message) && strings.Contains(f.Hint, test.hint) {
					return
				}
			}
			t.Errorf("no finding of %s is %s with %q (%q) among %+v", test.check, test.severity, test.message, test.hint, findings)
		})
	}
}
