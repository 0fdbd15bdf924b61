//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The conformance suite holds plan to its word: before each deploy-local plan is asked what it will do, and afterwards that is compared with
// what it has done, path by path and script by script, in both directions.

// foretold is what plan has said about a deployment.
type foretold struct {
	p       *play
	d       *deploy
	bundle  string
	said    planned
	code    int
	before  map[string]trace
	problem string // all problems
}

// trace is what shows that a path was changed.
type trace struct {
	kind                           string // file, directory, link or "special file"
	mode                           uint32
	uid, gid                       uint32
	size                           int64
	inode, links                   uint64
	modified                       time.Time
	changed, target, content, more string // more: extended attributes
	acl                            []string
}

func (t trace) String() string {
	return fmt.Sprintf("%s %o %d:%d %d bytes, inode %d, %d links, %v %v %q %q %s", t.kind, t.mode, t.uid, t.gid, t.size, t.inode, t.links,
		t.modified.Format(time.StampNano), t.changed, t.target, t.content, t.more)
}

func (t trace) owner() string { return accountName("user", t.uid) + ":" + accountName("group", t.gid) }

// accountName is a user's or group's name, or the number.
func accountName(what string, id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if what == "user" {
		if u, err := user.LookupId(number); err == nil {
			return u.Username
		}
	} else if g, err := user.LookupGroupId(number); err == nil {
		return g.Name
	}
	return number
}

// traceOf looks at a path, which is absent if ok is false.
func traceOf(path string) (t trace, ok bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return t, false
	}
	st := info.Sys().(*syscall.Stat_t)
	t = trace{mode: uint32(st.Mode) & 0o7777, uid: st.Uid, gid: st.Gid, size: info.Size(), inode: st.Ino, links: uint64(st.Nlink),
		modified: info.ModTime(), changed: changeTime(st), more: extendedAttributes(path)}
	switch m := info.Mode(); {
	case m.IsRegular():
		t.kind = "file"
		data, err := os.ReadFile(path)
		t.content = fmt.Sprint(string(data), err)
	case m.IsDir():
		t.kind = "directory"
	case m&fs.ModeSymlink != 0:
		t.kind = "link"
		t.target, _ = os.Readlink(path)
	default:
		t.kind = "special file"
	}
	if t.kind != "link" {
		t.acl = longAccessLists(path, accountName)
	}
	return t, true
}

// traces looks at everything that a deployment of the play may touch: the destination and what is around it, and what the deployment root and
// the agent's state have of the group.
func (p *play) traces() map[string]trace {
	p.t.Helper()
	roots := []string{p.home, p.inRoot(p.group)}
	for _, pattern := range []string{"root/deployment-instructions/" + p.group + "-*", "root/deployment-instructions/" + p.group + "_*", "root.state/*/" + p.group, "root.state/*/" + p.group + ".*"} {
		found, err := filepath.Glob(p.path(pattern))
		if err != nil {
			p.t.Fatal(err)
		}
		roots = append(roots, found...)
	}
	all := map[string]trace{}
	for _, root := range roots {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // absent, or closed to the tests' user
			}
			if t, ok := traceOf(path); ok {
				all[path] = t
			}
			return nil
		})
	}
	return all
}

// foretell asks plan about a deployment that deploy-local is about to carry out, as the same user. The plan must leave no trace.
func (p *play) foretell(bundle, format string, d *deploy, args []string) *foretold {
	p.t.Helper()
	asked := []string{"plan", p.path(bundle), "--json"}
	for i := 1; i < len(args); i += 2 { // the options that plan has, too; the others only say what scripts see
		if slices.Contains([]string{"-c", "-t", "-g", "-e", "-b", "-A"}, args[i]) {
			asked = append(asked, args[i], args[i+1])
		}
	}
	f := &foretold{p: p, d: d, bundle: p.path(bundle), before: p.traces()}
	r := newCommand(p.host, asked...)
	f.code = r.code
	if r.code != 2 {
		if err := json.Unmarshal([]byte(r.stdout), &f.said); err != nil {
			p.t.Errorf("plan --json prints %q and %q: %v", r.stdout, r.stderr, err)
		}
	}
	f.problem = strings.Join(f.said.Problems, "\n")
	if r.code == 2 {
		f.problem = r.stderr
	}
	after := p.traces()
	for _, path := range slices.Sorted(maps.Keys(f.before)) {
		if now, ok := after[path]; !ok || now.String() != f.before[path].String() {
			p.t.Errorf("plan has changed %s: %v, before it was %v", path, now, f.before[path])
		}
		delete(after, path)
	}
	for path := range after {
		p.t.Errorf("plan has made %s", path)
	}
	return f
}

// unforeseeable is what a failed script says for itself; nobody knows it before it has run.
var unforeseeable = regexp.MustCompile(`failed with exit code|failed: signal|was ended by|signal|did not end within|time limit|seconds`)

