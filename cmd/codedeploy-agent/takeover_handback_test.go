//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// wantOfficialRoot checks everything that an official agent reads when it gets the host back. deployments are the group's, the last one
// the newest; restricted says what restrict_agent_dir_permissions was.
func (f *former) wantOfficialRoot(restricted bool, deployments ...string) {
	f.t.Helper()
	r := release{restricted: restricted}
	last := "root/" + group + "/" + deployments[len(deployments)-1]
	f.wantEntries("root", r.choose(0o755, 0o711), group, "deployment-instructions", "deployment-logs", "ongoing-deployment")
	f.wantEntries("root/ongoing-deployment", r.choose(0o755, 0o700))
	f.wantEntries("root/deployment-logs", r.choose(0o755, 0o750), "codedeploy-agent-deployments.log")
	f.wantEntries("root/"+group, r.choose(0o755, 0o711), deployments...)
	f.wantEntries(last, r.choose(0o755, 0o711), "bundle.tar", "deployment-archive", "logs")
	f.wantEntries(last+"/deployment-archive", r.choose(0o755, 0o711), "appspec.yml", "content", "hooks")
	f.wantEntries(last+"/logs", r.choose(0o755, 0o750), "scripts.log")
	f.wantMode(last+"/logs/scripts.log", r.choose(0o644, 0o640))
	f.wantMode(last+"/bundle.tar", r.choose(0o644, 0o600))
	f.wantEntries("root/deployment-instructions", r.choose(0o755, 0o700),
		group+"-cleanup", group+"-install.json", group+"_last_successful_install", group+"_most_recent_install")
	for _, name := range []string{"-cleanup", "-install.json", "_last_successful_install", "_most_recent_install"} {
		f.wantMode("root/deployment-instructions/"+group+name, r.choose(0o644, 0o600))
	}
	for _, name := range []string{"_last_successful_install", "_most_recent_install"} {
		if got, want := f.read(f.instructions(name)), f.path(last); got != want {
			f.t.Errorf("%s holds %q, want %q and nothing else", name, got, want)
		}
	}
	f.wantSameInstructionsAndList()
}

func (f *former) wantEntries(dir string, mode os.FileMode, want ...string) {
	f.t.Helper()
	f.wantMode(dir, mode|os.ModeDir)
	entries, err := os.ReadDir(f.path(dir))
	if err != nil {
		f.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		f.t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func (f *former) wantMode(name string, want os.FileMode) {
	f.t.Helper()
	info, err := os.Lstat(f.path(name))
	if err != nil {
		f.t.Error(err)
	} else if info.Mode() != want {
		f.t.Errorf("%s has the mode %v, want %v", name, info.Mode(), want)
	}
}

// wantSameInstructionsAndList checks the clean-up list's grammar, that all it names is there, and that the instructions made just that.
func (f *former) wantSameInstructionsAndList() {
	f.t.Helper()
	text := f.read(f.instructions("-cleanup"))
	if !strings.HasSuffix(text, "\n") {
		f.t.Fatalf("the clean-up list's last line is not ended and would be dropped: %q", text)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		if _, err := os.Lstat(line); err != nil || !filepath.IsAbs(line) || strings.TrimSpace(line) != line || slices.Contains(lines[:i], line) {
			f.t.Errorf("line %d of the clean-up list is %q (%v), want the path of something installed, once", i+1, line, err)
		}
	}
	var all struct{ Instructions []map[string]any }
	if err := json.Unmarshal([]byte(f.read(f.instructions("-install.json"))), &all); err != nil {
		f.t.Fatalf("install.json: %v", err)
	}
	var made []string
	for _, x := range all.Instructions {
		switch x["type"] {
		case "mkdir":
			made = append(made, x["directory"].(string))
		case "copy":
			made = append(made, x["destination"].(string))
			if _, err := os.Lstat(x["source"].(string)); err != nil {
				f.t.Errorf("install.json: %v", err)
			}
		}
	}
	if !slices.Equal(made, lines) {
		f.t.Errorf("the clean-up list names %q, the instructions %q", lines, made)
	}
}

// stopScript runs ApplicationStop of the last successful install, found the way an official agent finds it.
func (f *former) stopScript() {
	f.t.Helper()
	archive := f.read(f.instructions("_last_successful_install")) + "/deployment-archive"
	if spec := f.read(archive + "/appspec.yml"); !strings.Contains(spec, "ApplicationStop:") {
		f.t.Fatalf("no AppSpec with an ApplicationStop in %s: %q", archive, spec)
	}
	cmd := exec.Command(archive + "/hooks/ApplicationStop.sh")
	cmd.Env = append(os.Environ(), "LIFECYCLE_EVENT=ApplicationStop")
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Errorf("an official agent's ApplicationStop: %v\n%s", err, out)
	}
}
