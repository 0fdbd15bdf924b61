package store

import (
	"os"
	"path/filepath"
	"slices"
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

func TestTrackedSkipsWhatIsStaleOrDamaged(t *testing.T) {
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
	got, err := s.Tracked(time.Now())
	if want := []Tracked{{"d-fresh", "command-of-d-fresh"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Tracked() = %v, %v, want %v", got, err, want)
	}
	if err := s.Untrack("d-fresh"); err != nil {
		t.Fatal(err)
	}
	if err := s.Untrack("d-fresh"); err != nil {
		t.Errorf("Untrack of what is not tracked: %v", err)
	}
	if got, err := s.Tracked(time.Now()); len(got) != 0 || err != nil {
		t.Errorf("Tracked() = %v, %v, want none", got, err)
	}
}

func TestRestrictedModes(t *testing.T) {
	t.Parallel()
	s := New(Options{Root: filepath.Join(t.TempDir(), "root"), Program: "p", Tracking: "ongoing-deployment", Restricted: true})
	d := s.Deployment("g", "d-1")
	if err := d.Create(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMostRecent(d); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{
		d.Dir: 0o711, filepath.Join(s.Root(), "deployment-instructions", "g_most_recent_install"): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}
