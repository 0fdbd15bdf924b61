//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// release is an official agent's way of keeping a deployment root.
type release struct {
	name string
	rust bool // 2.x: markers beside the bundle, indented instructions with sorted keys, modes without leading zeros
	// restricted is restrict_agent_dir_permissions of 2.x.
	restricted bool
}

var (
	ruby     = release{name: "1.8"}
	rust     = release{name: "2.x", rust: true}
	hardened = release{name: "2.x hardened", rust: true, restricted: true}
)

// slim is a revision that installs index.html and has a noting script for the events of bodies only.
func (h *host) slim(label string, bodies map[string]string, extra ...file) []file {
	spec := "version: 0.0\nos: linux\nfiles:\n  - source: content\n    destination: " + h.dest + "\nhooks:\n"
	var files []file
	for _, e := range slices.Sorted(maps.Keys(bodies)) {
		spec += fmt.Sprintf("  %s:\n    - location: hooks/%s.sh\n      timeout: 60\n", e, e)
		files = append(files, file{"hooks/" + e + ".sh", hookNote(h.notes, label, bodies[e]), 0o755})
	}
	files = append(files, file{"content/index.html", label + "\n", 0o644})
	return append(append([]file{{"appspec.yml", spec, 0o644}}, files...), extra...)
}

// stopping is the usual revision here: what matters most is whose ApplicationStop runs.
func (h *host) stopping(label string, extra ...file) []file {
	return h.slim(label, map[string]string{"ApplicationStop": "", "BeforeInstall": ""}, extra...)
}

func (r release) choose(open, restricted os.FileMode) os.FileMode {
	if r.restricted {
		return restricted
	}
	return open
}

// former is an official agent, as far as it leaves traces in the deployment root and at the destination. It is written from the documented
// layout and shares nothing with the agent.
type former struct {
	*host
	release
	deployments int
}

func newFormer(t testing.TB, r release, settings ...string) *former {
	t.Helper()
	if r.restricted {
		settings = append(settings, "restrict_agent_dir_permissions: true")
	}
	f := &former{host: newHost(t, settings...), release: r}
	f.dir("root", f.choose(0o755, 0o711))
	f.dir("root/ongoing-deployment", f.choose(0o755, 0o700))
	f.dir("root/deployment-instructions", f.choose(0o755, 0o700))
	f.dir("root/deployment-logs", f.choose(0o755, 0o750))
	f.dir("root/"+group, f.choose(0o755, 0o711))
	f.file("log/codedeploy-agent.log", "2024-05-06T07:08:09 INFO  [codedeploy-agent(123)]: Version file found\n", 0o644)
	return f
}

func (f *former) dir(name string, mode os.FileMode) string {
	f.t.Helper()
	path := f.path(name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// file writes a file with its mode, or a link if the content begins with "-> ".
func (f *former) file(name, content string, mode os.FileMode) {
	f.t.Helper()
	if target, ok := strings.CutPrefix(content, "-> "); ok {
		if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Symlink(target, f.path(name)); err != nil {
			f.t.Fatal(err)
		}
		return
	}
	f.write(name, content)
	if err := os.Chmod(f.path(name), mode); err != nil {
		f.t.Fatal(err)
	}
}

func (f *former) instructions(name string) string {
	return f.path("root/deployment-instructions/" + group + name)
}

// downloaded is what DownloadBundle leaves.
func (f *former) downloaded(id string, files []file) {
	f.t.Helper()
	at := "root/" + group + "/" + id
	f.dir(at, f.choose(0o755, 0o711))
	f.dir(at+"/deployment-archive", f.choose(0o755, 0o711))
	packed := slices.DeleteFunc(slices.Clone(files), func(x file) bool { return strings.HasPrefix(x.content, "-> ") })
	f.file(at+"/bundle.tar", string(pack(f.t, packed)), f.choose(0o644, 0o600))
	if f.rust {
		f.file(at+"/.bundle-etag", "0123456789abcdef0123456789abcdef", f.choose(0o644, 0o600))
		f.file(at+"/.bundle-source", "downloaded", f.choose(0o644, 0o600))
	}
	for _, x := range files {
		mode := os.FileMode(x.mode)
		if mode == 0 {
			mode = 0o644
		}
		f.file(at+"/deployment-archive/"+x.name, x.content, mode)
	}
	f.file("root/deployment-instructions/"+group+"_most_recent_install", f.path(at), f.choose(0o644, 0o600))
	f.deployments++
	when := time.Now().Add(time.Duration(f.deployments-100) * time.Hour)
	if err := os.Chtimes(f.path(at), when, when); err != nil {
		f.t.Fatal(err)
	}
}

// installed is what Install leaves: the revision's content, the instructions, the clean-up list and the pointer.
func (f *former) installed(id string, files []file) {
	f.t.Helper()
	var list []string
	var steps []map[string]string
	mkdir := func(path string) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			f.t.Fatal(err)
		}
		list = append(list, path)
		steps = append(steps, map[string]string{"type": "mkdir", "directory": path})
	}
	mkdir(f.dest)
	for _, x := range files {
		below, ok := strings.CutPrefix(x.name, "content/")
		if !ok {
			continue
		}
		at := f.dest
		for _, part := range strings.Split(filepath.Dir(below), "/") {
			if at = filepath.Join(at, part); part != "." {
				mkdir(at)
			}
		}
		f.file("srv/"+below, x.content, os.FileMode(x.mode))
		list = append(list, f.dest+"/"+below)
		steps = append(steps, map[string]string{"type": "copy", "source": f.path("root/" + group + "/" + id + "/deployment-archive/" + x.name),
			"destination": f.dest + "/" + below})
	}
	mode := map[bool]string{false: "0644", true: "644"}[f.rust]
	steps = append(steps, map[string]string{"type": "chmod", "mode": mode, "file": f.dest + "/index.html"})
	f.file("root/deployment-instructions/"+group+"-install.json", f.json(steps), f.choose(0o644, 0o600))
	f.list(list...)
	f.file("root/deployment-instructions/"+group+"_last_successful_install", f.path("root/"+group+"/"+id), f.choose(0o644, 0o600))
}

