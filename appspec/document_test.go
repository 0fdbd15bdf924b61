package appspec

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

const hooked = head + "hooks:\n  Install:\n    - location: a\n      timeout: 5\n"

func TestEncodings(t *testing.T) {
	wide := func(order binary.AppendByteOrder, text string) string {
		var b []byte
		for _, unit := range utf16.Encode([]rune("\uFEFF" + text)) {
			b = order.AppendUint16(b, unit)
		}
		return string(b)
	}
	for name, text := range map[string]string{
		"BOM":                  "\uFEFF" + hooked,
		"BOM and CRLF":         "\uFEFF" + strings.ReplaceAll(hooked, "\n", "\r\n"),
		"BOM and marker":       "\uFEFF---\n" + hooked,
		"concatenated files":   head + "\uFEFFhooks:\n  Install:\n    - location: a\n      timeout: 5\n",
		"BOM in a comment":     head + "# \uFEFFx\n" + strings.TrimPrefix(hooked, head),
		"CRLF":                 strings.ReplaceAll(hooked, "\n", "\r\n"),
		"CR":                   strings.ReplaceAll(hooked, "\n", "\r"),
		"UTF-16, little":       wide(binary.LittleEndian, hooked),
		"UTF-16, big":          wide(binary.BigEndian, hooked),
		"no newline":           strings.TrimSuffix(hooked, "\n"),
		"trailing blanks":      strings.ReplaceAll(hooked, "\n", "   \n"),
		"trailing tabs":        strings.ReplaceAll(hooked, "\n", "\t\n"),
		"tabs after colons":    strings.ReplaceAll(hooked, ": ", ":\t"),
		"blanks before colons": strings.ReplaceAll(hooked, ": ", " : "),
		"list not indented":    head + "hooks:\n  Install:\n  - location: a\n    timeout: 5\n",
		"comments":             "# x\n" + strings.ReplaceAll(hooked, "\n", " # é 你 😀\n#\n"),
		"markers":              "---\n" + hooked + "...\n",
		"marker at the end":    hooked + "---\n# nothing\n",
		"YAML 1.1":             "%YAML 1.1\n---\n" + hooked,
		"YAML 1.2":             "# x\n%YAML 1.2\n---\n" + hooked,
		"flow":                 `{version: 0.0, os: linux, hooks: {Install: [{location: a, timeout: 5}]}}`,
		"flow, dedented":       "  {version: 0.0, os: linux,\nhooks: {Install: [{location: a, timeout: 5}]}}",
		"JSON":                 "{\n\t\"version\": 0.0,\n\t\"os\": \"linux\",\n\t\"hooks\": {\"Install\": [{\"location\": \"a\", \"timeout\": 5}]}\n}\n",
		"indented":             " " + strings.TrimSuffix(strings.ReplaceAll(hooked, "\n", "\n "), " "),
		"explicit keys":        "? version\n: 0.0\n? os\n: linux\n? hooks\n: Install:\n  - location: a\n    timeout: 5\n",
		"quoted keys":          strings.NewReplacer("os", `"os"`, "location", "'location'").Replace(hooked),
		"local tags":           "!spec\nversion: !v 0.0\nos: !!str linux\nhooks: !!map\n  Install: !!seq\n    - location: a\n      timeout: !!int 5\n",
	} {
		a := parse(t, text)
		if s := a.Scripts("Install"); len(s) != 1 || s[0].Location != "a" || s[0].Timeout.Seconds() != 5 || len(a.Warnings) != 0 {
			t.Errorf("%s: %+v %v", name, a, a.Warnings)
		}
	}
	a := parse(t, `{"version":0.0,"os":"linux","files":[{"source":"\/","destination":"\/srv\/a\\b \u00e9"}]}`)
	if f := a.Files[0]; f.Source != "/" || f.Destination != `/srv/a\b é` {
		t.Errorf("JSON with escaped slashes: %+v", f)
	}
	a = parse(t, head+"files:\n  - source: C:\\/a\n    destination: '\\/b'\n")
	if f := a.Files[0]; f.Source != `C:\/a` || f.Destination != `\/b` {
		t.Errorf("backslashes: %+v", f)
	}
}

