//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"codedeploy-agent/agent"
	"codedeploy-agent/agent/config"
)

func init() { syscall.Umask(0o022) } // as the agent does; some hostile cases are deployed in this process

// hostile is one attempt to get out: a bundle, an AppSpec, a state of the host. It is deployed with the default settings and with those of a new
// host. What surrounds the deployment must be the same afterwards, whatever came of it.
type hostile struct {
	area, name, form string
	// make returns the bundle and prepares the host.
	make func(s *stage) bundle
	// refused is said when it is refused, whatever the settings. Empty: it is accepted and harmless.
	refused string
	// setting is what refuses it on a new host, where it is accepted by default; the refusal names it.
	setting string
	// leaves are the files below the destination after it was accepted: what an honest bundle would leave; see stage.installed. strictly are
	// those on a new host, where they differ.
	leaves, strictly []string
	// told is a part of a warning that is logged.
	told string
	// exists is the deployment's option for existing files; empty is DISALLOW.
	exists string
	// limit is a setting with a value, for both hosts.
	limit string
	// off is a setting that is off on a new host too, so that another one decides.
	off string
	// open says that accepted it changes something outside by intention: what the AppSpec asks for in so many words.
	open bool
	// root says that only root can prepare it, runs that a script of it runs, which a file system in memory may forbid.
	root, runs bool
}

// bundle is what is deployed: data of a type, or a directory.
type bundle struct {
	kind string // tar, tgz or zip; directory
	data []byte // empty: the directory s.path("bundle")
}

// stage is a host with a deployment root and a destination, surrounded by what must not be touched.
type stage struct {
	t      testing.TB
	dir    string
	fresh  bool // a new host
	config *config.Config
	log    bytes.Buffer
}

const canaryText = "do not touch"

func newStage(t testing.TB, fresh, runs bool) *stage {
	t.Helper()
	parent := "/dev/shm" // what hundreds of deployments sync takes long on a busy disk and nothing in memory
	if info, err := os.Stat(parent); err != nil || !info.IsDir() || runs {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "codedeploy-hostile-")
	if err != nil {
		dir, err = os.MkdirTemp("", "codedeploy-hostile-")
	}
	must(t, err)
	t.Cleanup(func() {
		filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				os.Chmod(p, 0o700)
			}
			return nil
		})
		os.RemoveAll(dir)
	})
	must(t, os.Chmod(dir, 0o755))
	s := &stage{t: t, dir: dir, fresh: fresh}
	for _, d := range []string{"agent", "srv", "outside", "outside/dir", "outside/empty"} {
		must(t, os.Mkdir(s.path(d), 0o755))
	}
	for _, f := range []string{"outside/precious", "outside/script.sh", "outside/dir/deep", "outside/dir/a"} {
		must(t, os.WriteFile(s.path(f), []byte(canaryText), 0o600))
	}
	must(t, os.Chmod(s.path("outside/script.sh"), 0o755), os.Chmod(s.path("outside/dir/deep"), 0o640),
		os.Symlink("precious", s.path("outside/link")), os.Symlink("nowhere", s.path("outside/dangling")))
	s.config = config.Default()
	if fresh {
		s.config = config.NewHost()
	}
	s.config.RootDir, s.config.StateDir, s.config.LogDir = s.path("agent/root"), s.path("agent/state"), s.path("agent/log")
	return s
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (s *stage) path(name string) string { return filepath.Join(s.dir, name) }

// text puts this host's paths into a text: DEST is the destination, OUT what must not be touched, ROOT the deployment root.
func (s *stage) text(t string) string {
	return strings.NewReplacer("DEST", s.path("srv/app"), "OUT", s.path("outside"), "ROOT", s.path("agent/root"), "SRV", s.path("srv")).Replace(t)
}

// write makes a file with its directories.
func (s *stage) write(name, content string, mode fs.FileMode) {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.path(name)), 0o755), os.WriteFile(s.path(name), []byte(content), mode), os.Chmod(s.path(name), mode))
}

// list makes the clean-up list that an earlier deployment has left.
func (s *stage) list(lines string) {
	s.t.Helper()
	s.write(listName, s.text(lines), 0o644)
}

const (
	listName         = "agent/root/deployment-instructions/g-cleanup"
	instructionsName = "agent/root/deployment-instructions/g-install.json"
)

