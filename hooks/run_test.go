//go:build unix

package hooks

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks/runner"
)

// writeProgram writes a file that can be run at once: no process that another test forks meanwhile holds it open for writing.
func writeProgram(t *testing.T, path, content string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// newRun is a run of scripts with these contents.
func newRun(t *testing.T, contents ...string) *Run {
	t.Helper()
	dir := t.TempDir()
	r := &Run{
		Event: AfterInstall, Archive: filepath.Join(dir, "archive"), Dir: filepath.Join(dir, "run"), ScriptsLog: filepath.Join(dir, "scripts.log"),
		DeploymentsLog: filepath.Join(dir, "deployments.log"), LogMode: 0o644, Deployment: Deployment{ID: "d-1"}, Log: zap.NewNop(),
	}
	if err := os.Mkdir(r.Archive, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, c := range contents {
		name := strconv.Itoa(i) + ".sh"
		writeProgram(t, filepath.Join(r.Archive, name), c)
		r.Scripts = append(r.Scripts, appspec.Script{Location: name, Timeout: 20 * time.Second})
	}
	return r
}

func (r *Run) text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// lines are the log's lines without their times.
func lines(log string, timeLength int) []string {
	var out []string
	for l := range strings.Lines(log) {
		out = append(out, strings.TrimSuffix(l[min(timeLength, len(l)):], "\n"))
	}
	return out
}

func TestScriptsRunInOrderUntilOneFails(t *testing.T) {
	t.Parallel()
	r := newRun(t, "#!/bin/sh\necho one\n", "#!/bin/sh\nprintf 'two, no line end'; exit 9\n", "#!/bin/sh\necho three\n")
	err := r.Do(context.Background())
	var f *runner.Failure
	if !errors.As(err, &f) || f.Code != runner.CodeScriptFailed || f.Script != "1.sh" || f.Message != "script 1.sh failed with exit code 9" {
		t.Fatalf("Do() = %#v", err)
	}
	want := "LifecycleEvent - AfterInstall\nScript - 0.sh\n[stdout]one\nScript - 1.sh\n[stdout]two, no line end"
	if f.Log != want {
		t.Errorf("diagnostics log %q, want %q", f.Log, want)
	}
	log := r.text(t, r.ScriptsLog)
	if _, err := time.Parse("2006-01-02 15:04:05 ", log[:20]); err != nil {
		t.Errorf("scripts.log does not begin with the time: %v", err)
	}
	if got := strings.Join(lines(log, 20), "\n"); got != want || strings.HasSuffix(log, "\n") {
		t.Errorf("scripts.log %q, want %q", log, want)
	}
	for _, l := range lines(r.text(t, r.DeploymentsLog), 26) {
		if !strings.HasPrefix(l, "[d-1]") {
			t.Errorf("line of the deployments log %q, want [d-1] after the time", l)
		}
	}
	// The same run again: nothing runs twice, the result is the same.
	var again *runner.Failure
	if err := r.Do(context.Background()); !errors.As(err, &again) || *again != *f {
		t.Errorf("second Do() = %v, want the same failure", err)
	}
	if got := strings.Join(lines(r.text(t, r.ScriptsLog), 20), "\n"); got != want {
		t.Errorf("a script ran again: %q", got)
	}
	// The next event's lines do not continue the last one of this.
	r.Event, r.Dir, r.Scripts = ApplicationStart, r.Dir+"2", r.Scripts[:1]
	if err := r.Do(context.Background()); err != nil {
		t.Fatalf("Do() of the next event = %v", err)
	}
	want += "\nLifecycleEvent - ApplicationStart\nScript - 0.sh\n[stdout]one"
	if got := strings.Join(lines(r.text(t, r.ScriptsLog), 20), "\n"); got != want {
		t.Errorf("scripts.log after two events %q, want %q", got, want)
	}
}

func TestLogsOfOddLines(t *testing.T) {
	t.Parallel()
	r := newRun(t, "#!/bin/sh\nprintf '  blanks \\t\\r\\n\\n'; printf 'first script, no line end'\n", "#!/bin/sh\nprintf 'out'; sleep 0.2; echo err >&2; exit 1\n")
	var f *runner.Failure
	if err := r.Do(context.Background()); !errors.As(err, &f) {
		t.Fatalf("Do() = %v", err)
	}
	want := []string{"LifecycleEvent - AfterInstall", "Script - 0.sh", "[stdout]  blanks \t\r", "[stdout]", "[stdout]first script, no line end",
		"Script - 1.sh", "[stderr]err", "[stdout]out"} // what has no line end is known when the output ends
	if got := strings.Split(f.Log, "\n"); !slices.Equal(got, want) {
		t.Errorf("diagnostics log %q, want %q", got, want)
	}
	if got := lines(r.text(t, r.ScriptsLog), 20); !slices.Equal(got, want) {
		t.Errorf("scripts.log %q, want %q", got, want)
	}
	for i := range want {
		want[i] = "[d-1]" + strings.TrimRight(want[i], " \t\r")
	}
	if got := lines(r.text(t, r.DeploymentsLog), 26); !slices.Equal(got, want) {
		t.Errorf("deployments log %q, want %q", got, want)
	}
}

func TestSudo(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\necho \"sudo $*\"\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec env -i \"$@\"\n"
	writeProgram(t, filepath.Join(bin, "sudo"), fake)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	const script = "#!/bin/sh\necho \"deployment:$DEPLOYMENT_ID\"\n"
	for user, want := range map[string]string{"": "sudo -- ", "root": "sudo -u root -- "} {
		r := newRun(t, script)
		r.Scripts[0].Sudo, r.Scripts[0].RunAs = true, user
		if err := r.Do(context.Background()); err != nil {
			t.Fatalf("runas %q: Do() = %v", user, err)
		}
		log := strings.Join(lines(r.text(t, r.ScriptsLog), 20), "\n")
		if !strings.Contains(log, "[stdout]"+want+r.Archive+"/0.sh\n[stdout]deployment:") || strings.Contains(log, "deployment:d-1") {
			t.Errorf("runas %q: scripts.log %q, want it run by %q without the agent's environment", user, log, want)
		}
	}
	r := newRun(t, script)
	r.Scripts[0].Sudo, r.Scripts[0].RunAs = true, "--help"
	var f *runner.Failure
	if err := r.Do(context.Background()); !errors.As(err, &f) || f.Code != runner.CodeScriptFailed {
		t.Errorf("runas --help: %v, want a failure", err)
	}
}

func TestRunIsTakenUpWhileTheScriptRuns(t *testing.T) {
	t.Parallel()
	r := newRun(t, "#!/bin/sh\ntouch \"$(dirname \"$0\")/begun\"\nsleep 1\necho done\n", "#!/bin/sh\necho next\n")
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			if _, err := os.Stat(filepath.Join(r.Archive, "begun")); err == nil {
				cancel() // the agent is told to stop at once
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if err := r.Do(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Do() = %v, want context.Canceled", err)
	}
	if err := r.Do(context.Background()); err != nil {
		t.Fatalf("the next agent's Do() = %v", err)
	}
	want := []string{"LifecycleEvent - AfterInstall", "Script - 0.sh", "[stdout]done", "Script - 1.sh", "[stdout]next"}
	if got := lines(r.text(t, r.ScriptsLog), 20); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("scripts.log %q, want %q", got, want)
	}
}

// What a power loss leaves: nobody holds the lock and there is no record. A script that was begun is reported, one that was not is run.
func TestVanishedScript(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{false, true} {
		r := newRun(t, "#!/bin/sh\necho ran\n")
		if err := os.MkdirAll(r.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		left := []string{"0.job"}
		if begun {
			left = append(left, "0.begun")
		}
		for _, name := range left {
			if err := os.WriteFile(filepath.Join(r.Dir, name), []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := ProgressOf(r.Dir); err != nil || p.Running || p.Vanished != begun {
			t.Errorf("begun %v: ProgressOf() = %+v, %v", begun, p, err)
		}
		err := r.Do(context.Background())
		if !begun {
			if err != nil || !strings.Contains(r.text(t, r.ScriptsLog), "[stdout]ran") {
				t.Errorf("a script that was not begun: Do() = %v, want it to run", err)
			}
			continue
		}
		var f *runner.Failure
		if !errors.As(err, &f) || f.Code != runner.CodeAfterRestart || f.Script != "0.sh" {
			t.Errorf("Do() = %#v, want code 7 naming the script", err)
		}
	}
}

func TestTimeoutEndsTheProcessGroup(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"a child in the group":       "#!/bin/sh\nsleep 60 &\necho $! > \"$(dirname \"$0\")/child\"\nwait\n",
		"a script that ignores TERM": "#!/bin/sh\ntrap '' TERM\nsleep 60 &\necho $! > \"$(dirname \"$0\")/child\"\nwhile :; do sleep 0.2; done\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRun(t, script)
			r.Scripts[0].Timeout = time.Second
			began := time.Now()
			var f *runner.Failure
			if err := r.Do(context.Background()); !errors.As(err, &f) || f.Code != runner.CodeTimedOut || !strings.Contains(f.Message, "1 seconds") {
				t.Fatalf("Do() = %#v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(r.text(t, filepath.Join(r.Archive, "child"))))
			if err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(2 * time.Second); alive(pid); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("process %d of the script is still alive", pid)
				}
			}
		})
	}
}

// A script that ran out of time leaves nothing behind, also not what has left its session and process group.
func TestTimeoutEndsWhatLeftTheSession(t *testing.T) {
	t.Parallel()
	if err := newRun(t, "#!/bin/sh\n").Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/codedeploy-agent") // where version 2 is mounted alone
	if beside, e := filepath.Glob("/sys/fs/cgroup/unified/codedeploy-agent"); err != nil || e != nil || len(groups)+len(beside) == 0 {
		t.Skip("there are no control groups of version 2 here that this user may make")
	}
	r := newRun(t, "#!/bin/sh\nd=$(dirname \"$0\")\n(setsid sh -c '(trap \"\" TERM HUP; echo $$ > \"$0/left\"; while :; do sleep 0.1; done) &' \"$d\" >/dev/null 2>&1 </dev/null &)\n"+
		"while [ ! -s \"$d/left\" ]; do sleep 0.05; done\nsleep 60\n")
	r.Scripts[0].Timeout = time.Second
	var f *runner.Failure
	if err := r.Do(context.Background()); !errors.As(err, &f) || f.Code != runner.CodeTimedOut {
		t.Fatalf("Do() = %#v", err)
	}
	for end := time.Now().Add(time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := mentioning(t, r.Archive)
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a second later these are alive: %v", left)
		}
	}
}

// mentioning are the processes whose arguments name the path.
func mentioning(t *testing.T, path string) []string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range all {
		if line, err := os.ReadFile(p); err == nil && strings.Contains(string(line), path) {
			found = append(found, p)
		}
	}
	return found
}

