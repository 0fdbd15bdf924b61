//go:build unix

package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"codedeploy-agent/appspec"
)

func TestMain(m *testing.M) {
	syscall.Umask(0o022) // as the agent does
	os.Exit(func() int {
		// What hundreds of installs sync takes minutes on a busy disk and nothing in memory.
		if dir, err := os.MkdirTemp("/dev/shm", "codedeploy-install-test-"); err == nil {
			defer os.RemoveAll(dir)
			os.Setenv("TMPDIR", dir)
		}
		return m.Run()
	}())
}

// host is a place for a deployment group: destinations, archives and the group's state files.
type host struct {
	t       *testing.T
	dir     string
	release int
	options options
	harden  Hardening
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), options: options{skipSync: true}}
	for _, d := range []string{"dest", "state", "archives"} {
		h.must(os.Mkdir(filepath.Join(h.dir, d), 0o755))
	}
	return h
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) path(elem ...string) string { return filepath.Join(append([]string{h.dir}, elem...)...) }

// write makes a file with its directories; a name that ends with "/" is a directory, content that begins with "-> " a link.
func (h *host) write(root, name, content string) {
	h.t.Helper()
	p := filepath.Join(root, name)
	if strings.HasSuffix(name, "/") {
		h.must(os.MkdirAll(p, 0o755))
		return
	}
	h.must(os.MkdirAll(filepath.Dir(p), 0o755))
	if text, ok := strings.CutPrefix(content, "-> "); ok {
		h.must(os.Symlink(text, p))
		return
	}
	h.must(os.WriteFile(p, []byte(content), 0o644))
	old := time.Date(2020, 1, 2, 3, 4, 5, 678, time.UTC)
	h.must(os.Chtimes(p, old, old))
}

// archive makes a revision from pairs of name and content.
func (h *host) archive(pairs ...string) string {
	h.t.Helper()
	h.release++
	root := h.path("archives", fmt.Sprint(h.release))
	h.must(os.Mkdir(root, 0o755))
	for i := 0; i < len(pairs); i += 2 {
		h.write(root, pairs[i], pairs[i+1])
	}
	return root
}

// request reads the AppSpec's files and permissions; DEST stands for the destination.
func (h *host) request(archive, text string) Request {
	h.t.Helper()
	a, err := appspec.Parse("appspec.yml", []byte("version: 0.0\nos: linux\n"+strings.ReplaceAll(text, "DEST", h.path("dest"))))
	h.must(err)
	return Request{Archive: archive, AppSpec: a, CleanupFile: h.path("state", "g-cleanup"), InstructionsFile: h.path("state", "g-install.json"),
		RecordFile: h.path("record", "g"), ReplacedDir: h.path("replaced"), Hardening: h.harden, Log: zap.NewNop()}
}

func (h *host) plan(archive, text string) (*Plan, error) {
	h.t.Helper()
	return build(context.Background(), h.request(archive, text), h.options)
}

func (h *host) install(archive, text string) error {
	h.t.Helper()
	p, err := h.plan(archive, text)
	if err != nil {
		return err
	}
	return p.Apply(context.Background(), nil)
}

const whole = "files:\n  - source: /\n    destination: DEST/app\n"

// tree describes everything below a directory: kinds, modes, owners, sizes or link texts, times of files, and content.
func (h *host) tree(dir string) string {
	h.t.Helper()
	var lines []string
	h.must(filepath.WalkDir(h.path(dir), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		i := infoOf(fi)
		rel, err := filepath.Rel(h.dir, p)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%q %s %04o %d:%d", rel, i.kind, i.mode, i.uid, i.gid)
		switch i.kind {
		case regular:
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q %v", content, time.Unix(0, i.mtime).UTC())
		case link:
			text, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line += " -> " + text
		}
		lines = append(lines, line)
		return nil
	}))
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// files lists the files and links below the destination with their content.
func (h *host) files() string {
	h.t.Helper()
	var out []string
	h.must(filepath.WalkDir(h.path("dest"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(h.path("dest"), p)
		if err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			text, err := os.Readlink(p)
			out = append(out, rel+"->"+text)
			return err
		}
		content, err := os.ReadFile(p)
		out = append(out, rel+"="+string(content))
		return err
	}))
	sort.Strings(out)
	return strings.Join(out, " ")
}

