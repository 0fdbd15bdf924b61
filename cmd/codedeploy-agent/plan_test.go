//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// planned is what plan --json prints.
type planned struct {
	LastSuccessful string `json:"last_successful"`
	Hooks          []plannedHook
	Changes        []plannedChange
	Space          []struct {
		Path   string
		Needed int64 `json:"needed_bytes"`
		Free   int64 `json:"free_bytes"`
	}
	Problems []string
	Warnings []string
}

type plannedHook struct {
	Event, Location, Revision, Deployment, RunAs, User string
	Sudo                                               bool
	Timeout                                            int
}

type plannedChange struct {
	Path, Action, Kind, Mode, Owner, Context, Detail string
	ACL                                              []string
}

// plan asks what a deployment of the bundle would do, and checks that asking changes nothing.
func (h *host) plan(wantCode int, args ...string) planned {
	h.t.Helper()
	before := h.everything()
	r := newCommand(h, append([]string{"plan", "--json", "-c", h.config, "-g", group}, args...)...)
	if r.code != wantCode {
		h.t.Fatalf("plan %q: %+v, want exit code %d", args, r, wantCode)
	}
	if after := h.everything(); after != before {
		h.t.Errorf("plan has changed the host:\n%s", difference(before, after))
	}
	var p planned
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil {
		h.t.Fatalf("plan --json prints %q: %v", r.stdout, err)
	}
	return p
}

// everything describes all that is below the host's directory, times and inode numbers included.
func (h *host) everything() string {
	h.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		if info.Mode().IsRegular() {
			b.WriteString(h.read(path) + "\n")
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return b.String()
}

// by returns the paths of a plan's changes with an action, below the destination.
func (h *host) by(p planned, action string) []string {
	var out []string
	for _, c := range p.Changes {
		// A file with the same content but another time is installed anew; nobody but its time tells.
		if rel, err := filepath.Rel(h.dest, c.Path); err == nil && c.Action == action && !strings.Contains(c.Detail, "same content") {
			out = append(out, rel)
		}
	}
	slices.Sort(out)
	return out
}

// A plan says what the deployment after it does, path by path and hook by hook; and after it, that nothing is left to do.
func TestPlanIsWhatTheDeploymentDoes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.write("srv/foreign.txt", "by hand\nsecond\n")
	extra := func(label string) []file {
		return []file{{"content/same.txt", "same", 0o644}, {"content/only-" + label, label, 0o755}, {"content/sub/" + label + "/deep", label, 0o644},
			{"content/foreign.txt", "by deployment\nsecond\n", 0o644}}
	}
	for _, label := range []string{"one", "two"} {
		bundle := h.layOut("bundle-"+label, h.revision(label, nil, extra(label)...))
		before := h.tree()
		p := h.plan(0, bundle, "-b", "OVERWRITE")
		if label == "two" && (p.LastSuccessful == "" || p.Hooks[0].Event != "BeforeBlockTraffic" || p.Hooks[0].Deployment != p.LastSuccessful) {
			t.Errorf("plan of the second deployment: %+v", p)
		}
		if label == "one" {
			i := slices.IndexFunc(p.Changes, func(c plannedChange) bool { return c.Action == "overwrite" })
			if i < 0 || !strings.Contains(p.Changes[i].Detail, "+1 -1 lines") {
				t.Errorf("changes %+v, want one that says how foreign.txt changes", p.Changes)
			}
		}
		_ = os.Remove(h.notes)
		if r := newCommand(h, "deploy-local", "-c", h.config, "-g", group, "-l", bundle, "-b", "OVERWRITE"); r.code != 0 {
			t.Fatalf("deploy-local: %+v", r)
		}
		after := h.tree()
		paths := func(tree []string) []string {
			var out []string
			for _, line := range tree {
				name, _, _ := strings.Cut(line, " ")
				out = append(out, name)
			}
			return out
		}
		was, is := paths(before), paths(after)
		var created, deleted, changed []string
		for i, name := range is {
			switch at := slices.Index(was, name); {
			case at < 0:
				created = append(created, name)
			case before[at] != after[i] && !strings.HasPrefix(after[i], name+" d"):
				changed = append(changed, name)
			}
		}
		for _, name := range was {
			if !slices.Contains(is, name) {
				deleted = append(deleted, name)
			}
		}
		for action, want := range map[string][]string{"create": created, "delete": deleted, "overwrite": changed} {
			got := h.by(p, action)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s: plan says %s of %q, the deployment did %q", label, action, got, want)
			}
		}
		var ran []string
		for line := range strings.Lines(h.read(h.notes)) {
			event, _, _ := strings.Cut(line, " ")
			ran = append(ran, "hooks/"+event+".sh")
		}
		var said []string
		for _, hook := range p.Hooks {
			said = append(said, hook.Location)
		}
		if !slices.Equal(said, ran) {
			t.Errorf("%s: plan says that these scripts run: %q; these did: %q", label, said, ran)
		}
		again := h.plan(0, bundle, "-b", "OVERWRITE")
		for _, action := range []string{"create", "overwrite", "delete"} {
			if left := h.by(again, action); len(left) > 0 {
				t.Errorf("%s is installed, and a plan says %s of %q", label, action, left)
			}
		}
	}
}

