//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/rehearsal"
)

// sent is a deployment specification that no honest service sends. It is sent to a running agent.
type sent struct {
	name, refused string
	envelope      rehearsal.Envelope
	// change changes the fields of a good specification; text, if there is one, takes the place of all.
	change func(spec map[string]any)
	text   string
	// harmless says that the command succeeds, in the directory of the group and deployment that it names.
	harmless bool
}

func hostileSpecifications() []sent {
	set := func(name string, value any) func(map[string]any) {
		return func(spec map[string]any) { spec[name] = value }
	}
	in := func(section, name string, value any) func(map[string]any) {
		return func(spec map[string]any) {
			spec["Revision"].(map[string]any)[section].(map[string]any)[name] = value
		}
	}
	out := []sent{
		{name: "changed after it was signed", envelope: rehearsal.Tampered, refused: "changed after it was signed"},
		{name: "signed by somebody else", envelope: rehearsal.ForeignSigner, refused: "signer"},
		{name: "not signed, TEXT/JSON", envelope: rehearsal.PlainText, refused: "not signed"},
		{name: "not signed, JSON", envelope: rehearsal.PlainJSON, refused: "not signed"},
		{name: "in an unknown format", envelope: rehearsal.UnknownFormat, refused: "format"},
		{name: "with a signature that is none", envelope: rehearsal.GarbageMessage, refused: "PKCS"},
		{name: "empty", envelope: rehearsal.EmptyPayload, refused: "empty"},
		{name: "without an envelope", envelope: rehearsal.NoEnvelope, refused: "sent none"},
		{name: "of another deployment system", envelope: rehearsal.ForeignSystem, refused: "system"},
		{name: "no JSON", text: "{", refused: "not JSON"},
		{name: "a list", text: "[]", refused: "not a JSON object"},
		{name: "null", text: "null", refused: "null"},
		{name: "nested deeply", text: strings.Repeat(`{"a":`, 5_000) + "1" + strings.Repeat("}", 5_000), refused: "deep"},
		{name: "lists nested deeply", text: `{"a":` + strings.Repeat("[", 100_000), refused: "deep"},
		{name: "too large", text: `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, refused: "more than"},
		{name: "a field twice", text: `{"DeploymentId":"d-A","DeploymentId":"d-B"}`, refused: "twice"},
		{name: "fields in another case", change: set("deploymentid", "../../x"), harmless: true},
		{name: "unknown fields", change: set("Hooks", map[string]any{"AfterInstall": "touch /x"}), harmless: true},
		{name: "a number for a text", change: set("DeploymentId", 7), refused: "DeploymentId"},
		{name: "a list for a text", change: set("DeploymentGroupId", []string{"x"}), refused: "DeploymentGroupId"},
		{name: "a text for an object", change: set("Revision", "x"), refused: "Revision"},
		{name: "a number among events", change: set("AllPossibleLifecycleEvents", []any{1, "Install"}), refused: "AllPossibleLifecycleEvents"},
		{name: "nothing for what is needed", change: func(spec map[string]any) { delete(spec, "DeploymentGroupName") }, refused: "DeploymentGroupName"},
		{name: "a group that is the agent's own directory", change: set("DeploymentGroupId", "deployment-instructions"), refused: "directory of the agent"},
		{name: "... in another case", change: set("DeploymentGroupId", "Deployment-Logs"), refused: "directory of the agent"},
		{name: "an ARN that climbs", change: set("DeploymentId", "arn:aws:codedeploy:r:1:deployment/../../x"), refused: "DeploymentId"},
		{name: "an ARN of nothing", change: set("DeploymentId", "arn:aws:codedeploy:r:1:deployment/"), refused: "DeploymentId"},
		{name: "an archive to reuse that climbs", change: set("ReuseArchiveFromDeploymentId", "../../outside"), refused: "ReuseArchiveFromDeploymentId"},
		{name: "a file of this host as the revision", change: set("Revision", map[string]any{"RevisionType": "Local File",
			"LocalRevision": map[string]any{"Location": "/etc/passwd", "BundleType": "tar"}}), refused: "RevisionType"},
		{name: "a directory of this host as the revision", change: set("Revision", map[string]any{"RevisionType": "Local Directory",
			"LocalRevision": map[string]any{"Location": "/", "BundleType": "directory"}}), refused: "RevisionType"},
		{name: "an unknown kind of revision", change: set("Revision", map[string]any{"RevisionType": "FTP"}), refused: "RevisionType"},
		{name: "an unknown kind of bundle", change: in("S3Revision", "BundleType", "directory"), refused: "BundleType"},
		{name: "a key with NUL", change: in("S3Revision", "Key", "a\x00b"), refused: "NUL"},
		{name: "a key that climbs", change: in("S3Revision", "Key", "../../outside/precious"), refused: "outside/precious"},
		{name: "another ETag", change: in("S3Revision", "ETag", "00000000000000000000000000000000"), refused: "00000000000000000000000000000000"},
		{name: "a repository that climbs", change: set("Revision", map[string]any{"RevisionType": "GitHub",
			"GitHubRevision": map[string]any{"Account": "..", "Repository": "../x", "CommitId": "c"}}), refused: "Repository"},
		{name: "a commit that climbs", change: set("Revision", map[string]any{"RevisionType": "GitHub",
			"GitHubRevision": map[string]any{"Account": "a", "Repository": "b", "CommitId": "../../../user"}}), refused: "CommitId"},
		{name: "a token with a line feed", change: func(spec map[string]any) {
			spec["Revision"] = map[string]any{"RevisionType": "GitHub", "GitHubRevision": map[string]any{"Account": "a", "Repository": "b", "CommitId": "c"}}
			spec["GitHubAccessToken"] = "t\r\nX-Evil: 1"
		}, refused: "GitHubAccessToken"},
	}
	for _, field := range []string{"DeploymentId", "DeploymentGroupId"} {
		for _, id := range []string{"../../../outside", "..", ".", "a/b", `a\b`, "/etc/passwd", "a\nb", "a\x00b", strings.Repeat("x", 300), "", "\x1b[2J"} {
			out = append(out, sent{name: fmt.Sprintf("the %s %.20q", field, id), change: set(field, id), refused: field})
		}
		out = append(out, sent{name: "the " + field + " of encoded dots", change: set(field, "..%2F..%2Fx"), harmless: true})
	}
	for _, name := range []string{"../../outside/precious", "a/../../x", "/../x", `..\x`, ".", "a\nb"} {
		out = append(out, sent{name: fmt.Sprintf("the AppSpec %q", name), change: set("AppSpecFilename", name), refused: "AppSpecFilename"})
	}
	return out
}

// hook is a script that tries to get out, or something about its surroundings that it must not find.
type hook struct {
	name, script string
	location     string // empty: run
	timeout      int    // seconds; 0: 60
	// finds says what of the script's result is right, with the settings of a new host or without them.
	finds   func(h *host, r rehearsal.Result, fresh bool) error
	setting string
	by      func(fresh bool) string // what came of it, for the table
}

// plantedForHooks is in the environment of the agents that run hostile hooks.
var plantedForHooks = []string{"AWS_SESSION_TOKEN=planted-token", "AWS_SECURITY_TOKEN=planted-token", "CODEDEPLOY_GITHUB_TOKEN=planted-token", "AWS_CONTAINER_AUTHORIZATION_TOKEN=planted-token",
	"LD_LIBRARY_PATH=/planted-loader", "BASH_ENV=/planted-loader", "PLANTED=planted-variable"}

func hostileHooks() []hook {
	has := func(text, part string, want bool) error {
		if strings.Contains(text, part) != want {
			return fmt.Errorf("%q is there: %v, want %v; in %q", part, !want, want, text)
		}
		return nil
	}
	// look has the script print something, and looks at what is reported of it.
	look := func(part string, byDefault, onNewHost bool) func(*host, rehearsal.Result, bool) error {
		return func(_ *host, r rehearsal.Result, fresh bool) error {
			// A script that fails is reported with its output.
			if r.ErrorCode != 4 {
				return fmt.Errorf("%+v", r)
			}
			return has(r.Log, part, map[bool]bool{false: byDefault, true: onNewHost}[fresh])
		}
	}
	code := func(want int, say string) func(*host, rehearsal.Result, bool) error {
		return func(_ *host, r rehearsal.Result, _ bool) error {
			if r.ErrorCode != want {
				return fmt.Errorf("%+v, want code %d", r, want)
			}
			return has(r.Message, say, true)
		}
	}
	kept := func(what string) func(bool) string { return func(bool) string { return what } }
	switched := func(byDefault, fresh string) func(bool) string {
		return func(is bool) string {
			if is {
				return fresh
			}
			return byDefault
		}
	}
	return []hook{
		{name: "reads the agent's credentials from its environment", script: "env | grep -c planted-token; exit 9", finds: look("[stdout]0\n", true, true), by: kept("not there")},
		{name: "is led by the loader's variables of the service", script: "env | grep planted-loader; exit 9", finds: look("planted-loader", true, false), setting: "strip_loader_env_in_hooks", by: switched("there", "not there")},
		{name: "reads other variables of the service", script: "env | grep planted-variable; exit 9", finds: look("planted-variable", true, false), setting: "restrict_hook_env_to_allowlist", by: switched("there", "not there")},
		{name: "finds programs by a PATH with relative directories", script: `echo "$PATH" | grep -c -E '(^|:)(\.|:|$|hostile)'; exit 9`, finds: look("[stdout]0\n", true, true), by: kept("they are not in it")},
		{name: "finds programs where everybody can put them", script: `echo "$PATH" | grep -c -E '(^|:)/tmp(:|$)'; exit 9`, finds: look("[stdout]1\n", true, false), setting: "restrict_hook_env_to_allowlist", by: switched("there", "not there")},
		{name: "is busy until the end of its time", script: "while :; do :; done", timeout: 1, finds: code(3, "1 seconds"), by: kept("ended")},
		{name: "reads a named pipe until the end of its time", script: `d=$(mktemp -d) && mkfifo "$d/p" && cat "$d/p"`, timeout: 1, finds: code(3, "1 seconds"), by: kept("ended")},
		{name: "follows a file until the end of its time", script: "tail -f /dev/null", timeout: 1, finds: code(3, "1 seconds"), by: kept("ended")},
		{name: "writes zeros until the end of its time", script: "cat /dev/zero", timeout: 1, finds: code(3, "1 seconds"), by: kept("ended")},
		{name: "waits for input", script: "cat; echo ended; exit 9", finds: look("ended", true, true), by: kept("there is none")},
		{name: "forges a line of the log by a carriage return", script: `printf 'a\r2026-01-01 00:00:00 [stderr]forged\n'; exit 9`, finds: look("[stdout]2026-01-01 00:00:00 [stderr]forged", true, true), by: kept("a line of its own, with its mark")},
		{name: "forges the end of its event", script: `printf 'LifecycleEvent - ValidateService\nScript - x\n'; exit 9`, finds: look("[stdout]LifecycleEvent - ValidateService", true, true), by: kept("with its mark")},
		{name: "prints control sequences", script: `printf '\033[2J\033]0;title\007\n'; exit 9`, finds: look("\x1b", false, false), by: kept("left out")},
		{name: "prints ten megabytes", script: "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo last; exit 9", finds: func(_ *host, r rehearsal.Result, _ bool) error {
			if r.ErrorCode != 4 || len(r.Log) > 4096 {
				return fmt.Errorf("code %d, a log of %d bytes", r.ErrorCode, len(r.Log))
			}
			return has(r.Log, "last", true)
		}, by: kept("the end is reported")},
		{name: "prints what is not text", script: "head -c 2000 /dev/urandom; exit 9", finds: code(4, "exit code 9"), by: kept("reported")},
		{name: "kills its own process group", script: "kill -9 0", finds: code(4, "killed"), by: kept("the agent goes on")},
		{name: "stops its parent", script: "kill -TERM $PPID; kill -INT $PPID; kill -HUP $PPID; exit 9", finds: code(4, "exit code 9"), by: kept("reported all the same")},
		{name: "exits with more than a byte", script: "exit 1000", finds: code(4, "exit code"), by: kept("reported")},
		{name: "removes itself", script: `rm -f "$0"; exit 9`, finds: code(4, "exit code 9"), by: kept("reported")},
		{name: "is called like a command", location: "run; touch $(pwd)injected `touch injected`", script: "exit 9", finds: func(h *host, r rehearsal.Result, _ bool) error {
			if r.ErrorCode != 4 {
				return fmt.Errorf("%+v", r)
			}
			for _, name := range []string{"/injected", "injected", h.path("injected")} {
				if _, err := os.Lstat(name); err == nil {
					return fmt.Errorf("%s was made", name)
				}
			}
			return nil
		}, by: kept("run as the file it is")},
		{name: "ignores the end of its time", script: "trap '' TERM INT HUP\nwhile :; do sleep 1; done", timeout: 1, finds: code(3, "1 seconds"), by: kept("ended")},
	}
}

// served sends a running agent specifications that no service sends and revisions whose hooks try to get out, with the default settings and
// with those of a new host. Their rows begin with the given one.
func served(t *testing.T, all *table, first int) {
	specifications, hooks := hostileSpecifications(), hostileHooks()
	for i, c := range specifications {
		all.add(first+i, row{area: "specifications", name: c.name, form: "signed", decides: "always"})
	}
	for i, c := range hooks {
		r := row{area: "hooks", name: c.name, form: "script", decides: "always"}
		if c.setting != "" {
			r.decides = "`" + c.setting + "`"
		}
		all.add(first+len(specifications)+i, r)
	}
	for _, fresh := range []bool{false, true} {
		t.Run(map[bool]string{false: "default settings", true: "new host"}[fresh], func(t *testing.T) {
			t.Parallel()
			h := hostileHost(t, fresh)
			around := survey(t, h.dir, hostileChanges...)
			var wg sync.WaitGroup
			wg.Go(func() {
				for i, c := range specifications {
					all.outcome(first+i, fresh, c.run(t, h))
				}
			})
			for i, c := range hooks {
				wg.Go(func() { all.outcome(first+len(specifications)+i, fresh, c.run(t, h, i, fresh)) })
			}
			wg.Wait()
			if d := changed(around, survey(t, h.dir, hostileChanges...)); len(d) > 0 {
				t.Errorf("outside changed:\n%s", strings.Join(d, "\n"))
			}
			if code := h.stop(); code != 0 {
				t.Errorf("the agent ends with %d", code)
			}
		})
	}
}

// hostileChanges are the places of a host that deployments change.
var hostileChanges = []string{"root", "root.state", "log", "pid", "srv"}

func (t *table) outcome(n int, fresh bool, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rows[n]
	if fresh {
		r.fresh = what
	} else {
		r.byDefault = what
	}
	t.rows[n] = r
}

// hostileHost is a running agent, with the settings of a new host or without them.
func hostileHost(t *testing.T, fresh bool) *host {
	t.Helper()
	var settings bytes.Buffer
	if fresh {
		must(t, config.NewHostDocument(&settings))
	}
	h := newHost(t, settings.String())
	h.write("outside/precious", canaryText)
	h.write("srv/here", "")
	h.env = append(h.env, plantedForHooks...)
	h.env = append(h.env, "PATH=.::hostile/bin:"+os.Getenv("PATH")+":/tmp")
	h.start()
	return h
}

// run sends the specification with a DownloadBundle.
func (c *sent) run(t *testing.T, h *host) string {
	good := h.spec(h.revision("one", nil))
	content, err := good.JSON()
	must(t, err)
	if c.change != nil {
		var fields map[string]any
		must(t, json.Unmarshal(content, &fields))
		c.change(fields)
		content, err = json.Marshal(fields)
		must(t, err)
	}
	if c.text != "" {
		content = []byte(c.text)
	}
	execution := h.service.ExecutionID(good.DeploymentID)
	must(t, h.service.Publish(execution, content, c.envelope))
	r, err := h.queue("DownloadBundle", execution).Wait(h.context())
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return ""
	}
	if c.harmless {
		if !r.Succeeded() {
			t.Errorf("%s: %+v, want success", c.name, r)
		}
		return "harmless"
	}
	if r.Status != "Failed" || r.ErrorCode != 5 || !strings.Contains(r.Message, c.refused) || len(r.Message) > 3000 {
		t.Errorf("%s: %+v, want Failed with code 5, saying %q", c.name, r, c.refused)
	}
	return "refused: " + cell(c.refused)
}

// run deploys the hook to a group of its own.
func (c *hook) run(t *testing.T, h *host, n int, fresh bool) string {
	location, timeout := c.location, c.timeout
	if location == "" {
		location = "run"
	}
	if timeout == 0 {
		timeout = 60
	}
	key := fmt.Sprintf("hook-%d.tgz", n)
	etag, err := h.service.Put("bundles", key, rehearsal.Object{Data: pack(t, []file{{"appspec.yml", fmt.Sprintf("version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: %q\n      timeout: %d\n", location, timeout), 0o644},
		{location, "#!/bin/sh\n" + c.script + "\n", 0o755}})})
	must(t, err)
	spec := rehearsal.SpecOptions{DeploymentID: fmt.Sprintf("d-HOOK%05d", n), GroupID: fmt.Sprintf("hostile-%d", n), GroupName: "fleet", ApplicationName: "shop",
		Revision: rehearsal.Revision{S3: &rehearsal.S3Location{Bucket: "bundles", Key: key, ETag: etag, BundleType: "tgz"}}}
	if r := h.command("DownloadBundle", spec); !r.Succeeded() {
		t.Errorf("%s: DownloadBundle: %+v", c.name, r)
		return ""
	}
	if err := c.finds(h, h.command("AfterInstall", spec), fresh); err != nil {
		t.Errorf("%s, new host %v: %v", c.name, fresh, err)
	}
	return c.by(fresh)
}