func (h *host) wantFiles(want string) {
	h.t.Helper()
	if got := h.files(); got != want {
		h.t.Errorf("installed %s\nwant      %s", got, want)
	}
}

func (h *host) cleanup() string {
	h.t.Helper()
	data, err := os.ReadFile(h.path("state", "g-cleanup"))
	h.must(err)
	return strings.ReplaceAll(string(data), h.path("dest"), "DEST")
}

func TestTwoRevisions(t *testing.T) {
	h := newHost(t)
	h.must(h.install(h.archive("a", "1", "d/b", "1", "d/c", "1", "old/x/y", "1", "l", "-> a", "empty/", ""), whole))
	h.wantFiles("app/a=1 app/d/b=1 app/d/c=1 app/l->a app/old/x/y=1")
	if fi, err := os.Stat(h.path("dest/app/empty")); err != nil || !fi.IsDir() {
		t.Errorf("an empty directory is missing: %v", err)
	}
	h.write(h.path("dest/app"), "d/data", "not ours")
	if err := os.Remove(h.path("dest/app/a")); err != nil {
		t.Fatal(err)
	}
	h.must(h.install(h.archive("a", "2", "d/b", "1", "new/z", "2", "l", "-> d/b"), whole))
	h.wantFiles("app/a=2 app/d/b=1 app/d/data=not ours app/l->d/b app/new/z=2")
	if _, err := os.Lstat(h.path("dest/app/old")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a directory of the previous revision is left")
	}
	if _, err := os.Lstat(h.path("dest/app/empty")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an empty directory of the previous revision is left")
	}
	// The directory d was not empty without the previous revision's files, so it is not this one's.
	lines := strings.Split(strings.TrimSuffix(h.cleanup(), "\n"), "\n")
	sort.Strings(lines)
	if want := []string{"DEST/app/a", "DEST/app/d/b", "DEST/app/l", "DEST/app/new", "DEST/app/new/z"}; !slices.Equal(lines, want) {
		t.Errorf("clean-up list %q", lines)
	}
	h.must(h.install(h.archive(), "files:\n"))
	h.wantFiles("app/d/data=not ours")
}

func TestBehaviors(t *testing.T) {
	for _, c := range []struct{ behavior, first, second string }{
		{"OVERWRITE", "app/a=1 app/b=1 app/own=x", "app/a=2 app/c=2 app/own=x"},
		{"RETAIN", "app/a=foreign app/b=1 app/own=x", "app/a=foreign app/c=2 app/own=x"},
	} {
		h := newHost(t)
		h.write(h.path("dest/app"), "a", "foreign")
		h.write(h.path("dest/app"), "own", "x")
		text := "file_exists_behavior: " + c.behavior + "\n" + whole
		h.must(h.install(h.archive("a", "1", "b", "1"), text))
		h.wantFiles(c.first)
		h.must(h.install(h.archive("a", "2", "c", "2"), text))
		h.wantFiles(c.second)
	}
	h := newHost(t)
	h.write(h.path("dest/app"), "a", "foreign")
	before := h.tree("")
	p, err := h.plan(h.archive("a", "1", "b", "1"), whole)
	var e *Error
	if p != nil || !errors.As(err, &e) || len(e.Problems) != 1 || !strings.Contains(err.Error(), "a specified file already exists at this location: "+h.path("dest/app/a")) {
		t.Errorf("%v", err)
	}
	os.RemoveAll(h.path("archives/1"))
	if after := h.tree(""); after != before {
		t.Errorf("planning changed something:\n%s", after)
	}
}

// Every problem is told at once, and none is found by trying.
func TestProblems(t *testing.T) {
	h := newHost(t)
	h.write(h.path("dest"), "app/file", "x")
	h.write(h.path("dest"), "app/sub/a", "x")
	before := h.tree("dest")
	archive := h.archive("a", "1", "b/a", "1", "file/x", "1")
	_, err := h.plan(archive, `files:
  - source: missing
    destination: DEST
  - source: "*.html"
    destination: DEST
  - source: ../a
    destination: DEST
  - source: a
    destination: ~no-such-user-here/x
  - source: a
    destination: DEST/two
  - source: b/a
    destination: DEST/two
  - source: file
    destination: DEST/app/file
  - source: a
    destination: DEST/app/sub
permissions:
  - object: DEST/two
    owner: nobody-has-this-name
    group: nor-this
  - object: DEST/two/a
    pattern: x
`)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"line 4: the source missing is not in the revision", "wildcards are not expanded", "the source ../a leaves the revision", "cannot tell which directory the destination ~no-such-user-here/x means",
		"both a and b/a of the revision go to", "a file stands at", "already exists at this location", `the user "nobody-has-this-name" in the permissions`,
		`the group "nor-this" in the permissions`, "have a pattern or except", "nothing was changed",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told:\n%v", want, err)
		}
	}
	if after := h.tree("dest"); after != before {
		t.Error("the host was changed")
	}
}