// compare compares what plan has said with what deploy-local has done as the deployment with the id, which is empty if it did nothing.
func (f *foretold) compare(id string, ok bool) {
	p := f.p
	p.t.Helper()
	f.compareResult(id, ok)
	if p.t.Failed() {
		p.t.Logf("plan said with exit code %d:\n%s\ndeploy-local said:\n%s", f.code, f.problem, p.console)
	}
	if id == "" {
		return
	}
	ran := f.compareHooks(id, ok)
	installed := p.instructions("_last_successful_install") == p.inRoot(p.group, id)
	if installed && f.code != 0 && len(f.said.Changes) == 0 && ran > 0 {
		return // plan knows that a script fails, and deploy-local came that far
	}
	f.compareChanges(id, installed)
}

// compareResult compares the results. What deploy-local gives as its reason must be among plan's.
func (f *foretold) compareResult(id string, ok bool) {
	p := f.p
	if ok {
		if f.code != 0 || len(f.said.Problems) > 0 {
			p.t.Errorf("the deployment succeeds, and plan ends with exit code %d:\n%s", f.code, f.problem)
		}
		return
	}
	if f.code == 0 {
		if !unforeseeable.MatchString(p.console) {
			p.t.Errorf("the deployment fails, and plan knows nothing of it:\n%s", p.console)
		}
		return
	}
	plain := func(s string) string {
		at := f.bundle
		if id != "" {
			for _, dir := range []string{"deployment-archive", "bundle.tar"} {
				s = strings.ReplaceAll(s, p.inRoot(p.group, id, dir), at)
			}
		}
		return s
	}
	said := plain(f.problem)
	for _, reason := range reasons(plain(p.console)) {
		if !strings.Contains(said, reason) {
			p.t.Errorf("the deployment fails with %q, and plan does not say it:\n%s", reason, said)
		}
	}
	for _, s := range f.d.says {
		if !strings.Contains(said, p.fill(s)) && f.d.format == "" && !strings.Contains(said, plain(p.fill(s))) {
			p.t.Errorf("plan does not say %q:\n%s", p.fill(s), said)
		}
	}
}

var (
	reasonPrefix = regexp.MustCompile(`^(ERROR: )?(\S+ failed: )?(cannot install the revision by \S+, nothing was changed: (\d+ problems$)?)?`)
	notReason    = regexp.MustCompile(`^(\[std|LifecycleEvent|Script - |Starting to execute|See the deployment log|Your local deployment|\d{4}-\d\d-\d\d)|^$`)
)

