package lint

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/expression"
)

// A comment disables rules: "# codedeploy: disable=RULE,RULE". In batch files "rem" and "::" begin a comment.
var directive = expression.Lazy{Text: `(?i)(?:^|\s)(?:#|::|rem\s)\s*codedeploy:\s*disable=\s*([\w-]+(?:\s*,\s*[\w-]+)*)`}

// directives are the rules that a file's comments disable.
type directives struct {
	file    []string         // for the whole file
	lines   map[int][]string // for single lines
	unknown []unknownName
}

type unknownName struct {
	name string
	at   appspec.Place
}

// directivesOf reads a file's comments. One at the end of a line is for that line; one on a line of its own is for the next line, or for
// the whole file if it is the first line, not counting a script's "#!".
func directivesOf(text []byte) *directives {
	d := &directives{lines: map[int][]string{}}
	if !bytes.Contains(bytes.ToLower(text), []byte("codedeploy:")) {
		return d
	}
	var pending []string // of comments on lines of their own
	line := 0
	for raw := range bytes.Lines(text) {
		line++
		content := bytes.TrimSpace(raw)
		names, from := d.names(raw, line)
		switch {
		case names != nil && len(bytes.TrimSpace(raw[:from])) == 0:
			if line == 1 || line == 2 && bytes.HasPrefix(text, []byte("#!")) {
				d.file = append(d.file, names...)
			}
			pending = append(pending, names...)
			d.lines[line] = append(d.lines[line], names...)
		case len(content) == 0, names == nil && content[0] == '#':
		default:
			d.lines[line] = append(pending, names...)
			pending = nil
		}
	}
	return d
}

// names returns the rules that a line's comment names and the byte where the comment begins.
func (d *directives) names(line []byte, number int) (names []string, from int) {
	m := directive.Regexp().FindSubmatchIndex(line)
	if m == nil {
		return nil, 0
	}
	at := m[2]
	for name := range strings.SplitSeq(string(line[m[2]:m[3]]), ",") {
		trimmed := strings.TrimSpace(name)
		if _, ok := Known(trimmed); !ok {
			column := 1 + utf8.RuneCount(line[:at+strings.Index(name, trimmed)])
			d.unknown = append(d.unknown, unknownName{trimmed, appspec.Place{Line: number, Column: column}})
		}
		names = append(names, trimmed)
		at += len(name) + 1
	}
	return names, m[0]
}

func (d *directives) covers(line int, rule string) bool {
	return slices.Contains(d.file, rule) || slices.Contains(d.lines[line], rule)
}
