package appspec

import (
	"strings"
	"testing"
	"time"
)

// parseError parses what must be refused and returns why.
func parseError(t *testing.T, text string) string {
	t.Helper()
	a, err := Parse("appspec.yml", []byte(text))
	if err == nil || a != nil {
		t.Errorf("%q is accepted", text)
		return ""
	}
	return err.Error()
}

// The official agent 1.8 gives each of these the same number of seconds, except 0o17, which only release 2 knows, and those that are too long
// for release 2. It warns of nothing; we do where the number is not what is written.
func TestTimeouts(t *testing.T) {
	const day = 24 * 3600
	for _, c := range []struct {
		written string
		seconds uint32
		warned  bool
	}{
		{"20", 20, false}, {"20   ", 20, false}, {"+20", 20, false}, {"'20'", 20, false}, {`"20"`, 20, false}, {"' 20 '", 20, false}, {"7200", 7200, false},
		{"", 3600, false}, {"~", 3600, false}, {"null", 3600, false}, {"NULL", 3600, false}, {"no", 3600, true}, {"false", 3600, true},
		{"5m", 5, true}, {"20s", 20, true}, {"1 000", 1, true}, {"'5 minutes'", 5, true}, {"300 # s", 300, false},
		{"1_000", 1000, false}, {"'1_000'", 1000, false}, {"1,000", 1000, true}, {"'1,000'", 1, true}, {"'1__0'", 1, true},
		{"30.0", 30, true}, {"30.9", 30, true}, {"30.", 30, true}, {"2e1", 2, true}, {"2.5e1", 2, true}, {"2.5e+1", 25, true}, {"'30.9'", 30, true},
		{"010", 8, true}, {"'010'", 10, true}, {"09", 9, true}, {"0x10", 16, true}, {"0b101", 5, true}, {"0o17", 15, true},
		{"1:30", 5400, true}, {"01:30", 5400, true}, {"5:00", 18000, true}, {"1:30:15", 5415, true}, {"'1:30'", 1, true}, {"0:00:20.5", 20, true}, {"1:99", 1, true},
		{"99999999999", 1<<32 - 1, true}, {"99999999999999999999999", 1<<32 - 1, true}, {"0xffffffffffffffffff", 1<<32 - 1, true}, {"4294967295", 1<<32 - 1, false},
		{"!!int '20'", 20, false}, {"!!str 20", 20, false}, {"|\n        20", 20, false}, {"86400", day, false},
	} {
		a := parse(t, head+"hooks:\n  Install:\n    - location: a\n      timeout: "+c.written+"\n")
		if got := a.Scripts("Install")[0].Timeout; got != time.Duration(c.seconds)*time.Second {
			t.Errorf("timeout %s is %v, want %d s", c.written, got, c.seconds)
		}
		if warned := len(a.Warnings) > 0; warned != c.warned {
			t.Errorf("timeout %s warns %v", c.written, a.Warnings)
		}
	}
	for _, written := range []string{"0", "00", "-5", "-1:30", "0.9", "'0'", "soon", "''", "' '", "'0x10'", "yes", "true", "on", ".inf", ".nan", ":5", "2024-05-01", "[20]", "{a: 20}", "_5"} {
		if why := parseError(t, head+"hooks:\n  Install:\n    - location: a\n      timeout: "+written+"\n"); !strings.Contains(why, ":6: the timeout is ") {
			t.Errorf("timeout %s: %s", written, why)
		}
	}
}

