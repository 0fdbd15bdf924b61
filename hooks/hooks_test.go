package hooks

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
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

func TestTail(t *testing.T) {
	t.Parallel()
	repeat := func(line string, n int) []string {
		var out []string
		for range n {
			out = append(out, line)
		}
		return out
	}
	hundred := strings.Repeat("x", 99) + "\n"
	tests := []struct {
		name  string
		lines []string
		chars int // of what is kept
	}{
		{"short output is kept whole", []string{"a\n", "b\n"}, 4},
		{"whole lines up to the limit", repeat(hundred, 40), 2000},
		{"25 characters a line", repeat(strings.Repeat("y", 24)+"\n", 3000), 2025},
		{"characters, not bytes", repeat(strings.Repeat("ü", 99)+"\n", 40), 2000},
		{"a line that is too long leaves its end", []string{"short\n", strings.Repeat("z", 5000) + "\n"}, 2053},
		{"a short line after one that is too long", []string{strings.Repeat("z", 5000) + "\n", "after\n"}, 6},
		{"a line that just fits keeps what is before it", []string{strings.Repeat("h", 55) + "\n", strings.Repeat("l", 2046) + "\n"}, 2103},
	}
	for _, tt := range tests {
		var tail Tail
		for _, l := range tt.lines {
			tail.Add(l)
		}
		if got := utf8.RuneCountInString(tail.String()); got != tt.chars {
			t.Errorf("%s: %d characters kept, want %d", tt.name, got, tt.chars)
		}
		if last := tt.lines[len(tt.lines)-1]; !strings.HasSuffix(tail.String(), last[max(0, len(last)-10):]) {
			t.Errorf("%s: the end of the output is lost", tt.name)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	agent := []string{"PATH=/bin", "HOME=/root", "USER=root", "LANG=C.UTF-8", "LD_PRELOAD=/evil.so", "AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=s",
		"AWS_SESSION_TOKEN=t", "CODEDEPLOY_GITHUB_TOKEN=g", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://x", "AWS_REGION=eu-west-1",
		"NOTIFY_SOCKET=/run/x", "DEPLOYMENT_ID=stale", "broken"}
	d := Deployment{ID: "d-1", GroupID: "g", GroupName: "n", ApplicationName: "a\x00b", Bundle: map[string]string{"BUNDLE_KEY": "k"},
		Host: map[string]string{"AWS_HOST_IDENTIFIER": "arn:h"}}
	added := []string{"APPLICATION_NAME=ab", "BUNDLE_KEY=k", "DEPLOYMENT_GROUP_ID=g", "DEPLOYMENT_GROUP_NAME=n", "DEPLOYMENT_ID=d-1", "LIFECYCLE_EVENT=AfterInstall"}
	tests := []struct {
		rules EnvironmentRules
		want  []string
	}{
		{EnvironmentRules{}, []string{"PATH=/bin", "HOME=/root", "USER=root", "LANG=C.UTF-8", "LD_PRELOAD=/evil.so", "AWS_REGION=eu-west-1"}},
		{EnvironmentRules{StripLoader: true}, []string{"PATH=/bin", "HOME=/root", "USER=root", "LANG=C.UTF-8", "AWS_REGION=eu-west-1"}},
		{EnvironmentRules{AllowlistOnly: true}, []string{"PATH=/bin", "HOME=/root", "USER=root"}},
	}
	for _, tt := range tests {
		want := append(tt.want, added...)
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