// deploy deploys a bundle as the command deploy-local does.
func (s *stage) deploy(b bundle, exists string) error {
	s.t.Helper()
	location := s.path("bundle")
	if b.kind != "directory" {
		must(s.t, os.WriteFile(location, b.data, 0o644))
	}
	if exists == "" {
		exists = "DISALLOW"
	}
	log := zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&s.log)), zap.WarnLevel))
	l := &agent.LocalDeployment{
		Location: location, Type: b.kind, FileExists: exists, GroupID: "g", GroupName: "G", Config: s.config, Log: log,
		Sources: &agent.BundleSources{Config: s.config, Log: log}, Out: io.Discard, Console: io.Discard,
	}
	return l.Run(context.Background())
}

// around describes everything on the stage but the agent's own directories, what was deployed and the destination: whatever a change would
// show in, the time of the last change of the inode included.
func (s *stage) around() map[string]string {
	s.t.Helper()
	return survey(s.t, s.dir, "agent", "srv", "bundle")
}

// survey describes everything below a directory.
func survey(t testing.TB, top string, except ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, p)
		if err != nil {
			return err
		}
		if rel == "." {
			return nil
		}
		if slices.Contains(except, rel) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%v %d:%d inode %d names %d size %d time %v", info.Mode(), st.Uid, st.Gid, st.Ino, st.Nlink, st.Size, info.ModTime().UnixNano())
		text += changeTime(st)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text += " -> " + target
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		all[rel] = text
		return nil
	}))
	return all
}

// changed lists the differences of two surveys.
func changed(before, after map[string]string) []string {
	var out []string
	for name, was := range before {
		if is, ok := after[name]; !ok {
			out = append(out, name+" is gone")
		} else if is != was {
			out = append(out, fmt.Sprintf("%s was %s\n  and is %s", name, was, is))
		}
	}
	for name, is := range after {
		if _, ok := before[name]; !ok {
			out = append(out, name+" is new: "+is)
		}
	}
	sort.Strings(out)
	return out
}

// installed lists the files, links and odd directories below the directory of destinations but for the AppSpec: "name=content", "name->target",
// "name/" for a directory without files; then the mode if it is not 0644, of directories 0755, and the owner if it is not this process's user.
func (s *stage) installed() []string {
	s.t.Helper()
	var out []string
	must(s.t, filepath.WalkDir(s.path("srv"), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.path("srv"), p)
		if err != nil || rel == "." || rel == "app/appspec.yml" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		text, plain := rel, fs.FileMode(0o644)
		switch {
		case d.IsDir():
			plain = 0o755
			entries, err := os.ReadDir(p)
			if err != nil {
				return err
			}
			if text += "/"; len(entries) > 0 && info.Mode()&^fs.ModeDir == plain && int(st.Uid) == os.Geteuid() {
				return nil
			}
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text, plain = text+"->"+strings.NewReplacer(s.path("outside"), "OUT", s.path("srv"), "%").Replace(target), 0o777
		case info.Mode().IsRegular():
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			if len(data) > 100 {
				data = fmt.Appendf(nil, "%d bytes", len(data))
			}
			text += "=" + string(data)
		default:
			text += " " + info.Mode().Type().String()
			plain = info.Mode() &^ fs.ModeType
		}
		if info.Mode().IsRegular() {
			text += attributesOf(p)
		}
		if mode := info.Mode() &^ fs.ModeType; mode != plain {
			text += " " + mode.String()
		}
		if int(st.Uid) != os.Geteuid() {
			text += fmt.Sprintf(" of %d", st.Uid)
		}
		out = append(out, text)
		return nil
	}))
	sort.Strings(out)
	return out
}

// row is one line of the table that the test prints.
type row struct{ area, name, form, byDefault, fresh, decides string }

// table collects rows from tests that run at the same time.
type table struct {
	mu   sync.Mutex
	rows map[int]row
}

func (t *table) add(n int, r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows[n] = r
}

func (t *table) print(w io.Writer) {
	fmt.Fprintf(w, "| # | area | case | form | default settings | new host | decided by |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, n := range slices.Sorted(maps.Keys(t.rows)) {
		r := t.rows[n]
		fmt.Fprintf(w, "| %d | %s | %s | %s | %s | %s | %s |\n", n+1, r.area, r.name, r.form, r.byDefault, r.fresh, r.decides)
	}
}

// fewest is how many cases there are at least.
const fewest = 450