// Whatever comes after the first YAML document does not count, not even if it is no YAML (official agent 1.8). That deserves a warning.
func TestFirstDocumentCounts(t *testing.T) {
	for text, line := range map[string]int{
		head + "---\nversion: 9\n":                       4,
		head + "---\n@\n":                                4,
		head + "---\n\n# x\n---\n\t- a: b: c\n":          7,
		head + "--- # x\n":                               3,
		head + "...\n%\n":                                4,
		head + "...\n---\nos: windows\n":                 5,
		"---\n" + head + "--- {os: windows}\n":           4,
		"  version: 0.0\n  os: linux\nhooks: {A: []}\n":  3,
		"  version: 0.0\n  os: linux\n# x\n hooks:\n":    4,
		"  version: 0.0\n  os: linux\n]x: \n":            3,
		"  version: 0.0\n  os: linux\nhooks\n  - x: y\n": 3,
	} {
		a := parse(t, text)
		if len(a.Warnings) != 1 || a.Warnings[0].Rule != RuleDocument || a.Warnings[0].Line != line || a.OS != "linux" || a.Hooks != nil {
			t.Errorf("%q: %+v", text, a.Warnings)
		}
	}
	for text, want := range map[string]string{
		" version: 0.0\nos: linux\nhooks:\n": ":1: the AppSpec has no os (write os: linux or os: windows; the file does not count from line 2 on",
		"---\n---\n" + head:                  ":3: the file's first document is empty",
		"--- ~\n---\n" + head:                ":3: the file's first document is empty",
		"version: 0.0\n---\nos: linux\n":     "from line 3 on",
	} {
		if why := parseError(t, text); !strings.Contains(why, want) {
			t.Errorf("%q\n  says %s\n  want %s", text, why, want)
		}
	}
	// What looks like an end inside of a text is none.
	a := parse(t, "  version: 0.0\n  os: linux\n  files:\n    - source: \"a\nb\"\n      destination: /c\n")
	if a.Files[0].Source != "a b" || len(a.Warnings) != 0 {
		t.Errorf("%+v %v", a.Files, a.Warnings)
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", " \n\n", "# x\n", "~", "---\n", "---\n...\n", "null", "\uFEFF", "%YAML 1.1\n---\n"} {
		if why := parseError(t, text); !strings.Contains(why, "the file is empty") {
			t.Errorf("%q: %s", text, why)
		}
	}
	for text, want := range map[string]string{
		"text\n":          `is no mapping but "text"`,
		"- a\n":           "is no mapping but a list",
		"false":           `is no mapping but "false"`,
		"version 0.0\n":   `is no mapping but "version 0.0"`,
		"os:linux\n":      "(write a blank after the colon of os:)",
		"!!str\n" + "a\n": "is no mapping",
	} {
		if why := parseError(t, text); !strings.Contains(why, want) {
			t.Errorf("%q: %s", text, why)
		}
	}
}

func TestNoText(t *testing.T) {
	for text, want := range map[string]Problem{
		head + "# caf\xe9\n":                {Line: 3, Column: 6, Message: "it is not valid YAML: the byte 0xe9 is not UTF-8"},
		head + "\x00":                       {Line: 3, Column: 1, Message: "it is not valid YAML: the control character U+0000 is not allowed"},
		head + "x: é\x1a\n":                 {Line: 3, Column: 5, Message: "it is not valid YAML: the control character U+001A is not allowed"},
		head + "# \x7f\n":                   {Line: 3, Column: 3, Message: "it is not valid YAML: the control character U+007F is not allowed"},
		"version: 0.0\r\nos: li\xffnux\r\n": {Line: 2, Column: 7, Message: "it is not valid YAML: the byte 0xff is not UTF-8"},
	} {
		_, err := Parse("appspec.yml", []byte(text))
		e, ok := err.(*Error)
		if !ok || len(e.Problems) != 1 {
			t.Errorf("%q: %v", text, err)
			continue
		}
		want.Rule, want.Severity, want.Hint = RuleYAML, Failing, "save the file as UTF-8 text without control characters"
		if e.Problems[0] != want {
			t.Errorf("%q\n  says %+v\n  want %+v", text, e.Problems[0], want)
		}
	}
}
