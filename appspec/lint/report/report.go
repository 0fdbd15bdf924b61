// Package report prints what a check has found: for people, as JSON, as SARIF and as annotations of GitHub.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/lint"
	"codedeploy-agent/appspec/plaintext"
)

// Findings are the problems of one or several checks.
type Findings struct {
	Problems []lint.Problem
	// Line returns a line of a file, for people to see what is meant; see lint.Report. It may be nil.
	Line func(file string, number int) (string, bool)
	// AppSpecs and Scripts are how many files were checked.
	AppSpecs, Scripts int
}

// Count returns how many problems have a severity.
func (f *Findings) Count(s appspec.Severity) int {
	n := 0
	for _, p := range f.Problems {
		if p.Severity == s {
			n++
		}
	}
	return n
}

// JSON writes {"problems": [...]}, each with file, line, column, rule, severity, message and hint, and all of them there also when they
// are empty. The severity is error or warning: an info is a warning here.
func JSON(w io.Writer, f *Findings) error {
	type problem struct {
		File     string           `json:"file"`
		Line     int              `json:"line"`
		Column   int              `json:"column"`
		Rule     string           `json:"rule"`
		Severity appspec.Severity `json:"severity"`
		Message  string           `json:"message"`
		Hint     string           `json:"hint"`
	}
	out := struct {
		Problems []problem `json:"problems"`
	}{[]problem{}}
	for _, p := range f.Problems {
		severity := p.Severity
		if severity != appspec.Failing {
			severity = appspec.Warning
		}
		out.Problems = append(out.Problems, problem{p.File, p.Line, p.Column, p.Rule, severity, p.Message, p.Hint})
	}
	return encode(w, out)
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// GitHub writes workflow commands, which GitHub Actions shows as annotations of the files' lines.
func GitHub(w io.Writer, f *Findings) error {
	kinds := map[appspec.Severity]string{appspec.Failing: "error", appspec.Warning: "warning", lint.Info: "notice"}
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	for _, p := range f.Problems {
		place := ""
		if p.Line > 0 {
			place = fmt.Sprintf(",line=%d,col=%d", p.Line, p.Column)
		}
		text := p.Message
		if p.Hint != "" {
			text += "\n" + p.Hint
		}
		if _, err := fmt.Fprintf(w, "::%s file=%s%s,title=%s::%s\n", kinds[p.Severity], property.Replace(p.File), place, p.Rule, data.Replace(plaintext.Text(text))); err != nil {
			return err
		}
	}
	return nil
}

// Text writes the problems for people: each with its line and what to do, and at the end a summary. Info has no lines shown.
func Text(w io.Writer, f *Findings, colour bool) error {
	paint := painter(colour)
	var b strings.Builder
	for _, p := range f.Problems {
		place := printable(p.File)
		if p.Line > 0 {
			place += fmt.Sprintf(":%d:%d", p.Line, p.Column)
		}
		fmt.Fprintf(&b, "%s: %s: %s %s\n", paint(bold, place), paint(severityColour[p.Severity], string(p.Severity)), printable(p.Message), paint(faint, "["+p.Rule+"]"))
		if p.Severity != lint.Info && f.Line != nil {
			if line, ok := f.Line(p.File, p.Line); ok {
				excerpt(&b, line, p, paint)
			}
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "    %s %s\n", paint(faint, "hint:"), printable(p.Hint))
		}
	}
	b.WriteString(summary(f))
	_, err := io.WriteString(w, b.String())
	return err
}

// widest is how much of a line is shown.
const widest = 120

// excerpt shows a line and points at a column of it.
func excerpt(b *strings.Builder, line string, p lint.Problem, paint func(string, string) string) {
	column := max(p.Column, 1)
	runes := []rune(line)
	if len(runes) == 0 {
		return
	}
	from := 0
	if column > widest-20 {
		from = column - widest/2
	}
	runes = runes[min(from, len(runes)):]
	shown := printable(string(runes[:min(widest, len(runes))]))
	number := fmt.Sprintf("%5d", p.Line)
	fmt.Fprintf(b, "%s %s %s\n", paint(faint, number), paint(faint, "|"), shown)
	pad := strings.Repeat(" ", utf8.RuneCountInString(printable(string(runes[:min(column-1-from, len(runes))]))))
	fmt.Fprintf(b, "%s %s %s%s\n", strings.Repeat(" ", len(number)), paint(faint, "|"), pad, paint(severityColour[p.Severity], "^"))
}

// summary is the last line.
func summary(f *Findings) string {
	checked := plural(f.AppSpecs, "AppSpec") + " and " + plural(f.Scripts, "script")
	if len(f.Problems) == 0 {
		return "no problems in " + checked + "\n"
	}
	parts := []string{plural(f.Count(appspec.Failing), "error"), plural(f.Count(appspec.Warning), "warning")}
	if n := f.Count(lint.Info); n > 0 {
		parts = append(parts, plural(n, "info"))
	}
	return strings.Join(parts, ", ") + " in " + checked + "\n"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printable is text that others wrote as a terminal may show it. A tab is four blanks, so that columns can be counted.
func printable(s string) string { return strings.ReplaceAll(plaintext.Line(s), "\t", "    ") }

const (
	bold  = "1"
	faint = "2"
)

var severityColour = map[appspec.Severity]string{appspec.Failing: "1;31", appspec.Warning: "1;33", lint.Info: "1;36"}

func painter(colour bool) func(code, text string) string {
	return func(code, text string) string {
		if !colour {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
}
