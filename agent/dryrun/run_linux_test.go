package dryrun

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRefused(t *testing.T) {
	for err, want := range map[error]string{
		unix.EPERM: "namespaces", unix.ENOSPC: "user.max_user_namespaces", unix.EINVAL: "this kernel has no",
	} {
		var u *UnsupportedError
		if got := refused(err); !errors.As(got, &u) || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v, want %q", err, got, want)
		}
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	want := map[string]bool{}
	for i := range 700 { // more than one read's worth
		name := strings.Repeat("n", 30) + string(rune('a'+i%26)) + string(rune('0'+i/26%10)) + string(rune('0'+i/260))
		if i%7 == 0 {
			want[name] = true
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want[name] = false
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := list(dir)
	if err != nil || len(entries) != len(want) {
		t.Fatalf("%d entries, want %d: %v", len(entries), len(want), err)
	}
	for _, e := range entries {
		if isDir, ok := want[e.name]; !ok || isDir && !e.mayBeDir {
			t.Errorf("entry %+v", e)
		}
	}
	if _, err := list(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
}

func TestRemoveAllOfWhatCannotBeEntered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	inner := filepath.Join(dir, "closed", "inner")
	if err := os.MkdirAll(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{inner, filepath.Dir(inner)} {
		if err := os.Chmod(d, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestMountPathsAreUnescaped(t *testing.T) {
	if got := unescape(`/a\040b\134c\x`); got != `/a b\c\x` {
		t.Errorf("%q", got)
	}
}

func TestFetchKnowsWhatIsLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"localhost:8080/health": true, "http://127.0.0.1/": true, "https://[::1]:8443/x": true, "http://0.0.0.0:80": true, "https://example.com/": false, "10.0.0.1": false,
	} {
		if got := local(hostOf(address)); got != want {
			t.Errorf("%s is the view's own: %v, want %v", address, got, want)
		}
	}
}

// The documentation names every stand-in.
func TestStandInsAreDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/dry-run.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds, programs := Names()
	for _, kind := range kinds {
		for _, name := range programs[kind] {
			if !strings.Contains(string(data), "`"+name+"`") {
				t.Errorf("docs/dry-run.md does not name %s", name)
			}
		}
	}
	if !slices.Contains(kinds, Services) {
		t.Errorf("kinds %q", kinds)
	}
}
