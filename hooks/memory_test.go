//go:build unix

package hooks

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"codedeploy-agent/hooks/runner"
)

// Whatever a script writes, and however fast, the runner that takes it stays small.
func TestRunnerStaysSmall(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the host does not say how much memory a process has used")
	}
	for name, body := range map[string]string{
		"one endless line":       "head -c 60000000 /dev/zero | tr '\\0' x",
		"nothing but NUL":        "head -c 5000000 /dev/zero",
		"nothing but escapes":    "head -c 5000000 /dev/zero | tr '\\0' '\\033'",
		"nothing but line feeds": "head -c 100000 /dev/zero | tr '\\0' '\\n'",
		"nothing but returns":    "head -c 10000000 /dev/zero | tr '\\0' '\\r'",
		"both outputs at once":   "(head -c 20000000 /dev/zero | tr '\\0' y >&2) & head -c 20000000 /dev/zero | tr '\\0' x; wait",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, "#!/bin/sh\n"+body+"\ngrep VmHWM /proc/$PPID/status > \"$(dirname \"$0\")/peak\"\necho; echo the end\n")
			r.DeploymentsLog = ""
			r.Scripts[0].Timeout = time.Minute
			if err := r.Do(context.Background()); err != nil {
				t.Fatal(err)
			}
			record, err := runner.FilesOf(r.Dir, 0).Record()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(record.Tail, "[stdout]the end\n") && name != "both outputs at once" || len(record.Warnings) > 0 {
				t.Errorf("tail %.300q, warnings %q, want the end of the output and none", record.Tail, record.Warnings)
			}
			peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(r.text(t, filepath.Join(r.Archive, "peak")))
			if peak == nil {
				t.Fatal("the script does not say what the runner has used")
			}
			kb, err := strconv.Atoi(peak[1])
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("the runner has used %d MiB", kb>>10)
			if limit := runnerLimit; kb > limit<<10 {
				t.Errorf("the runner has used %d MiB, want at most %d", kb>>10, limit)
			}
			if info, err := os.Stat(filepath.Join(r.Dir, "0.record")); err != nil || info.Size() > 64<<10 {
				t.Errorf("its record: %v, %v, want it small", info, err)
			}
		})
	}
}
