package runner

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTail(t *testing.T) {
	t.Parallel()
	repeat := func(line string, n int) []string {
		var out []string
		for range n {
			out = append(out, line)
		}
		return out
	}
	hundred := strings.Repeat("x", 99) + "\n"
	tests := []struct {
		name  string
		lines []string
		chars int // of what is kept
	}{
		{"short output is kept whole", []string{"a\n", "b\n"}, 4},
		{"whole lines up to the limit", repeat(hundred, 40), 2000},
		{"25 characters a line", repeat(strings.Repeat("y", 24)+"\n", 3000), 2025},
		{"characters, not bytes", repeat(strings.Repeat("ü", 99)+"\n", 40), 2000},
		{"a line that is too long leaves its end", []string{"short\n", strings.Repeat("z", 5000) + "\n"}, 2053},
		{"a short line after one that is too long", []string{strings.Repeat("z", 5000) + "\n", "after\n"}, 6},
		{"a line that just fits keeps what is before it", []string{strings.Repeat("h", 55) + "\n", strings.Repeat("l", 2046) + "\n"}, 2103},
	}
	for _, tt := range tests {
		var tail Tail
		for _, l := range tt.lines {
			tail.Add(l)
		}
		if got := utf8.RuneCountInString(tail.String()); got != tt.chars {
			t.Errorf("%s: %d characters kept, want %d", tt.name, got, tt.chars)
		}
		if strings.HasPrefix(tt.lines[len(tt.lines)-1], "zzz") && !strings.Contains(tail.String(), "\n[...]zzz") {
			t.Errorf("%s: the beginning that was left out is not marked: %.60q", tt.name, tail.String())
		}
		if last := tt.lines[len(tt.lines)-1]; !strings.HasSuffix(tail.String(), last[max(0, len(last)-10):]) {
			t.Errorf("%s: the end of the output is lost", tt.name)
		}
	}
}
