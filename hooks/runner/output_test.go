//go:build unix

package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
