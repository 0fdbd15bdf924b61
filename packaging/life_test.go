//go:build linux

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// application is what a revision leaves running: a process that no hook waits for.
const application = "nohup sleep 1000000 </dev/null >/dev/null 2>&1 & echo $! >/srv/app.pid"

// slow is a script that says that it runs and goes on until it is allowed to end.
const slow = "touch /srv/running; while [ ! -e /srv/go ]; do sleep 0.1; done; rm /srv/running /srv/go"

// manager is how packages are installed on a machine.
type manager struct {
	file               func(version string) string
	install, downgrade []string
	remove             []string
	purge              []string // nil: the system knows no purge
}

func TestDebLife(t *testing.T) {
	packageLife(t, manager{file: func(v string) string { return built.deb(v) },
		install: []string{"dpkg", "--install"}, downgrade: []string{"dpkg", "--install"},
		remove: []string{"dpkg", "--remove", "codedeploy-agent"}, purge: []string{"dpkg", "--purge", "codedeploy-agent"}})
}

// The root is a Debian with rpm and an empty data base of its own, so that what the package needs (bash) cannot be looked up there.
func TestRPMLife(t *testing.T) {
	packageLife(t, manager{file: func(v string) string { return built.rpm(v) },
		install: []string{"rpm", "--upgrade", "--nodeps"}, downgrade: []string{"rpm", "--upgrade", "--nodeps", "--oldpackage"},
		remove: []string{"rpm", "--erase", "codedeploy-agent"}})
}

// A package is installed, used, upgraded in the middle of a hook, downgraded, stopped, removed in the middle of a hook, installed again and
// purged. No hook and no application is interrupted.
func packageLife(t *testing.T, p manager) {
	m := newMachine(t)
	c := newCloud(t, "i-0123456789abcdef0")
	c.appear()
	config := c.configure(m)
	m.write("/etc/profile.d/test.sh", "PROFILE_VARIABLE=seen\n", 0o644)
	m.start()
	install := func(version string, how []string) { m.run(append(how, m.bring(p.file(version)))...) }
	alive := func(when string) {
		t.Helper()
		if comm, err := m.try("cat", "/proc/"+strings.TrimSpace(m.read("/srv/app.pid"))+"/comm"); err != nil || comm != "sleep" {
			t.Errorf("%s: the application does not run any more", when)
		}
	}

	install("0.1.0", p.install)
	m.waitForState("active")
	if got := m.read("/etc/codedeploy-agent/conf/codedeployagent.yml"); got != config {
		t.Errorf("installing has changed the configuration to\n%s", got)
	}
	c.deploy(m, c.revision("one", map[string]string{"ApplicationStart": application, "AfterInstall": "echo $PROFILE_VARIABLE >/srv/variable"}))
	alive("after the first deployment")
	if got := m.read("/srv/variable"); got != "seen\n" {
		t.Errorf("a variable of /etc/profile is %q in hooks", got)
	}
	group := m.run("cat", "/proc/"+strings.TrimSpace(m.read("/srv/app.pid"))+"/cgroup")
	if t.Logf("the application's control group: %s", group); strings.Contains(group, ".service") {
		t.Error("the application is in the service's control group")
	}

	// Upgraded in the middle of a hook.
	main := m.unit("MainPID")
	wait := c.begin(m, c.revision("two", map[string]string{"AfterInstall": slow}))
	m.eventually(time.Minute, "the hook runs", func() bool { return m.exists("/srv/running") })
	install("0.2.0", p.install)
	m.eventually(time.Minute, "the new agent runs", func() bool { return m.unit("MainPID") != main && m.unit("ActiveState") == "active" })
	if got := m.run("codedeploy-agent", "--version"); !strings.HasSuffix(got, " 0.2.0") {
		t.Errorf("after the upgrade: %s", got)
	}
	if exe := m.run("readlink", "/proc/"+m.unit("MainPID")+"/exe"); exe != "/opt/codedeploy-agent/bin/codedeploy-agent" {
		t.Errorf("after the upgrade the service is still %s", exe)
	}
	if !m.exists("/srv/running") {
		t.Error("the upgrade has ended the hook")
	}
	m.write("/srv/go", "", 0o644)
	wait()
	if n := strings.Count(m.read("/srv/notes"), "AfterInstall two"); n != 1 {
		t.Errorf("the hook that was upgraded under has run %d times", n)
	}
	alive("after the upgrade")

	// Downgraded in the middle of a hook.
	main = m.unit("MainPID")
	wait = c.begin(m, c.revision("three", map[string]string{"BeforeInstall": slow}))
	m.eventually(time.Minute, "the hook runs", func() bool { return m.exists("/srv/running") })
	install("0.1.0", p.downgrade)
	m.eventually(time.Minute, "the old agent runs", func() bool { return m.unit("MainPID") != main && m.unit("ActiveState") == "active" })
	m.write("/srv/go", "", 0o644)
	wait()
	if got := m.read("/srv/app/label"); got != "three\n" {
		t.Errorf("installed: %q", got)
	}

	// A stop lets the lifecycle event end and nothing of the application.
	m.run("systemctl", "stop", "codedeploy-agent")
	alive("after systemctl stop")
	if got := m.unit("ActiveState"); got != "inactive" {
		t.Errorf("after systemctl stop the unit is %s", got)
	}

	// What the operator has stopped stays stopped.
	install("0.2.0", p.install)
	if got := m.unit("ActiveState"); got != "inactive" {
		t.Errorf("upgrading a stopped agent leaves it %s", got)
	}
	m.run("systemctl", "start", "codedeploy-agent")

	// Removed in the middle of a hook: it goes on, and the next agent reports it.
	wait = c.begin(m, c.revision("four", map[string]string{"ApplicationStart": slow}))
	m.eventually(time.Minute, "the hook runs", func() bool { return m.exists("/srv/running") })
	m.run(p.remove...)
	if m.exists("/opt/codedeploy-agent/bin/codedeploy-agent") || m.unit("ActiveState") != "inactive" {
		t.Errorf("after the removal the unit is %s", m.unit("ActiveState"))
	}
	if !m.exists("/srv/running") {
		t.Error("the removal has ended the hook")
	}
	m.write("/srv/go", "", 0o644)
	m.eventually(time.Minute, "the hook ends", func() bool { return !m.exists("/srv/running") })
	alive("after the removal")
	if got := m.read("/etc/codedeploy-agent/conf/codedeployagent.yml"); got != config {
		t.Errorf("the removal has changed the configuration to\n%s", got)
	}
	install("0.2.0", p.install)
	m.waitForState("active")
	wait()

	if p.purge == nil {
		m.run(p.remove...)
		left := m.ours()
		t.Logf("what the removal leaves:\n%s", strings.Join(left, "\n"))
		for _, path := range left {
			if !strings.HasPrefix(path, "/opt/codedeploy-agent") && !strings.HasPrefix(path, "/etc/codedeploy-agent") && !strings.HasPrefix(path, "/var/log/aws") &&
				!strings.HasPrefix(path, "/root/") {
				t.Errorf("the removal leaves %s", path)
			}
		}
		return
	}
	m.run(p.purge...)
	alive("after the purge")
	m.shutdown()
	for _, path := range m.ours() {
		if !strings.HasPrefix(path, "/root/") && !strings.HasPrefix(path, "/tmp/") { // what the test has brought
			t.Errorf("the purge leaves %s", path)
		}
	}
	if got := m.read("/srv/app/label"); got != "four\n" {
		t.Errorf("the purge has changed what was deployed: %q", got)
	}
}

