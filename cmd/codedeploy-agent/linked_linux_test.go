package main

import (
	"debug/elf"
	"strings"
	"testing"
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
