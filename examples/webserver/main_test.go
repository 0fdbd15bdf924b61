package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start serves the settings of one of the example's versions.
func start(t *testing.T, version string) string {
	t.Helper()
	config := filepath.Join("..", "web", "versions", version+".conf")
	set, err := settings(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler(set, config))
	t.Cleanup(server.Close)
	return server.URL
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		version, path, expect string
		want                  string // of the error; empty for none
	}{
		{"1", "/health", "1", ""},
		{"2", "/", "2", ""},
		{"2", "/stats", "", ""},
		{"2", "/health", "1", `by version "2"`},
		{"2", "/nothing", "", "404"},
		{"3", "/", "3", ""},
		{"3", "/health", "3", "500 Internal Server Error: no greeting is set"},
	}
	for _, test := range tests {
		err := ask(start(t, test.version)+test.path, test.expect, time.Millisecond)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("ask(version %s, %s, expect %q) = %v, want %q", test.version, test.path, test.expect, err, test.want)
		}
	}
}

func TestSettingsErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"no version": "greeting=hello\n", "version 1 line 2": "# comment\nversion 1 line 2\n"} {
		path := filepath.Join(dir, "site.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := settings(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("settings(%q) = %v, %v, want an error with %q", text, got, err, name)
		}
	}
	if got, err := settings(filepath.Join(dir, "missing")); err == nil {
		t.Errorf("settings(missing) = %v, want an error", got)
	}
}
