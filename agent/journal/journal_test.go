package journal

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codedeploy-agent/appspec/allowance"
)

func open(t *testing.T, dir string) *Journal {
	t.Helper()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEntriesSurviveInOrder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir)
	at := time.Now()
	j.now = func() time.Time { at = at.Add(time.Second); return at }
	result := &Result{Status: "Failed", ErrorCode: 4, ScriptName: "x.sh", Message: "m", Log: "l\nl", Ended: at.UTC()}
	received := &Entry{CommandID: "odd/\x00first", CommandName: "Install", ExecutionID: "e", DeploymentID: "d-1", Specification: json.RawMessage(`{"a":1}`)}
	acknowledged := &Entry{CommandID: "second"}
	ended := &Entry{CommandID: "third", Result: result}
	unread := &Entry{CommandID: "fourth", Result: result} // failed before it was received whole
	must(t, j.Begin(received), j.Begin(acknowledged), j.Begin(ended), j.Acknowledged(acknowledged), j.Note(acknowledged, "unpacked"), j.Acknowledged(ended),
		j.End(ended), j.Offered(ended), j.End(unread))
	gone := &Entry{CommandID: "gone"}
	must(t, j.Begin(gone), os.MkdirAll(j.RunDir("gone"), 0o700), j.Accepted(gone))
	must(t, os.MkdirAll(j.RunDir("third"), 0o700), os.MkdirAll(j.RunDir("orphan"), 0o700))

	entries, problems := open(t, dir).Pending()
	if len(entries) != 4 || len(problems) != 0 {
		t.Fatalf("%d entries, %v, want four and no problem", len(entries), problems)
	}
	first, second, third, fourth := entries[0], entries[1], entries[2], entries[3]
	if first.CommandID != "odd/\x00first" || first.CommandName != "Install" || first.ExecutionID != "e" || first.DeploymentID != "d-1" ||
		string(first.Specification) != `{"a":1}` || first.Began.IsZero() || first.Acknowledged || first.Result != nil {
		t.Errorf("first = %+v", first)
	}
	if second.CommandID != "second" || !second.Acknowledged || second.Result != nil {
		t.Errorf("second = %+v", second)
	}
	if third.CommandID != "third" || !third.Offered || third.Result == nil || *third.Result != *result {
		t.Errorf("third = %+v, result %+v", third, third.Result)
	}
	if fourth.CommandID != "fourth" || fourth.Offered || fourth.Result == nil {
		t.Errorf("fourth = %+v", fourth)
	}
	if _, err := os.Stat(j.RunDir("third")); err != nil {
		t.Errorf("the records of an entry that is still needed: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 5 {
		t.Errorf("left %v, want four entries and one directory", left)
	}
}

// However much of the file a crash has kept, the entry is what its whole lines say.
func TestCutOffAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	e := &Entry{CommandID: "c", CommandName: "AfterInstall", Result: &Result{Status: "Succeeded"}}
	must(t, j.Begin(e), j.Acknowledged(e), j.End(e), j.Offered(e))
	whole, err := os.ReadFile(j.path("c"))
	must(t, err)
	for n := range len(whole) {
		must(t, os.WriteFile(j.path("c"), whole[:n], 0o600))
		entries, problems := j.Pending()
		if len(problems) != 0 {
			t.Fatalf("cut at %d: %v", n, problems)
		}
		lines := bytes.Count(whole[:n], []byte("\n"))
		if lines == 0 {
			if len(entries) != 0 {
				t.Fatalf("cut at %d: an entry without a whole line", n)
			}
			continue
		}
		if len(entries) != 1 {
			t.Fatalf("cut at %d: %d entries", n, len(entries))
		}
		got := entries[0]
		if got.Acknowledged != (lines > 1) || (got.Result != nil) != (lines > 2) || got.Offered {
			t.Fatalf("cut at %d (%d whole lines): %+v", n, lines, got)
		}
		must(t, j.Note(got, "goes on")) // the next line is not spoilt by the rest
		entries, problems = j.Pending()
		if len(entries) != 1 || len(problems) != 0 || entries[0].Acknowledged != got.Acknowledged {
			t.Fatalf("cut at %d, then continued: %v, %v", n, entries, problems)
		}
	}
}

// A damaged entry is set aside and keeps nothing else from being processed; a damaged line costs no more than what it said.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir)
	for _, id := range []string{"good", "middle", "head", "renamed", "future"} {
		e := &Entry{CommandID: id, Result: &Result{Status: "Succeeded"}}
		must(t, j.Begin(e), j.Acknowledged(e), j.End(e))
	}
	damage := func(id string, change func([]byte) []byte) {
		data, err := os.ReadFile(j.path(id))
		must(t, err, os.WriteFile(j.path(id), change(data), 0o600))
	}
	damage("middle", func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"step":"acknowledged"`), []byte("\x00\x00\x00"), 1)
	})
	damage("head", func(b []byte) []byte { return bytes.Replace(b, []byte(`{`), []byte("\xff"), 1) })
	damage("future", func(b []byte) []byte { return bytes.Replace(b, []byte(`"version":2`), []byte(`"version":9`), 1) })
	must(t, os.Rename(j.path("renamed"), j.path("another")), os.Mkdir(filepath.Join(dir, "dir"+suffix), 0o700))
	entries, problems := j.Pending()
	if len(entries) != 2 || len(problems) != 4 {
		t.Fatalf("%d entries, %d problems (%v), want two and four", len(entries), len(problems), problems)
	}
	for _, e := range entries {
		if e.Result == nil || e.Acknowledged != (e.CommandID == "good") {
			t.Errorf("%s = %+v", e.CommandID, e)
		}
	}
	for _, p := range problems {
		if !strings.Contains(p.Error(), damaged) {
			t.Errorf("%v does not say where the entry is kept", p)
		}
	}
	if entries, problems := j.Pending(); len(entries) != 2 || len(problems) != 0 {
		t.Errorf("what is damaged is met again: %d entries, %v", len(entries), problems)
	}
}

func TestEntriesAreSecret(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir)
	must(t, j.Begin(&Entry{CommandID: "x"}))
	for path, want := range map[string]os.FileMode{dir: 0o700, j.path("x"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v, want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func FuzzPending(f *testing.F) {
	dir := f.TempDir()
	j, err := Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	e := &Entry{CommandID: "c", Specification: json.RawMessage(`{}`), Result: &Result{Status: "Failed"}}
	if err := j.Begin(e); err != nil {
		f.Fatal(err)
	}
	if err := j.End(e); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(j.path("c"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("\n"))
	f.Add([]byte(`{"step":"received","version":2,"command_id":"c"}` + "\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		must(t, os.WriteFile(j.path("c"), data, 0o600))
		var entries []*Entry
		allowance.Hold(t, func() { entries, _ = j.Pending() })
		for _, e := range entries {
			if e.CommandID == "" {
				t.Error("an entry that names no command")
			}
		}
		must(t, os.RemoveAll(dir), os.Mkdir(dir, 0o700))
	})
}
