package lint

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"codedeploy-agent/appspec"
	"codedeploy-agent/hooks"
)

func rulesFound(r *Report) []string {
	names := []string{}
	for _, p := range r.Problems {
		names = append(names, p.Rule)
	}
	return names
}

func TestDirectives(t *testing.T) {
	t.Parallel()
	const two = "hooks:\n  AfterInstal:\n    - location: scripts/ok.sh\n  AfterDeploy:\n    - location: scripts/ok.sh\n"
	mark := func(text, line, comment string) string { return strings.Replace(text, line, line+" "+comment, 1) }
	above := func(text, line, comment string) string { return strings.Replace(text, line, comment+"\n"+line, 1) }
	const comment = "# codedeploy: disable=unknown-event"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"none":                   {head + two + ok, []string{"unknown-event", "unknown-event"}},
		"on the line":            {mark(head+two+ok, "AfterInstal:", comment), []string{"unknown-event"}},
		"above":                  {above(head+two+ok, "  AfterInstal:", "  "+comment), []string{"unknown-event"}},
		"above, with more":       {above(head+two+ok, "  AfterInstal:", "  "+comment+"\n  # because\n"), []string{"unknown-event"}},
		"first line":             {above(head+two+ok, "version", comment), []string{}},
		"end of the first line":  {mark(head+two+ok, "version: 0.0", comment), []string{"unknown-event", "unknown-event"}},
		"several":                {above(head+two+ok, "version", "# codedeploy: disable=os, unknown-event ,version because"), []string{}},
		"another rule":           {above(head+two+ok, "version", "# codedeploy: disable=unknown-key"), []string{"unknown-event", "unknown-event"}},
		"an unknown rule":        {above(head+two+ok, "version", "# codedeploy: disable=unknown-evnt,unknown-event"), []string{"unknown-rule"}},
		"an unknown rule, too":   {above(head+two+ok, "version", "# codedeploy: disable=unknown-event,nonsense,unknown-rule"), []string{}},
		"no comment":             {mark(head+two+ok, "AfterInstal:", "#codedeploy disable=unknown-event"), []string{"unknown-event", "unknown-event"}},
		"a script's line":        {hook("AfterInstall", "#!/bin/bash\nchmod 777 /x # codedeploy: disable=world-writable\nchmod 777 /y\n"), []string{"world-writable"}},
		"a script's second line": {hook("AfterInstall", "#!/bin/bash\n# codedeploy: disable=world-writable\n\nchmod 777 /x\nchmod 777 /y\n"), []string{}},
		"a script's third line":  {hook("AfterInstall", "#!/bin/bash\n\n# codedeploy: disable=world-writable\nchmod 777 /x\nchmod 777 /y\n"), []string{"world-writable"}},
		"another file":           {above(hook("AfterInstall", "#!/bin/bash\nchmod 777 /x\n"), "version", "# codedeploy: disable=world-writable"), []string{"world-writable"}},
		"a batch file": {"-- appspec.yml --\nversion: 0.0\nos: windows\nhooks:\n  AfterInstall:\n    - location: a.bat\n-- a.bat --\n@echo off\nREM codedeploy: disable=nonsense\n",
			[]string{"unknown-rule"}},
	} {
		b, _, _ := bundle(t, test.text)
		if got := rulesFound(Bundle(b, finished)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	b, _, _ := bundle(t, head+two+ok)
	if r := Bundle(b, Options{Disable: []string{"unknown-event"}}); len(r.Problems) != 0 {
		t.Errorf("disabled by the caller: %v", r.Problems)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	b, _, _ := bundle(t, hook("ApplicationStop", "#!/bin/bash\npkill x\n")+"-- appspec.yaml --\nx\n")
	r := Bundle(b, finished)
	if !slices.Equal(rulesFound(r), []string{"appspec-name", "stop-fails"}) && !slices.Equal(r.Scripts, []string{"scripts/a.sh"}) || !slices.Equal(r.AppSpecs, []string{"appspec.yml"}) {
		t.Errorf("%+v", r)
	}
	if l, ok := r.Line("scripts/a.sh", 2); l != "pkill x" || !ok {
		t.Errorf("line 2 is %q, %v", l, ok)
	}
	for _, n := range []int{0, -1, 3} {
		if l, ok := r.Line("scripts/a.sh", n); ok {
			t.Errorf("line %d is %q", n, l)
		}
	}
	if r.Worst() != warning || !AtLeast(failing, warning) || AtLeast(Info, warning) || !AtLeast(Info, Info) {
		t.Errorf("the worst is %s", r.Worst())
	}
	if w := (&Report{}).Worst(); w != "" {
		t.Errorf("the worst of nothing is %q", w)
	}
}

func TestFileAlone(t *testing.T) {
	t.Parallel()
	r := File("deploy/appspec.yml", []byte("version: 0.0\nos: linux\n"+app+"permissions:\n  - object: /srv/app\n    mode: 644\n  - object: /var/log\n    mode: 644\nhooks:\n  AfterInstall:\n    - location: a.sh\n      timeout: 4000\n"), Options{})
	if got := rulesFound(r); !slices.Equal(got, []string{"permission-no-match", "timeout-too-long"}) || r.Problems[0].File != "deploy/appspec.yml" || r.Problems[0].Line != 9 {
		t.Errorf("%+v", r.Problems)
	}
}

func TestArchive(t *testing.T) {
	t.Parallel()
	r := Archive(errors.New("it is damaged"))
	if len(r.Problems) != 1 || r.Problems[0].Rule != "archive" || r.Worst() != failing || r.Problems[0].File != "." {
		t.Errorf("%+v", r.Problems)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	r := File("appspec.yml", bytes.Repeat([]byte("# x\n"), 1<<19), Options{})
	if got := rulesFound(r); !slices.Equal(got, []string{"limits"}) || r.Problems[0].Line != 1 {
		t.Errorf("%+v", r.Problems)
	}
}

func TestLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege")
	}
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	write("appspec.yml", "version: 0.0\nos: linux\nfiles:\n  - source: linked\n    destination: /srv\npermissions:\n  - object: /srv/deep\n    mode: 644\nhooks:\n  AfterInstall:\n    - location: inside.sh\n      timeout: 1\n    - location: out.sh\n      timeout: 1\n")
	write("lib/real.sh", "#!/bin/sh\nchmod 777 /x\n")
	write("lib/deep/x", "")
	for link, target := range map[string]string{"inside.sh": "lib/real.sh", "out.sh": "/etc/passwd", "linked": "lib"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if got := rulesFound(Bundle(root.FS(), finished)); !slices.Equal(got, []string{"script-outside", "world-writable"}) {
		t.Errorf("%v", got)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	b, _, _ := bundle(t, hook("AfterInstall", "#!/bin/sh\n:\n")+"-- closed/x --\nx\n")
	r := Bundle(denying{b, []string{"scripts/a.sh", "closed"}}, finished)
	if got := rulesFound(r); !slices.Equal(got, []string{"unreadable", "unreadable"}) {
		t.Errorf("%+v", r.Problems)
	}
	if got := rulesFound(Bundle(denying{b, []string{"appspec.yml"}}, finished)); !slices.Equal(got, []string{"unreadable"}) {
		t.Errorf("AppSpec: %v", got)
	}
	if got := rulesFound(Bundle(denying{b, []string{"."}}, finished)); !slices.Contains(got, "unreadable") {
		t.Errorf("bundle: %v", got)
	}
}

func TestScriptsThatAreMadeToExhaust(t *testing.T) {
	t.Parallel()
	for _, script := range []string{strings.Repeat("(", maxShell), strings.Repeat("echo $(", 600), strings.Repeat("f() { ", 600), strings.Repeat("true\n", maxShell/4)} {
		b, _, _ := bundle(t, hook("AfterInstall", "#!/bin/bash\n"+script+"\n"))
		r := Bundle(b, finished)
		if got := rulesFound(r); !slices.Equal(got, []string{"unreadable"}) || r.Worst() != Info {
			t.Errorf("%.20q: %+v", script, r.Problems)
		}
	}
	deep := strings.Repeat("if true; then\n", 200) + "true\n" + strings.Repeat("fi\n", 200)
	b, _, _ := bundle(t, hook("AfterInstall", "#!/bin/bash\n"+deep))
	if r := Bundle(b, finished); len(r.Problems) != 0 {
		t.Errorf("%+v", r.Problems)
	}
}

// denying does not let some files be opened.
type denying struct {
	fstest.MapFS
	names []string
}

func (d denying) Open(name string) (fs.File, error) {
	if slices.Contains(d.names, name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.Open(name)
}

func (d denying) ReadDir(name string) ([]fs.DirEntry, error) {
	if slices.Contains(d.names, name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.ReadDir(name)
}

func (d denying) ReadFile(name string) ([]byte, error) {
	if slices.Contains(d.names, name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.MapFS.ReadFile(name)
}

// TestRules makes sure that the table is whole: one entry for each rule, of this package and of the parser, in kebab-case, with its texts.
func TestRules(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.Name] {
			t.Errorf("%s is there twice", r.Name)
		}
		seen[r.Name] = true
		if r.Name != strings.ToLower(r.Name) || strings.ContainsAny(r.Name, "_ .") {
			t.Errorf("%q is not in kebab-case", r.Name)
		}
		if r.Section == "" || r.Summary == "" || strings.HasSuffix(r.Summary, ".") || !strings.HasSuffix(r.Why, ".") || !strings.HasSuffix(strings.TrimRight(r.Mend, "`"), ".") && !strings.HasSuffix(r.Mend, "`") {
			t.Errorf("%s: %q, %q, %q", r.Name, r.Summary, r.Why, r.Mend)
		}
		if rank(r.Severity) < 1 || r.Folder != "" && rank(r.Folder) >= rank(r.Severity) {
			t.Errorf("%s has the severities %q and %q", r.Name, r.Severity, r.Folder)
		}
	}
	for _, name := range []string{appspec.RuleYAML, appspec.RuleDocument, appspec.RuleLimits, appspec.RuleDuplicateKey, appspec.RuleUnknownKey, appspec.RuleVersion, appspec.RuleOS,
		appspec.RuleFileExists, appspec.RuleFiles, appspec.RulePermissions, appspec.RuleMode, appspec.RuleACL, appspec.RuleContext, appspec.RuleHooks, appspec.RuleTimeout, appspec.RuleOfficial} {
		if !seen[name] {
			t.Errorf("the parser's rule %s is not in the table", name)
		}
	}
	if near, ok := Known("unknown-evnt"); ok || near != "unknown-event" {
		t.Errorf("unknown-evnt is %v, near %s", ok, near)
	}
}

// TestEventsAreTheAgents keeps the events in step with those that the agent knows.
func TestEventsAreTheAgents(t *testing.T) {
	t.Parallel()
	for _, c := range hooks.Commands() {
		_, isReserved := reserved[c]
		if hooks.Scriptable(c) != runs(c) || runs(c) == isReserved {
			t.Errorf("%s: the agent says %v", c, hooks.Scriptable(c))
		}
	}
	if len(Events()) != len(hooks.Commands())-2 {
		t.Errorf("%v, and the agent has %v", Events(), hooks.Commands())
	}
}

// TestDocumentIsUpToDate compares docs/rules.md with the table. To bring it up to date:
//
//	go run ./cmd/codedeploy-agent validate --rules --format markdown > docs/rules.md
func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	if err := Markdown(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want.Bytes()) {
		t.Error("docs/rules.md is not what validate --rules --format markdown writes")
	}
	var list bytes.Buffer
	if err := List(&list); err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if !strings.Contains(list.String(), "  "+r.Name+" ") || !strings.Contains(want.String(), "### "+r.Name+"\n") {
			t.Errorf("%s is not listed", r.Name)
		}
	}
}

// TestNoFile has a named pipe in the place of a script: it is told of and not opened, which would wait forever.
func TestNoFile(t *testing.T) {
	t.Parallel()
	b, _, _ := bundle(t, hook("AfterInstall", ""))
	b["scripts/a.sh"].Mode = fs.ModeNamedPipe | 0o755
	r := Bundle(opening{b, t}, finished)
	if got := rulesFound(r); !slices.Equal(got, []string{"script-missing"}) {
		t.Errorf("%+v", r.Problems)
	}
}

// opening fails the test when a file that is none is opened.
type opening struct {
	fstest.MapFS
	t *testing.T
}

func (o opening) Open(name string) (fs.File, error) {
	if f := o.MapFS[name]; f != nil && !f.Mode.IsRegular() {
		o.t.Errorf("%s is opened", name)
	}
	return o.MapFS.Open(name)
}
