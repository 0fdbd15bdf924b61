//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"codedeploy-agent/agent/rehearsal"
)

// hostileOutput prints, in a shell, what would move a cursor, name a window, look like lines of a log, or turn a line around.
const hostileOutput = `printf 'plain \303\274 \342\230\203\ttab\n\033[31mred\033[0m \033]0;title\007\033[2J\033[1;1Hbell\007 nul\000 back\b\n'
printf 'fine\r2026-01-01 00:00:00 [stdout]forged by return\nx\n[2026-01-01 00:00:00.000] [d-OTHER][stdout]forged by line feed\n'
printf 'bidi \342\200\256gnp.exe\342\200\254 \342\200\250separator \302\233\061m c1 \233\061m latin \351\n' >&2
printf '10%%\r50%%\r100%%\r\n'
`

// odd names the characters of a text that only do something, tabs and line feeds excepted.
func odd(text string) []string {
	var found []string
	for _, r := range strings.ReplaceAll(text, "\r\n", "\n") { // a line end of Windows is one, too
		if unicode.IsControl(r) && r != '\t' && r != '\n' || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			found = append(found, fmt.Sprintf("%q", r))
		}
	}
	return found
}

func TestHookOutputCannotPassForSomethingElse(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	hostileNames := func(s *rehearsal.SpecOptions) {
		s.GroupName, s.ApplicationName = "fleet\n2026-01-01 INFO forged\x1b[31m", "shop\u202e\r"
	}
	// A process that is left behind holds the output under an odd name, which the log repeats.
	leave := fmt.Sprintf("cp $(command -v sleep) \"%s/$(printf 'x\\033[31m\\ny')\" && \"%s/$(printf 'x\\033[31m\\ny')\" 2 &\n", h.dir, h.dir)
	var last rehearsal.Outcome
	for _, label := range []string{"one", "two"} {
		h.deploy(h.revision(label, map[string]string{"AfterInstall": hostileOutput, "ApplicationStart": leave}), rehearsal.Succeeded, hostileNames)
		last = h.deploy(h.revision(label+" broken", map[string]string{"ValidateService": hostileOutput + "exit 7"}), rehearsal.Failed, hostileNames)
	}
	failed := last.Failure()
	if failed.ErrorCode != 4 || !strings.Contains(failed.Message, "exit code 7") {
		t.Errorf("failure %+v", failed)
	}
	spec := h.spec([]file{{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: \"a\\e[31m\\nERROR: forged\\r\\u202eb.sh\"\n", 0o644}})
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Fatalf("DownloadBundle: %+v", r)
	}
	missing := h.command("AfterInstall", spec)
	if missing.ErrorCode != 1 || !strings.Contains(missing.Message, "b.sh") || !strings.Contains(missing.ScriptName, "b.sh") {
		t.Errorf("a script with an odd name that is missing: %+v", missing)
	}
	h.stop()

	local := newCommand(h, "deploy-local", "-c", h.config, "-g", "local", "-b", "OVERWRITE", "-l", h.layOut("bundle", h.revision("local", map[string]string{"AfterInstall": hostileOutput + "exit 7", "ApplicationStart": leave})))
	if local.code != 1 {
		t.Errorf("deploy-local: %+v", local)
	}
	bad := newCommand(h, "deploy-local", "-c", h.config, "-g", "bad", "-l", h.layOut("bad", []file{{"appspec.yml", "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: \"a\\e[31m\\nERROR: forged\\u202eb.sh\"\n", 0o644}}))
	if bad.code != 1 || !strings.Contains(bad.stderr, "b.sh") {
		t.Errorf("deploy-local of a script with an odd name: %+v", bad)
	}

	plan := newCommand(h, "plan", "-c", h.config, "-g", "bad", h.path("bad"))
	if plan.code != 1 || !strings.Contains(plan.stdout, "b.sh") {
		t.Errorf("a plan of it: %+v", plan)
	}
	asJSON := newCommand(h, "plan", "--json", "-c", h.config, "-g", "bad", h.path("bad"))
	var planned struct{ Hooks []struct{ Location string } }
	if err := json.Unmarshal([]byte(asJSON.stdout), &planned); err != nil || len(planned.Hooks) != 1 || planned.Hooks[0].Location != "a\x1b[31m\nERROR: forged\u202eb.sh" {
		t.Errorf("a plan as JSON: %v, %+v, %s", err, planned, asJSON.stdout)
	}

	logs, err := filepath.Glob(h.path("root/*/*/logs/scripts.log"))
	if err != nil || len(logs) < 3 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	texts := map[string]string{
		"the deployments log": h.read(h.path("root/deployment-logs/codedeploy-agent-deployments.log")), "the agent's log": h.log(),
		"the local log": h.read(h.path("log/codedeploy-local.log")), "standard error": h.output.String(), "the diagnostics": strings.Join(failed.Log, "\n"),
		"a message": missing.Message, "a script's name": missing.ScriptName, "deploy-local's output": local.stdout, "deploy-local's console": local.stderr, "another one": bad.stdout + bad.stderr,
		"a plan": plan.stdout + plan.stderr, "a plan as JSON": asJSON.stdout,
	}
	for _, path := range logs {
		texts[path] = h.read(path)
	}
	for where, text := range texts {
		if found := odd(text); len(found) > 0 {
			t.Errorf("%s has %v: %q", where, found, text)
		}
	}
	// Every line has its own beginning.
	beginnings := map[string]*regexp.Regexp{
		"the deployments log":    regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] \[d-[A-Z0-9a-z-]+\](\[stdout\]|\[stderr\]|LifecycleEvent - |Script - )`),
		"the agent's log":        regexp.MustCompile(`^\S+\t(DEBUG|INFO|WARN|ERROR)\t`),
		"the local log":          regexp.MustCompile(`^\S+\t(DEBUG|INFO|WARN|ERROR)\t`),
		"deploy-local's console": regexp.MustCompile(`^(\[stdout\]|\[stderr\]|LifecycleEvent - |Script - |AfterInstall failed: |\S+\tWARN\t)`),
		"another one":            regexp.MustCompile(`^(Starting to |Your local deployment failed |See the |LifecycleEvent - |AfterInstall failed: )`),
		"a plan":                 regexp.MustCompile(`^(Deployment group |\S+ +of the |\S+ +nothing to do|DownloadBundle|Install|    |  - |Warnings:|The deployment would fail:|ERROR: |\n)`),
	}
	for _, path := range logs {
		beginnings[path] = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (\[stdout\]|\[stderr\]|LifecycleEvent - |Script - )`)
	}
	for where, begin := range beginnings {
		for line := range strings.Lines(texts[where]) {
			if !begin.MatchString(line) || strings.HasPrefix(line, "2026-01-01") || strings.HasPrefix(line, "[2026-01-01") {
				t.Errorf("%s has the line %q", where, line)
			}
		}
	}
	// And what can be read is there.
	for _, where := range []string{"the deployments log", "deploy-local's console", "the diagnostics"} {
		for _, want := range []string{"[stdout]plain ü ☃\ttab\n", `[stdout]red bell\a nul\x00 back\b` + "\n", "[stdout]fine\n", "[stdout]2026-01-01 00:00:00 [stdout]forged by return\n",
			"[stdout][2026-01-01 00:00:00.000] [d-OTHER][stdout]forged by line feed\n", `[stderr]bidi \u202egnp.exe\u202c \u2028separator \u009b1m c1 \x9b1m latin `, "[stdout]10%\n", "[stdout]50%\n", "[stdout]100%\n"} {
			if !strings.Contains(texts[where]+"\n", want) {
				t.Errorf("%s does not have %q:\n%q", where, want, texts[where])
			}
		}
	}
	for _, where := range []string{"the agent's log", "deploy-local's console"} {
		if where == "the agent's log" && !strings.Contains(texts[where], "still holds its output open") {
			t.Errorf("%s does not name what was left running", where)
		}
	}
}

