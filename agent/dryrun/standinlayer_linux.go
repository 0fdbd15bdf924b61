package dryrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// standInLayer is the layer of stand-ins: small files that lie over the host's programs and start the agent's binary as their stand-in.
type standInLayer struct {
	dir string // its place, with the same paths as in the view
	// real is where the real programs are in the view, by name.
	real map[string]string
	// hidden are programs that are to be shown under another name because their own place is the stand-in's.
	hidden map[string]string
	made   bool
}

// The files of the stand-ins in the dry run's own directory.
const (
	callsFile    = private + "/calls"
	standInsFile = private + "/stand-ins.json"
	unitsDir     = private + "/units"
	programsDir  = private + "/programs"
	hiddenDir    = private + "/real"
	shellFile    = private + "/bashrc"
)

// standInText is what makes a file a stand-in.
const standInText = "#!" + self + " " + standInCommand + "\n"

// isStandIn says whether a file is a stand-in.
func isStandIn(path string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() || info.Size() != int64(len(standInText)) {
		return false
	}
	data, err := os.ReadFile(path)
	return err == nil && string(data) == standInText
}

// standInState is what a stand-in knows of the view.
type standInState struct {
	Rules []Rule
	// Real is where the real programs are, by name.
	Real map[string]string
	User bool
	// HostNetwork says that the view has the host's network.
	HostNetwork bool
}

// programDirectories are where programs are looked for, besides the caller's PATH.
var programDirectories = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// placeStandIns makes the layer of stand-ins.
func (v *view) placeStandIns() error {
	v.standIns = &standInLayer{dir: filepath.Join(v.scratch, "stand-ins"), real: map[string]string{}, hidden: map[string]string{}}
	directories := slices.Clone(programDirectories)
	if v.base == "/" {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if filepath.IsAbs(dir) && !slices.Contains(directories, filepath.Clean(dir)) {
				directories = append(directories, filepath.Clean(dir))
			}
		}
	}
	for _, s := range table {
		if s.kind == identity && !v.settings.User && !v.lacks(s) || s.ifMissing || v.alwaysReal(s.name) || s.name == "sleep" && !v.named(s.name) {
			continue
		}
		found := false
		for _, dir := range directories {
			path := filepath.Join(dir, s.name)
			place, ok := v.resolve(dir)
			if !ok {
				continue
			}
			info, err := os.Lstat(v.hostPath(filepath.Join(place, s.name)))
			if err != nil || info.IsDir() {
				continue
			}
			found = true
			if err := v.standIns.put(v, filepath.Join(place, s.name)); err != nil {
				return fmt.Errorf("cannot put a stand-in at %s: %w", path, err)
			}
		}
		at := s.at
		if !found && at == "" && v.lacks(s) {
			at = "/usr/bin"
			v.warnings = append(v.warnings, fmt.Sprintf("the other root has no %s, which instances have: its stand-in is there", s.name))
		}
		if found || at == "" {
			continue
		}
		place, ok := v.resolve(at)
		for _, dir := range []string{"/usr/bin", "/bin"} {
			if !ok {
				place, ok = v.resolve(dir)
			}
		}
		if !ok {
			continue
		}
		if err := v.standIns.put(v, filepath.Join(place, s.name)); err != nil {
			return fmt.Errorf("cannot put a stand-in at %s: %w", place, err)
		}
	}
	return nil
}

// alwaysReal says whether a program has no stand-in in this view: because there is a network, or a rule of the caller says so.
func (v *view) alwaysReal(name string) bool {
	if s := find(name); v.settings.HostNetwork && (s.kind == Packages || s.kind == network) {
		return true
	}
	return slices.ContainsFunc(v.settings.Options.StandIns, func(r Rule) bool { return r.Answer == "real" && len(r.Words) == 1 && r.Words[0] == name })
}

// lacks says whether another root has not what every instance has: images of containers leave it out.
func (v *view) lacks(s standIn) bool {
	return s.onInstances && v.base != "/" && !slices.ContainsFunc(programDirectories, func(dir string) bool {
		place, ok := v.resolve(dir)
		if !ok {
			return false
		}
		_, err := os.Lstat(v.hostPath(filepath.Join(place, s.name)))
		return err == nil
	})
}

