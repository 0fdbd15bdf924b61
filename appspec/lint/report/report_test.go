package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"codedeploy-agent/appspec"
	"codedeploy-agent/appspec/lint"
)

func findings() *Findings {
	lines := map[string][]string{
		"d/appspec.yml": {"version: 1.0", "\tos: línux", strings.Repeat("x", 200) + "HERE" + strings.Repeat("y", 200)},
	}
	return &Findings{
		Problems: []lint.Problem{
			{File: "d/appspec.yml", Line: 1, Column: 10, Rule: "version", Severity: appspec.Failing, Message: `the version is "1.0"`, Hint: "write version: 0.0"},
			{File: "d/appspec.yml", Line: 2, Column: 7, Rule: "os", Severity: appspec.Warning, Message: "100% <wrong>,\nreally: yes"},
			{File: "d/appspec.yml", Line: 3, Column: 201, Rule: "os", Severity: appspec.Warning, Message: "far to the right"},
			{File: "d/a b,c:d.sh", Line: 4, Column: 1, Rule: "script-empty", Severity: lint.Info, Message: "empty \x1b[31m"},
			{File: "d", Rule: "appspec-missing", Severity: appspec.Failing, Message: "none"},
		},
		Line: func(file string, n int) (string, bool) {
			if n < 1 || n > len(lines[file]) {
				return "", false
			}
			return lines[file][n-1], true
		},
		AppSpecs: 1, Scripts: 2,
	}
}

func text(t *testing.T, f *Findings, colour bool) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, f, colour); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	got := text(t, findings(), false)
	want := `d/appspec.yml:1:10: error: the version is "1.0" [version]
    1 | version: 1.0
      |          ^
    hint: write version: 0.0
d/appspec.yml:2:7: warning: 100% <wrong>,\nreally: yes [os]
    2 |     os: línux
      |          ^
d/appspec.yml:3:201: warning: far to the right [os]
    3 | ` + strings.Repeat("x", 59) + "HERE" + strings.Repeat("y", 57) + `
      | ` + strings.Repeat(" ", 59) + `^
d/a b,c:d.sh:4:1: info: empty  [script-empty]
d: error: none [appspec-missing]
2 errors, 2 warnings, 1 info in 1 AppSpec and 2 scripts
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	coloured := text(t, findings(), true)
	if !strings.Contains(coloured, "\x1b[1;31merror\x1b[0m") || !strings.Contains(coloured, "\x1b[1;33mwarning\x1b[0m") || strings.Contains(coloured, "empty \x1b[31m") {
		t.Errorf("%q", coloured)
	}
	for n, want := range map[int]string{0: "no problems in 0 AppSpecs and 1 script\n"} {
		if got := text(t, &Findings{Scripts: 1}, false); got != want {
			t.Errorf("%d problems: %q, want %q", n, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := JSON(&b, findings()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Problems []map[string]any `json:"problems"`
	}
	d := json.NewDecoder(strings.NewReader(b.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Problems) != 5 {
		t.Fatalf("%d problems", len(got.Problems))
	}
	want := map[string]any{"file": "d/appspec.yml", "line": 1.0, "column": 10.0, "rule": "version", "severity": "error", "message": `the version is "1.0"`, "hint": "write version: 0.0"}
	if d := cmp.Diff(want, got.Problems[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got.Problems[3]["severity"] != "warning" || got.Problems[1]["hint"] != "" || !strings.Contains(b.String(), "<wrong>") {
		t.Errorf("%s", b.String())
	}
	b.Reset()
	if err := JSON(&b, &Findings{}); err != nil || b.String() != "{\n  \"problems\": []\n}\n" {
		t.Errorf("nothing is %q, %v", b.String(), err)
	}
}

func TestGitHub(t *testing.T) {
	var b strings.Builder
	if err := GitHub(&b, findings()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for i, want := range map[int]string{
		0: `::error file=d/appspec.yml,line=1,col=10,title=version::the version is "1.0"%0Awrite version: 0.0`,
		1: `::warning file=d/appspec.yml,line=2,col=7,title=os::100%25 <wrong>,%0Areally: yes`,
		3: "::notice file=d/a b%2Cc%3Ad.sh,line=4,col=1,title=script-empty::empty ",
		4: `::error file=d,title=appspec-missing::none`,
		5: "",
	} {
		if lines[i] != want {
			t.Errorf("line %d is %q, want %q", i, lines[i], want)
		}
	}
}

func TestSARIF(t *testing.T) {
	var b strings.Builder
	if err := SARIF(&b, findings(), "1.2"); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal([]byte(b.String()), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || run.Tool.Driver.Version != "1.2" || len(run.Tool.Driver.Rules) != len(lint.Rules()) || len(run.Results) != 5 {
		t.Fatalf("%+v", log)
	}
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s has the index %d", r.RuleID, r.RuleIndex)
		}
	}
	first, odd, last := run.Results[0], run.Results[3], run.Results[4]
	if first.Level != "error" || first.Message.Text != `the version is "1.0" (write version: 0.0)` || *first.Locations[0].Physical.Region != (sarifRegion{1, 10}) {
		t.Errorf("%+v", first)
	}
	if odd.Level != "note" || odd.Locations[0].Physical.Artifact.URI != "d/a%20b,c:d.sh" {
		t.Errorf("%+v", odd)
	}
	if last.Locations[0].Physical.Region != nil || last.Locations[0].Physical.Artifact.URI != "d" {
		t.Errorf("%+v", last)
	}
	if got := uri("/srv/a b"); got != "file:///srv/a%20b" {
		t.Errorf("an absolute path is %s", got)
	}
}
