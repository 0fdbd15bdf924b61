//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"codedeploy-agent/agent/rehearsal"
)

// play is the playing of a rule: its host with the deployment group, the destination and the notes of its own.
type play struct {
	*host
	rule  *rule
	local bool
	home  string   // the rule's own directory
	ids   []string // its deployments, in order
	// recent and successful are the ids of the group's most recent download and last successful install, "" if there is none.
	recent, successful string
	copied             bool                  // the latest deployment was of a directory
	latest             rehearsal.SpecOptions // what the service said about the latest deployment
	packed             []byte                // its bundle
	console            string                // what the latest deploy-local printed
}

func (p *play) run() {
	p.stand(p.rule.before)
	was := p.installed()
	ok := false
	for i := range p.rule.deploys {
		ok = p.deploy(&p.rule.deploys[i])
	}
	p.want("installed files", p.installed(), p.rule.tree)
	if p.rule.ran != "*" {
		p.want("scripts that ran", p.noted(), p.rule.ran)
	}
	if ok && p.rule.list != "" {
		p.want("clean-up list", p.lines(p.instructions("-cleanup")), p.rule.list)
	}
	if p.rule.check != nil {
		p.rule.check(p)
	}
	if !ok || p.local || p.rule.once || p.t.Failed() {
		return
	}
	again := p.rule.deploys[len(p.rule.deploys)-1]
	again.first, again.events = nil, ""
	p.deploy(&again)
	p.want("installed files after the same revision again", p.installed(), p.rule.tree)
	p.deploy(&deploy{appspec: "\n"})
	if p.rule.left != "" {
		was = lines(p.rule.left)
	}
	p.want("what is left after an empty revision", p.installed(), strings.Join(was, "\n"))
}

// deploy plays one deployment and says whether it succeeded, which it does if no event is expected to fail.
func (p *play) deploy(d *deploy) bool {
	p.t.Helper()
	if d.first != nil {
		d.first(p)
	}
	files := make([]file, 0, len(d.bundle)+1)
	if d.appspec != "" {
		files = append(files, text("appspec.yml", "version: 0.0\nos: linux\n"+p.fill(d.appspec)))
	}
	for _, f := range d.bundle {
		f.content = p.fill(f.content)
		files = append(files, f)
	}
	events := strings.Fields(d.events)
	if len(events) == 0 {
		events = []string{"DownloadBundle", "Install"}
	}
	ok := !slices.ContainsFunc(events, func(e string) bool { _, ends, _ := strings.Cut(e, "="); return !good(ends) })
	if p.local {
		p.deployLocal(d, files, events, ok)
	} else {
		p.deployFromService(d, files, events)
	}
	return ok
}

// good says whether an event that ends like this has succeeded.
func good(ends string) bool { return ends == "" || ends == "noop" }

// deployFromService has the service send the events, one after the other.
func (p *play) deployFromService(d *deploy, files []file, events []string) {
	p.t.Helper()
	format := d.format
	if format == "" {
		format = "tgz"
	}
	var data []byte
	if d.data != nil {
		data = d.data(p)
	} else {
		data = packAs(p.t, format, files)
	}
	p.packed = data
	p.latest = p.host.specOf(data, format)
	p.latest.FileExistsBehavior, p.latest.AppSpecFilename = d.behavior, d.appspecName
	if d.spec != nil {
		d.spec(p, &p.latest)
	}
	id := p.latest.DeploymentID[strings.LastIndex(p.latest.DeploymentID, "/")+1:] // it may be an ARN
	if !slices.Contains(p.ids, id) {
		p.ids = append(p.ids, id)
	}
	execution := p.publish(p.latest)
	for _, e := range events {
		name, ends, _ := strings.Cut(e, "=")
		r, err := p.queue(name, execution).Wait(p.context())
		if err != nil {
			p.t.Fatalf("command %s: %v", name, err)
		}
		p.judge(d, name, ends, r)
		if good(ends) {
			p.succeeded(name, id, false)
		}
	}
	p.consistent(id)
}

// judge compares the result of a command with what is expected.
func (p *play) judge(d *deploy, event, ends string, r rehearsal.Result) {
	p.t.Helper()
	fail := func(format string, args ...any) {
		p.t.Helper()
		p.t.Errorf(
			"%s: %s\n%s: code %d, script %q, %s\n%s", event, fmt.Sprintf(format, args...), r.Status, r.ErrorCode, r.ScriptName, r.Message,
			r.Log,
		)
	}
	acks := 1
	if ends == "refused" {
		acks = 0
	}
	if r.Acks != acks || r.Completions != 1 {
		fail("%d acknowledgements and %d completions, want %d and 1", r.Acks, r.Completions, acks)
	}
	if r.Acked && r.Noop != (ends == "noop" || ends == "unknown") {
		fail("IsCommandNoop %v", r.Noop)
	}
	if good(ends) {
		note := ""
		if event == "DownloadBundle" {
			note = d.note
		}
		if r.Status != "Succeeded" || r.ErrorCode != 0 || r.ScriptName != "" || r.Log != "" || r.Message != "Succeeded: "+note {
			fail("want success, the note %q and an empty log", note)
		}
		return
	}
	code := "5"
	if ends != "refused" && ends != "unknown" {
		code = ends
	}
	if r.Status != "Failed" || fmt.Sprint(r.ErrorCode) != code || r.ScriptName != d.script {
		fail("want failure with code %s, script %q", code, d.script)
	}
	for _, s := range d.says {
		if !strings.Contains(r.Message, p.fill(s)) {
			fail("the message does not say %q", p.fill(s))
		}
	}
	if d.log != "-" {
		p.want("log of "+event, p.lines(r.Log), d.log)
	}
}

