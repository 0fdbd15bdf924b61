package store

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func newTestStore(t *testing.T) *Store {
	return New(Options{Root: filepath.Join(t.TempDir(), "deployment-root"), Program: "codedeploy-agent", Tracking: "ongoing-deployment"})
}

func TestPointersAreTheOfficialFiles(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	if _, ok, err := s.LastSuccessful("g"); ok || err != nil {
		t.Fatalf("LastSuccessful of a new store = %v, %v", ok, err)
	}
	d := s.Deployment("g", "d-1")
	if err := s.SetLastSuccessful(d); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.Root(), "deployment-instructions", "g_last_successful_install")
	if data, err := os.ReadFile(path); err != nil || string(data) != d.Dir {
		t.Errorf("pointer file = %q, %v, want %q without a newline", data, err, d.Dir)
	}
	// An official agent may have left a newline.
	if err := os.WriteFile(path, []byte(d.Dir+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, ok, err := s.LastSuccessful("g")
	if err != nil || !ok || got.Dir != d.Dir || got.ID != "d-1" || got.Group != "g" {
		t.Errorf("LastSuccessful = %+v, %v, %v", got, ok, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v, want 0644", info.Mode(), err)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := []struct {
		name       string
		keep       int
		last       string
		wantRemain []string
	}{
		{"fewer than allowed", 6, "d-1", []string{"d-1", "d-2", "d-3", "d-4", "d-5"}},
		{"the oldest go first", 3, "d-4", []string{"d-3", "d-4", "d-5"}},
		{"the last successful stays", 3, "d-1", []string{"d-1", "d-4", "d-5"}},
		{"one", 1, "d-1", []string{"d-1", "d-5"}},
	}
	for _, tt := range tests {
		s := newTestStore(t)
		var current Deployment
		for i, id := range []string{"d-1", "d-2", "d-3", "d-4", "d-5"} {
			current = s.Deployment("g", id)
			if err := current.Create(); err != nil {
				t.Fatal(err)
			}
			at := now.Add(time.Duration(i-10) * time.Hour)
			if err := os.Chtimes(current.Dir, at, at); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SetLastSuccessful(s.Deployment("g", tt.last)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Prune(current, tt.keep); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var remain []string
		entries, err := os.ReadDir(filepath.Join(s.Root(), "g"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			remain = append(remain, e.Name())
		}
		if !slices.Equal(remain, tt.wantRemain) {
			t.Errorf("%s: %v remain, want %v", tt.name, remain, tt.wantRemain)
		}
	}
}

func TestTrackedRemovesWhatIsStaleOrDamaged(t *testing.T) {
	t.Parallel()
	s := newTestStore(t)
	for _, d := range []string{"d-fresh", "d-stale", "d-empty"} {
		if err := s.Track(d, "command-of-"+d); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(s.Root(), "ongoing-deployment")
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "d-stale"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "d-empty"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "d-full", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, problems := s.Tracked(time.Now())
	if want := []Tracked{{"d-fresh", "command-of-d-fresh"}}; !slices.Equal(got, want) {
		t.Errorf("Tracked() = %v, want %v", got, want)
	}
	if len(problems) != 3 || !strings.Contains(problems[0].Error(), "d-empty: it is empty") || !strings.Contains(problems[1].Error(), "look at it and remove it") ||
		!strings.Contains(problems[2].Error(), "d-stale: it is from "+old.Format(time.RFC3339)) {
		t.Errorf("Tracked() tells of %q", problems)
	}
	if err := s.Untrack("d-fresh"); err != nil {
		t.Fatal(err)
	}
	if err := s.Untrack("d-fresh"); err != nil {
		t.Errorf("Untrack of what is not tracked: %v", err)
	}
	if got, problems := s.Tracked(time.Now()); len(got) != 0 || len(problems) != 1 { // the directory that is not empty
		t.Errorf("Tracked() = %v, %v, want none", got, problems)
	}
}

// A restricted store is what official agent 2.x makes of it, also out of one that was not restricted.
func TestRestrictedModes(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{false, true} {
		o := Options{Root: filepath.Join(t.TempDir(), "a", "root"), Program: "p", Tracking: "ongoing-deployment"}
		fill := func() (Deployment, map[string]os.FileMode) {
			s := New(o)
			d := s.Deployment("g", "d-1")
			for _, do := range []func() error{d.Create, d.MakeLogs, s.MakeDeploymentLogs, func() error { return s.SetMostRecent(d) },
				func() error { return s.Track("d-1", "c") }, func() error { return d.SetETag("e") }} {
				if err := do(); err != nil {
					t.Fatal(err)
				}
			}
			return d, map[string]os.FileMode{
				o.Root: 0o711, filepath.Dir(d.Dir): 0o711, d.Dir: 0o711, filepath.Dir(d.ScriptsLog()): 0o750, filepath.Dir(s.DeploymentsLog()): 0o750,
				filepath.Join(o.Root, instructionsDir): 0o700, filepath.Join(o.Root, instructionsDir, "g_most_recent_install"): 0o600,
				filepath.Join(o.Root, "ongoing-deployment"): 0o700, filepath.Join(o.Root, "ongoing-deployment", "d-1"): 0o600,
				filepath.Join(d.Dir, etagName): 0o600, filepath.Dir(o.Root): 0o755,
			}
		}
		if before {
			fill()
		}
		o.Restricted = true
		d, want := fill()
		for path, mode := range want {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != mode {
				t.Errorf("open before: %v: %s: mode %v, %v, want %v", before, path, info.Mode(), err, mode)
			}
		}
		if err := os.Chmod(d.Dir, 0o700); err != nil { // what an operator has closed further stays closed
			t.Fatal(err)
		}
		if err := d.Create(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(d.Dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v, %v, want 0700", info.Mode(), err)
		}
	}
}

func TestETag(t *testing.T) {
	t.Parallel()
	d := newTestStore(t).Deployment("g", "d-1")
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{"abc": "abc", "\"abc-2\"\n": "abc-2", "": "", "a b": "", "a\x00": "", strings.Repeat("x", 1000): ""} {
		if err := os.WriteFile(filepath.Join(d.Dir, etagName), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := d.ETag(); got != want {
			t.Errorf("%q is taken for %q, want %q", content, got, want)
		}
	}
	if err := d.SetETag("abc"); err != nil || d.ETag() != "abc" {
		t.Errorf("SetETag: %v, and ETag() = %q", err, d.ETag())
	}
}
