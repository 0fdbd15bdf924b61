//go:build unix

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"codedeploy-agent/agent/doctor"
	"codedeploy-agent/agent/rehearsal"
)

// A host that works has nothing to mend, whoever asks and how often; when the scripts of its last revision are gone it has, before a deployment
// fails for it.
func TestDoctor(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.env = append(h.env, "HTTPS_PROXY=http://127.0.0.1:9") // nobody is there: GitHub is not asked by tests
	ask := func() (code int, findings map[string][]doctor.Finding) {
		t.Helper()
		r := newCommand(h, "doctor", "--config-file", h.config, "--json")
		var answer struct{ Findings []doctor.Finding }
		if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil {
			t.Fatalf("%v: %+v", err, r)
		}
		findings = map[string][]doctor.Finding{}
		for _, f := range answer.Findings {
			findings[f.Check] = append(findings[f.Check], f)
		}
		return r.code, findings
	}
	if code, findings := ask(); code != 0 || findings["service"][0].Severity != doctor.Warning {
		t.Errorf("before the start: code %d, %+v; want 0 and a service that does not run", code, findings)
	}
	h.start()
	for _, label := range []string{"one", "two"} {
		h.deploy(h.stopping(label), rehearsal.Succeeded)
		code, findings := ask()
		if code != 0 || findings["service"][0].Severity != doctor.OK || findings["clock"][0].Severity != doctor.OK || findings["revisions"][0].Severity != doctor.OK ||
			!strings.Contains(findings["identity"][0].Message, h.self().ID) {
			t.Errorf("after deployment %s: code %d, %+v", label, code, findings)
		}
	}
	if code := h.stop(); code != 0 {
		t.Errorf("the agent ended with %d", code)
	}
	polls := len(h.service.Requests("PollHostCommand"))
	scripts := h.read(h.path("root/deployment-instructions/"+group+"_last_successful_install")) + "/deployment-archive/hooks"
	if err := os.Rename(scripts, scripts+".away"); err != nil {
		t.Fatal(err)
	}
	before := h.everything()
	r := newCommand(h, "doctor", "--config-file", h.config)
	if r.code != 1 || r.stderr != "" || !strings.Contains(r.stdout, group) || !strings.Contains(r.stdout, "ignore ApplicationStop failures") {
		t.Errorf("without its scripts: %+v", r)
	}
	if after := h.everything(); after != before {
		t.Errorf("doctor changed something:\n%s\nwas\n%s", after, before)
	}
	if n := len(h.service.Requests("PollHostCommand")); n != polls {
		t.Error("doctor polled: it would have taken a command")
	}
	h.write("bad.yml", ":max_revisions: many\n")
	if r := newCommand(h, "doctor", "--config-file", h.path("bad.yml")); r.code != 1 || !strings.Contains(r.stdout, "bad.yml:1") || !strings.Contains(r.stdout, "revisions") {
		t.Errorf("with a bad configuration: %+v", r)
	}
}
