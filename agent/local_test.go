package agent

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks"
)

func TestLocalEvents(t *testing.T) {
	t.Parallel()
	tests := []struct {
		asked, want string
		problem     string
	}{
		{"", strings.Join(hooks.LocalOrder(), " "), ""},
		{"AfterInstall ValidateService", "DownloadBundle Install AfterInstall ValidateService", ""},
		{"ApplicationStop", "DownloadBundle Install ApplicationStop", ""},
		{"ApplicationStop DownloadBundle Install ApplicationStart", "ApplicationStop DownloadBundle Install ApplicationStart", ""},
		{"BeforeInstall SmokeTest AfterInstall", "DownloadBundle Install BeforeInstall SmokeTest AfterInstall", ""},
		{"BeforeInstall Install", "DownloadBundle BeforeInstall Install", ""},
		{"AfterInstall Install", "", "cannot run AfterInstall before Install"},
		{"Install DownloadBundle", "", "cannot run Install before DownloadBundle"},
		{"ValidateService DownloadBundle AfterInstall Install", "", "cannot run ValidateService before DownloadBundle"},
		{"AfterInstall AfterInstall", "DownloadBundle Install AfterInstall AfterInstall", ""},
		{"DownloadBundle", "DownloadBundle Install", ""},
		{"Install", "DownloadBundle Install", ""},
		{"DownloadBundle AfterInstall", "DownloadBundle Install AfterInstall", ""},
		{"ApplicationStop DownloadBundle", "DownloadBundle ApplicationStop Install", ""},
		{"BeforeInstall DownloadBundle", "DownloadBundle BeforeInstall Install", ""},
		{"AfterInstall DownloadBundle", "", "cannot run AfterInstall before Install"},
		{"afterinstall", "", "did you mean AfterInstall?"},
		{"downloadBundle", "", "did you mean DownloadBundle?"},
	}
	for _, tt := range tests {
		got, err := localEvents(strings.Fields(tt.asked))
		if tt.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("localEvents(%s) error = %v, want %q", tt.asked, err, tt.problem)
			}
			continue
		}
		if err != nil || !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("localEvents(%s) = %v, %v, want %s", tt.asked, got, err, tt.want)
		}
	}
}

func TestOddEvents(t *testing.T) {
	t.Parallel()
	a, err := appspec.Parse("appspec.yml", []byte("version: 0.0\nos: linux\nhooks:\n  smoke_test:\n    - location: a.sh\n"))
	if err != nil {
		t.Fatal(err)
	}
	for event, refused := range map[string]bool{"AfterInstall": false, "Nonsense": false, "smoke_test": false, "smokeTest": true, "ABTest": true} {
		err := oddEvents([]string{"DownloadBundle", event}, a, "appspec.yml")
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), event) {
			t.Errorf("oddEvents(%s) = %v, want refused: %v", event, err, refused)
		}
	}
}

func TestCheckEvents(t *testing.T) {
	t.Parallel()
	a, err := appspec.Parse("appspec.yml", []byte("version: 0.0\nos: linux\nhooks:\n  Smoke:\n    - location: a.sh\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		possible []string
		problem  string
	}{
		{nil, ""}, {[]string{}, ""}, // the service has not said
		{append(hooks.Commands(), "Smoke"), ""},
		{hooks.Commands(), "unknown lifecycle events: Smoke"},
		{append(hooks.Commands(), "Smoke", "Other"), "do not exist in appspec.yml: Other"},
	} {
		if err := checkEvents(a, "appspec.yml", tt.possible); (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("checkEvents(%q) = %v, want %q", tt.possible, err, tt.problem)
		}
	}
}

func TestAsNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, found string
		ok          bool
	}{
		{"", "appspec.yml", true}, {"appspec.yml", "appspec.yaml", true}, {"deploy/app.yml", "deploy/app.yml", true},
		{"./deploy//app.yml", "deploy/app.yml", true}, {"deploy/app.yml", "appspec.yml", false}, {"appspec.yaml", "appspec.yml", false},
	} {
		if err := asNamed(tt.name, tt.found); (err == nil) != tt.ok {
			t.Errorf("asNamed(%s, %s) = %v, want accepted: %v", tt.name, tt.found, err, tt.ok)
		}
	}
}

func TestMakeState(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	state := filepath.Join(root, "opt", "agent", "state")
	for range 2 {
		dir, err := makeState(state, "local")
		if err != nil || dir != filepath.Join(state, "local") {
			t.Fatalf("makeState() = %s, %v", dir, err)
		}
	}
	for dir, want := range map[string]os.FileMode{"opt": 0o755, "opt/agent": 0o755, "opt/agent/state": 0o711, "opt/agent/state/local": 0o700} {
		info, err := os.Stat(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want && runtime.GOOS != "windows" {
			t.Errorf("%s has mode %v, want %v", dir, got, want)
		}
	}
}

func TestLocalRevision(t *testing.T) {
	t.Parallel()
	tests := []struct{ location, kind, want, problem string }{
		{"s3://bucket/a/b.zip?versionId=v%201&etag=abc", "zip", "S3 bucket a/b.zip v 1 abc zip", ""},
		{"s3://bucket/a", "directory", "", "directory"},
		{"s3://bucket", "zip", "", "s3://bucket/key"},
		{"https://github.com/o/r.git", "directory", "GitHub o r HEAD zip", ""},
		{"https://github.com/o/r/tree/feature/x", "tar", "GitHub o r feature/x tar", ""},
		{"https://api.github.com/repos/o/r/tarball/v1", "zip", "GitHub o r v1 zip", ""},
		{"https://example.com/x.zip", "zip", "", "github.com"},
		{"http://example.com/x.zip", "zip", "", "https://"},
		{"/nowhere/at/all", "zip", "", "does not exist"},
		{".", "rar", "", "rar"},
	}
	for _, tt := range tests {
		r, err := localRevision(tt.location, tt.kind, "")
		if tt.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("localRevision(%s, %s) error = %v, want %q", tt.location, tt.kind, err, tt.problem)
			}
			continue
		}
		got := strings.Join(strings.Fields(strings.Join([]string{r.Type, r.Bucket, r.Key, r.Version, r.ETag, r.Account, r.Repository, r.CommitID, r.BundleType}, " ")), " ")
		if err != nil || got != tt.want {
			t.Errorf("localRevision(%s, %s) = %s, %v, want %s", tt.location, tt.kind, got, err, tt.want)
		}
	}
}