// With control groups of version 1 hooks stay in the unit's group: a stop and a restart leave them alone all the same.
func TestControlGroupsOfVersion1(t *testing.T) {
	m := newMachine(t)
	m.hierarchy = "0"
	c := newCloud(t, "i-0123456789abcdef0")
	c.appear()
	c.configure(m)
	m.install(built.deb("0.1.0"))
	m.start()
	m.waitForState("active")
	c.deploy(m, c.revision("one", map[string]string{"ApplicationStart": application}))
	pid := strings.TrimSpace(m.read("/srv/app.pid"))
	t.Logf("the application's control groups:\n%s", m.run("cat", "/proc/"+pid+"/cgroup"))
	for _, action := range []string{"restart", "stop"} {
		m.run("systemctl", action, "codedeploy-agent")
		if comm, err := m.try("cat", "/proc/"+pid+"/comm"); err != nil || comm != "sleep" {
			t.Errorf("after %s the application does not run any more", action)
		}
	}
}

// dnf installs the package into a root that is not booted, as the build of an image does, and removes it. There is no repository: a package
// that stands for the shell is what dnf finds beside it.
func TestDNF(t *testing.T) {
	m := newMachine(t)
	if _, err := exec.LookPath("dnf"); err != nil {
		t.Skip("dnf is not installed")
	}
	dir := t.TempDir()
	shell := `{name: bash, arch: all, version: "5.2", maintainer: t <t@localhost>, description: stands for the shell, provides: [/bin/sh]}`
	if err := os.WriteFile(filepath.Join(dir, "nfpm.yaml"), []byte(shell), 0o644); err != nil {
		t.Fatal(err)
	}
	dnf := func(args ...string) {
		t.Helper()
		c := exec.Command("dnf", append([]string{"--installroot=" + m.root, "--setopt=reposdir=/nonexistent", "--setopt=plugins=0", "--releasever=1",
			"--nogpgcheck", "--assumeyes"}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("dnf %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	pack := exec.Command(os.Getenv("NFPM"), "package", "--packager", "rpm", "--target", dir)
	pack.Dir = dir
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found, _ := filepath.Glob(filepath.Join(dir, "*.rpm"))
	dnf("install", found[0], built.rpm("0.1.0"))
	if out, err := exec.Command("rpm", "--root", m.root, "--verify", "codedeploy-agent").CombinedOutput(); err != nil {
		t.Errorf("rpm --verify: %v\n%s", err, out)
	}
	if !m.exists("/etc/systemd/system/multi-user.target.wants/codedeploy-agent.service") || m.exists("/opt/codedeploy-agent/state") {
		t.Error("the unit is not enabled, or the agent has run")
	}
	config := m.read("/etc/codedeploy-agent/conf/codedeployagent.yml")
	dnf("upgrade", built.rpm("0.2.0"))
	dnf("remove", "codedeploy-agent")
	if m.exists("/opt/codedeploy-agent") || m.exists("/etc/systemd/system/multi-user.target.wants/codedeploy-agent.service") {
		t.Errorf("left: %v", m.ours())
	}
	if got := m.read("/etc/codedeploy-agent/conf/codedeployagent.yml"); got != config || config == "" {
		t.Errorf("the configuration is\n%s", got)
	}
}