func TestPlanTellsEveryReason(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.write("srv/index.html", "by hand")
	files := []file{{"content/index.html", "x", 0o644}, {"content/other", "x", 0o644}, {"bad.sh", "#!/no/such/shell\n", 0o755}, {"appspec.yml", `version: 0.0
os: linux
files:
  - source: content
    destination: ` + h.dest + `
  - source: nowhere
    destination: ` + h.dest + `
permissions:
  - object: ` + h.dest + `
    owner: no-such-user-here
hooks:
  BeforeInstall:
    - location: missing.sh
  AfterInstall:
    - location: bad.sh
      runas: no-such-user-either
`, 0o644}}
	for range 2 {
		p := h.plan(1, h.layOut("bundle", files))
		all := strings.Join(p.Problems, "\n")
		for _, want := range []string{"already exists at this location", "nowhere is not in the revision", `"no-such-user-here"`, "missing.sh does not exist",
			"no-such-user-either"} {
			if !strings.Contains(all, want) {
				t.Errorf("problems:\n%s\nwant one with %q", all, want)
			}
		}
	}
	// An archive, and only the events of its kind of deployment.
	h.write("bundle.tgz", string(pack(t, h.revision("one", nil))))
	p := h.plan(0, h.path("bundle.tgz"), "--deployment-type", "in-place", "-b", "RETAIN")
	if len(p.Hooks) != 4 {
		t.Errorf("hooks %+v, want those of an in-place deployment without a last successful one", p.Hooks)
	}
	if got := h.by(p, "retain"); !slices.Equal(got, []string{"index.html"}) {
		t.Errorf("retained %q", got)
	}
	if r := newCommand(h, "plan", "--deployment-type", "sideways"); r.code != 2 {
		t.Errorf("%+v, want exit code 2", r)
	}
}

// What cannot be read is a reason like any other, also for machines.
func TestPlanOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.write("bundle.tgz", "\x1f\x8b no more")
	broken := h.layOut("broken", []file{{"appspec.yml", "version: 0.0\nos: linux\nfiles: 7\nhooks: 8\n", 0o644}})
	h.write("root/deployment-instructions/"+group+"_last_successful_install", h.path("root/"+group+"/d-GONE"))
	for bundle, want := range map[string][]string{
		h.path("bundle.tgz"): {"DownloadBundle: cannot unpack the bundle " + h.path("bundle.tgz"), "root/" + group + "/d-GONE/deployment-archive is missing"},
		broken:               {broken + "/appspec.yml", "line 3", "line 4"},
	} {
		p := h.plan(1, bundle)
		all := strings.Join(p.Problems, "\n")
		for _, w := range want {
			if !strings.Contains(all, w) {
				t.Errorf("problems of %s:\n%s\nwant one with %q", bundle, all, w)
			}
		}
		r := newCommand(h, "plan", bundle, "-c", h.config, "-g", group)
		if r.code != 1 || !strings.Contains(r.stdout, "ApplicationStart     not known, because the revision cannot be read") {
			t.Errorf("plan %s: %+v", bundle, r)
		}
	}
}

