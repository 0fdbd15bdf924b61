//go:build unix

package install

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// official removes what the clean-up list names, as an official agent's Install does.
func (h *host) official() {
	h.t.Helper()
	lines := strings.Split(h.cleanup(), "\n")
	for _, line := range slices.Backward(lines[:len(lines)-1]) {
		path := strings.Replace(line, "DEST", h.path("dest"), 1)
		if fi, err := os.Lstat(path); err == nil {
			if err := os.Remove(path); err != nil && !fi.IsDir() {
				h.t.Fatal(err)
			}
		}
	}
	h.must(os.Remove(h.path("state", "g-cleanup")))
}

// This agent is killed at each step of an Install. An official agent gets the host and installs a revision of its own, or has only cleaned up.
// When this agent comes back, that is the host's state: nothing older is brought back, and the next Install is like any other.
func TestKilledThenAnotherAgentInstalls(t *testing.T) {
	for _, installs := range []bool{true, false} {
		for at := 1; ; at++ {
			if !installs && at%3 != 0 {
				continue
			}
			h := newHost(t)
			_, second, _, text2 := scene(h)
			if !h.killAt(at, second, text2) {
				if at < 30 {
					t.Fatalf("only %d steps", at)
				}
				break
			}
			h.official()
			if installs {
				h.must(os.MkdirAll(h.path("dest/app"), 0o755))
				for _, name := range []string{"changed", "official"} {
					h.write(h.path("dest/app"), name, "official")
				}
				h.write(h.path("state"), "g-cleanup", h.path("dest/app")+"\n"+h.path("dest/app/changed")+"\n"+h.path("dest/app/official")+"\n")
				h.write(h.path("state"), "g-install.json", `{"instructions":[]}`)
			}
			list, _ := os.ReadFile(h.path("state/g-cleanup"))
			h.must(Recover(context.Background(), h.path("record", "g"), zap.NewNop()))
			if now, _ := os.ReadFile(h.path("state/g-cleanup")); string(now) != string(list) {
				t.Fatalf("killed at step %d, an older clean-up list was brought back: %q", at, now)
			}
			if files := h.files(); strings.Contains(files, "app/changed=1") || installs && !strings.Contains(files, "app/changed=official app") {
				t.Fatalf("killed at step %d, the files are %s", at, files)
			}
			h.must(h.install(second, text2))
			h.wantFiles(afterScene)
			if tree := h.tree("dest"); strings.Contains(tree, tempPrefix) {
				t.Fatalf("killed at step %d, temporary files stay:\n%s", at, tree)
			}
		}
	}
}

// Somebody has removed the application by hand after the agent was killed: that must not keep the next Install from succeeding.
func TestKilledThenRemovedByHand(t *testing.T) {
	for at := 1; ; at += 2 {
		h := newHost(t)
		_, second, _, text2 := scene(h)
		if !h.killAt(at, second, text2) {
			break
		}
		h.must(os.RemoveAll(h.path("dest/app")))
		h.must(Recover(context.Background(), h.path("record", "g"), zap.NewNop()))
		h.must(h.install(second, text2))
		h.wantFiles(afterScene)
	}
}
