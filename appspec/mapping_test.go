package appspec

import (
	"strings"
	"testing"
	"time"
)

// The last entry of a name counts, and a merge key stands for the entries it brings, at its place (official agent 1.8).
func TestMerges(t *testing.T) {
	const anchors = "x: &x {location: x, timeout: 1}\ny: &y {timeout: 2, runas: y}\nl: &l [*x]\n" + head + "hooks:\n  Install:\n"
	for _, c := range []struct {
		script, location, runAs string
		timeout                 time.Duration
		warnings                int // besides those for x, y and l at the top level
	}{
		{"{<<: *x}", "x", "", 1, 0},
		{"{<<: *x, timeout: 5}", "x", "", 5, 0},
		{"{timeout: 5, <<: *x}", "x", "", 1, 1},
		{"{location: z, <<: *y}", "z", "y", 2, 0},
		{"{<<: [*x, *y]}", "x", "y", 1, 0},
		{"{<<: [*y, *x]}", "x", "y", 2, 0},
		{"{<<: *x, <<: *y}", "x", "y", 2, 0},
		{"{<<: {location: z, timeout: 7}, runas: z}", "z", "z", 7, 0},
		{"{'<<': *x}", "x", "", 1, 0},
		{"{!!str <<: *x, location: z}", "z", "", 3600, 1},
		{"{<<: *l, location: z}", "z", "", 3600, 1},      // no mapping: an ordinary key
		{"{<<: [*x, a], location: z}", "z", "", 3600, 1}, // not one of it is merged then
		{"{<<: a, location: z}", "z", "", 3600, 1},
		{"{<<: , location: z}", "z", "", 3600, 1},
		{"*x", "x", "", 1, 0},
		{"{location: a, location: b}", "b", "", 3600, 1},
		{"{location: a, 'location': b, \"location\": c}", "c", "", 3600, 2},
	} {
		a := parse(t, anchors+"    - "+c.script+"\n")
		s := a.Scripts("Install")[0]
		if s.Location != c.location || s.RunAs != c.runAs || s.Timeout != c.timeout*time.Second || len(a.Warnings) != 3+c.warnings {
			t.Errorf("%s is %+v and warns %v", c.script, s, a.Warnings)
		}
	}
	a := parse(t, "x: &x {os: windows, hooks: {A: [{location: a}]}}\nversion: 0.0\n<<: *x\nos: linux\n")
	if a.OS != "linux" || a.Scripts("A") == nil {
		t.Errorf("%+v", a)
	}
}

// One place is told of once, on however many ways aliases lead there.
func TestAliasedProblems(t *testing.T) {
	const text = head + "hooks:\n  A: &a\n    - {location: a, x: y}\n  B: *a\n  C: *a\n"
	if a := parse(t, text); len(a.Warnings) != 3 { // one for each event, which the messages name
		t.Errorf("%v", a.Warnings)
	}
	a := parse(t, "x: &x {timout: 5}\n"+head+"hooks:\n  A:\n    - {<<: *x, location: a}\n    - {<<: *x, location: b}\n")
	if len(a.Warnings) != 2 { // x itself and timout
		t.Errorf("%v", a.Warnings)
	}
}