// Text for people has every item.
func TestPlanAsText(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("it changes owners")
	}
	h := newHost(t)
	h.write("srv/kept", "mine")
	h.write("srv/old", "a\nb\nc\n")
	bundle := func(label string, extra ...file) string {
		return h.layOut("bundle-"+label, append(extra, text("appspec.yml", "version: 0.0\nos: linux\nfile_exists_behavior: "+
			map[string]string{"one": "RETAIN", "two": "OVERWRITE"}[label]+"\nfiles:\n  - source: content\n    destination: "+h.dest+"\npermissions:\n  - object: "+
			h.dest+"\n    pattern: 'n*'\n    type: [file]\n    mode: 600\n    owner: daemon\n    group: daemon\nhooks:\n  ApplicationStop:\n    - location: stop.sh\n"+
			"      timeout: 7\n  AfterInstall:\n    - location: start.sh\n      runas: daemon\n"), script("stop.sh", "#!/bin/sh\n"), script("start.sh", "#!/bin/sh\n")))
	}
	if r := newCommand(h, "deploy-local", "-c", h.config, "-g", group, "-l", bundle("one", text("content/kept", "theirs"), text("content/gone", "1"), text("content/dir/x", "1"))); r.code != 0 {
		t.Fatalf("deploy-local: %+v", r)
	}
	r := newCommand(h, "plan", "-c", h.config, "-g", group, bundle("two", text("content/new", "n"), text("content/old", "a\nB\nc\nd\n"), text("content/dir/x", "1"), link("content/l", "new")))
	for _, want := range []string{
		"ApplicationStop      of the last successful revision (d-", "    stop.sh as user root, at most 7 s\n",
		"    create     " + h.dest + "/new  (0600 daemon:daemon, from content/new, 1 B)\n",
		"    create     " + h.dest + "/l  (root:root, from content/l, link to new)\n",
		"    overwrite  " + h.dest + "/old  (0644 root:root, from content/old, 8 B, in place of a file that the previous deployment did not install, +2 -1 lines)\n",
		"    unchanged  " + h.dest + "/dir  (0755 root:root, of the previous revision)\n",
		"    overwrite  " + h.dest + "/dir/x  (0644 root:root, from content/dir/x, 1 B, same content)\n",
		"    owner      " + h.dest + "/new  (daemon:daemon)\n", "    mode       " + h.dest + "/new  (600)\n",
		"    delete     " + h.dest + "/gone  (of the previous revision)\n",
		"    2 files created, 2 replaced, 1 removed, 2 permissions set\n    space at ", " needed, ", " free",
		"    start.sh as user daemon, at most 3600 s\n",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("plan does not say %q:\n%s%s", want, r.stdout, r.stderr)
		}
	}
	if r := newCommand(h, "plan", "-c", h.config, "-g", group, h.path("bundle-one")); !strings.Contains(r.stdout, "    retain     "+h.dest+"/kept  (0644 root:root, exists already)\n") {
		t.Errorf("plan does not say what is retained:\n%s%s", r.stdout, r.stderr)
	}
}

// What only an owner may do is known before it is tried.
func TestPlanAsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	h := newHostOf(t, ordinaryUser(t))
	h.write("srv/file", "root's")
	for _, dir := range []string{"srv", "srv/file"} {
		if err := os.Lchown(h.path(dir), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(h.dest, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	bundle := h.layOut("bundle", h.revision("one", nil, text("content/file", "theirs")))
	both := func(want string) {
		t.Helper()
		p := h.plan(1, bundle, "-b", "OVERWRITE")
		if !strings.Contains(strings.Join(p.Problems, "\n"), want) {
			t.Errorf("problems %q, want one with %q", p.Problems, want)
		}
		r := newCommand(h, "deploy-local", "-c", h.config, "-g", group, "-l", bundle, "-b", "OVERWRITE")
		if r.code == 0 || !strings.Contains(r.stderr, want) {
			t.Errorf("deploy-local: %+v, want a failure with %q", r, want)
		}
	}
	both("cannot replace " + h.dest + "/file: in the directory " + h.dest + " with the sticky bit only its owner may do that")
	h = newHostOf(t, ordinaryUser(t))
	bundle = h.layOut("bundle", h.revision("one", nil))
	if err := os.Chown(h.dir, 0, 0); err != nil {
		t.Fatal(err)
	}
	both("as an ordinary user, give a configuration file with a root_dir of your own")
}
