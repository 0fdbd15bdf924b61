// Package plaintext makes text that somebody else wrote fit to be shown. Nothing of it moves a terminal's cursor, changes its colours or its title,
// begins a line of its own in a log, or turns the direction of what is written around it.
package plaintext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s as one line. The control sequences of terminals (colours, cursor movements, titles, links) are left out. Other control
// characters but the tab, Unicode's separators of lines and paragraphs, and the characters that embed, override or isolate a direction of
// writing are shown as Go writes them in a string: \r, \x1b, \u202e. Bytes that are not UTF-8 stay as they are, because a script may
// write Latin-1, except for those that an 8-bit terminal takes for control characters.
func Line(s string) string { return clean(s, false) }

// Text is Line for a text of several lines, which keeps its line feeds.
func Text(s string) string { return clean(s, true) }

const escape = 0x1b

func clean(s string, lines bool) string {
	i := 0
	for i < len(s) && harmless(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	b.WriteString(s[:i])
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == escape:
			if n := sequence(s[i:]); n > 0 {
				i += n
				continue
			}
			writeHex(&b, escape)
		case r == '\n' && lines:
			b.WriteByte('\n')
		case r == utf8.RuneError && size == 1:
			if s[i] < 0xa0 {
				writeHex(&b, s[i])
			} else {
				b.WriteByte(s[i])
			}
		case hidden(r):
			writeVisible(&b, r)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// harmless says of a byte that it is ASCII and stands for itself, which nearly all do.
func harmless(c byte) bool { return c >= ' ' && c < 0x7f || c == '\t' }

// hidden says of a character that a reader does not see it but what it does.
func hidden(r rune) bool {
	switch {
	case r == '\t':
		return false
	case unicode.IsControl(r):
		return true
	}
	return r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

func writeVisible(b *strings.Builder, r rune) {
	if i := strings.IndexRune("\a\b\f\n\r\v", r); i >= 0 {
		b.WriteByte('\\')
		b.WriteByte("abfnrv"[i])
		return
	}
	if r < ' ' {
		writeHex(b, byte(r))
		return
	}
	fmt.Fprintf(b, `\u%04x`, r) // also in JSON
}

func writeHex(b *strings.Builder, c byte) {
	const digits = "0123456789abcdef"
	b.WriteString(`\x`)
	b.WriteByte(digits[c>>4])
	b.WriteByte(digits[c&15])
}

// sequence is the length of the control sequence that s begins with, 0 if what follows the escape character is none or has no end (ECMA-48).
func sequence(s string) int {
	if len(s) < 2 {
		return 0
	}
	within := func(i int, low, high byte) bool { return i < len(s) && s[i] >= low && s[i] <= high }
	i := 1
	switch s[1] {
	case '[': // parameters, then intermediate bytes, then the final one
		for i = 2; within(i, '0', '?'); i++ {
		}
		for ; within(i, ' ', '/'); i++ {
		}
		if !within(i, '@', '~') {
			return 0
		}
		return i + 1
	case ']', 'P', 'X', '^', '_': // a text of one line for the terminal, which ends with ESC \ or, as in xterm, with BEL
		end := strings.IndexAny(s[1:], "\x1b\a\n")
		if end < 0 {
			return 0
		}
		i += end
		if s[i] == '\a' {
			return i + 1
		}
		if within(i+1, '\\', '\\') {
			return i + 2
		}
		return 0
	}
	for ; within(i, ' ', '/'); i++ {
	}
	if !within(i, '0', '~') {
		return 0
	}
	return i + 1
}