var localFolder = regexp.MustCompile(`(?m)^Starting to execute deployment from within folder .*/(d-[A-Z0-9]{9}-local)$`)

// deployLocal runs deploy-local.
func (p *play) deployLocal(d *deploy, files []file, events []string, ok bool) {
	p.t.Helper()
	n := p.n.Add(1)
	at, format := filepath.Join(p.group, fmt.Sprintf("bundle-%d", n)), d.format
	p.copied = d.data == nil && format == ""
	switch {
	case d.data != nil:
		if format == "" {
			format = "tgz"
		}
		p.write(at, string(d.data(p)))
	case format == "":
		format = "directory"
		p.layOut(at, files)
	default:
		p.write(at, string(packAs(p.t, format, files)))
	}
	var names []string
	failing := ""
	for _, e := range events {
		name, ends, _ := strings.Cut(e, "=")
		names = append(names, name)
		if !good(ends) {
			failing = name
		}
	}
	for _, e := range []string{"DownloadBundle", "Install"} {
		if !slices.Contains(names, e) {
			names = append(names, e)
		}
	}
	args := []string{"deploy-local", "-c", p.config, "-l", p.path(at), "-t", format, "-g", p.group, "-d", "fleet", "-a", "shop"}
	switch d.asked {
	case "":
		args = append(args, "-e", strings.Join(names, ","))
	case "all":
	default:
		args = append(args, "-e", d.asked)
	}
	if d.behavior != "" {
		args = append(args, "-b", d.behavior)
	}
	if d.appspecName != "" {
		args = append(args, "-A", d.appspecName)
	}
	foretold := p.foretell(at, format, d, args)
	r := newCommand(p.host, args...)
	p.console = r.stdout + r.stderr
	code := 0
	switch {
	case d.invalid:
		code = 2
	case !ok:
		code = 1
	}
	if r.code != code {
		p.t.Errorf("deploy-local %v: exit code %d, want %d\n%s", names, r.code, code, p.console)
	}
	for _, s := range d.says {
		if !strings.Contains(p.console, p.fill(s)) {
			p.t.Errorf("deploy-local does not say %q:\n%s", p.fill(s), p.console)
		}
	}
	folder := localFolder.FindStringSubmatch(r.stdout)
	if folder != nil {
		foretold.compare(folder[1], ok)
	} else {
		foretold.compare("", false)
	}
	if (folder == nil) != d.invalid {
		p.t.Fatalf("deploy-local names its folder wrongly:\n%s", p.console)
	}
	if d.invalid {
		return
	}
	id := folder[1]
	p.ids = append(p.ids, id)
	if !ok && !strings.Contains(p.console, failing+" failed: ") {
		p.t.Errorf("deploy-local does not say that %s failed:\n%s", failing, p.console)
	}
	for _, name := range names {
		if name == failing {
			break
		}
		p.succeeded(name, id, d.format != "" || d.data != nil)
	}
	p.consistent(id)
}

// succeeded notes what an event that succeeded has changed below the deployment root.
func (p *play) succeeded(event, id string, file bool) {
	p.t.Helper()
	switch event {
	case "DownloadBundle":
		p.recent = id
		info, err := os.Lstat(p.inRoot(p.group, id, "bundle.tar"))
		switch {
		case !p.local:
			mode := os.FileMode(0o644)
			if slices.Contains(p.rule.settings, ":restrict_agent_dir_permissions: true") {
				mode = 0o600
			}
			if err != nil || info.Mode() != mode {
				p.t.Errorf("bundle.tar: %v %v, want a file with mode %v", info, err, mode)
			}
		case file:
			if err != nil || info.Mode()&os.ModeSymlink == 0 {
				p.t.Errorf("bundle.tar: %v %v, want a link to the bundle", info, err)
			}
		case err == nil:
			p.t.Errorf("bundle.tar: %v, want none", info.Mode())
		}
	case "Install":
		p.successful = id
	}
}

// logged is what the agent's log says about the play.
func (p *play) logged() string {
	var out strings.Builder
	for line := range strings.Lines(p.log()) {
		if slices.ContainsFunc(p.ids, func(id string) bool { return strings.Contains(line, id) }) {
			out.WriteString(line)
		}
	}
	return out.String()
}