// Destinations and objects that are not absolute mean what they mean to the official agents.
func TestDestinationsThatAreNotAbsolute(t *testing.T) {
	h := newHost(t)
	t.Chdir(h.path("dest"))
	t.Setenv("HOME", h.path("dest/home"))
	text := `files:
  - source: a
    destination: ./relative
  - source: b
    destination: ~/bin
  - source: c
    destination: '~'
permissions:
  - object: relative
    mode: 700
  - object: ~/bin/b
    mode: 711
`
	for _, content := range []string{"1", "2"} {
		h.must(h.install(h.archive("a", content, "b", content, "c", content), text))
		for name, mode := range map[string]fs.FileMode{"relative/a": 0o700, "home/bin/b": 0o711, "home/c": 0o644} {
			info, err := os.Stat(h.path("dest", name))
			h.must(err)
			data, err := os.ReadFile(h.path("dest", name))
			h.must(err)
			if info.Mode() != mode || string(data) != content {
				t.Errorf("%s has mode %v and content %s, want %v and %s", name, info.Mode(), data, mode, content)
			}
		}
	}
	list, err := os.ReadFile(h.path("state", "g-cleanup"))
	h.must(err)
	for line := range strings.Lines(string(list)) {
		if !filepath.IsAbs(line) {
			t.Errorf("the clean-up list has %q, want full paths", line)
		}
	}
	p, err := h.plan(h.archive("a", "3"), "files:\n  - source: a\n    destination: relative\n")
	h.must(err)
	if len(p.warnings) != 1 || !strings.Contains(p.warnings[0].Message, "it means "+h.path("dest/relative")) {
		t.Errorf("warnings %v, want one about the destination", p.warnings)
	}
}

// A directory of the previous revision that has become a link makes way, as with the official agents; what the link leads to stays.
func TestDirectoryThatBecameALink(t *testing.T) {
	h := newHost(t)
	first := h.archive("storage/.keep", "1", "storage/logs/.keep", "1")
	h.must(h.install(first, whole))
	h.must(os.Rename(h.path("dest/app/storage"), h.path("dest/shared")))
	h.must(os.Symlink(h.path("dest/shared"), h.path("dest/app/storage")))
	h.must(h.install(h.archive("storage/.keep", "2", "storage/logs/.keep", "2"), whole))
	if fi, err := os.Lstat(h.path("dest/app/storage")); err != nil || !fi.IsDir() {
		t.Errorf("storage is %v, %v, want a directory", fi, err)
	}
	for name, want := range map[string]string{"app/storage/.keep": "2", "app/storage/logs/.keep": "2", "shared/.keep": "1", "shared/logs/.keep": "1"} {
		if data, err := os.ReadFile(h.path("dest", name)); err != nil || string(data) != want {
			t.Errorf("%s is %q, %v, want %q", name, data, err, want)
		}
	}
}

// The instructions have the sources as the AppSpec has them.
func TestInstructionsNameSourcesAsWritten(t *testing.T) {
	h := newHost(t)
	archive := h.archive("a", "1", "d/b", "1")
	h.must(h.install(archive, "files:\n  - source: ./a\n    destination: DEST\n  - source: //d//\n    destination: DEST\n  - source: d/../a\n    destination: DEST/x\n"))
	data, err := os.ReadFile(h.path("state", "g-install.json"))
	h.must(err)
	for _, want := range []string{archive + "/./a", archive + "//d/b", archive + "/d/../a"} {
		if !strings.Contains(string(data), `"source":"`+want+`"`) {
			t.Errorf("the instructions have no source %s:\n%s", want, data)
		}
	}
	if _, err := h.plan(archive, "files:\n  - source: d\n    destination: ''\n"); err == nil || !strings.Contains(err.Error(), "empty destination") {
		t.Errorf("a directory without a destination: %v", err)
	}
	p, err := h.plan(archive, "files:\n  - source: a\n    destination: ''\n")
	h.must(err)
	if len(p.warnings) != 1 || !strings.Contains(p.warnings[0].Message, "it means /") {
		t.Errorf("a file without a destination: warnings %v", p.warnings)
	}
}

