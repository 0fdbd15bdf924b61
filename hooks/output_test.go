//go:build unix

package hooks

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// newOutput is an output with logs in a directory of the test and a terminal.
func newOutput(t *testing.T) (o *output, terminal *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	terminal = new(bytes.Buffer)
	o = &output{deployment: "d-1", tail: new(Tail), live: terminal, now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC) }}
	var err error
	if o.scripts, err = openLog(filepath.Join(dir, "scripts.log"), 0o644); err != nil {
		t.Fatal(err)
	}
	if o.deployments, err = openLog(filepath.Join(dir, "deployments.log"), 0o644); err != nil {
		t.Fatal(err)
	}
	return o, terminal
}

func TestOutputHasALineOfItsOwnForEachLineEnd(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", lineLimit+10)
	tests := []struct {
		name, in string
		raw      bool
		want     []string
	}{
		{"lines", "a\nb\n", false, []string{"a", "b"}},
		{"no end", "a\nb", false, []string{"a", "b"}},
		{"empty lines", "\n\na\n\n", false, []string{"", "", "a", ""}},
		{"Windows", "a\r\n\r\nb\r\n", false, []string{"a\r", "\r", "b\r"}},
		{"Windows twice", "a\r\r\nb\r\r\n", false, []string{"a", "b"}},
		{"a progress bar", "10%\r50%\r100%\ndone\n", false, []string{"10%", "50%", "100%", "done"}},
		{"a progress bar that begins with the return", "\r10%\r100%\r\n", false, []string{"10%", "100%\r"}},
		{"returns alone", "\r\r\r", false, nil},
		{"returns and a line end", "\r\r\r\n", false, []string{"\r"}},
		{"a return at the end", "a\rb\r", false, []string{"a", "b"}},
		{"a forged line", "fine\r2026-01-01 00:00:00 [stdout]forged\n", false, []string{"fine", "2026-01-01 00:00:00 [stdout]forged"}},
		{"a line without an end", long, false, []string{long[:lineLimit], long[lineLimit:]}},
		{"a line after one without an end", long + "\nb\n", false, []string{long, "b"}}, // it came at once
		{"NUL, colours and UTF-8", "a\x1b[31mred\x1b[0m\x00ü\te\n", false, []string{`ared\x00ü` + "\te"}},
		{"raw", "a\x1b[31mred\x1b[0m\x00\rb\r\n", true, []string{"a\x1b[31mred\x1b[0m\x00\rb\r"}},
	}
	for _, tt := range tests {
		for _, pieces := range []bool{false, true} {
			if pieces && len(tt.in) > 1000 {
				continue
			}
			o, terminal := newOutput(t)
			o.raw = tt.raw
			in := stream{out: o, mark: "[stderr]"}
			if pieces {
				for i := range len(tt.in) {
					in.add([]byte{tt.in[i]})
				}
			} else {
				in.add([]byte(tt.in))
			}
			in.end()
			if _, err := o.seal(); err != nil {
				t.Fatal(err)
			}
			var scripts, deployments, live strings.Builder
			for i, l := range tt.want {
				scripts.WriteString("2026-01-02 03:04:05 [stderr]" + l)
				if i < len(tt.want)-1 || strings.HasSuffix(tt.in, "\n") || strings.HasSuffix(tt.in, "\r") {
					scripts.WriteString("\n")
				}
				deployments.WriteString("[2026-01-02 03:04:05.006] [d-1][stderr]" + strings.TrimRight(l, "\r") + "\n")
				if !tt.raw {
					l = strings.TrimRight(l, "\r")
				}
				live.WriteString("[stderr]" + l + "\n")
			}
			for _, got := range []struct{ where, text, want string }{
				{"scripts.log", readFile(t, o.scripts.path), scripts.String()}, {"the deployments log", readFile(t, o.deployments.path), deployments.String()},
				{"the terminal", terminal.String(), live.String()},
			} {
				if got.text != got.want {
					t.Errorf("%s (byte by byte %v): %s has %.300q, want %.300q", tt.name, pieces, got.where, got.text, got.want)
				}
			}
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Several runners write to the log of all deployments: it stays in its bounds, and no line is lost before the oldest file goes.
func TestLogOfSeveralWritersIsBounded(t *testing.T) {
	t.Parallel()
	const limit, writers, lines = 64 << 10, 4, 1500
	path := filepath.Join(t.TempDir(), "deployments.log")
	line := strings.Repeat("x", 99) + "\n"
	var group sync.WaitGroup
	for range writers {
		l, err := openLog(path, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		l.limit = limit
		group.Go(func() {
			defer l.f.Close()
			for range lines {
				if err := l.write(line); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
		if info.Size() > limit+writers*(limit/64+200) { // each writer may miss what the others write between two looks
			t.Errorf("%s has %d bytes, want about %d", filepath.Base(f), info.Size(), limit)
		}
	}
	if len(files) > rotations+1 || sum > (rotations+2)*limit {
		t.Errorf("%d files with %d bytes, want at most %d", len(files), sum, rotations+1)
	}
}

func TestLogIsRotatedBySize(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scripts.log")
	l, err := openLog(path, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	l.limit = 100
	for i := range 60 {
		if err := l.write(fmt.Sprintf("line %02d %s\n", i, strings.Repeat("x", 21))); err != nil { // three fit
			t.Fatal(err)
		}
	}
	for n := range rotations + 1 {
		name := path
		if n > 0 {
			name += "." + strconv.Itoa(n)
		}
		if got, want := readFile(t, name), fmt.Sprintf("line %02d", 57-3*n); !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 3 {
			t.Errorf("%s: %q, want three lines from %q", filepath.Base(name), got, want)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v, want mode 0640", filepath.Base(name), info, err)
		}
	}
	if _, err := os.Stat(path + "." + strconv.Itoa(rotations+1)); !os.IsNotExist(err) {
		t.Errorf("there are more than %d files: %v", rotations+1, err)
	}
}

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
			record, err := readRecord(filesOf(r.Dir, 0).record)
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
			if info, err := os.Stat(filesOf(r.Dir, 0).record); err != nil || info.Size() > 64<<10 {
				t.Errorf("its record: %v, %v, want it small", info, err)
			}
		})
	}
}
