package dryrun

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestUnit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("# comment\nFROM_FILE=\"two words\"\nPLAIN=a b\n\nA=later\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &unit{name: "web@blue.service", settings: map[string][]string{}}
	u.read([]byte("[Unit]\nDescription=x\n[Service]\nEnvironment=A=1 \"B=two words\" 'C=it is'\nEnvironment=D=%i\nEnvironmentFile=-/no/such/file\nEnvironmentFile=" + file +
		"\nExecStart=/bin/one\nExecStart=\nExecStart=-/bin/app --name \\\n   ${D} $LIST \"a b\" $$x\nTimeoutStartSec=1min 30s\n; comment\n# comment\n"))
	env, err := u.environment()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"A=later", "B=two words", "C=it is", "D=blue", "FROM_FILE=two words", "PLAIN=a b"} {
		if !slices.Contains(env, want) {
			t.Errorf("environment %q, want %s", env, want)
		}
	}
	if got := u.all("ExecStart"); len(got) != 1 {
		t.Fatalf("commands %q, want one: an empty one takes back what was said", got)
	}
	c, err := parseCommand(u.get("ExecStart", ""), append(env, "LIST=x y"))
	if err != nil || !c.mayFail || !slices.Equal(c.argv, []string{"/bin/app", "--name", "blue", "x", "y", "a b", "$x"}) {
		t.Errorf("command %+v, %v", c, err)
	}
	if got := u.timeout("TimeoutStartSec"); got != 90*time.Second {
		t.Errorf("time-out %s", got)
	}
	u.read([]byte("[Service]\nEnvironmentFile=/no/such/file\n"))
	if _, err := u.environment(); err == nil {
		t.Error("a file of the environment that is missing and not optional is no error")
	}
	if _, err := splitWords(`a "b`); err == nil {
		t.Error("a quote that is not closed is no error")
	}
	if name, ok := templateOf("web@blue.service"); !ok || name != "web@.service" {
		t.Errorf("template %q", name)
	}
}
