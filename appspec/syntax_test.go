package appspec

import (
	"strings"
	"testing"
)

// An operator finds the place and the mistake, also where the YAML library names the beginning of the list or mapping.
func TestSyntax(t *testing.T) {
	const script = head + "hooks:\n  BeforeInstall:\n    - location: a\n"
	for _, c := range []struct {
		text, hint   string
		line, column int
	}{
		{script + "    timeout: 5\n", "indent it by 6 blanks, like location in line 5", 6, 5},
		{script + "        timeout: 5\n", "indent it by 6 blanks, like location in line 5", 6, 9},
		{script + "   runas: a\n", "indent it by 6 blanks, like location in line 5", 6, 4},
		{script + "      timeout: 5\n   - location: b\n", "indent it by 4 blanks, like location in line 5", 7, 4},
		{script + " AfterInstall:\n    - location: b\n", "indent it by 2 blanks, like BeforeInstall in line 4", 6, 2},
		{script + "      timeout:5\n      runas: a\n", "write a blank after the colon of timeout:", 6, 7},
		{script + "      timeout:5\n\n# x\n      runas: a\n", "write a blank after the colon of timeout:", 6, 7},
		{script + "\t\ttimeout: 5\n", "indent with blanks, not with tabs", 6, 1},
		{script + "  \t  timeout: 5\n", "indent with blanks, not with tabs", 6, 3},
		{script + "\t\n      timeout: 5\n", "indent with blanks, not with tabs", 6, 1},
		{script + "      runas: @a\n", "put the value of runas into quotes", 6, 7},
		{script + "      runas: `a`\n", "put the value of runas into quotes", 6, 7},
		{script + "      runas: %a\n", "put the value of runas into quotes", 6, 7},
		{script + "      runas: a: b\n", "put the value of runas into quotes", 6, 7},
		{script + "    - location: {a\n", "close the bracket", 6, 5},
		{head + "files:\n  - source: [\n", "close the bracket", 4, 3},
		{script + "    - location: 'a\n\n\n      timeout: 5\n", "close the quote", 6, 5},
		{script + "    - location: \"C:\\deploy\"\n", "write text with backslashes in single quotes", 6, 5},
		{head + "permissions:\n  - object: /a\n    pattern: *\n    owner: b\n", "put the value of pattern into quotes", 5, 5},
		{head + "permissions:\n  - object: /a\n    pattern: **\n", "put the value of pattern into quotes", 5, 5},
		{head + "permissions:\n  - object: /a\n    pattern: *.sh\n    owner: b\n", "put the value of pattern into quotes", 5, 5},
		{head + "permissions:\n  - object: /a\n      owner: b\n", "indent it by 4 blanks, like object in line 4", 5, 7},
		{"version 0.0\nos: linux\n", "write a colon after version", 1, 1},
		{"version: 0.0\nos linux\nfiles:\n", "write a colon after os", 2, 1},
		{head + "files:\n  -source: /\n     destination: /a\n", "write a blank after the dash of -source", 4, 3},
		{head + "files:\n  - source: /\n  destination: /a\n", "indent it by 4 blanks, like source in line 4", 5, 3},
		{"<<<<<<< HEAD\n" + head + "=======\nos: windows\n>>>>>>> b\n", "resolve the conflict", 1, 1},
		{"version: 0.0\n<<<<<<< HEAD\nos: linux\n=======\nos: windows\n>>>>>>> b\n", "resolve the conflict", 2, 1},
		{"@\"\n" + head + "\"@\n", "put text that begins with @ into quotes", 1, 1},
		{"'''\n" + head + "'''\n", "", 0, 0},
		{head + "files: - source: /\n", "", 3, 1},
		{"{% if a %}\n" + head + "{% endif %}\n", "put text that begins with { into quotes", 1, 1},
		{head + "x: *unknown\n", "put the value of x into quotes", 3, 1},
		{"\r\n" + strings.ReplaceAll(script, "\n", "\r\n") + "    timeout: 5\r\n", "indent it by 6 blanks, like location in line 6", 7, 5},
	} {
		_, err := Parse("appspec.yml", []byte(c.text))
		e, ok := err.(*Error)
		if !ok || len(e.Problems) != 1 || e.Problems[0].Rule != RuleYAML {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if p := e.Problems[0]; c.line != 0 && (p.Line != c.line || p.Column != c.column) || !strings.Contains(p.Hint, c.hint) || p.Line == 0 {
			t.Errorf("%q\n  says %d:%d %s (%s)\n  want %d:%d %s", c.text, p.Line, p.Column, p.Message, p.Hint, c.line, c.column, c.hint)
		}
	}
}