// reasons are the lines in which deploy-local says why it has failed.
func reasons(console string) []string {
	var out []string
	for line := range strings.Lines(console) {
		if line = strings.TrimSpace(line); notReason.MatchString(line) {
			continue
		}
		if line = strings.TrimSpace(reasonPrefix.ReplaceAllString(line, "")); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// compareHooks compares the scripts that plan has named with those that were begun, which must be the first of them, and all if nothing
// failed. It returns how many were begun.
func (f *foretold) compareHooks(id string, ok bool) int {
	p := f.p
	var said, ran []string
	for _, h := range f.said.Hooks {
		whose := h.Deployment
		if whose == "" {
			whose = id
		}
		said = append(said, fmt.Sprintf("%s %s of %s as %q, sudo %v, %v", h.Event, h.Location, whose, h.RunAs, h.Sudo, time.Duration(h.Timeout)*time.Second))
	}
	for line := range strings.Lines(p.read(p.path("log/codedeploy-local.log"))) {
		if !strings.Contains(line, "\trunning script\t") || !strings.Contains(line, `"`+id+`"`) {
			continue
		}
		var fields struct {
			Event, Revision, Script, Timeout, Deployment string
			RunAs                                        string `json:"run_as"`
			Sudo                                         bool
		}
		if err := json.Unmarshal([]byte(line[strings.Index(line, "{"):]), &fields); err != nil {
			p.t.Fatalf("the log has %q: %v", line, err)
		}
		if fields.Deployment != id {
			continue
		}
		timeout, err := time.ParseDuration(fields.Timeout)
		if err != nil {
			p.t.Fatal(err)
		}
		ran = append(ran, fmt.Sprintf("%s %s of %s as %q, sudo %v, %v", fields.Event, fields.Script, fields.Revision, fields.RunAs, fields.Sudo, timeout))
	}
	if len(ran) > len(said) || !slices.Equal(ran, said[:len(ran)]) || ok && len(ran) < len(said) {
		p.t.Errorf("plan says that these scripts run:\n\t%s\nand these did:\n\t%s", strings.Join(said, "\n\t"), strings.Join(ran, "\n\t"))
	}
	return len(ran)
}

// compareChanges compares the changes with what has become of each path.
func (f *foretold) compareChanges(id string, installed bool) {
	p := f.p
	p.t.Helper()
	said := map[string]plannedChange{}   // what becomes of a path
	set := map[string]map[string]bool{}  // what is set there
	result := map[string]plannedChange{} // what it has then
	after := p.traces()
	odd := map[string]string{} // names that are no text: JSON has no way to say them
	for _, all := range []map[string]trace{f.before, after} {
		for path := range all {
			if valid := strings.ToValidUTF8(path, "\uFFFD"); valid != path {
				odd[valid] = path
			}
		}
	}
	for _, c := range f.said.Changes {
		if !installed {
			break // nothing of the plan is done
		}
		if path, ok := odd[c.Path]; ok {
			c.Path = path
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(c.Path)); err == nil { // plan has the way of the AppSpec
			c.Path = filepath.Join(dir, filepath.Base(c.Path))
		}
		switch c.Action {
		case "create", "overwrite", "unchanged", "retain", "delete":
			if old, twice := said[c.Path]; twice {
				p.t.Errorf("plan says two things of %s: %s and %s", c.Path, old.Action, c.Action)
			}
			said[c.Path] = c
		case "mode", "owner", "acl", "context":
			if set[c.Path] == nil {
				set[c.Path] = map[string]bool{}
			}
			set[c.Path][c.Action] = true
		default:
			p.t.Errorf("plan says %q of %s", c.Action, c.Path)
		}
		result[c.Path] = c
	}
	if installed {
		f.compareList(said)
	}
	paths := map[string]bool{}
	for _, all := range []map[string]trace{f.before, after} {
		for path := range all {
			if within := strings.HasPrefix(path, p.home+"/"); within && path != p.notes && path != p.fill(f.d.writes) && !strings.HasPrefix(path, f.bundle) {
				paths[path] = true
			}
		}
	}
	for path := range result {
		paths[path] = true
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		f.comparePath(path, said[path], set[path], result[path], f.before, after)
	}
}

// compareList checks that plan has named whatever is installed now, and each file of the bundle's directory d that goes to the destination, which
// may be retained.
func (f *foretold) compareList(said map[string]plannedChange) {
	p := f.p
	list := strings.FieldsFunc(p.instructions("-cleanup"), func(r rune) bool { return r == '\n' })
	list = append(list, strings.FieldsFunc(p.instructions("-cleanup.names"), func(r rune) bool { return r == 0 })...)
	if strings.Contains(f.d.appspec, "source: d\n    destination: DEST\n") {
		for _, b := range f.d.bundle {
			if name, ok := strings.CutPrefix(b.name, "d/"); ok {
				list = append(list, filepath.Join(p.dest, name))
			}
		}
	}
	for _, path := range list {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			path = filepath.Join(dir, filepath.Base(path))
		}
		if c := said[path]; !strings.Contains(path, "\x00") && (c.Action == "" || c.Action == "delete") {
			p.t.Errorf("plan says %q of %s, which is installed or retained", c.Action, path)
		}
	}
}

func (f *foretold) comparePath(path string, said plannedChange, set map[string]bool, result plannedChange, before, after map[string]trace) {
	t := f.p.t
	t.Helper()
	was, had := before[path]
	is, has := after[path]
	if !strings.HasPrefix(path, f.p.home+"/") { // outside of what was looked at before; there is only what is there now
		is, has = traceOf(path)
		was, had = is, has && said.Action != "create"
	}
	fail := func(what string) {
		t.Helper()
		t.Errorf("%s: plan says %q %+v and sets %v, but %s\n\tbefore: %v %v\n\tafter:  %v %v", path, said.Action, result, slices.Sorted(maps.Keys(set)), what, had, was, has, is)
	}
	same := had && has && was.inode == is.inode && was.kind == is.kind
	switch said.Action {
	case "create":
		if had || !has {
			fail("it was not created")
		}
	case "overwrite":
		if !had || !has || same && strings.HasPrefix(path, f.p.home+"/") {
			fail("it was not replaced")
		}
		if same := was.kind == "file" && is.kind == "file" && was.content == is.content; same != strings.Contains(said.Detail, "same content") {
			fail("that is wrong about the content")
		}
	case "delete":
		if !had || has {
			fail("it was not deleted")
		}
		if had && was.kind != said.Kind {
			fail("it was something else")
		}
		return
	default: // nothing, unchanged, retain
		switch {
		case !had && !has:
			fail("there is nothing")
			return
		case !same:
			fail("it was replaced, made or removed")
			return
		case is.kind != "directory" && len(set) == 0 && was.changed != is.changed && was.links == is.links:
			fail("it was touched")
		}
	}
	if !has {
		return
	}
	if result.Path != "" {
		if is.kind != result.Kind {
			fail("it is another kind")
		}
		if mode := fmt.Sprintf("%04o", is.mode); result.Mode != mode && !(is.kind == "link" && result.Mode == "") {
			fail("its mode is " + mode)
		}
		if is.owner() != result.Owner {
			fail("its owner is " + is.owner())
		}
		if !slices.Equal(is.acl, result.ACL) {
			fail(fmt.Sprintf("its list is %v", is.acl))
		}
	}
	if said.Action == "create" || said.Action == "overwrite" || !same {
		return
	}
	for what, differs := range map[string]bool{"mode": was.mode != is.mode, "owner": was.owner() != is.owner(), "acl": !slices.Equal(was.acl, is.acl)} {
		if differs && !set[what] {
			fail("its " + what + " was changed")
		}
	}
}