func TestSudo(t *testing.T) {
	for _, c := range []struct {
		written      string
		want, warned bool
	}{
		{"true", true, false}, {"yes", true, false}, {"on", true, false}, {"TRUE", true, false}, {"'yes'", true, false},
		{"false", false, false}, {"no", false, false}, {"Off", false, false}, {"", false, false}, {"~", false, false},
		{"1", true, true}, {"y", true, true}, {"root", true, true},
		{"0", false, true}, {"n", false, true}, {"'false'", false, true}, {"''", false, true},
	} {
		a := parse(t, head+"hooks:\n  Install:\n    - location: a\n      sudo: "+c.written+"\n")
		if got := a.Scripts("Install")[0].Sudo; got != c.want || (len(a.Warnings) > 0) != c.warned {
			t.Errorf("sudo %s is %v and warns %v", c.written, got, a.Warnings)
		}
	}
	if why := parseError(t, head+"hooks:\n  Install:\n    - location: a\n      sudo: [a]\n"); !strings.Contains(why, "neither true nor false") {
		t.Error(why)
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		written, want string
		warned        bool
	}{
		{"755", "755", false}, {"'0755'", "0755", false}, {`"644"`, "644", false}, {"' 644 '", "644", false}, {"4755", "4755", false},
		{"7", "007", false}, {"70", "070", false}, {"0", "000", false}, {"00", "000", false}, {"1_777", "1777", false}, {"+755", "755", false},
		{"0755", "0755", true}, {"0644", "0644", true}, {"00644", "0644", true}, {"0_644", "0644", true}, {"01777", "1777", true}, {"007", "007", false},
		{"''", "000", true}, {"0x1ff", "511", true}, {"0b111", "007", true},
	} {
		a := parse(t, head+"permissions:\n  - object: /a\n    mode: "+c.written+"\n")
		if m := a.Permissions[0].Mode; m == nil || m.Text() != c.want || (len(a.Warnings) > 0) != c.warned {
			t.Errorf("mode %s is %+v and warns %v", c.written, m, a.Warnings)
		}
	}
	for _, written := range []string{"", "~", "null"} {
		if m := parse(t, head+"permissions:\n  - object: /a\n    mode: "+written+"\n").Permissions[0].Mode; m != nil {
			t.Errorf("mode %s is %+v", written, m)
		}
	}
	for _, written := range []string{"888", "09", "0o755", "'0o755'", "755.0", "u+x", "rwxr-xr-x", "-755", "77777", "true", "7:55", "[755]", "'7 5'"} {
		if why := parseError(t, head+"permissions:\n  - object: /a\n    mode: "+written+"\n"); !strings.Contains(why, "mode") || !strings.Contains(why, ":5: ") {
			t.Errorf("mode %s: %s", written, why)
		}
	}
}

func TestVersions(t *testing.T) {
	for written, warned := range map[string]bool{
		"0.0": false, "0": false, "0.00": false, ".0": false, "0.": false, "+0.0": false, "-0.0": false, "00": false, "0.0e+0": false, "!!float 0": false, "!!int '0'": false,
		"'0.0'": true, `"0"`: true, "!!str 0.0": true, "0.0e0": true,
	} {
		if a := parse(t, "version: "+written+"\nos: linux\n"); (len(a.Warnings) > 0) != warned {
			t.Errorf("version %s warns %v", written, a.Warnings)
		}
	}
	for _, written := range []string{"1.0", "0.1", "0.0.0", "0.0.", "1", "v0.0", "'zero'", "''", ".", "true", "[0.0]", "{a: 0.0}", "2024-01-01", "-1", "0.0f"} {
		if why := parseError(t, "version: "+written+"\nos: linux\n"); !strings.Contains(why, ":1: the version is ") {
			t.Errorf("version %s: %s", written, why)
		}
	}
	if why := parseError(t, "version: 0.2\nphases: {}\nos: linux\n"); !strings.Contains(why, "buildspec") {
		t.Error(why)
	}
}

func TestOS(t *testing.T) {
	for _, written := range []string{"linux", "'linux'", `"linux"`, "linux   ", "linux # x", "!!str linux", "|-\n  linux"} {
		if a := parse(t, "version: 0.0\nos: "+written+"\n"); a.OS != "linux" {
			t.Errorf("os %s is %q", written, a.OS)
		}
	}
	for written, hint := range map[string]string{
		"Linux": "write os: linux)", "LINUX": "write os: linux)", "' linux '": "write os: linux)", "Ubuntu": "write os: linux)", "centOS": "write os: linux)",
		"window": "write os: windows)", "Windows": "write os: windows)", "solaris": "write os: linux or os: windows)", "true": "write os: linux or", ":linux": "write os: linux or",
		"[linux]": "no text but a list",
	} {
		if why := parseError(t, "version: 0.0\nos: "+written+"\n"); !strings.Contains(why, hint) || strings.Contains(why, "\n") {
			t.Errorf("os %s: %s", written, why)
		}
	}
}