// TestHostile deploys every hostile case on a host with the default settings and on a new host, some of them through the service to a running
// agent, and prints the table of what came of them.
func TestHostile(t *testing.T) {
	t.Parallel()
	cases := slices.Concat(hostileArchives(), hostileNames(), hostileDirectories(), hostileDestinations(), hostileLists(), hostilePermissions(), hostileAppSpecs())
	slices.SortStableFunc(cases, func(a, b hostile) int {
		return cmp.Or(cmp.Compare(a.area, b.area), cmp.Compare(a.name, b.name), cmp.Compare(a.form, b.form))
	})
	all := &table{rows: map[int]row{}}
	t.Run("cases", func(t *testing.T) {
		for n, c := range cases {
			t.Run(fmt.Sprintf("%s/%s/%s", c.area, c.name, c.form), func(t *testing.T) {
				t.Parallel()
				all.add(n, c.run(t))
			})
		}
		served(t, all, len(cases))
	})
	if n := len(cases) + len(hostileSpecifications()) + len(hostileHooks()); n < fewest {
		t.Errorf("%d cases, want %d", n, fewest)
	}
	var out bytes.Buffer
	all.print(&out)
	t.Logf("%d hostile cases\n%s", len(all.rows), out.String())
}

// run deploys the case on both hosts.
func (c *hostile) run(t *testing.T) row {
	if c.root && os.Geteuid() != 0 {
		return row{c.area, c.name, c.form, "needs root", "needs root", ""}
	}
	r := row{c.area, c.name, c.form, "", "", "always"}
	for _, fresh := range []bool{false, true} {
		refused := c.refused
		if c.setting != "" && fresh {
			refused = c.setting
		}
		outcome := c.deploy(t, fresh, refused)
		if fresh {
			r.fresh = outcome
		} else {
			r.byDefault = outcome
		}
	}
	if c.setting != "" && c.refused == "" {
		r.decides = "`" + c.setting + "`"
	}
	if key, _, ok := strings.Cut(c.limit, ":"); ok {
		r.decides = "`" + key + "`"
	}
	return r
}

// deploy deploys the case on one host, where refused is said of it, or nothing if it is accepted.
func (c *hostile) deploy(t *testing.T, fresh bool, refused string) string {
	s := newStage(t, fresh, c.runs)
	if c.limit != "" {
		limited, _, err := config.Parse("limit.yml", []byte(c.limit))
		must(t, err)
		s.config.ArchiveMaxExtractionSize, s.config.ArchiveMaxEntries = limited.ArchiveMaxExtractionSize, limited.ArchiveMaxEntries
		s.config.ArchiveMaxRatio, s.config.ArchiveMaxDepth = limited.ArchiveMaxRatio, limited.ArchiveMaxDepth
	}
	if c.off == links {
		s.config.RejectSymlinksInBundle = false
	}
	b := c.make(s)
	around, host := s.around(), survey(t, s.path("srv"))
	err := s.deploy(b, c.exists)
	if d := changed(around, s.around()); len(d) > 0 && (!c.open || refused != "") {
		t.Errorf("new host %v: outside changed:\n%s", fresh, strings.Join(d, "\n"))
	}
	if refused != "" {
		if err == nil || !strings.Contains(err.Error(), refused) {
			t.Fatalf("new host %v: %v, want an error with %q", fresh, err, refused)
		}
		if d := changed(host, survey(t, s.path("srv"))); len(d) > 0 {
			t.Errorf("new host %v: refused, and the destination changed:\n%s", fresh, strings.Join(d, "\n"))
		}
		if len(err.Error()) > 8_000 {
			t.Errorf("new host %v: the refusal has %d bytes", fresh, len(err.Error()))
		}
		s.unpublished(err)
		return "refused: " + cell(refused)
	}
	if err != nil {
		t.Fatalf("new host %v: %v, want that it is accepted", fresh, err)
	}
	want := c.leaves
	if fresh && c.strictly != nil {
		want = c.strictly
	}
	sort.Strings(want)
	if got := s.installed(); !slices.Equal(got, want) {
		t.Errorf("new host %v: installed\n  %s\nwant\n  %s", fresh, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if c.told != "" && !strings.Contains(s.log.String(), c.told) {
		t.Errorf("new host %v: the log does not say %q:\n%s", fresh, c.told, s.log.String())
	}
	if c.open {
		return "carried out as asked"
	}
	return "harmless"
}

// unpublished checks that a bundle that could not be downloaded or unpacked has left nothing of itself: an archive that is empty says that
// there is none.
func (s *stage) unpublished(err error) {
	s.t.Helper()
	left, _ := filepath.Glob(s.path("agent/root/g/*/deployment-archive/*")) // the pattern is a good one
	if strings.HasPrefix(err.Error(), "DownloadBundle failed") && len(left) > 0 {
		s.t.Errorf("%v is left", left)
	}
}

// cell makes a text fit into a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "`", "'").Replace(text)
}
