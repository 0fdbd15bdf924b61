package appspec

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"codedeploy-agent/appspec/expression"
	"gopkg.in/yaml.v3"
)

// syntaxProblem says where a file is no YAML, and what to do about it as far as the line shows.
func syntaxProblem(data []byte, err error) Problem {
	text, line := complaint(err)
	x := Problem{Rule: RuleYAML, Severity: Failing, Message: "it is not valid YAML: " + text}
	if at, what := badCharacter(data); at >= 0 {
		x.Line, x.Column = place(data, at)
		x.Message, x.Hint = "it is not valid YAML: "+what, "save the file as UTF-8 text without control characters"
		return x
	}
	if len(data) <= maxSearched && (line == 0 || strings.HasPrefix(text, "did not find") || strings.Contains(text, "tab character")) { // else it is where a list or text began
		line = failingLine(data, text)
	}
	if line == 0 {
		return x
	}
	lines := strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
	line = min(line, len(lines))
	line--
	x.Hint, line = advice(lines, line, text)
	x.Line, x.Column = line+1, 1+indentation(lines[line])
	return x
}

var yamlLine = expression.Lazy{Text: `^line (\d+): `}

// complaint takes a message of the YAML library apart.
func complaint(err error) (text string, line int) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // the pattern has only digits; too many of them leave 0
		text = strings.TrimPrefix(text, m[0])
	}
	return text, line
}

// maxSearched is how large a file may be for failingLine, which reads it many times. Real files are far smaller.
const maxSearched = 64 << 10

// failingLine returns the first line with which the beginning of the file fails with a message, 0 if it cannot be found. The library stops
// at the first mistake: every longer beginning fails with the same one.
func failingLine(data []byte, text string) int {
	var ends []int
	for line := range bytes.Lines(data) {
		end := len(line)
		if len(ends) > 0 {
			end += ends[len(ends)-1]
		}
		ends = append(ends, end)
	}
	n := sort.Search(len(ends), func(i int) bool {
		_, err := decode(data[:ends[i]])
		if err == nil {
			return false
		}
		same, _ := complaint(err)
		return same == text
	})
	if n == len(ends) {
		return 0
	}
	return n + 1
}

// badCharacter returns the place of the first byte that is not UTF-8 or character that YAML does not allow, -1 if there is none.
func badCharacter(data []byte) (at int, what string) {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return i, fmt.Sprintf("the byte %#02x is not UTF-8", data[i])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfffe, r == 0xffff:
			return i, fmt.Sprintf("the control character %U is not allowed", r)
		}
		i += size
	}
	return -1, ""
}

// place returns the line and column of a byte.
func place(data []byte, at int) (line, column int) {
	before := data[:at]
	return 1 + bytes.Count(before, []byte{'\n'}), 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

var (
	wordAndBlank = expression.Lazy{Text: `^([a-z_]+)\s+[^\s:]+\s*$`} // version 0.0
	unspaced     = expression.Lazy{Text: `^(?:- *)?([a-z_]+):\S`}    // timeout:300
	keyed        = expression.Lazy{Text: `^((?:- +)?)([A-Za-z_]+)\s*:(?:\s+(.*))?$`}
	conflict     = expression.Lazy{Text: `^(<<<<<<<|=======|>>>>>>>)`}
	opening      = expression.Lazy{Text: "^([@`%*&!{\\[]|[|>][^-+0-9 ])"}
)

// vocabulary is every key of the language.
var vocabulary = slices.Concat(topLanguage.keys, fileLanguage.keys, permissionLanguage.keys, contextLanguage.keys, scriptLanguage.keys)

// advice guesses from the lines what is wrong at one of them, or at the one before it, and says at which.
func advice(lines []string, at int, text string) (hint string, line int) {
	before := at - 1
	for before >= 0 && blankOrComment(lines[before]) {
		before--
	}
	for _, i := range []int{at, before} {
		if i >= 0 {
			if hint := slip(strings.TrimSpace(lines[i])); hint != "" {
				return hint, i
			}
		}
	}
	return guess(lines, at, text), at
}

func blankOrComment(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// slip advises on a line that shows by itself what is wrong with it.
func slip(line string) string {
	if conflict.MatchString(line) {
		return "resolve the conflict that a merge left there"
	}
	if hint := unblanked(line); hint != "" {
		return hint
	}
	if m := wordAndBlank.FindStringSubmatch(line); m != nil && slices.Contains(vocabulary, m[1]) {
		return "write a colon after " + m[1]
	}
	return ""
}

// guess advises on a line by what the YAML library says of it.
func guess(lines []string, at int, text string) string {
	line := strings.TrimSpace(lines[at])
	if strings.ContainsRune(lines[at][:len(lines[at])-len(strings.TrimLeft(lines[at], " \t"))], '\t') {
		return "indent with blanks, not with tabs"
	}
	m := keyed.FindStringSubmatch(line)
	switch {
	case strings.Contains(text, "unexpected end of stream") || strings.Contains(text, "document indicator"):
		return "close the quote or bracket that is opened there"
	case strings.Contains(text, "expected ','"), strings.Contains(text, "expected node content"):
		return "close the bracket that is opened there, or put text that begins with [ or { into quotes"
	case strings.Contains(text, "escape character"):
		return "write text with backslashes in single quotes"
	case m != nil && (opening.MatchString(m[3]) || strings.Contains(m[3], ": ")):
		return "put the value of " + m[2] + " into quotes"
	case opening.MatchString(line):
		return "put text that begins with " + line[:1] + " into quotes"
	case m != nil:
		if sibling := siblingOf(lines[:at], m[1] != "", m[2], indentation(lines[at])+len(m[1])); sibling != "" {
			return sibling
		}
	}
	return "look at the indentation, colons and quotes of this line and the one before"
}

// unblanked advises on a missing blank: "timeout:300", "-source: /".
func unblanked(line string) string {
	if m := unspaced.FindStringSubmatch(line); m != nil && slices.Contains(vocabulary, m[1]) {
		return "write a blank after the colon of " + m[1] + ":"
	}
	if key, _, ok := strings.Cut(line, ":"); ok && len(key) > 1 && key[0] == '-' && slices.Contains(vocabulary, key[1:]) {
		return "write a blank after the dash of " + key
	}
	return ""
}

// blankHint is that for a value that became a text or mapping because of it.
func blankHint(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		n = resolve(n.Content[0])
		return unblanked(n.Value + ":")
	}
	if n.Kind == yaml.ScalarNode {
		return unblanked(n.Value)
	}
	return ""
}

// siblingOf advises to indent a key like a key above that belongs to the same mapping or list, if that is at another column.
func siblingOf(above []string, dashed bool, key string, column int) string {
	var family []string
	for _, l := range []language{scriptLanguage, fileLanguage, permissionLanguage, topLanguage} {
		if slices.Contains(l.keys, key) {
			family = l.keys
			break
		}
	}
	for i, l := range slices.Backward(above) {
		m := keyed.FindStringSubmatch(strings.TrimSpace(l))
		if m == nil || !slices.Contains(family, m[2]) && (family != nil || m[3] != "" || slices.Contains(vocabulary, m[2])) {
			continue
		}
		if dashed && m[1] == "" {
			continue
		}
		want := indentation(l) + len(m[1])
		if want == column {
			return ""
		}
		if dashed {
			want -= len(m[1])
		}
		return fmt.Sprintf("indent it by %d blanks, like %s in line %d", want, m[2], i+1)
	}
	return ""
}
