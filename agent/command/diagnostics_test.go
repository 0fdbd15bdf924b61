package command

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"codedeploy-agent/appspec/allowance"
)

func TestPayload(t *testing.T) {
	t.Parallel()
	d := Diagnostics{ErrorCode: 4, ScriptName: "scripts/a.sh", Message: "exit code 1 <&>", Log: "[stdout]ü\n"}
	want := `{"error_code":4,"script_name":"scripts/a.sh","message":"exit code 1 <&>","log":"[stdout]ü\n"}`
	if got := d.Payload(); got != want {
		t.Errorf("Payload() = %s, want %s", got, want)
	}
	if got, err := ParseDiagnostics(d.Payload()); err != nil || got != d {
		t.Errorf("ParseDiagnostics() = %+v, %v, want %+v", got, err, d)
	}
	for _, bad := range []string{``, `{`, `[]`, `{"error_code":"x"}`, `{"message":1}`} {
		if got, err := ParseDiagnostics(bad); err == nil {
			t.Errorf("ParseDiagnostics(%q) = %+v, want an error", bad, got)
		}
	}
}

func TestPayloadIsClipped(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat("[stdout]line \"quoted\" \x01 é 😀\n", 2000)
	message := "begin " + strings.Repeat("é😀\x02", 3000) + " end"
	for name, d := range map[string]Diagnostics{
		"log":         {ErrorCode: 4, ScriptName: "a.sh", Message: "short", Log: lines + "last"},
		"message":     {ErrorCode: 5, ScriptName: "a.sh", Message: message, Log: "gone"},
		"both":        {ErrorCode: 5, ScriptName: "a.sh", Message: message, Log: lines + "last"},
		"script":      {ErrorCode: 5, ScriptName: strings.Repeat("ä/", 9000) + "x.sh"},
		"all":         {ErrorCode: 5, ScriptName: strings.Repeat("ä/", 9000) + "x.sh", Message: message, Log: lines},
		"not UTF-8":   {ErrorCode: 5, Log: strings.Repeat("\xff\xfeab", 9000)},
		"control":     {ErrorCode: 5, Log: strings.Repeat("\x00", 9000)},
		"one line":    {ErrorCode: 4, Log: strings.Repeat("x", 9000) + "END"},
		"just over":   {ErrorCode: 4, Log: strings.Repeat("x", 8192)},
		"line breaks": {ErrorCode: 4, Log: strings.Repeat("\n", 9000)},
	} {
		var p string
		allowance.Hold(t, func() { p = d.Payload() })
		if len(p) > 8192 || len(p) < 8000 {
			t.Errorf("%s: Payload() has %d bytes, want almost 8192", name, len(p))
		}
		if !utf8.ValidString(p) || !json.Valid([]byte(p)) {
			t.Errorf("%s: Payload() is not UTF-8 and JSON", name)
		}
		got, err := ParseDiagnostics(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.ErrorCode != d.ErrorCode {
			t.Errorf("%s: error code = %d, want %d", name, got.ErrorCode, d.ErrorCode)
		}
		if strings.Contains(got.Message+got.ScriptName, "\uFFFD") {
			t.Errorf("%s: a character was split", name)
		}
		switch name {
		case "log":
			if got.Message != "short" || !strings.HasPrefix(got.Log, "[...]") || !strings.HasSuffix(got.Log, "\nlast") {
				t.Errorf("log: %+v, want the message whole and the end of the log", got)
			}
		case "message", "both":
			if got.Log != "" || !strings.HasPrefix(got.Message, "begin ") || !strings.HasSuffix(got.Message, " end") || !strings.Contains(got.Message, " [...] ") {
				t.Errorf("%s: %.100q, want both ends of the message and no log", name, got.Message)
			}
		case "script", "all":
			if !strings.HasPrefix(got.ScriptName, "[...]") || !strings.HasSuffix(got.ScriptName, "/x.sh") {
				t.Errorf("%s: script = %.40q, want its end", name, got.ScriptName)
			}
		case "one line":
			if !strings.HasSuffix(got.Log, "xEND") {
				t.Errorf("one line: log ends in %q, want the end of the line", got.Log[len(got.Log)-8:])
			}
		}
	}
}

func FuzzPayload(f *testing.F) {
	f.Add("a.sh", "message", "log\n", uint16(3))
	f.Add("\xff", "\x00é", "😀", uint16(9000))
	f.Fuzz(func(t *testing.T, script, message, log string, times uint16) {
		n := int(times) % 10000
		if len(script)+len(message)+len(log) > 100 {
			n %= 200
		}
		d := Diagnostics{1, script, strings.Repeat(message, n), strings.Repeat(log, n)}
		p := d.Payload()
		if len(p) > 8192 || !json.Valid([]byte(p)) || !utf8.ValidString(p) {
			t.Errorf("Payload() has %d bytes: %.200q", len(p), p)
		}
	})
}
