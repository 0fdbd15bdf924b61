package plaintext

import (
	"strings"
	"testing"
	"unicode/utf8"

	"codedeploy-agent/appspec/allowance"
)

func TestLine(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"ASCII and tabs", "a\tb {\"c\": 'd'} \\n", "a\tb {\"c\": 'd'} \\n"},
		{"UTF-8", "ü☃ä 日本語 🚀 שלום مرحبا", "ü☃ä 日本語 🚀 שלום مرحبا"},
		{"joined emoji and marks of direction stay", "👩\u200d💻 \u200fא\u200e", "👩\u200d💻 \u200fא\u200e"},
		{"colours", "a\x1b[31mred\x1b[0m b\x1b[38;5;196;1mc\x1b[m", "ared bc"},
		{"cursor, screen and modes", "x\x1b[2J\x1b[1;1H\x1b[?25l\x1b[1A\x1b[2Ky\x1bcz\x1b7\x1b=", "xyz"},
		{"a character set", "\x1b(Bok\x1b%G", "ok"},
		{"a title", "\x1b]0;evil\aok\x1b]2;evil\x1b\\ok", "okok"},
		{"a link keeps its text", "\x1b]8;;https://a.test\x1b\\here\x1b]8;;\x1b\\", "here"},
		{"a clipboard", "\x1b]52;c;ZWNobw==\a.", "."},
		{"strings for the terminal", "\x1bPdcs\x1b\\\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\.", "."},
		{"a title without an end hides nothing", "\x1b]0;the rest of the line", `\x1b]0;the rest of the line`},
		{"a title that another sequence cuts off", "\x1b]0;t\x1b[31mx", `\x1b]0;tx`},
		{"a sequence without an end", "a\x1b[31", `a\x1b[31`},
		{"a sequence with a wrong end", "a\x1b[31\nb", `a\x1b[31\nb`},
		{"an escape alone", "a\x1b", `a\x1b`},
		{"an escape before UTF-8", "a\x1bü", `a\x1bü`},
		{"two escapes", "\x1b\x1b[31mx", `\x1bx`},
		{"a line of its own", "x\n2026-01-01 00:00:00 [stdout]forged", `x\n2026-01-01 00:00:00 [stdout]forged`},
		{"back to the start", "x\r2026-01-01 forged", `x\r2026-01-01 forged`},
		{"C0", "\x00\x01\a\b\v\f\x1f\x7f", `\x00\x01\a\b\v\f\x1f\u007f`},
		{"C1 as UTF-8", "\u0085\u009b31m\u009d0;t\u009c", `\u0085\u009b31m\u009d0;t\u009c`},
		{"C1 as bytes", "\x9b31m\x85", `\x9b31m\x85`},
		{"Latin-1 stays", "caf\xe9 \xff\xfe", "caf\xe9 \xff\xfe"},
		{"an overlong escape", "\xc0\x9b", "\xc0\\x9b"},
		{"separators", "a\u2028b\u2029c", `a\u2028b\u2029c`},
		{"directions", "\u202euser\u202c \u2066x\u2069 \u202a\u202b\u202d\u2067\u2068", `\u202euser\u202c \u2066x\u2069 \u202a\u202b\u202d\u2067\u2068`},
	}
	for _, tt := range tests {
		if got := Line(tt.in); got != tt.want {
			t.Errorf("%s: Line(%q) = %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	if got, want := Text("a\nb\r\n\x1b[1mc\n\x1b]0;\nd\a"), "a\nb\\r\nc\n\\x1b]0;\nd\\a"; got != want {
		t.Errorf("Text() = %q, want %q", got, want)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "plain", "\x1b[31mred\x1b[0m", "\x1b]0;t\a", "\x9b", "\u202e", "\x1b", "\xc0\x9b", "a\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		allowance.Hold(t, func() { got = Line(s) })
		for i := 0; i < len(got); {
			r, size := utf8.DecodeRuneInString(got[i:])
			if r == utf8.RuneError && size == 1 && got[i] < 0xa0 || hidden(r) {
				t.Fatalf("Line(%q) = %q has %q at byte %d", s, got, got[i:i+size], i)
			}
			i += size
		}
		if again := Line(got); again != got {
			t.Errorf("Line(%q) = %q, again %q", s, got, again)
		}
		if strings.ReplaceAll(Text(s), "\n", `\n`) != got && !strings.Contains(s, "\x1b") {
			t.Errorf("Text(%q) = %q differs from Line() = %q in more than line feeds", s, Text(s), got)
		}
	})
}
