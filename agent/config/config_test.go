package config

import (
	"bytes"
	"errors"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"codedeploy-agent/appspec/allowance"
)

func TestDefaultsAreTheOfficialAgents(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the places are others there")
	}
	want := &Config{
		RootDir: "/opt/codedeploy-agent/deployment-root", LogDir: "/var/log/aws/codedeploy-agent", PidDir: "/opt/codedeploy-agent/state/.pid",
		StateDir: "/opt/codedeploy-agent/state", ProgramName: "codedeploy-agent", OngoingDeploymentTracking: "ongoing-deployment",
		OnPremisesConfigFile: "/etc/codedeploy-agent/conf/codedeploy.onpremises.yml",
		WaitBetweenRuns:      30 * time.Second, HTTPReadTimeout: 80 * time.Second, KillAgentMaxWaitTime: 2 * time.Hour, MaxRevisions: 5,
		MaxConcurrentCommands: 16, LogFormat: "console", EnableDeploymentsLog: true, SanitizeHookOutput: true, EnableArchiveReuse: true, DisableCoreDumps: true, RequireProtectedFiles: true,
		ArchiveMaxEntries: 1_000_000, ArchiveMaxRatio: 1000, ArchiveMaxDepth: 512, // ours: the official agents have no such limits
	}
	if got := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The file that the Ruby agent's package installs, and the plain spelling.
func TestBothSpellings(t *testing.T) {
	for _, colon := range []string{":", ""} {
		text := "---\n" + colon + "log_aws_wire: false\n" + colon + "log_dir: '/var/log/x/'\n" + colon + "root_dir: '/srv/root'\n" + colon +
			"verbose: yes\n" + colon + "wait_between_runs: 1\n" + colon + "proxy_uri:\n" + colon + "max_revisions: \"2\"\n" +
			colon + "no_proxy: a.test, 10.0.0.0/8\n" + colon + "archive_max_extraction_size: 2GiB\n"
		c, warnings, err := Parse("x.yml", []byte(text))
		if err != nil || len(warnings) != 0 {
			t.Fatal(err, warnings)
		}
		if c.LogDir != "/var/log/x" || c.RootDir != "/srv/root" || c.StateDir != "/srv/root.state" || !c.Verbose || c.WaitBetweenRuns != time.Second || c.ProxyURI != "" ||
			c.MaxRevisions != 2 || !reflect.DeepEqual(c.NoProxy, []string{"a.test", "10.0.0.0/8"}) || c.ArchiveMaxExtractionSize != 2<<30 {
			t.Errorf("%+v", c)
		}
	}
}

