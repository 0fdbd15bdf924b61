//go:build linux

package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The life of an image: the package is installed in a chroot, the host deploys, is scrubbed and copied, and the copy is another instance.
// Nothing of the first is used there.
func TestImageLife(t *testing.T) {
	m := newMachine(t)
	m.install(built.deb("0.1.0"))
	c := newCloud(t, "i-00000000000000001")
	c.appear()
	c.configure(m)
	before := tree(t, m.root)

	m.start()
	m.waitForState("active")
	c.deploy(m, c.revision("built", nil))
	if out, err := m.try("codedeploy-agent", "image", "scrub"); err == nil || !strings.Contains(out, "the agent is running") {
		t.Errorf("scrub while the agent runs: %v\n%s", err, out)
	}
	m.run("systemctl", "stop", "codedeploy-agent")
	if out, err := m.try("codedeploy-agent", "image", "prepare"); err == nil || !strings.Contains(out, "codedeploy-agent image scrub") {
		t.Errorf("prepare before scrub: %v\n%s", err, out)
	}
	would := m.run("codedeploy-agent", "image", "scrub", "--dry-run")
	scrubbed := m.run("codedeploy-agent", "image", "scrub", "--system-journal")
	t.Logf("scrub:\n%s", scrubbed)
	if got := strings.ReplaceAll(would, "would remove", "removed") + "\nremoved the journal of systemd"; got != scrubbed {
		t.Errorf("the dry run says\n%s", would)
	}
	t.Logf("prepare:\n%s", m.run("codedeploy-agent", "image", "prepare"))
	m.shutdown()

	after := tree(t, m.root)
	var diff []string
	for _, path := range after {
		if !slices.Contains(before, path) && !strings.HasPrefix(path, "/var/log/journal") && !strings.HasPrefix(path, "/var/lib/systemd") {
			diff = append(diff, path)
		}
	}
	t.Logf("what the build has left that was not there before it:\n%s", strings.Join(diff, "\n"))
	for _, path := range diff {
		if strings.Contains(path, "d-PACKAGE") || strings.Contains(path, "journal/") {
			t.Errorf("the image has %s", path)
		}
	}
	for _, dir := range []string{"/opt/codedeploy-agent", "/etc/codedeploy-agent", "/var/log"} {
		if found, err := exec.Command("grep", "-rl", "-e", "i-00000000000000001", "-e", "d-PACKAGE", m.path(dir)).Output(); err == nil {
			t.Errorf("the image still knows the build host in\n%s", found)
		}
	}

	second := copyOf(t, m)
	c.become("i-00000000000000002")
	second.start()
	second.waitForState("active")
	spec := c.revision("first", nil)
	spec.FileExistsBehavior = "OVERWRITE" // what was deployed stays in the image, and nobody knows any more that it was deployed
	c.deploy(second, spec)
	if notes := second.read("/srv/notes"); strings.Contains(notes, "ApplicationStop built") || !strings.Contains(notes, "ValidateService first") {
		t.Errorf("scripts on the new instance:\n%s", notes)
	}
}

// An image that nobody has scrubbed: the agent notices at its first start that its state is another instance's, and begins anew. An instance
// that is only started again keeps its state.
func TestImageWithoutScrub(t *testing.T) {
	m := newMachine(t)
	m.install(built.deb("0.1.0"))
	c := newCloud(t, "i-00000000000000001")
	c.appear()
	c.configure(m)
	m.start()
	m.waitForState("active")
	c.deploy(m, c.revision("built", nil))
	m.shutdown()
	m.start()
	m.waitForState("active")
	c.deploy(m, c.revision("again", nil))
	if notes := m.read("/srv/notes"); !strings.Contains(notes, "ApplicationStop built") {
		t.Errorf("an instance that was started again has forgotten what is installed:\n%s", notes)
	}
	m.shutdown()

	second := copyOf(t, m)
	c.become("i-00000000000000002")
	second.write("/srv/notes", "", 0o644)
	second.run("rm", "-r", "/srv/app")
	second.start()
	second.waitForState("active")
	c.deploy(second, c.revision("first", nil))
	if notes := second.read("/srv/notes"); strings.Contains(notes, "ApplicationStop") {
		t.Errorf("scripts on the new instance:\n%s", notes)
	}
	if journal := second.journal(); !strings.Contains(journal, "the state was recorded on another host") {
		t.Errorf("the journal says nothing of it:\n%s", journal)
	}
	for _, old := range []string{"d-PACKAGE01", "d-PACKAGE02"} {
		if found, _ := filepath.Glob(second.path("/opt/codedeploy-agent/deployment-root/*/" + old)); found != nil {
			t.Errorf("the deployment root still has %v", found)
		}
	}
}

// copyOf is a machine whose disk is a copy of another one's, which is not running.
func copyOf(t *testing.T, m *machine) *machine {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("cp", "-a", m.upper, filepath.Join(dir, "upper")).CombinedOutput(); err != nil {
		t.Fatalf("cannot copy the disk: %v\n%s", err, out)
	}
	c := machineOver(t, dir)
	if err := os.Remove(c.path("/etc/machine-id")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return c
}

// tree lists the paths below a root that a build may leave something in.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var paths []string
	for _, top := range []string{"etc", "opt", "srv", "var", "usr/share/codedeploy-agent"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, _ fs.DirEntry, err error) error {
			if err != nil && !os.IsNotExist(err) {
				return err
			}
			paths = append(paths, strings.TrimPrefix(path, root))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}