// Whoever needs it has the bytes as the official agent 1.8 logs them.
func TestHookOutputAsItComes(t *testing.T) {
	t.Parallel()
	h := newHost(t, "sanitize_hook_output: false")
	h.start()
	const raw = "a\x1b[31mred\x1b[0m b\x00c d\re\tf\xe9\n"
	for _, label := range []string{"one", "two"} {
		h.deploy(h.revision(label, map[string]string{"ValidateService": `printf 'a\033[31mred\033[0m b\000c d\re\tf\351\n'; exit 1`}), rehearsal.Failed)
		got := ""
		for _, c := range h.service.Commands() {
			if r := c.Result(); r.Status == "Failed" {
				got = r.Log
			}
		}
		if want := "[stdout]a\x1b[31mred\x1b[0m b\x00c d\re\tf\ufffd\n"; !strings.HasSuffix(got, want) {
			t.Errorf("the diagnostics have %q, want %q", got, want)
		}
	}
	logs, err := filepath.Glob(h.path("root/*/*/logs/scripts.log"))
	if err != nil || len(logs) != 2 {
		t.Fatalf("%v, %v", logs, err)
	}
	for _, path := range append(logs, h.path("root/deployment-logs/codedeploy-agent-deployments.log")) {
		if text := h.read(path); !strings.Contains(text, "[stdout]"+raw) {
			t.Errorf("%s has %q, want %q in it", filepath.Base(path), text, raw)
		}
	}
}