func TestFileExistsBehavior(t *testing.T) {
	for written, want := range map[string]FileExistsBehavior{"OVERWRITE": Overwrite, "'RETAIN'": Retain, "DISALLOW": Disallow, "": "", "~": ""} {
		if a := parse(t, head+"file_exists_behavior: "+written+"\n"); a.FileExistsBehavior != want {
			t.Errorf("%s is %q", written, a.FileExistsBehavior)
		}
	}
	for written, want := range map[string]string{"overwrite": "(write OVERWRITE)", "' RETAIN '": "(write RETAIN)", "REPLACE": "is not one of", "true": "is not one of", "''": "is empty", "[RETAIN]": "no text but a list"} {
		if why := parseError(t, head+"file_exists_behavior: "+written+"\n"); !strings.Contains(why, want) || strings.Contains(why, "\n") {
			t.Errorf("%s: %s", written, why)
		}
	}
}

// Where the official agent 1.8 asks whether there is anything, null, false and the empty list or mapping are nothing.
func TestNothing(t *testing.T) {
	for _, nothing := range []string{"", "~", "null", "no", "false", "off", "[]", "{}"} {
		a := parse(t, head+"files: "+nothing+"\npermissions: "+nothing+"\nhooks: "+nothing+"\n")
		if a.Files != nil || a.Permissions != nil || a.Hooks != nil {
			t.Errorf("%q is %+v", nothing, a)
		}
		a = parse(t, head+"hooks:\n  Install: "+nothing+"\n")
		if a.Hooks != nil {
			t.Errorf("%q is %+v", nothing, a.Hooks)
		}
		a = parse(t, head+"permissions:\n  - object: /a\n    except: "+nothing+"\n")
		if p := a.Permissions[0]; p.Except != nil {
			t.Errorf("%q is %+v", nothing, p)
		}
		a = parse(t, head+"permissions:\n  - object: /a\n    type: "+nothing+"\n")
		if p, none := a.Permissions[0], nothing == "[]" || nothing == "{}"; p.Files == none || p.Directories == none {
			t.Errorf("type %q is %+v", nothing, p)
		}
	}
	a := parse(t, head+"permissions:\n  - object: /a\n    pattern: no\n    owner: ~\n    acls: []\n")
	if p := a.Permissions[0]; p.Pattern != "**" || p.Owner != "" || p.ACL == nil || len(a.Warnings) != 1 {
		t.Errorf("%+v %v", p, a.Warnings)
	}
	a = parse(t, head+"permissions:\n  - object: /a\n    owner: ''\n    group: ' '\n")
	if p := a.Permissions[0]; p.Owner != "" || p.Group != "" || len(a.Warnings) != 2 {
		t.Errorf("%+v %v", p, a.Warnings)
	}
	for _, something := range []string{"''", "a", "0", "true", "a: b"} {
		for _, section := range []string{"files", "permissions", "hooks"} {
			if something == "a: b" && section == "hooks" {
				continue
			}
			parseError(t, head+section+":\n  "+something+"\n")
		}
	}
}

// Text is what is written, also where it reads as a number, a boolean or a date.
func TestTextAsWritten(t *testing.T) {
	for _, text := range []string{"42", "1.10", "0755", "1_000", "yes", "No", "1:30", "2024-05-01", ":a", "0x1f", ".5", "=", "a b", "a: b", "~/a", "*", "@a", "a#b"} {
		written := text
		if strings.ContainsAny(text, "*@") || strings.Contains(text, ": ") {
			written = "'" + text + "'"
		}
		a := parse(t, head+"files:\n  - source: "+written+"\n    destination: "+written+"\npermissions:\n  - object: "+written+"\n    owner: "+written+
			"\n    group: "+written+"\nhooks:\n  Install:\n    - location: "+written+"\n      runas: "+written+"\n")
		s, p := a.Scripts("Install")[0], a.Permissions[0]
		for _, got := range []string{a.Files[0].Source, a.Files[0].Destination, p.Object, p.Owner, p.Group, s.Location, s.RunAs} {
			if got != text {
				t.Errorf("%s is %q", written, got)
			}
		}
	}
}