// Every mistake is told at once, with its line, key and what is allowed.
func TestMistakes(t *testing.T) {
	_, _, err := Parse("agent.yml", []byte(`verbose: maybe
max_revisions: -1
max_concurrent_commands: 65
wait_between_runs: soon
http_read_timeout: 0
root_dir: [a]
log_format: xml
deploy_control_endpoint: file:///etc/passwd
proxy_uri: proxy
program_name: ../x
archive_max_extraction_size: 1.5GB
no_proxy: {a: b}
`))
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != 12 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{
		`agent.yml:1: verbose: "maybe" must be true or false`,
		`agent.yml:2: max_revisions: "-1" must be a whole number from 0`,
		`agent.yml:3: max_concurrent_commands: "65" must be a whole number from 1 to 64`,
		`agent.yml:4: wait_between_runs: "soon" must be a number of seconds from 0`,
		`agent.yml:5: http_read_timeout: "0" must be a number of seconds from 1`,
		`agent.yml:6: root_dir: it is a list or mapping and must be a text`,
		`agent.yml:7: log_format: "xml" must be console or json`,
		`agent.yml:8: deploy_control_endpoint: "file:///etc/passwd" cannot be used: it must be an address such as https://host`,
		`agent.yml:9: proxy_uri: its value, which may hold a password and is not shown, cannot be used: it must be an address such as http://proxy:3128`,
		`agent.yml:10: program_name: "../x" cannot be used: it must be a name without directories`,
		`agent.yml:11: archive_max_extraction_size: "1.5GB" must be a number of bytes such as 500MB or 4GiB`,
		`agent.yml:12: no_proxy: it is a mapping and must be a list`,
	} {
		if got := e.Problems[i].String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for text, want := range map[string]string{
		"a: [\n": "x.yml:1: it is not valid YAML", "- a\n": "x.yml:1: the file must have a setting in each line", "just text": "the file must have a setting",
	} {
		if _, _, err := Parse("x.yml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	c, warnings, err := Parse("x.yml", []byte(`wait_beetween_runs: 5
zzz: 1
ssl_verify_peer: false
kill_agent_max_wait_time_seconds: 999999999
verbose: false
verbose: true
wait_between_runs: 0
deploy_control_endpoint: http://deploy.test
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`x.yml:1: "wait_beetween_runs": there is no such setting; did you mean wait_between_runs?`,
		`x.yml:2: "zzz": there is no such setting; codedeploy-agent config lists all`,
		`x.yml:3: ssl_verify_peer: it has no effect (retired: certificates are always verified; see ca_bundle_file)`,
		`x.yml:4: kill_agent_max_wait_time_seconds: it is cut to 86400`,
		`x.yml:6: verbose: it is set in line 5 already; this one counts`,
		`x.yml: deploy_control_endpoint: plain HTTP shows deployments to whoever listens on the way; use https`,
		`x.yml: wait_between_runs: it is raised to 1`,
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if c.KillAgentMaxWaitTime != 24*time.Hour || !c.Verbose || c.WaitBetweenRuns != time.Second {
		t.Errorf("%+v", c)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := Load(filepath.Join(dir, "missing.yml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named file that is missing: %v", err)
	}
	path := filepath.Join(dir, "empty.yml")
	if err := os.WriteFile(path, []byte("# nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c, _, err := Load(path); err != nil || !reflect.DeepEqual(c, Default()) {
		t.Errorf("%+v, %v", c, err)
	}
}

// The printed configuration, uncommented, is one that gives the defaults.
func TestDocumentIsAConfiguration(t *testing.T) {
	var b bytes.Buffer
	if err := Document(&b); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	c, warnings, err := Parse("x.yml", []byte(strings.Join(lines, "\n")))
	if err != nil || len(warnings) != 0 || !reflect.DeepEqual(c, Default()) {
		t.Errorf("%v %v\n%s", err, warnings, b.String())
	}
}

// The file for a new host gives what NewHost says, which is the defaults with every switch on that refuses something.
func TestNewHost(t *testing.T) {
	var b bytes.Buffer
	if err := NewHostDocument(&b); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := Parse("x.yml", b.Bytes())
	if err != nil || len(warnings) != 0 || !reflect.DeepEqual(c, NewHost()) {
		t.Errorf("%v %v\n%s", err, warnings, b.String())
	}
	want := Default()
	want.RejectSymlinksInBundle, want.RejectPathTraversalInBundle, want.RejectUnsafePermissionsInBundle = true, true, true
	want.RejectUnconfinedSELinuxInBundle, want.RejectSymlinkPermissionTargets, want.IgnoreOwnershipInBundle = true, true, true
	want.RestrictAgentDirPermissions, want.RestrictLogDirPermissions = true, true
	want.StripLoaderEnvInHooks, want.RestrictHookEnvToAllowlist, want.DisablePowerShellProfileInHooks = true, true, true
	want.DisableIMDSv1 = true
	if got := NewHost(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, k := range keys {
		for _, prefix := range []string{"reject_", "restrict_", "strip_"} {
			if strings.HasPrefix(k.name, prefix) && !k.onNewHost() {
				t.Errorf("%s is off on a new host", k.name)
			}
		}
	}
}

// docs/configuration.md holds the table of keys; UPDATE_DOCS=1 writes it anew.
func TestReferenceIsInTheDocumentation(t *testing.T) {
	const begin, end = "<!-- begin of the keys -->\n", "<!-- end of the keys -->\n"
	path := filepath.Join("..", "..", "docs", "configuration.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(data), begin)
	table, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for the keys", path)
	}
	var b bytes.Buffer
	if err := Reference(&b); err != nil {
		t.Fatal(err)
	}
	if table == "\n"+b.String()+"\n" {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is not what the table of keys says; run the test with UPDATE_DOCS=1", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+"\n"+b.String()+"\n"+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Each key has a field of Config, and some code outside of this package reads it: a key without effect stands in the group of those.
func TestEveryKeyIsUsed(t *testing.T) {
	selected := map[string]bool{}
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != top && (strings.HasPrefix(d.Name(), ".") || path == filepath.Join(top, "agent", "config")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				selected[s.Sel.Name] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &Config{}
	fields := reflect.ValueOf(c).Elem()
	keyed := map[string]bool{}
	for _, k := range keys {
		if k.field == nil {
			continue
		}
		name := ""
		for i := range fields.NumField() {
			if fields.Field(i).Addr().Pointer() == reflect.ValueOf(k.field(c)).Pointer() {
				name = fields.Type().Field(i).Name
			}
		}
		keyed[name] = true
		if !selected[name] {
			t.Errorf("nothing reads the field %q of the key %s", name, k.name)
		}
	}
	for i := range fields.NumField() {
		if name := fields.Type().Field(i).Name; !keyed[name] {
			t.Errorf("the field %s has no key", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(":verbose: true\nno_proxy: [a, b]\nmax_revisions: 9999999999999999999\n"))
	f.Add([]byte("---\n:root_dir: '/srv'\narchive_max_extraction_size: 9223372036854775807TiB\nwait_between_runs: 1e308\n"))
	f.Add([]byte("a: &a [*a]\nno_proxy: *a\nlog_dir: {}\nproxy_uri: http://[::1]:x\ndeploy_control_endpoint: https://u:p@h\n"))
	f.Add([]byte("\xff\xfea\x00:\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c *Config
		var err error
		allowance.Hold(t, func() { c, _, err = Parse("x.yml", data) })
		if (c == nil) == (err == nil) {
			t.Fatal(c, err)
		}
	})
}