// scene is a transition in which everything happens that can: kinds change, foreign files are overwritten, directories are kept.
func scene(h *host) (first, second string, text1, text2 string) {
	h.t.Helper()
	first = h.archive("same", "s", "changed", "1", "gone", "1", "file-to-dir", "1", "dir-to-file/x", "1", "dir-to-file/y/z", "1", "link-to-file", "-> same",
		"file-to-link", "1", "link-to-dir", "-> same", "kept/a", "1", "kept/deep/b", "1", "dead/deep/b", "1", "odd\nname", "1")
	text1 = whole + "permissions:\n  - object: DEST/app\n    mode: 750\n    type: [directory]\n"
	second = h.archive("same", "s", "changed", "2", "new", "2", "file-to-dir/x", "2", "dir-to-file", "2", "link-to-file", "2", "file-to-link", "-> new",
		"link-to-dir/x", "2", "kept/a", "2", "kept/deep/c", "2", "fresh/deep/d", "2", "foreign", "2", "outside", "-> ../data", "odd\nname", "2")
	text2 = "file_exists_behavior: OVERWRITE\n" + whole + "permissions:\n  - object: DEST/app\n    mode: 711\n    type: [directory]\n  - object: DEST/app/outside\n    mode: 600\n  - object: DEST/app/changed\n    mode: 4755\n"
	h.write(h.path("dest"), "data", "precious")
	h.must(h.install(first, text1))
	h.write(h.path("dest/app"), "foreign", "precious")
	return first, second, text1, text2
}

const afterScene = "app/changed=2 app/dir-to-file=2 app/file-to-dir/x=2 app/file-to-link->new app/foreign=2 app/fresh/deep/d=2 app/kept/a=2 app/kept/deep/c=2 " +
	"app/link-to-dir/x=2 app/link-to-file=2 app/new=2 app/odd\nname=2 app/outside->../data app/same=s data=precious"

func TestEverythingChanges(t *testing.T) {
	for _, copyOnly := range []bool{false, true} {
		h := newHost(t)
		h.options.copyOnly = copyOnly
		_, second, _, text2 := scene(h)
		h.must(h.install(second, text2))
		h.wantFiles(afterScene)
		for name, want := range map[string]fs.FileMode{"app/changed": 0o755 | fs.ModeSetuid, "data": 0o600, "app/kept/deep": 0o711 | fs.ModeDir, "app/same": 0o644} {
			if fi, err := os.Stat(h.path("dest", name)); err != nil || fi.Mode() != want {
				t.Errorf("%s has mode %v, want %v (%v)", name, fi.Mode(), want, err)
			}
		}
		if strings.Contains(h.tree(""), tempPrefix) {
			t.Error("temporary names are left")
		}
		h.must(h.install(h.archive(), "files:\n"))
		h.wantFiles("data=precious")
		if _, err := os.Stat(h.path("state/g-cleanup.names")); !errors.Is(err, fs.ErrNotExist) {
			t.Error("the list of odd names is left")
		}
	}
}

var errFault = errors.New("the disk is gone")

// Whatever step fails, everything is as before.
func TestFaultsAtEveryStep(t *testing.T) {
	for _, copyOnly := range []bool{false, true} {
		for at := 1; ; at++ {
			h := newHost(t)
			_, second, _, text2 := scene(h)
			before := h.tree("dest") + h.tree("state")
			steps := 0
			h.options.copyOnly = copyOnly
			h.options.fault = func(what, path string) error {
				if steps++; steps == at {
					return errFault
				}
				return nil
			}
			err := h.install(second, text2)
			if err == nil {
				if at < 30 {
					t.Fatalf("only %d steps", at)
				}
				break
			}
			if !errors.Is(err, errFault) || !strings.Contains(err.Error(), "everything was put back") {
				t.Fatalf("step %d: %v", at, err)
			}
			after := h.tree("dest") + h.tree("state")
			// The instructions are written first and nobody reads them back.
			if _, err := os.Stat(h.path("record", "g")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("step %d: the record is left (%v)", at, err)
			}
			if strip(after) != strip(before) {
				t.Fatalf("step %d fails (%v) and leaves\n%s\nwant\n%s", at, err, strip(after), strip(before))
			}
			h.options.fault = nil
			h.must(h.install(second, text2))
			h.wantFiles(afterScene)
		}
	}
}

