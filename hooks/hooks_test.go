package hooks

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
)

func TestRevisionOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		event, kind, creator string
		want                 Revision
	}{
		{ApplicationStop, "IN_PLACE", "user", LastSuccessful},
		{BeforeBlockTraffic, "IN_PLACE", "user", LastSuccessful},
		{AfterBlockTraffic, TypeBlueGreen, "user", LastSuccessful},
		{BeforeInstall, "IN_PLACE", "user", Current},
		{ValidateService, TypeBlueGreen, CreatorRollback, Current},
		{BeforeAllowTraffic, TypeBlueGreen, "user", Current},
		{"SmokeTest", TypeBlueGreen, CreatorRollback, Current},
		{BeforeBlockTraffic, TypeBlueGreen, CreatorRollback, MostRecent},
		{AfterBlockTraffic, TypeBlueGreen, CreatorRollback, MostRecent},
		{ApplicationStop, TypeBlueGreen, CreatorRollback, LastSuccessful},
		{BeforeAllowTraffic, TypeBlueGreen, CreatorRollback, LastSuccessful},
		{AfterAllowTraffic, TypeBlueGreen, CreatorRollback, LastSuccessful},
		{BeforeBlockTraffic, "IN_PLACE", CreatorRollback, LastSuccessful}, // an in-place rollback is an ordinary deployment
		{AfterAllowTraffic, "IN_PLACE", CreatorRollback, Current},
	}
	for _, tt := range tests {
		if got := RevisionOf(tt.event, tt.kind, tt.creator); got != tt.want {
			t.Errorf("RevisionOf(%s, %s, %s) = %v, want %v", tt.event, tt.kind, tt.creator, got, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	secret := []string{"AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=s", "AWS_CREDENTIAL_FILE=/f", "AWS_SESSION_TOKEN=t", "AWS_SECURITY_TOKEN=t",
		"AWS_ACCESS_KEY=AKIA", "AWS_SECRET_KEY=s", "AMAZON_ACCESS_KEY_ID=a", "AMAZON_SECRET_ACCESS_KEY=s", "AMAZON_SESSION_TOKEN=t", "CODEDEPLOY_GITHUB_TOKEN=g",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://x", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN=t",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/f"}
	managers := []string{"NOTIFY_SOCKET=/run/x", "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=x"}
	basics := []string{"PATH=/bin", "HOME=/root", "USER=root"}
	// What an operator sets for hooks: where they look for credentials of their own, which proxy they use.
	theirs := []string{"LANG=C.UTF-8", "AWS_REGION=eu-west-1", "AWS_PROFILE=deploy", "AWS_CONFIG_FILE=/c", "AWS_SHARED_CREDENTIALS_FILE=/s",
		"AWS_WEB_IDENTITY_TOKEN_FILE=/w", "AWS_ROLE_ARN=arn:x", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://[::1]:1338", "AWS_CONTAINER_=x", "HTTPS_PROXY=http://u:p@proxy:1",
		"aws_secret_access_key=another variable"}
	loaders := []string{"LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/evil", "LD_AUDIT=x", "LD_DEBUG=all", "GCONV_PATH=/evil", "BASH_ENV=/evil", "ENV=/evil"}
	agent := slices.Concat(secret, basics, managers, theirs, loaders, []string{"DEPLOYMENT_ID=stale", "broken"})
	d := Deployment{ID: "d-1", GroupID: "g", GroupName: "n", ApplicationName: "a\x00b", Bundle: map[string]string{"BUNDLE_KEY": "k"},
		Host: map[string]string{"AWS_HOST_IDENTIFIER": "arn:h"}}
	added := []string{"APPLICATION_NAME=ab", "BUNDLE_KEY=k", "DEPLOYMENT_GROUP_ID=g", "DEPLOYMENT_GROUP_NAME=n", "DEPLOYMENT_ID=d-1", "LIFECYCLE_EVENT=AfterInstall"}
	tests := []struct {
		rules EnvironmentRules
		want  []string
	}{
		{EnvironmentRules{}, slices.Concat(basics, theirs, loaders)},
		{EnvironmentRules{StripLoader: true}, slices.Concat(basics, theirs)},
		{EnvironmentRules{AllowlistOnly: true}, basics},
		{EnvironmentRules{AllowlistOnly: true, StripLoader: true}, basics},
	}
	for _, tt := range tests {
		want := slices.Concat(tt.want, added)
		if !tt.rules.AllowlistOnly {
			want = slices.Insert(want, len(tt.want)+1, "AWS_HOST_IDENTIFIER=arn:h")
		}
		if got := Environment(agent, AfterInstall, d, tt.rules); !slices.Equal(got, want) {
			t.Errorf("Environment(%+v) = %q, want %q", tt.rules, got, want)
		}
	}
}

func TestLocalOrderHoldsEveryCommandOnce(t *testing.T) {
	t.Parallel()
	order, commands := LocalOrder(), Commands()
	slices.Sort(order)
	slices.Sort(commands)
	if !slices.Equal(order, commands) {
		t.Errorf("LocalOrder() has %v, Commands() %v", order, commands)
	}
}

func TestProgramPath(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the directories are others there")
	}
	open, shut := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Chmod(open, 0o777), os.Chmod(shut, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path   string
		strict bool
		want   string
	}{
		{"/usr/bin:/bin", false, "/usr/bin:/bin"}, {"", false, ""}, {":/bin::.:bin:./x:../y:", false, "/bin"}, {open + ":" + shut + ":/nowhere", false, open + ":" + shut + ":/nowhere"},
		{open + ":" + shut + ":/nowhere", true, shut + ":/nowhere"}, {".:/bin", true, "/bin"},
	} {
		if got := programPath(tt.path, tt.strict); got != tt.want {
			t.Errorf("programPath(%q, %v) = %q, want %q", tt.path, tt.strict, got, tt.want)
		}
	}
}
