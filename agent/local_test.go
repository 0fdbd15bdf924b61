package agent

import (
	"slices"
	"strings"
	"testing"

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
		{"AfterInstall AfterInstall", "", "twice"},
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
