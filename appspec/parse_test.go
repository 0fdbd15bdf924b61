package appspec

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const head = "version: 0.0\nos: linux\n"

func parse(t *testing.T, text string) *AppSpec {
	t.Helper()
	a, err := Parse("appspec.yml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return a
}

func TestWholeFile(t *testing.T) {
	text := head + `file_exists_behavior: OVERWRITE
files:
  - source: /
    destination: /srv/app
  - source: conf/app.conf
    destination: /etc/app
permissions:
  - object: /srv/app
    pattern: "*.sh"
    except: [a.sh, b*]
    owner: root
    group: 0
    mode: 4755
    type: [file]
    acls: ["u:alice:rw", "bob:5", "m::rx", "d:group:wheel:rwx"]
    context: {name: unconfined_u, type: httpd_sys_content_t, range: "s0-s3:c7,c1.c3,c4"}
hooks:
  BeforeInstall:
    - location: scripts/a.sh
      timeout: 30
      runas: alice
    - location: ' scripts/b.sh '
      sudo: yes
  AfterInstall:
  ApplicationStart: []
  SmokeTest:
    - location: scripts/c.sh
`
	a, problems := Inspect("appspec.yml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if a.FileExistsBehavior != Overwrite || !reflect.DeepEqual(a.Events(), []string{"BeforeInstall", "SmokeTest"}) || len(a.Warnings) != 0 {
		t.Errorf("%+v", a)
	}
	if at := a.Files[1].At("destination"); at != (Place{8, 18}) || a.At("hooks") != (Place{19, 1}) || a.Permissions[0].At("except/1") != (Place{12, 20}) ||
		a.Hooks[0].At("") != (Place{20, 3}) || a.Hooks[0].Scripts[0].At("timeout") != (Place{22, 16}) || a.Hooks[0].Scripts[1].At("timeout") != (Place{24, 7}) {
		t.Errorf("places %+v", a)
	}
	for i := range a.Files {
		a.Files[i].places = places{}
	}
	if want := []File{{Source: "/", Destination: "/srv/app", Line: 5}, {Source: "conf/app.conf", Destination: "/etc/app", Line: 7}}; !reflect.DeepEqual(a.Files, want) {
		t.Errorf("files %+v", a.Files)
	}
	want := []Script{
		{Location: "scripts/a.sh", RunAs: "alice", Timeout: 30 * time.Second, Line: 21},
		{Location: "scripts/b.sh", Sudo: true, Timeout: time.Hour, Line: 24},
	}
	got := a.Scripts("BeforeInstall")
	for i := range got {
		got[i].places = places{}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("scripts %+v", got)
	}
	p := a.Permissions[0]
	if p.Object != "/srv/app" || p.Owner != "root" || p.Group != "0" || p.Mode.Perm() != 0o4755 || p.Mode.Text() != "4755" || !p.Files || p.Directories {
		t.Errorf("permission %+v", p)
	}
	if *p.Context != (Context{"unconfined_u", "httpd_sys_content_t", "s0-s3:c1.c4,c7"}) {
		t.Errorf("context %+v", p.Context)
	}
	if got := fmt.Sprint(p.ACL.Entries); got != "[user:alice:rw- user:bob:r-x mask::r-x default:group:wheel:rwx]" {
		t.Errorf("acl %s", got)
	}
	if b := parse(t, text); b.At("hooks") != (Place{}) || !reflect.DeepEqual(b.Files, a.Files) || !reflect.DeepEqual(b.Scripts("BeforeInstall"), a.Scripts("BeforeInstall")) {
		t.Errorf("Parse returns %+v, want the same without places", b)
	}
}

func TestForms(t *testing.T) {
	for name, text := range map[string]string{
		"nulls":       head + "files:\npermissions: ~\nhooks: null\n",
		"CRLF":        strings.ReplaceAll(head+"hooks:\n  Install:\n    - location: a\n", "\n", "\r\n"),
		"flow":        `{"version": 0.0, "os": "linux", "hooks": {"Install": [{"location": "a"}]}}`,
		"null ignore": head + "hooks:\n  Install:\n    - location: a\n      runas:\n      timeout:\n      sudo:\n",
	} {
		if a := parse(t, text); len(a.Warnings) != 0 {
			t.Errorf("%s: %v", name, a.Warnings)
		}
	}
	a := parse(t, `
defaults: &d {timeout: 20, runas: alice}
version: 0.0
os: linux
hooks:
  BeforeInstall: &b
    - {<<: *d, location: a, timeout: 30}
  AfterInstall: *b
`)
	s := a.Scripts("AfterInstall")[0]
	if s.Timeout != 30*time.Second || s.RunAs != "alice" || s.Location != "a" {
		t.Errorf("merged script %+v", s)
	}
}

func TestWarnings(t *testing.T) {
	for text, want := range map[string]string{
		"files:\n  - source: a\n    destination: /b\n    overwrite: true\n": `line 6: the key "overwrite" of an entry of files has no effect (set file_exists_behavior: OVERWRITE`,
		"hooks:\n  Install:\n    - location: a\n      timemout: 5\n":        `line 6: the key "timemout" of a script of Install has no effect (did you mean timeout?)`,
		"hooks:\n  Install:\n    - location: a\n      timeout: 5m\n":        `line 6: the timeout "5m" counts as 5 seconds`,
		"permissions:\n  - object: /a\n    mode: 0644\n":                    `line 5: the official agent 1.8 takes the mode 0644 for the number 420`,
		"hook:\n  Install:\n": `line 3: the key "hook" of the AppSpec has no effect (did you mean hooks?)`,
		"hooks:\n  Install:\n    - location: a\n      location: b\n":      `line 6: a script of Install has the key "location" twice; the last one counts`,
		"permissions:\n  - object: /a\n    context: {type: t, user: u}\n": `the key "user" of a context has no effect (write it as name)`,
		"file_exists_behavior: RETAIN\nfile-exists-behavior: OVERWRITE\n": `did you mean file_exists_behavior?`,
	} {
		a := parse(t, head+text)
		if len(a.Warnings) != 1 || !strings.Contains(a.Warnings[0].String(), want) || a.Warnings[0].Severity != Warning {
			t.Errorf("%q\n  warns %v\n  want  %s", text, a.Warnings, want)
		}
	}
	a := parse(t, head+"hooks:\n  Install:\n    - location: a\n  Install:\n    - location: b\n")
	if s := a.Scripts("Install"); len(s) != 1 || s[0].Location != "b" || len(a.Warnings) != 1 {
		t.Errorf("the last of two keys does not count: %+v %v", s, a.Warnings)
	}
}

// Each refusal names its line and what to do.
func TestRefusals(t *testing.T) {
	const hook = head + "hooks:\n  Install:\n    - location: a\n"
	const perm = head + "permissions:\n  - object: /a\n"
	for text, want := range map[string]string{
		"":                              "the file is empty (it needs at least version",
		"# nothing\n":                   "the file is empty",
		"just text\n":                   `:1: the file is no mapping but "just text"`,
		"os: linux\n":                   ":1: the AppSpec has no version (write version: 0.0)",
		"version: 1.0\nos: linux\n":     `:1: the version is "1.0"`,
		"version: 0.0\n":                "the AppSpec has no os",
		"version: 0.0\nos: Ubuntu\n":    `:2: the os "Ubuntu" is not supported`,
		head + "hooks:\n\tInstall:\n":   ":4: it is not valid YAML",
		head + "files: [\n":             "it is not valid YAML",
		head + "hooks:\n  - Install\n":  ":4: hooks is no mapping but a list (write the events as keys",
		head + "hooks:\n  Install: a\n": `:4: Install is no list but "a" (begin each script with`,
		head + "hooks:\n  Install:\n    location: a\n":                 `Install is no list but the mapping "location: a"`,
		head + "hooks:\n  Install:\n    - a\n":                         `:5: a script of Install is no mapping but "a"`,
		head + "hooks:\n  Install:\n    - locaton: a\n":                ":5: a script of Install has no location",
		head + "hooks:\n  Install:\n    - location: ' '\n":             ":5: a script of Install has no location",
		head + "hooks:\n  Install:\n    - location: [a]\n":             ":5: a location is no text but a list",
		hook + "      timeout: 0\n":                                    `:6: the timeout is "0" and must be at least 1 second`,
		hook + "      timeout: -5\n":                                   "must be at least 1 second",
		hook + "      timeout: soon\n":                                 `:6: the timeout is "soon"`,
		head + "files:\n  - source: a\n":                               `:4: an entry of files has only a source, "a"`,
		head + "files:\n  - destination: /a\n":                         `:4: an entry of files has only a destination, "/a"`,
		head + "files:\n  - {}\n":                                      "has neither source nor destination",
		head + "files:\n  source: a\n  destination: /b\n":              `:4: files is no list but the mapping "source: a"`,
		head + "file_exists_behavior: overwrite\n":                     `:3: the file_exists_behavior "overwrite" is not one of DISALLOW, OVERWRITE and RETAIN (write OVERWRITE)`,
		head + "permissions:\n  - mode: 644\n":                         ":4: an entry of permissions has no object",
		perm + "    mode: 09\n":                                        `:5: the mode "09" has the character '9'`,
		perm + "    mode: '07555'\n":                                   "is not one to four octal digits",
		perm + "    mode: rwx\n":                                       "has the character 'r'",
		perm + "    type: file\n":                                      `type is no list but "file" (write it as a list`,
		perm + "    type: [files]\n":                                   `the type "files" is not supported`,
		perm + "    except: a\n":                                       "except is no list",
		perm + "    acls: ['u::rwx']\n":                                "come from the mode",
		perm + "    acls: ['u:bob:8']\n":                               `the character '8'`,
		perm + "    acls: ['x:bob:r']\n":                               `"x" is not user, group, mask or other`,
		perm + "    acls: ['a:b:c:d:e']\n":                             "it is not [default:]type:name:permissions",
		perm + "    acls: ['m:bob:r']\n":                               "an entry for mask has no name",
		perm + "    context: {name: u}\n":                              "a context has no type",
		perm + "    context: {type: t, range: 's3-s1'}\n":              "s1 is lower than s3",
		perm + "    context: {type: t, range: 's0:c1,c1'}\n":           "the category c1 twice",
		perm + "    context: {type: t, range: 's0:c9.c2000'}\n":        "is not within c0 to c1023",
		perm + "    context: {type: t, range: low}\n":                  "it is not of the form",
		"version: 0.0\nos: windows\npermissions:\n  - object: C:\\a\n": "permissions cannot be set on Windows",
		"a: &a [*a]\nversion: 0.0\nos: *a\n":                           "os is no text but a list",
		head + "hooks: &h\n  <<: *h\n":                                 "merge keys are nested more than",
		head + "hooks:\n  Install:\n    - location: \"a\\0b\"\n":       "has a NUL byte",
	} {
		a, err := Parse("appspec.yml", []byte(text))
		var e *Error
		if !errors.As(err, &e) || a != nil {
			t.Errorf("%q is accepted: %v", text, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q\n  says %v\n  want %s", text, err, want)
		}
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	_, err := Parse("appspec.yml", []byte("version: 1\nos: mac\nfiles:\n  - source: a\nhooks:\n  Install:\n    - timeout: 0\npermissions:\n  - object: a\n    mode: 9\n"))
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != 6 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{RuleVersion, RuleOS, RuleFiles, RuleHooks, RuleTimeout, RuleMode} {
		if p := e.Problems[i]; p.Rule != want || p.Line == 0 || p.Column == 0 || p.Severity != Failing {
			t.Errorf("problem %d is %+v, want rule %s", i, p, want)
		}
	}
	if text := err.Error(); strings.Count(text, "\n") != 6 {
		t.Errorf("%s", text)
	}
}

func TestCheckPlatform(t *testing.T) {
	a := parse(t, head)
	if a.CheckPlatform("linux") != nil || a.CheckPlatform("darwin") != nil {
		t.Error("linux is not accepted")
	}
	if err := a.CheckPlatform("windows"); err == nil || !strings.Contains(err.Error(), "appspec.yml:2: the AppSpec is for linux hosts") {
		t.Error(err)
	}
}

func BenchmarkParse(b *testing.B) {
	data := []byte(head + "files:\n  - source: /\n    destination: /srv/app\nhooks:\n  BeforeInstall:\n    - location: scripts/a.sh\n      timeout: 300\n      runas: root\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("appspec.yml", data); err != nil {
			b.Fatal(err)
		}
	}
}

func TestInspectReturnsWhatItUnderstands(t *testing.T) {
	a, problems := Inspect("appspec.yml", []byte(`version: 1.0
os: linux
files:
  - source: app
    destination: /srv
  - source: lost
permissions:
  - object: /srv/app
    mode: 9
hooks:
  AfterInstall:
    - location: a.sh
      timeout: none
    - timeout: 3
`))
	lines := []int{}
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	if !reflect.DeepEqual(lines, []int{1, 6, 9, 13, 14}) {
		t.Errorf("problems %v", problems)
	}
	if a.OS != "linux" || len(a.Files) != 1 || len(a.Permissions) != 1 || len(a.Scripts("AfterInstall")) != 1 {
		t.Errorf("%+v", a)
	}
	if a, problems := Inspect("appspec.yml", []byte("version: [")); len(problems) != 1 || a == nil {
		t.Errorf("%v, %v", a, problems)
	}
}
