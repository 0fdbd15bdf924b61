package runner

import (
	"strings"
	"unicode/utf8"
)

// tailSize is the official agents' measure of how much of a hook's output goes to the service, in characters.
const tailSize = 2048

// omitted stands for the beginning of a line.
const omitted = "[...]"

// Tail is the end of a lifecycle event's output, in whole lines, as the diagnostics carry it. The zero value is empty.
type Tail struct {
	lines []string
}

// Add appends a line with its line end; the last line of a script's output may lack it. What is kept follows the official agent
// 1.8, whose sum leaves out the newest line and counts the oldest twice; unlike there, a line that alone is too long leaves
// its end instead of nothing, behind a mark, so that it cannot pass for a line of the agent's.
func (t *Tail) Add(line string) {
	if n := len(t.lines); n > 0 && !strings.HasSuffix(t.lines[n-1], "\n") {
		t.lines[n-1] += "\n"
	}
	if n := utf8.RuneCountInString(line); n >= tailSize {
		runes := []rune(line)
		line = omitted + string(runes[n-(tailSize-1-len(omitted)):])
	}
	t.lines = append(t.lines, line)
	left := tailSize
	keep := len(t.lines) - 1
	for keep > 0 {
		n := utf8.RuneCountInString(t.lines[keep-1])
		left -= n
		if left-n <= 0 {
			break
		}
		keep--
	}
	t.lines = t.lines[keep:]
}

// Lines returns the lines kept, each with its line end; the last may lack it.
func (t *Tail) Lines() []string { return t.lines }

// String returns the lines kept as one text.
func (t *Tail) String() string {
	n := 0
	for _, l := range t.lines {
		n += len(l)
	}
	b := make([]byte, 0, n)
	for _, l := range t.lines {
		b = append(b, l...)
	}
	return string(b)
}
