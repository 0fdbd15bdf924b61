package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"codedeploy-agent/appspec"
)

// validating runs the built binary in a directory and returns what it prints and its exit code.
func validating(t *testing.T, dir, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + filepath.Join(dir, "no-such-directory"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), cmd.ProcessState.ExitCode()
}

// checkout writes a folder with an AppSpec, its script and its source; name to content.
func checkout(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sound() map[string]string {
	return map[string]string{
		"appspec.yml":  "version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: /srv/app\nhooks:\n  AfterInstall:\n    - location: scripts/a.sh\n      timeout: 60\n",
		"scripts/a.sh": "#!/bin/bash\nsystemctl restart app\n", "app/x": "x",
	}
}

// found are the problems of --json as "file:line rule severity".
func found(t *testing.T, stdout string) []string {
	t.Helper()
	var report struct {
		Problems []struct {
			File, Rule, Severity, Message, Hint string
			Line, Column                        int
		} `json:"problems"`
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	list := []string{}
	for _, p := range report.Problems {
		list = append(list, fmt.Sprintf("%s:%d %s %s", filepath.ToSlash(p.File), p.Line, p.Rule, p.Severity))
	}
	return list
}

func TestValidateExitCodes(t *testing.T) {
	t.Parallel()
	dir := checkout(t, sound())
	worse := sound()
	worse["appspec.yml"] += "    - location: scripts/b.sh\n      timeout: 60\n" // in a folder a warning
	warned := checkout(t, worse)
	worse["appspec.yml"] = "version: 1.0\nos: linux\n"
	failing := checkout(t, worse)
	for _, test := range []struct {
		dir, args, stdin string
		code             int
		stdout, stderr   string
	}{
		{dir, "validate", "", 0, "no problems in 1 AppSpec and 1 script\n", ""},
		{dir, "validate .", "", 0, "no problems", ""},
		{dir, "validate appspec.yml", "", 0, "no problems in 1 AppSpec and 0 scripts\n", ""},
		{dir, "validate -", "version: 0.0\nos: Linux\n", 1, "stdin:2:5: error: the os", ""},
		{warned, "validate", "", 0, "appspec.yml:10:17: warning: the script scripts/b.sh is not in this folder", ""},
		{warned, "validate --strict", "", 1, "0 errors, 1 warning", ""},
		{warned, "validate --bundle", "", 1, "appspec.yml:10:17: error: the script scripts/b.sh is not in the bundle", ""},
		{warned, "validate --strict --disable script-missing", "", 0, "no problems", ""},
		{warned, "validate --level error --strict", "", 1, "no problems", ""},
		{failing, "validate", "", 1, "appspec.yml:1:10: error: the version is \"1.0\"", ""},
		{failing, "validate " + dir + " .", "", 1, "1 error, 0 warnings in 2 AppSpecs and 1 script\n", ""},
		{failing, "validate --format github", "", 1, "::error file=appspec.yml,line=1,col=10,title=version::", ""},
		{failing, "validate --format sarif", "", 1, `"version": "2.1.0"`, ""},
		{dir, "validate --rules", "", 0, "script-missing", ""},
		{dir, "validate no-such", "", 2, "", "ERROR: cannot validate no-such: no such file or directory\n"},
		{dir, "validate --disable script-mising", "", 2, "", "did you mean script-missing?"},
		{dir, "validate --deployment-type rolling", "", 2, "", "in-place-load-balancer"},
		{dir, "validate --format yaml", "", 2, "", "sarif"},
		{dir, "validate --format sarif --json", "", 2, "", "exclude each other"},
		{dir, "validate --level loud", "", 2, "", "warning"},
		{dir, "validate --rules --json", "", 2, "", "text or markdown"},
		{dir, "validate --no-such-flag", "", 2, "", "unknown flag"},
	} {
		if runtime.GOOS == "windows" && strings.Contains(test.stderr, "no such file") {
			test.stderr = "cannot validate no-such"
		}
		stdout, stderr, code := validating(t, test.dir, test.stdin, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) || test.stderr == "" && stderr != "" {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q; want %d, %q, %q", test.args, code, stdout, stderr, test.code, test.stdout, test.stderr)
		}
		if strings.Contains(stdout, "\x1b") {
			t.Errorf("%s prints colours into a pipe", test.args)
		}
	}
}

// bundles are files as archives.
func bundles(t *testing.T, files map[string]string) map[string][]byte {
	t.Helper()
	var plain, z bytes.Buffer
	tarball, zipped := tar.NewWriter(&plain), zip.NewWriter(&z)
	for name, content := range files {
		if err := tarball.WriteHeader(&tar.Header{Name: "./" + name, Size: int64(len(content)), Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o755)
		w, err := zipped.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []io.Writer{tarball, w} {
			if _, err := io.WriteString(w, content); err != nil {
				t.Fatal(err)
			}
		}
	}
	tarball.Close()
	zipped.Close()
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write(plain.Bytes())
	w.Close()
	return map[string][]byte{"b.tar": plain.Bytes(), "b.tgz": gz.Bytes(), "b.tar.gz": gz.Bytes(), "b.zip": z.Bytes(), "bundle-without-extension": gz.Bytes(), "tar": plain.Bytes()}
}

func TestValidateArchives(t *testing.T) {
	t.Parallel()
	files := sound()
	files["appspec.yml"] += "    - location: scripts/b.sh\n      timeout: 60\n"
	files["scripts/a.sh"] = "#!/bin/bash\nyum install x\n"
	dir := t.TempDir()
	for name, data := range bundles(t, files) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			stdout, stderr, code := validating(t, dir, "", "validate", "--json", name)
			if got, want := fmt.Sprint(found(t, stdout)), fmt.Sprintf("[%s/appspec.yml:10 script-missing error %s/scripts/a.sh:2 asks-for-confirmation warning]", name, name); code != 1 || got != want || stderr != "" {
				t.Errorf("%s: %d, %s, %s; want %s", name, code, got, stderr, want)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), data[:len(data)/2], 0o644); err != nil {
			t.Fatal(err)
		}
		if name == "tar" || name == "b.tar" { // half of a tar is a tar
			continue
		}
		stdout, _, code := validating(t, dir, "", "validate", "--json", name)
		if got := found(t, stdout); code != 1 || len(got) != 1 || !strings.Contains(got[0], "archive error") {
			t.Errorf("half of %s: %d, %v", name, code, got)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 6 {
		t.Errorf("validate leaves %v, %v", left, err)
	}
}

// TestValidateTouchesNothing validates as a user who may only read.
func TestValidateTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := checkout(t, sound())
	before := snapshotOf(t, dir)
	for range 2 {
		if stdout, stderr, code := validating(t, dir, "", "validate", "--strict"); code != 0 {
			t.Errorf("%d, %s, %s", code, stdout, stderr)
		}
	}
	if after := snapshotOf(t, dir); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}

func snapshotOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestValidateExamples has no false alarm on the project's own bundle, as a folder and for a load balancer.
func TestValidateExamples(t *testing.T) {
	t.Parallel()
	stdout, _, code := validating(t, ".", "", "validate", "--json", "--deployment-type", "in-place-load-balancer", "../../examples/web")
	for _, p := range found(t, stdout) {
		if !strings.HasSuffix(p, "source-missing warning") { // the program is built by the demo
			t.Errorf("%s", p)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	stdout, _, _ = validating(t, ".", "", "validate", "--json", "--deployment-type", "in-place", "../../examples/web")
	if n := strings.Count(fmt.Sprint(found(t, stdout)), "event-never-runs warning"); n != 4 {
		t.Errorf("%d events never run in place, want 4: %s", n, stdout)
	}
}

// TestValidateIsFast checks ten thousand files, which must take less than half a second of a processor: the machine is shared, so that the
// clock would say nothing.
func TestSchemaCommand(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		args := []string{"schema"}
		if strict {
			args = append(args, "--strict")
		}
		want, err := appspec.Schema(strict)
		if err != nil {
			t.Fatal(err)
		}
		if stdout, stderr, code := validating(t, t.TempDir(), "", args...); code != 0 || stdout != string(want) || stderr != "" || !json.Valid(want) {
			t.Errorf("%v: %d, %.100s, %s", args, code, stdout, stderr)
		}
	}
}

// TestDocumentedCommands runs every command line of the documentation with --help: its flags exist.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`codedeploy-agent ((?:validate|schema)\b[^>#|"` + "`" + `\n]*)`)
	seen := map[string]bool{}
	for _, doc := range []string{"ci.md", "rules.md", "../README.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			if seen[m[1]] {
				continue
			}
			seen[m[1]] = true
			stdout, stderr, code := validating(t, t.TempDir(), "", append(strings.Fields(m[1]), "--help")...)
			if code != 0 || !strings.Contains(stdout, "Usage:") {
				t.Errorf("%s: %q: exit code %d, %s", doc, m[1], code, stderr)
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("found %d commands", len(seen))
	}
}
