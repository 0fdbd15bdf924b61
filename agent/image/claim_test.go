package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"codedeploy-agent/agent/config"
)

const (
	first      = "arn:aws:ec2:us-east-1:123456789012:instance/i-00000000000000001"
	second     = "arn:aws:ec2:us-east-1:123456789012:instance/i-00000000000000002"
	registered = "arn:aws:iam::123456789012:user/CodeDeploy/host-1"
	renamed    = "arn:aws:sts::123456789012:assumed-role/CodeDeploy/host-1"
)

// host makes a host with state, a deployment root and a log.
func host(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.RootDir, c.StateDir, c.LogDir = filepath.Join(dir, "root"), filepath.Join(dir, "state"), filepath.Join(dir, "log")
	c.PidDir, c.OnPremisesConfigFile = filepath.Join(c.StateDir, ".pid"), filepath.Join(dir, "onpremises.yml")
	for _, path := range []string{"root/deployment-instructions/g_last_successful_install", "root/g/d-1/bundle.tar", "state/journal/c.journal", "state/install/g",
		"state/groups/g", "state/agent.lock", "state/.pid/codedeploy-agent.pid", "log/codedeploy-agent.log", "onpremises.yml", "credentials"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

func TestClaim(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		was      string // the record; empty is none
		now      Host
		keep     bool
		setAside bool
	}{
		{name: "an official agent left the state", now: Host{first, "a"}},
		{name: "started again", was: `{"host_identifier":"` + first + `","machine_id":"a"}`, now: Host{first, "a"}},
		{name: "the machine-id was made anew", was: `{"host_identifier":"` + first + `","machine_id":"a"}`, now: Host{first, "b"}},
		{name: "another instance", was: `{"host_identifier":"` + first + `","machine_id":"a"}`, now: Host{second, "b"}, setAside: true},
		{name: "another instance with the image's machine-id", was: `{"host_identifier":"` + first + `","machine_id":"a"}`, now: Host{second, "a"}, setAside: true},
		{name: "another instance, kept", was: `{"host_identifier":"` + first + `","machine_id":"a"}`, now: Host{second, "b"}, keep: true},
		{name: "registered anew", was: `{"host_identifier":"` + registered + `","machine_id":"a"}`, now: Host{renamed, "a"}},
		{name: "registered anew without machine-id", was: `{"host_identifier":"` + registered + `"}`, now: Host{renamed, ""}},
		{name: "another host on premises", was: `{"host_identifier":"` + registered + `","machine_id":"a"}`, now: Host{renamed, "b"}, setAside: true},
		{name: "an instance that became one on premises", was: `{"host_identifier":"` + first + `","machine_id":"a"}`, now: Host{registered, "a"}},
		{name: "a damaged record", was: `{"host`, now: Host{second, "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := host(t)
			c.KeepStateOfImage = tt.keep
			if tt.was != "" {
				if err := os.WriteFile(filepath.Join(c.StateDir, "host"), []byte(tt.was), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // the second time it is this host's anyway
				if err := Claim(c, tt.now, zap.NewNop()); err != nil {
					t.Fatal(err)
				}
			}
			if text, _ := os.ReadFile(filepath.Join(c.StateDir, "host")); !strings.Contains(string(text), tt.now.Identifier) {
				t.Errorf("recorded: %s", text)
			}
			wantRoot, wantState := []string{"deployment-instructions", "g"}, []string{".pid", "agent.lock", "groups", "host", "install", "journal"}
			if tt.setAside {
				wantRoot, wantState = nil, []string{".pid", "agent.lock", "groups", "host", "set-aside"}
			}
			if got := entries(t, c.RootDir); !slices.Equal(got, wantRoot) {
				t.Errorf("deployment root: %v, want %v", got, wantRoot)
			}
			if got := entries(t, c.StateDir); !slices.Equal(got, wantState) {
				t.Errorf("state: %v, want %v", got, wantState)
			}
			if tt.setAside {
				if found, _ := filepath.Glob(filepath.Join(c.StateDir, "set-aside/*/root/deployment-instructions/g_last_successful_install")); len(found) != 1 {
					t.Errorf("set aside: %v", found)
				}
			}
		})
	}
}

// A claim that was cut off is completed, and only the latest host's state is kept aside.
func TestClaimGoesOn(t *testing.T) {
	t.Parallel()
	c := host(t)
	for path, content := range map[string]string{"host": `{"host_identifier":"` + first + `"}`, "set-aside/older/root/x": "x",
		"set-aside/" + asFileName(first) + "/root/moved/x": "x"} {
		path = filepath.Join(c.StateDir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Claim(c, Host{Identifier: second}, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, filepath.Join(c.StateDir, "set-aside")); !slices.Equal(got, []string{asFileName(first)}) {
		t.Errorf("set aside of %v", got)
	}
	if got := entries(t, filepath.Join(c.StateDir, "set-aside", asFileName(first), "root")); !slices.Equal(got, []string{"deployment-instructions", "g", "moved"}) {
		t.Errorf("set aside: %v", got)
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	c := host(t)
	credentials := filepath.Join(filepath.Dir(c.StateDir), "credentials")
	if err := Claim(c, Host{Identifier: first}, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	if found := Check(c, credentials, true); found[0].Right || found[1].Right {
		t.Errorf("a host that runs and has traces: %+v", found)
	}
	traces, err := Traces(c, credentials)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	if err := Remove(traces, func(Trace) { told++ }); err != nil || told != len(traces) {
		t.Errorf("told of %d of %d, %v", told, len(traces), err)
	}
	var left []string
	err = filepath.WalkDir(filepath.Dir(c.StateDir), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, filepath.Base(path))
		}
		return err
	})
	if err != nil || !slices.Equal(left, []string{"agent.lock"}) {
		t.Errorf("left: %v, %v", left, err)
	}
	if found := Check(c, credentials, false); !found[0].Right || !found[1].Right {
		t.Errorf("a host that was scrubbed: %+v", found)
	}
}
