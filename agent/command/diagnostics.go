package command

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// maxPayload is the service's limit for the payload of diagnostics, 8192 characters (service model). Counting bytes
// keeps it whatever the service takes for a character.
const maxPayload = 8192

// omitted stands where text was left out.
const omitted = "[...]"

// Diagnostics are what the service and the console show about the end of a command. The official agents' error codes
// are 0 succeeded, 1 script missing, 2 script not executable, 3 timed out, 4 script failed, 5 anything else, 6 output
// left open, 7 failed by an agent restart.
type Diagnostics struct {
	ErrorCode  int    `json:"error_code"`
	ScriptName string `json:"script_name"`
	Message    string `json:"message"`
	// Log is the end of the script's output.
	Log string `json:"log"`
}

// ParseDiagnostics reads a payload that Payload has written.
func ParseDiagnostics(payload string) (Diagnostics, error) {
	var d Diagnostics
	if err := json.Unmarshal([]byte(payload), &d); err != nil {
		return Diagnostics{}, fmt.Errorf("cannot read diagnostics: %w", err)
	}
	return d, nil
}

// Payload is the diagnostics as JSON, within the service's limit. What does not fit is left out and marked with [...]:
// first the head of the log, then the middle of the message, then the head of the script's name. Bytes that are not
// UTF-8 become U+FFFD.
func (d Diagnostics) Payload() string {
	d.ScriptName = strings.ToValidUTF8(d.ScriptName, "\uFFFD")
	d.Message = strings.ToValidUTF8(d.Message, "\uFFFD")
	d.Log = strings.ToValidUTF8(d.Log, "\uFFFD")
	for _, field := range []struct {
		text *string
		cut  func(s string, n int) string
	}{
		{&d.Log, tail}, {&d.Message, ends}, {&d.ScriptName, tail},
	} {
		if d.fits() {
			break
		}
		d.shorten(field.text, field.cut)
	}
	return d.json()
}

// shorten keeps as much of *text as makes d fit, nothing if that is not enough. cut makes of a text one that keeps about
// n bytes of it.
func (d *Diagnostics) shorten(text *string, cut func(s string, n int) string) {
	whole := *text
	n := sort.Search(min(len(whole), maxPayload+1), func(n int) bool {
		*text = cut(whole, n)
		return !d.fits()
	})
	if n == 0 {
		*text = ""
		return
	}
	*text = cut(whole, n-1)
}

func (d *Diagnostics) fits() bool { return len(d.json()) <= maxPayload }

func (d *Diagnostics) json() string {
	b, err := encode(d)
	if err != nil {
		// An int and three strings can always be written.
		panic(err)
	}
	return string(b)
}

func (d Diagnostics) envelope() Envelope {
	return Envelope{Format: "JSON", Payload: d.Payload()}
}

// tail keeps the last n bytes of s, fewer where a character would be split.
func tail(s string, n int) string {
	if n >= len(s) {
		return s
	}
	return omitted + suffix(s, n)
}

// ends keeps the first two thirds of n bytes from the beginning of s and the rest from its end.
func ends(s string, n int) string {
	if n >= len(s) {
		return s
	}
	head := n * 2 / 3
	rest := suffix(s, n-head)
	for head > 0 && !utf8.RuneStart(s[head]) {
		head--
	}
	return s[:head] + " " + omitted + " " + rest
}

// suffix is the last n bytes of s or, where a character would be split, fewer.
func suffix(s string, n int) string {
	i := len(s) - n
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[i:]
}
