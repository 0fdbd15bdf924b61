package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEntriesSurviveInOrder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i, id := range []string{"third/\x00odd", "first", "second"} {
		at := began.Add(time.Duration([]int{3, 1, 2}[i]) * time.Second)
		if err := j.Save(&Entry{CommandID: id, CommandName: "Install", Began: at}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "torn.json"), []byte(`{"command_id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, problems := again.Pending()
	var got []string
	for _, e := range entries {
		got = append(got, e.CommandID)
	}
	if strings.Join(got, ",") != "first,second,third/\x00odd" {
		t.Errorf("Pending() = %q", got)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "torn.json") {
		t.Errorf("problems = %v, want one about torn.json", problems)
	}
	if _, problems := again.Pending(); len(problems) != 0 {
		t.Errorf("the damaged entry is met again: %v", problems)
	}
	if err := os.MkdirAll(again.RunDir("first"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := again.Remove("first"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(again.RunDir("first")); !os.IsNotExist(err) {
		t.Errorf("the run's records are still there: %v", err)
	}
	if entries, _ := again.Pending(); len(entries) != 2 {
		t.Errorf("%d entries after Remove, want 2", len(entries))
	}
}

func TestEntriesAreSecret(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Save(&Entry{CommandID: "x"}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, j.path("x"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %v", path, info.Mode().Perm(), err, want)
		}
	}
}