func strip(tree string) string {
	var out []string
	for _, line := range strings.Split(tree, "\n") {
		if strings.Contains(line, "g-install.json") || strings.Contains(line, "g-cleanup") && strings.Contains(line, "directory") {
			continue
		}
		if strings.Contains(line, "state/g-cleanup") {
			line = line[:strings.LastIndex(line, `" `)] // without the time
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

type killed struct{}

// killAt installs and dies at a step; it returns false if the Install has fewer steps.
func (h *host) killAt(at int, archive, text string) (dead bool) {
	h.t.Helper()
	steps := 0
	h.options.fault = func(what, path string) error {
		if steps++; steps == at {
			panic(killed{})
		}
		return nil
	}
	defer func() {
		h.options.fault = nil
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			dead = true
		}
	}()
	h.must(h.install(archive, text))
	return false
}

// Whatever step the agent is killed at, the next one takes everything back, and then the Install gives the same as ever. Without a record, as
// after a change to an official agent, the clean-up list is enough for the next Install.
func TestKilledAtEveryStep(t *testing.T) {
	for _, recover := range []bool{true, false} {
		for _, copyOnly := range []bool{false, true} {
			if copyOnly && !recover {
				continue
			}
			for at := 1; ; at++ {
				h := newHost(t)
				h.options.copyOnly = copyOnly
				_, second, _, text2 := scene(h)
				before := h.tree("dest") + h.tree("state")
				if !h.killAt(at, second, text2) {
					if at < 30 {
						t.Fatalf("only %d steps", at)
					}
					break
				}
				if recover {
					h.must(Recover(context.Background(), h.path("record", "g"), zap.NewNop()))
					if after := h.tree("dest") + h.tree("state"); strip(after) != strip(before) {
						t.Fatalf("killed at step %d, recovered:\n%s\nwant\n%s", at, strip(after), strip(before))
					}
					h.must(Recover(context.Background(), h.path("record", "g"), zap.NewNop())) // nothing to do
				}
				h.must(h.install(second, text2))
				h.wantFiles(afterScene)
				if tree := h.tree("dest"); strings.Contains(tree, tempPrefix) {
					t.Fatalf("killed at step %d, the next install leaves\n%s", at, tree)
				}
			}
		}
	}
}

// What somebody else has changed since the agent died is left alone.
func TestRecoverLeavesStrangersAlone(t *testing.T) {
	h := newHost(t)
	h.must(h.install(h.archive("a", "1", "b", "1"), whole))
	steps := 0
	second := h.archive("a", "2", "b", "2", "new", "2")
	h.options.fault = func(what, path string) error {
		if what == "put in place" {
			if steps++; steps == 3 { // a and b are the new ones
				panic(killed{})
			}
		}
		return nil
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("it was not killed")
			}
		}()
		_ = h.install(second, whole)
	}()
	h.options.fault = nil
	for name, content := range map[string]string{"a": "by hand", "new": "by hand too"} {
		h.must(os.RemoveAll(h.path("dest/app", name)))
		h.must(os.WriteFile(h.path("dest/app", name), []byte(content), 0o644))
	}
	h.must(Recover(context.Background(), h.path("record", "g"), zap.NewNop()))
	got := h.files()
	for _, want := range []string{"app/a=by hand", "app/b=1", "app/new=by hand too"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestDamagedRecord(t *testing.T) {
	h := newHost(t)
	record := h.path("record", "g")
	for _, content := range []string{"", "garbage\n", `{"version":9}` + "\n", `{"version":1}` + "\n" + `{"move":{"dir":"/","temp":"etc","name":"x","path":"/x"}}` + "\n" + `{"phase":"staging"}` + "\n"} {
		h.must(os.MkdirAll(filepath.Dir(record), 0o755))
		h.must(os.WriteFile(record, []byte(content), 0o600))
		if err := Recover(context.Background(), record, zap.NewNop()); err == nil || !strings.Contains(err.Error(), record) {
			t.Errorf("%q: Recover() = %v, want an error that names the record", content, err)
		}
	}
}

// What an Install replaces and no deployment had installed is kept, also on another file system than its own.
func TestReplacedFilesAreKept(t *testing.T) {
	h := newHost(t)
	h.write(h.path("dest/app"), "a", "precious")
	h.write(h.path("dest/sub"), "l", "-> somewhere")
	h.must(h.install(h.archive("a", "1", "l", "1"),
		"file_exists_behavior: OVERWRITE\nfiles:\n  - source: a\n    destination: DEST/app\n  - source: l\n    destination: DEST/sub\n"))
	h.wantFiles("app/a=1 sub/l=1")
	index, err := os.ReadFile(h.path("replaced/index.json"))
	h.must(err)
	if data, err := os.ReadFile(h.path("replaced/1")); err != nil || string(data) != "precious" {
		t.Errorf("kept %q, %v", data, err)
	}
	if text, err := os.Readlink(h.path("replaced/2")); err != nil || text != "somewhere" || !strings.Contains(string(index), "somewhere") ||
		!strings.Contains(string(index), h.path("dest/app/a")) {
		t.Errorf("link %q, %v; index %s", text, err, index)
	}
	h.must(h.install(h.archive("a", "2"), whole)) // replaces only its own
	h.wantFiles("app/a=2")
}

func TestCancelled(t *testing.T) {
	h := newHost(t)
	_, second, _, text2 := scene(h)
	before := h.tree("dest")
	p, err := h.plan(second, text2)
	h.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	p.options.fault = func(what, path string) error {
		cancel()
		return nil
	}
	err = p.Apply(ctx, nil)
	if !errors.Is(err, context.Canceled) || h.tree("dest") != before {
		t.Errorf("%v", err)
	}
	if err := p.Apply(context.Background(), nil); err == nil {
		t.Error("a plan is applied twice")
	}
}

// The revision and the host may change between the plan and its execution; then nothing is installed.
func TestChangedInBetween(t *testing.T) {
	for name, change := range map[string]func(h *host, archive string) error{
		"a file appears": func(h *host, _ string) error { return os.WriteFile(h.path("dest/app/new"), []byte("x"), 0o644) },
		"a file is replaced": func(h *host, _ string) error {
			return errors.Join(os.WriteFile(h.path("dest/app/b"), nil, 0o644), os.Rename(h.path("dest/app/b"), h.path("dest/app/a")))
		},
		"a directory is a link": func(h *host, _ string) error {
			return errors.Join(os.Rename(h.path("dest/app"), h.path("dest/real")), os.Symlink("real", h.path("dest/app")))
		},
		"a source becomes a link": func(h *host, a string) error {
			return errors.Join(os.Remove(a+"/new"), os.Symlink("/etc/passwd", a+"/new"))
		},
	} {
		h := newHost(t)
		h.must(h.install(h.archive("a", "1"), whole))
		archive := h.archive("a", "2", "new", "2")
		p, err := h.plan(archive, whole)
		h.must(err)
		h.must(change(h, archive))
		before := h.tree("dest")
		if err := p.Apply(context.Background(), nil); err == nil || h.tree("dest") != before {
			t.Errorf("%s: %v\n%s", name, err, h.files())
		}
	}
}

func TestLinks(t *testing.T) {
	h := newHost(t)
	h.write(h.path(), "elsewhere/secret", "s")
	archive := h.archive("d/f", "1", "to-dir", "-> d", "to-file", "-> d/f", "dangling", "-> nowhere", "out", "-> "+h.path("elsewhere"), "loop", "-> .")
	h.must(h.install(archive, whole))
	h.wantFiles("app/d/f=1 app/dangling->nowhere app/loop->. app/out->" + h.path("elsewhere") + " app/to-dir/f=1 app/to-file->d/f")
	// What stands at a destination is never written through.
	h.must(os.Remove(h.path("dest/app/d/f")))
	h.must(os.Symlink(h.path("elsewhere/secret"), h.path("dest/app/d/f")))
	h.must(h.install(h.archive("d/f", "2"), "file_exists_behavior: OVERWRITE\n"+whole))
	h.wantFiles("app/d/f=2")
	if data, err := os.ReadFile(h.path("elsewhere/secret")); err != nil || string(data) != "s" {
		t.Errorf("written through a link: %s, %v", data, err)
	}
}

// Two links to one directory in each of thirty would be a billion files.
func TestLinksThatMultiply(t *testing.T) {
	h := newHost(t)
	h.options.maxExpanded = 2_000
	pairs := []string{"0/f", "x"}
	for i := 1; i < 30; i++ {
		pairs = append(pairs, fmt.Sprintf("%d/a", i), fmt.Sprintf("-> ../%d", i-1), fmt.Sprintf("%d/b", i), fmt.Sprintf("-> ../%d", i-1))
	}
	p, err := h.plan(h.archive(pairs...), "files:\n  - source: \"29\"\n    destination: DEST\n")
	var e *Error
	if p != nil || !errors.As(err, &e) || len(e.Problems) != 1 || !strings.Contains(err.Error(), "make more than 2000 files") {
		t.Errorf("%v", err)
	}
}

// A list can be written by an official agent, by an earlier version, or by somebody who wants something deleted.
func TestCleanupList(t *testing.T) {
	h := newHost(t)
	for _, f := range []string{"app/a", "app/ b", "app/sub/c", "keep/d"} {
		h.write(h.path("dest"), f, "1")
	}
	list := strings.Join([]string{h.path("dest/app"), h.path("dest/app/a"), "", "relative/x", h.path("dest/app/sub"), h.path("dest/app/sub/c"),
		"/../../" + h.path("dest/keep/d"), "/", h.path("dest/gone"), h.path("dest/app/cut")}, "\n")
	h.write(h.path("dest"), "app/cut", "not removed: the line was cut short")
	h.write(h.path("state"), "g-cleanup", list)
	h.must(h.install(h.archive("a", "2"), "files:\n  - source: a\n    destination: DEST/new\n"))
	h.wantFiles("app/ b=1 app/cut=not removed: the line was cut short keep/d=1 new/a=2")
	if got := h.cleanup(); got != "DEST/new\nDEST/new/a\n" {
		t.Errorf("%q", got)
	}
}

func TestUntrustedList(t *testing.T) {
	h := newHost(t)
	h.write(h.path("dest"), "precious", "x")
	h.write(h.path("state"), "g-cleanup", h.path("dest/precious")+"\n")
	h.must(os.Chmod(h.path("state/g-cleanup"), 0o666))
	p, err := h.plan(h.archive("a", "1"), whole)
	h.must(err)
	if w := p.Warnings(); len(w) != 1 || !strings.Contains(w[0].Message, "others may write it") {
		t.Errorf("%v", w)
	}
	h.must(p.Apply(context.Background(), nil))
	h.wantFiles("app/a=1 precious=x")
}

func TestSpecialFiles(t *testing.T) {
	h := newHost(t)
	h.must(os.MkdirAll(h.path("dest/app"), 0o755))
	h.must(syscall.Mkfifo(h.path("dest/app/a"), 0o644))
	archive := h.archive("a", "1")
	h.must(syscall.Mkfifo(filepath.Join(archive, "fifo"), 0o644))
	_, err := h.plan(archive, "file_exists_behavior: OVERWRITE\n"+whole)
	if err == nil || !strings.Contains(err.Error(), "a device, FIFO or socket stands at") || !strings.Contains(err.Error(), "fifo of the revision is a device") {
		t.Errorf("%v", err)
	}
}

func TestPermissions(t *testing.T) {
	h := newHost(t)
	archive := h.archive("a.sh", "1", "b.txt", "1", "d/c.sh", "1", "d/e/f", "1")
	text := whole + `permissions:
  - object: DEST/app
    pattern: "*.sh"
    mode: 755
    type: [file]
  - object: DEST/app/d/
    except: [e]
    mode: 1700
`
	h.must(h.install(archive, text))
	h.must(h.install(archive, text)) // nothing to copy, the same result
	for name, want := range map[string]fs.FileMode{
		"app": 0o755 | fs.ModeDir, "app/a.sh": 0o755, "app/b.txt": 0o644, "app/d": 0o755 | fs.ModeDir, "app/d/c.sh": 0o700 | fs.ModeSticky,
		"app/d/e": 0o755 | fs.ModeDir, "app/d/e/f": 0o700 | fs.ModeSticky,
	} {
		if fi, err := os.Lstat(h.path("dest", name)); err != nil || fi.Mode() != want {
			t.Errorf("%s: %v, want %v", name, fi.Mode(), want)
		}
	}
	_, err := h.plan(archive, whole+"permissions:\n  - object: DEST/app/a.sh\n    mode: 755\n  - object: DEST/app\n    mode: 644\n")
	if err == nil || !strings.Contains(err.Error(), "are specified more than once, also in line 7") {
		t.Errorf("%v", err)
	}
	p, err := h.plan(archive, whole+"permissions:\n  - object: /elsewhere\n    mode: 755\n")
	h.must(err)
	if w := p.Warnings(); len(w) != 1 || w[0].Line != 7 || !strings.Contains(w[0].Message, "nothing that is installed matches") {
		t.Errorf("%v", w)
	}
}

func TestOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		h := newHost(t)
		_, err := h.plan(h.archive("a", "1"), whole+"permissions:\n  - object: DEST/app\n    owner: root\n")
		if err == nil || !strings.Contains(err.Error(), "only root may give files away") {
			t.Errorf("%v", err)
		}
		t.Skip("the rest needs root")
	}
	h := newHost(t)
	archive := h.archive("a", "1", "d/b", "1")
	h.must(os.Chown(filepath.Join(archive, "a"), 12345, 54321)) // as unpacked from a tar
	text := whole + "permissions:\n  - object: DEST/app/d\n    owner: nobody\n    group: 4321\n    mode: 6755\n"
	for range 2 {
		h.must(h.install(archive, text))
		for name, want := range map[string]string{"app/a": "0644 12345:54321", "app/d": "0755 0:0", "app/d/b": "6755 65534:4321"} {
			fi, err := os.Lstat(h.path("dest", name))
			h.must(err)
			i := infoOf(fi)
			if got := fmt.Sprintf("%04o %d:%d", i.mode, i.uid, i.gid); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	}
}

func TestHardening(t *testing.T) {
	h := newHost(t)
	archive := h.archive("a", "1", "l", "-> a", "m", "-> a")
	h.must(os.Chmod(filepath.Join(archive, "a"), 0o755|fs.ModeSetuid))
	text := "files:\n  - source: /\n    destination: /../../DEST/app\npermissions:\n  - object: DEST/app/l\n    mode: 2755\n  - object: DEST/app/m\n    mode: 644\n"
	text = strings.ReplaceAll(text, "/../../DEST", "/../.."+h.path("dest"))
	if _, err := h.plan(archive, text); err != nil {
		t.Errorf("without switches: %v", err)
	}
	h.harden = Hardening{RejectSymlinkTargets: true, RejectSetID: true, RejectTraversal: true}
	if _, err := h.plan(archive, text); err == nil || !strings.Contains(err.Error(), "reject_path_traversal_in_bundle") {
		t.Errorf("%v", err)
	}
	_, err := h.plan(archive, strings.ReplaceAll(text, "/../..", ""))
	for _, want := range []string{"reject_symlink_permission_targets", "a of the revision has the set-user-id", "set-group-id mode 2755"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestChangesAndText(t *testing.T) {
	h := newHost(t)
	_, second, _, text2 := scene(h)
	p, err := h.plan(second, text2)
	h.must(err)
	got := map[string]int{}
	for _, c := range p.Changes() {
		got[c.Kind+" "+string(c.Action)]++
	}
	for what, want := range map[string]int{"file create": 5, "link create": 1, "directory create": 2, "file overwrite": 6, "link overwrite": 1,
		"directory overwrite": 2, "file delete": 5, "directory delete": 3, "file mode": 2, "directory mode": 6} {
		if got[what] != want {
			t.Errorf("%d changes %s, want %d: %+v", got[what], what, want, p.Changes())
		}
	}
	var b bytes.Buffer
	n, err := p.WriteTo(&b)
	if err != nil || n != int64(b.Len()) || !strings.Contains(b.String(), "\n"+p.Summary()+"\nspace at ") || !strings.Contains(b.String(), `odd\nname"`) {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestNoSpaceAndNoAccess(t *testing.T) {
	h := newHost(t)
	archive := h.archive("big", "")
	h.must(os.Truncate(filepath.Join(archive, "big"), 1<<42))
	if _, err := h.plan(archive, whole); err == nil || !strings.Contains(err.Error(), "has too little space: 4.0 TiB are needed and") {
		t.Errorf("%v", err)
	}
	if os.Geteuid() == 0 {
		return
	}
	h.must(os.Chmod(h.path("dest"), 0o555))
	if _, err := h.plan(h.archive("a", "1"), whole); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v", err)
	}
	h.must(os.Chmod(h.path("dest"), 0o755))
}