// named says whether a rule of the caller is about a program.
func (v *view) named(name string) bool {
	return slices.ContainsFunc(v.settings.Options.StandIns, func(r Rule) bool { return r.Words[0] == name })
}

// resolve follows the links of a directory within the root file system that is looked at.
func (v *view) resolve(path string) (string, bool) {
	at := "/"
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for links := 0; len(parts) > 0; {
		next := filepath.Join(at, parts[0])
		parts = parts[1:]
		info, err := os.Lstat(v.hostPath(next))
		if err != nil {
			return "", false
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(v.hostPath(next))
		if links++; err != nil || links > 40 {
			return "", false
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		parts = append(strings.Split(strings.Trim(filepath.Clean(target), "/"), "/"), parts...)
		at = "/"
	}
	return at, true
}

// put lays a stand-in over a program of the host, or where there is none.
func (l *standInLayer) put(v *view, path string) error {
	name := filepath.Base(path)
	at := join(l.dir, path)
	if _, err := os.Lstat(at); err == nil {
		return nil
	}
	if err := l.directories(v, filepath.Dir(path)); err != nil {
		return err
	}
	if real, ok := v.resolve(path); ok && l.real[name] == "" {
		if filepath.Base(real) == name && slices.Contains(programDirectories, filepath.Dir(real)) || real == path {
			l.hidden[name] = v.hostPath(real)
			real = hiddenDir + "/" + name
		}
		l.real[name] = real
	}
	l.made = true
	return os.WriteFile(at, []byte(standInText), 0o755)
}

// directories makes a directory of the layer, and those on the way to it, like the host's: what the layer has counts.
func (l *standInLayer) directories(v *view, path string) error {
	at := join(l.dir, path)
	if _, err := os.Lstat(at); err == nil {
		return nil
	}
	if path != "/" {
		if err := l.directories(v, filepath.Dir(path)); err != nil {
			return err
		}
	}
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	info, err := os.Stat(v.hostPath(path))
	if err != nil {
		return nil
	}
	return v.like(at, info)
}

// below is the layer's directory for what is shown at a place of the view, "" if it has none.
func (l *standInLayer) below(path string) string {
	at := join(l.dir, path)
	if info, err := os.Stat(at); err != nil || !info.IsDir() {
		return ""
	}
	return at
}

// keepStandIns leaves in the dry run's own directory what stand-ins need. Hooks run as other users, too, and so do stand-ins.
func (v *view) keepStandIns(at string) error {
	data, err := json.Marshal(standInState{Rules: v.settings.Options.StandIns, Real: v.standIns.real, User: v.settings.User, HostNetwork: v.settings.HostNetwork})
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(join(v.root, standInsFile), data, 0o644),
		os.WriteFile(join(v.root, callsFile), nil, 0o666),
		os.Mkdir(join(v.root, unitsDir), 0o777|fs.ModeSticky),
		os.Mkdir(join(v.root, programsDir), 0o777|fs.ModeSticky),
		os.Mkdir(join(v.root, hiddenDir), 0o755),
		os.WriteFile(join(v.root, shellFile), []byte("[ ! -r ~/.bashrc ] || . ~/.bashrc\nPROMPT_COMMAND=\nPS1='(dry run) \\w# '\n"), 0o644),
		os.Mkdir(join(v.root, pythonDir), 0o755),
		os.WriteFile(join(v.root, pythonDir+"/sitecustomize.py"), []byte(strings.NewReplacer("SELF", self, "COMMAND", standInCommand).Replace(pythonHook)), 0o644),
	)
	for name, from := range v.standIns.hidden {
		at := join(v.root, hiddenDir+"/"+name)
		if e := bind(from, at); e != nil {
			return errors.Join(err, e)
		}
		err = errors.Join(err, readOnly(at))
	}
	return err
}

// readCalls reads what stand-ins have recorded.
func readCalls() ([]Call, error) {
	data, err := os.ReadFile(callsFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read what the stand-ins were asked for: %w", err)
	}
	calls := []Call{}
	for line := range strings.Lines(string(data)) {
		var c Call
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			return nil, fmt.Errorf("cannot read what the stand-ins were asked for: %w", err)
		}
		calls = append(calls, c)
	}
	return calls, nil
}
