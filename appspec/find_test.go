package appspec

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestFind(t *testing.T) {
	has := func(names ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for _, n := range names {
			m[n] = &fstest.MapFile{}
		}
		return m
	}
	for _, c := range []struct {
		name string
		fs   fstest.MapFS
		want string
	}{
		{"", has("appspec.yml", "appspec.yaml"), "appspec.yml"},
		{"", has("appspec.yaml"), "appspec.yaml"},
		{"deploy/app.yml", has("deploy/app.yml", "appspec.yml"), "deploy/app.yml"},
		{"deploy/app.yml", has("appspec.yml"), "appspec.yml"},
		{"deploy/app.yml", has("appspec.yml", "appspec.yaml"), "appspec.yaml"},
	} {
		if got, err := Find(c.fs, c.name); got != c.want || err != nil {
			t.Errorf("Find(%q) = %q, %v", c.name, got, err)
		}
	}
	for _, c := range []struct {
		name, want string
		fs         fstest.MapFS
	}{
		{"", "it has AppSpec.yaml: rename it", has("AppSpec.yaml")},
		{"", "has no appspec.yml and no appspec.yaml", has("index.html")},
		{"../x", "is not a path in the revision", has("appspec.yml")},
		{"", "appspec.yml is not a file", has("appspec.yml/x")},
	} {
		if got, err := Find(c.fs, c.name); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Find(%q) = %q, %v, want %s", c.name, got, err, c.want)
		}
	}
}