// A missing key names what was perhaps meant to be it.
func TestMissingKeys(t *testing.T) {
	const hooks = head + "hooks:\n  Install:\n    - location: a\n"
	for text, want := range map[string]string{
		"vrsion: 0.0\nos: linux\n":                                     "the AppSpec has no version (write version instead of vrsion)",
		"version: 0.0\nOS: linux\n":                                    "the AppSpec has no os (write os instead of OS)",
		"version: 0.0\nResources: []\n":                                "an AppSpec with Resources is for ECS or Lambda deployments",
		head + "files:\n  - sources: /\n    destination: /a\n":         `has only a destination, "/a" (write source instead of sources)`,
		head + "files:\n  - source: /\n    destionation: /a\n":         `has only a source, "/" (write destination instead of destionation)`,
		head + "files:\n  - source: /a\n    to: /b\n":                  "(instead of to: write it as destination)",
		head + "files:\n  -\n":                                         "an entry of files is empty (remove its dash, or",
		head + "files:\n  - source:/ destination:/a\n":                 "(write a blank after the colon of source:)",
		head + "files:\n  - source:/\n    destination:/a\n":            "(write a blank after the colon of source:)",
		head + "files:\n   -source: /\n   destination: /a\n":           "(write a blank after the dash of -source)",
		head + "files:\n  - source:\n    destination:\n":               "neither source nor destination (write both, or remove the entry)",
		head + "files:\n  - source: {{ dir }}\n    destination: /a\n":  "a placeholder was not filled in",
		head + "files:\n  - source: [a]\n    destination: /a\n":        "a source is no text but a list",
		head + "hooks:\n  Install:\n    - locaton: a\n":                "has no location (write location instead of locaton)",
		head + "hooks:\n  Install:\n    - run: make\n":                 "has no location (instead of run: put commands into a script",
		head + "hooks:\n  Install:\n    - script: a.sh\n":              "has no location (instead of script: put commands into a script",
		head + "hooks:\n  Install:\n    - timeout: 5\n":                "has no location (add the script's path",
		hooks + "    - timeout: 5\n":                                   ":6: a script of Install has no location (remove the dash of this line",
		hooks + "    -\n":                                              ":6: a script of Install is empty",
		hooks + "    - location:\n        - b\n        - c\n":          "a location is no text but a list (write a single value)",
		head + "hooks:\n  - location: a\n    timeout: 5\n":             "hooks is no mapping but a list (write the event that runs the script above it",
		head + "hooks:\n  - Install:\n    - location: a\n":             "hooks is no mapping but a list (write the events as keys, without dashes)",
		head + "hooks:\n  location: a\n  timeout: 5\n  runas: b\n":     ":4: hooks has location where it must have an event",
		head + "hooks:\n  Install:\n    location: a\n":                 `Install is no list but the mapping "location: a"`,
		head + "hooks:\n  Install:\n    -location: a\n":                "(write a blank after the dash of -location)",
		head + "permissions:\n  - path: /a\n":                          "has no object (instead of path: write it as object)",
		head + "permissions:\n  - objct: /a\n":                         "has no object (write object instead of objct)",
		head + "permissions:\n  - object: /a\n  - owner: b\n":          ":5: an entry of permissions has no object (remove the dash of this line",
		head + "permissions:\n  - /a\n":                                `an entry of permissions is no mapping but "/a"`,
		head + "permissions:\n  - object: /a\n    acls:\n      -\n":    "an acl entry is empty",
		head + "permissions:\n  - object: /a\n    context: httpd_t\n":  `a context is no mapping but "httpd_t"`,
		head + "permissions:\n  - object: /a\n    context: [a]\n":      "a context is no mapping but a list",
		head + "permissions:\n  - object: /a\n    type: [file, dir]\n": `the type "dir" is not supported`,
	} {
		if why := parseError(t, text); !strings.Contains(why, want) {
			t.Errorf("%q\n  says %s\n  want %s", text, why, want)
		}
	}
	why := parseError(t, head+"files:\n  - source: /\n  - destination: /a\n")
	if !strings.Contains(why, `line 5: an entry of files has only a destination, "/a" (remove the dash of this line if it belongs to the entry before)`) {
		t.Error(why)
	}
}

// Keys that are no text are no keys of ours; events go by the text of their key.
func TestOddKeys(t *testing.T) {
	a := parse(t, head+"? [a]\n: b\n? {c: d}\n: e\n1: 2\n~: 3\nyes: 4\n:os: windows\n")
	if a.OS != "linux" || len(a.Warnings) != 6 {
		t.Errorf("%+v", a.Warnings)
	}
	a = parse(t, head+"hooks:\n  1:\n    - location: a\n  'A b':\n    - location: b\n")
	if a.Scripts("1") == nil || a.Scripts("A b") == nil {
		t.Errorf("%+v", a.Hooks)
	}
}
