//go:build unix

package install

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"codedeploy-agent/appspec/allowance"
)

// FuzzCleanupList reads lists and, where they name nothing but what belongs to the test, follows them. They must not reach what they do not
// name, and what is read must be the same when it is written again.
func FuzzCleanupList(f *testing.F) {
	f.Add([]byte("DEST/app\nDEST/app/a\nDEST/app/d\nDEST/app/d/b\nDEST/app/l\n"), []byte(nil), []byte(nil))
	f.Add([]byte("DEST/app/l/precious\nDEST/./app/../app/a\n/../DEST/app/a\n"), []byte("DEST/app/odd\nname\x00DEST/app/a \x00"), []byte(nil))
	f.Add([]byte("semanage\x00DEST/app/a\n\n \nDEST/app/.codedeploy-0badcafe-1\nDEST"), []byte("\x00"), []byte("{"))
	f.Add([]byte("DEST/x\nOUT/precious\ny\n"), []byte(nil), []byte(`{"instructions":[{"type":"copy","destination":"DEST/x\nOUT/precious\ny"},{"type":"mkdir","directory":"DEST"}]}`))
	f.Add([]byte("DEST/app/d/../../../outside/precious\n~/x\nrelative\n/\n"), []byte(nil), []byte(`{"instructions":null}`))
	f.Fuzz(func(t *testing.T, list, names, instructions []byte) {
		h := newHost(t)
		changed := h.treasure()
		for _, pair := range [][2]string{{"app/a", "1"}, {"app/d/b", "1"}, {"app/l", "-> " + h.path("outside")}, {"app/odd\nname", "1"}, {"app/.codedeploy-0badcafe-1/l", "-> " + h.path("outside")}} {
			h.write(h.path("dest"), pair[0], pair[1])
		}
		for name, content := range map[string][]byte{"g-cleanup": list, "g-cleanup.names": names, "g-install.json": instructions} {
			content = bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("DEST"), []byte(h.path("dest"))), []byte("OUT"), []byte(h.path("outside")))
			h.must(os.WriteFile(h.path("state", name), content, 0o644))
		}
		var left *remains
		var err error
		allowance.Hold(t, func() { left, err = readRemains(h.path("state/g-cleanup"), h.path("state/g-install.json")) })
		h.must(err)
		var lines bytes.Buffer
		again := lists{lines: bufio.NewWriter(&lines)}
		for _, p := range left.paths {
			if !filepath.IsAbs(p) || filepath.Clean(p) != p || p == "/" || strings.ContainsRune(p, 0) || left.injected[p] {
				t.Fatalf("the path %q", p)
			}
		}
		for _, p := range slices.Backward(left.paths) {
			again.add(p)
		}
		h.must(again.lines.Flush())
		h.must(os.WriteFile(h.path("state/again"), lines.Bytes(), 0o644))
		h.must(os.WriteFile(h.path("state/again.names"), again.names.Bytes(), 0o644))
		reread, err := readRemains(h.path("state/again"), h.path("state/none"))
		h.must(err)
		if !slices.Equal(sorted(reread.paths), sorted(left.paths)) {
			t.Fatalf("%q is read as %q when it is written again", left.paths, reread.paths)
		}
		if len(left.contexts) > 0 { // there are tools that carry it out
			return
		}
		p, err := h.plan(h.archive(), "files:\n")
		if err != nil {
			return // what it names cannot be looked at
		}
		named := false
		for _, r := range p.view.remnants {
			if !within(h.path("dest"), r.dir) && !within(h.path("outside"), r.dir) {
				return
			}
			named = named || within(h.path("outside"), r.dir)
		}
		allowance.Hold(t, func() { err = p.Apply(context.Background(), nil) })
		if err == nil && !named && changed() != "" {
			t.Errorf("the list %q with %q changes something else: %s", list, names, changed())
		}
	})
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// treasure makes a tree that nothing may change, and returns a function that says what has changed in it.
func (h *host) treasure() (changed func() string) {
	h.t.Helper()
	h.write(h.path("outside"), "precious", "do not touch")
	h.write(h.path("outside"), "d/b", "do not touch")
	before := h.tree("outside")
	return func() string {
		if after := h.tree("outside"); after != before {
			return after
		}
		return ""
	}
}

// FuzzRecord reads records of installs that were cut off. What is accepted must be complete.
func FuzzRecord(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "g")
	r := &record{path: path, lists: []savedList{{Path: "/l", Found: true, Mode: 0o644, Content: "x\n"}},
		moves:      []*move{{dir: "/d", temp: tempPrefix + "0badcafe-1", name: "n", path: "/d/n"}},
		attributes: []savedAttributes{{Dir: "/d", Name: "\xff", UID: 1, Lists: map[string][]byte{aclAccess: {1}}}}, replaced: "/replaced"}
	for _, write := range []func() error{r.begin, r.place, func() error { return r.context("/c") }} {
		if err := write(); err != nil {
			f.Fatal(err)
		}
		seed, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
		f.Add(seed[:len(seed)/2])
	}
	f.Add([]byte(`{"version":1}` + "\n" + `{"new":{}}` + "\n" + `{"phase":"placing"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var r *record
		var err error
		allowance.Hold(t, func() { r, err = readRecord(path) })
		if (r == nil) == (err == nil) {
			t.Fatalf("%+v, %v", r, err)
		}
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%v does not name the record", err)
			}
			return
		}
		if r.phase == "" {
			t.Fatalf("a record without a phase: %+v", r)
		}
		for _, m := range r.moves {
			if !tempName.MatchString(m.temp) {
				t.Fatalf("the temporary name %q", m.temp)
			}
		}
	})
}