// alive says whether the process runs (a zombie that nobody reaps does not).
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && !strings.HasPrefix(strings.TrimSpace(string(out)), "Z")
}

func TestBackgroundProcessNeitherHoldsNorFailsTheEventAndCanWrite(t *testing.T) {
	t.Parallel()
	r := newRun(t, "#!/bin/sh\n(sleep 2; echo later; echo ok > \"$(dirname \"$0\")/survived\") &\necho started\n")
	began := time.Now()
	if err := r.Do(context.Background()); err != nil {
		t.Fatalf("Do() = %v", err)
	}
	if took := time.Since(began); took > 1900*time.Millisecond {
		t.Errorf("took %v: it waited for the background process", took)
	}
	record, err := runner.FilesOf(r.Dir, 0).Record()
	if err != nil || len(record.Warnings) != 1 || !strings.Contains(record.Warnings[0], "holds its output open") {
		t.Errorf("record %+v, %v, want a warning", record, err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(r.Archive, "survived")); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the background process died of a closed pipe")
		}
	}
	for end := time.Now().Add(5 * time.Second); !strings.Contains(r.text(t, r.ScriptsLog), "[stdout]later"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("its output is not in the log")
		}
	}
}

func TestScriptsThatCannotRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, location string
		code           int
		message        string
	}{
		{"missing", "nowhere.sh", runner.CodeScriptMissing, "does not exist"},
		{"outside", "../../etc/passwd", runner.CodeScriptMissing, "outside"},
		{"a directory", "dir", runner.CodeScriptFailed, "is a directory"},
		{"no such interpreter", "bad.sh", runner.CodeScriptFailed, "#!/no/such/shell"},
	}
	for _, tt := range tests {
		r := newRun(t)
		if err := os.Mkdir(filepath.Join(r.Archive, "dir"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.Archive, "bad.sh"), []byte("#!/no/such/shell\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		r.Scripts = []appspec.Script{{Location: tt.location, Timeout: time.Second}}
		var f *runner.Failure
		if err := r.Do(context.Background()); !errors.As(err, &f) || f.Code != tt.code || !strings.Contains(f.Message, tt.message) || f.Script != tt.location {
			t.Errorf("%s: Do() = %+v, want code %d saying %q", tt.name, err, tt.code, tt.message)
		}
	}
}

func TestRunAs(t *testing.T) {
	t.Parallel()
	const script = "#!/bin/sh\nid -un; echo $HOME:$USER:$LOGNAME:$SHELL\n"
	r := newRun(t, script)
	if os.Getuid() != 0 {
		r.Scripts[0].RunAs = "root"
		var f *runner.Failure
		if err := r.Do(context.Background()); !errors.As(err, &f) || !strings.Contains(f.Message, "only root may") {
			t.Errorf("runas root as an ordinary user: %v, want a refusal", err)
		}
		return
	}
	// Other users must reach the script.
	for dir := r.Archive; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.Scripts[0].RunAs = "nobody"
	if err := r.Do(context.Background()); err != nil {
		t.Fatalf("Do() = %v", err)
	}
	if log := r.text(t, r.ScriptsLog); !strings.Contains(log, "[stdout]nobody\n") || !strings.Contains(log, ":nobody:nobody:/") {
		t.Errorf("scripts.log %q, want user nobody with its environment", log)
	}
	for _, name := range []string{"--help", "no-such-user-here", "a:b"} {
		r := newRun(t, script)
		r.Scripts[0].RunAs = name
		var f *runner.Failure
		if err := r.Do(context.Background()); !errors.As(err, &f) || f.Code != runner.CodeScriptFailed || !strings.Contains(f.Message, name) {
			t.Errorf("runas %q: %v, want a failure that names the user", name, err)
		}
	}
}