// What hooks find is the same whoever has started the agent, and as the official agents have it: umask 0022, the limits and the working directory
// of the agent, no input, no open file.
func TestWhatHooksFind(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const look = `umask; pwd; ls /proc/self/fd 2>/dev/null | tr '\n' ' '; echo; ulimit -a; readlink /proc/self/fd/0; [ -t 1 ] && echo terminal; id`
	h.write("look.sh", "#!/bin/sh\n"+look+"\n")
	h.write("wrapper", fmt.Sprintf("#!/bin/sh\ncd /\numask 0022\n(%s) </dev/null > %s\numask 0077\nulimit -Sn 300\nulimit -a > %s\nexec 6</etc/passwd 8>/dev/null\nexec %s \"$@\"\n",
		look, h.path("expected"), h.path("limits"), binary))
	for _, name := range []string{"look.sh", "wrapper"} {
		h.chmod(name, 0o755)
	}
	h.program = h.path("wrapper")
	h.start()
	for _, label := range []string{"one", "two"} {
		h.deploy(h.revision(label, map[string]string{"AfterInstall": "cd /proc/$PPID/cwd && cd \"$(pwd -P)\"\n(" + look + ") > " + h.path("found-"+label)}), rehearsal.Succeeded)
	}
	h.stop()
	limits := h.read(h.path("limits"))
	if !strings.Contains(limits, "300") {
		t.Fatalf("the limit was not set: %s", limits)
	}
	for _, label := range []string{"one", "two"} {
		found := strings.Split(h.read(h.path("found-"+label)), "\n")
		expected := strings.Split(h.read(h.path("expected")), "\n")
		if len(found) < 5 || found[0] != "0022" || found[1] != "/" {
			t.Fatalf("umask, directory: %q", found)
		}
		if want := "0 1 2 3 "; found[2] != want { // 3 is the directory that ls reads
			t.Errorf("open files: %q, want %q; the agent was started with %q", found[2], want, expected[2])
		}
		text := strings.Join(found[3:], "\n")
		for line := range strings.Lines(limits) {
			if !strings.Contains(text, line) {
				t.Errorf("the limit %q of the agent is another one in the hook:\n%s", line, text)
			}
		}
		if !strings.Contains(text, "/dev/null\n") || strings.Contains(text, "terminal") {
			t.Errorf("input and output: %s", text)
		}
	}
	// And in a local deployment, where files that hooks make must not depend on the caller either.
	h.write("wrapper", fmt.Sprintf("#!/bin/sh\numask 0077\nexec 6</etc/passwd\nexec %s \"$@\"\n", binary))
	r := runProgram(h, h.path("wrapper"), "deploy-local", "-c", h.config, "-g", "local", "-b", "OVERWRITE", "-l",
		h.layOut("bundle", h.revision("local", map[string]string{"AfterInstall": "umask; ls /proc/self/fd | tr '\\n' ' '; touch " + h.path("made")})))
	if r.code != 0 || !strings.Contains(r.stderr, "[stdout]0022\n") || strings.Contains(r.stderr, " 6 ") {
		t.Errorf("deploy-local: %+v", r)
	}
	if info, err := os.Stat(h.path("made")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("a file that a hook made: %v, %v, want mode 0644", info, err)
	}
}