// json writes instructions as the release does: 1.8 without blanks and the type first, 2.x indented with sorted keys.
func (f *former) json(steps []map[string]string) string {
	f.t.Helper()
	if f.rust {
		text, err := json.MarshalIndent(map[string]any{"instructions": steps}, "", "  ")
		if err != nil {
			f.t.Fatal(err)
		}
		return string(text)
	}
	var all []string
	for _, s := range steps {
		text := fmt.Sprintf(`{"type":%q`, s["type"])
		for _, k := range []string{"directory", "source", "destination", "mode", "file"} {
			if v, ok := s[k]; ok {
				text += fmt.Sprintf(`,%q:%q`, k, v)
			}
		}
		all = append(all, text+"}")
	}
	return `{"instructions":[` + strings.Join(all, ",") + "]}"
}

// list writes the clean-up list.
func (f *former) list(lines ...string) {
	f.t.Helper()
	f.file("root/deployment-instructions/"+group+"-cleanup", strings.Join(lines, "\n")+"\n", f.choose(0o644, 0o600))
}

// deployed is what a whole deployment leaves.
func (f *former) deployed(id string, files []file) {
	f.t.Helper()
	f.downloaded(id, files)
	f.cleanUp() // of the previous one
	f.installed(id, files)
	const at = "2024-05-06 07:08:09 "
	f.dir("root/"+group+"/"+id+"/logs", f.choose(0o755, 0o750))
	f.file("root/"+group+"/"+id+"/logs/scripts.log", at+"LifecycleEvent - BeforeInstall\n"+at+"Script - hooks/BeforeInstall.sh\n", f.choose(0o644, 0o640))
	f.file("root/deployment-logs/codedeploy-agent-deployments.log",
		"# Logfile created on 2024-05-06 07:08:09 +0000 by logger.rb\n["+at+"] ["+id+"]LifecycleEvent - BeforeInstall\n", f.choose(0o644, 0o640))
}

// cleanUp executes the clean-up list as an official agent's next Install does: from its end to its start, without a last line that was cut
// short, lines without the blanks around them; links and files are unlinked, directories removed if they are empty.
func (f *former) cleanUp() {
	f.t.Helper()
	text := f.read(f.instructions("-cleanup"))
	lines := strings.Split(text, "\n")
	for _, line := range slices.Backward(lines[:len(lines)-1]) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "semanage\x00") {
			continue
		}
		info, err := os.Lstat(line)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			f.t.Fatal(err)
		}
		if err := os.Remove(line); err != nil && !info.IsDir() {
			f.t.Fatalf("an official agent's Install would fail: %v", err)
		}
	}
	if err := os.Remove(f.instructions("-cleanup")); err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
}
