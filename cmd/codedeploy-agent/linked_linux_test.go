package main

import (
	"debug/elf"
	"os/exec"
	"strings"
	"testing"

	"codedeploy-agent/hooks/runner"
)

// The linker leaves out the methods that nobody calls, but not if something reachable looks methods up by names that it cannot know, as
// text/template does: then the binary is half as large again. cobra only links text/template for templates that a program sets.
func TestUnusedMethodsAreNotLinked(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range symbols {
		names[s.Name] = true
	}
	const s3 = "github.com/aws/aws-sdk-go-v2/service/s3.(*Client)."
	if !names[s3+"GetObject"] {
		t.Fatalf("the binary has no %sGetObject: this test looks for the wrong names", s3)
	}
	for name := range names {
		method, ok := strings.CutPrefix(name, s3)
		switch {
		case ok && (method == "PutObject" || method == "DeleteBucket"),
			name == "net/http.(*Server).Serve", name == "text/template.(*Template).Execute", strings.HasPrefix(name, "github.com/santhosh-tekuri/jsonschema"):
			t.Errorf("%s is linked, which the agent does not use: make size tells what keeps it", name)
		}
	}
}

// What only the agent needs is not made ready for a script's runner.
func TestRunnerBeginsBeforeTheAgentIsReady(t *testing.T) {
	t.Parallel()
	trace := func(args ...string) string {
		cmd := exec.Command(binary, args...)
		cmd.Env = []string{"GODEBUG=inittrace=1"}
		out, _ := cmd.CombinedOutput() // there is no job to read, which is a failure
		return string(out)
	}
	ofRunner, ofAgent := trace(runner.Command, t.TempDir(), "0"), trace("--version")
	if !strings.Contains(ofRunner, "cannot read the job of a hook") {
		t.Fatalf("the runner says %s", ofRunner)
	}
	for _, name := range []string{"net/http", "gopkg.in/yaml%2ev3", "github.com/kardianos/service", "github.com/spf13/cobra",
		"github.com/aws/aws-sdk-go-v2/service/s3/internal/endpoints", "codedeploy-agent/appspec", "codedeploy-agent/agent"} {
		if !strings.Contains(ofAgent, "init "+name+" ") {
			t.Errorf("%s is not initialised for the agent: this test looks for the wrong names", name)
		}
		if strings.Contains(ofRunner, "init "+name+" ") {
			t.Errorf("%s is initialised before the runner begins", name)
		}
	}
}
