//go:build unix

package main

import (
	"os"
	"strings"
	"testing"

	"codedeploy-agent/agent/rehearsal"
)

// An official agent's host is taken over, deployed to twice, given back to the official agent, and taken over again.
func TestTakeOverAndHandBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		release
		name     string
		settings []string
	}{
		{ruby, "1.8", nil},
		{rust, "2.x", nil},
		{hardened, "2.x hardened", nil},
		{ruby, "1.8 hardened with the change", []string{"restrict_agent_dir_permissions: true"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFormer(t, tt.release, append(tt.settings, ":max_revisions: 3")...)
			restricted := f.restricted || tt.settings != nil
			for _, id := range []string{"d-OLD00001", "d-OLD00002", "d-OLD00003", "d-OLD00004"} {
				f.deployed(id, f.revision(id, nil, file{"content/assets/" + id + ".js", "old", 0o644}, file{"content/current", "-> assets/" + id + ".js", 0}))
			}
			f.start()
			blue := f.spec(f.stopping("unused"))
			blue.Type = rehearsal.TypeBlueGreen
			for _, e := range []string{"BeforeBlockTraffic", "AfterBlockTraffic"} {
				if r := f.command(e, blue); !r.Succeeded() || r.Noop {
					t.Errorf("%s of the revision that the official agent installed: %+v", e, r)
				}
			}
			if err := os.RemoveAll(f.path("root/" + group + "/" + blue.DeploymentID)); err != nil { // it would count as a revision
				t.Fatal(err)
			}

			f.deploy(f.stopping("two", file{"content/assets/two.js", "2", 0o644}), rehearsal.Succeeded)
			f.wantTree(". drwxr-xr-x", "assets drwxr-xr-x", "assets/two.js -rw-r--r-- 2", "index.html -rw-r--r-- two")
			f.wantOfficialRoot(restricted, "d-OLD00003", "d-OLD00004", "d-TEST00002")
			f.deploy(f.stopping("three", file{"content/assets/three.js", "3", 0o644}), rehearsal.Succeeded)
			f.wantTree(". drwxr-xr-x", "assets drwxr-xr-x", "assets/three.js -rw-r--r-- 3", "index.html -rw-r--r-- three")
			if code := f.stop(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			f.wantOfficialRoot(restricted, "d-OLD00004", "d-TEST00002", "d-TEST00003")
			if log := f.log(); !strings.HasPrefix(log, "2024-05-06T07:08:09 INFO ") {
				t.Errorf("the official agent's log was not kept:\n%s", log)
			}

			f.stopScript()
			f.cleanUp()
			f.wantTree() // of three there is nothing left
			notes := []string{"BeforeBlockTraffic d-OLD00004", "AfterBlockTraffic d-OLD00004",
				"ApplicationStop d-OLD00004", "BeforeInstall two", "ApplicationStop two", "BeforeInstall three",
				"ApplicationStop three"} // by the official agent
			if tt.settings == nil { // what it installs now is taken over like the first time
				f.deployed("d-BACK0001", f.stopping("back"))
				f.start()
				f.deploy(f.stopping("four"), rehearsal.Succeeded)
				f.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- four")
				notes = append(notes, "ApplicationStop back", "BeforeInstall four")
			}
			f.wantNotes(notes...)
		})
	}
}
