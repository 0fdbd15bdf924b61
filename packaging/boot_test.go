//go:build linux

package packaging

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A host boots before its metadata answer, and has no role at first. The unit waits, says for what, and becomes ready; nothing is restarted, and
// the boot does not wait for it.
func TestBootOrder(t *testing.T) {
	m := newMachine(t)
	c := newCloud(t, "i-0123456789abcdef0")
	c.noRole.Store(true)
	c.configure(m)
	m.install(built.deb("0.1.0")) // as in the build of an image: nothing is booted
	if !m.exists("/etc/systemd/system/multi-user.target.wants/codedeploy-agent.service") {
		t.Error("the package has not enabled its unit")
	}
	booted := time.Now()
	m.start()
	m.waitForState("activating")
	m.eventually(time.Minute, "the boot goes on", func() bool {
		state, _ := m.try("systemctl", "show", "--property", "ActiveState", "--value", "multi-user.target")
		return state == "active"
	})
	status := func(prefix string) bool { return strings.HasPrefix(m.unit("StatusText"), prefix) }
	m.eventually(time.Minute, "the status says for what", func() bool { return status("waiting for identity: cannot learn from instance metadata") })
	time.Sleep(time.Until(booted.Add(60 * time.Second)))
	main := m.unit("MainPID")
	t.Logf("after %s: %s, %s", time.Since(booted).Round(time.Second), m.unit("ActiveState"), m.unit("StatusText"))
	if m.unit("ActiveState") != "activating" || !status("waiting for identity: ") {
		t.Errorf("after a minute the unit is %s, %q", m.unit("ActiveState"), m.unit("StatusText"))
	}

	c.appear()
	m.eventually(time.Minute, "the status says that there are no credentials", func() bool { return status("waiting for credentials: instance metadata has no credentials") })
	time.Sleep(time.Until(booted.Add(90 * time.Second)))
	t.Logf("after %s: %s, %s", time.Since(booted).Round(time.Second), m.unit("ActiveState"), m.unit("StatusText"))
	if m.unit("ActiveState") != "activating" {
		t.Errorf("without credentials the unit is %s", m.unit("ActiveState"))
	}

	c.noRole.Store(false)
	m.waitForState("active")
	m.eventually(time.Minute, "the status says that it polls", func() bool { return status("polling for commands") })
	t.Logf("after %s: %s, %s", time.Since(booted).Round(time.Second), m.unit("ActiveState"), m.unit("StatusText"))
	if m.unit("NRestarts") != "0" || m.unit("MainPID") != main {
		t.Errorf("the agent was restarted %s times", m.unit("NRestarts"))
	}
	c.deploy(m, c.revision("one", nil))
}

// A poll loop that hangs ends by the watchdog; a hook goes on meanwhile and the next agent reports it.
func TestWatchdog(t *testing.T) {
	m := newMachine(t)
	c := newCloud(t, "i-0123456789abcdef0")
	c.appear()
	c.configure(m, "http_read_timeout: 25")
	m.install(built.deb("0.1.0"))
	faulty := m.bring(built.faulty)
	m.write("/etc/systemd/system/codedeploy-agent.service.d/test.conf", "[Service]\nExecStart=\nExecStart="+faulty+" run\n"+
		"WatchdogSec=10\nEnvironment=\"CODEDEPLOY_FAULTPOINT_HANG=poll|/run/hang\"\n", 0o644)
	m.start()
	m.waitForState("active")
	wait := c.begin(m, c.revision("one", map[string]string{"AfterInstall": slow}))
	m.eventually(time.Minute, "the hook runs", func() bool { return m.exists("/srv/running") })
	// A hook that takes longer than the watchdog does not starve it.
	time.Sleep(25 * time.Second)
	if m.unit("NRestarts") != "0" {
		t.Fatalf("the watchdog has ended an agent whose hook takes long\n%s", m.journal())
	}
	m.run("touch", "/run/hang")
	hung := time.Now()
	m.eventually(4*time.Minute, "the watchdog ends the agent", func() bool { return m.unit("NRestarts") == "1" })
	t.Logf("restarted %s after the poll loop hung", time.Since(hung).Round(time.Second))
	m.waitForState("active")
	if !m.exists("/srv/running") {
		t.Error("the watchdog has ended the hook")
	}
	m.write("/srv/go", "", 0o644)
	wait()
	if n := strings.Count(m.read("/srv/notes"), "AfterInstall one"); n != 1 {
		t.Errorf("the hook has run %d times", n)
	}
	if journal := m.run("journalctl", "--no-pager", "-u", "codedeploy-agent.service"); !strings.Contains(journal, "Watchdog timeout") ||
		!strings.Contains(journal, "is taken for hung") {
		t.Errorf("the journal says nothing of a watchdog:\n%s", journal)
	}
}

// In a build, or where somebody forbids it, the package starts nothing.
func TestDoesNotStart(t *testing.T) {
	enabled := func(m *machine) bool {
		return m.exists("/etc/systemd/system/multi-user.target.wants/codedeploy-agent.service")
	}
	t.Run("chroot", func(t *testing.T) {
		m := newMachine(t)
		m.install(built.deb("0.1.0"))
		if !enabled(m) {
			t.Error("not enabled")
		}
		if config := m.read("/etc/codedeploy-agent/conf/codedeployagent.yml"); !strings.Contains(config, "\nreject_symlinks_in_bundle: true\n") {
			t.Errorf("a new host has the configuration\n%s", config)
		}
		if m.exists("/opt/codedeploy-agent/deployment-root") || m.exists("/opt/codedeploy-agent/state") {
			t.Error("the agent has run")
		}
		m.run("systemctl", "disable", "codedeploy-agent")
		if out := m.run("codedeploy-agent", "image", "prepare"); !enabled(m) || m.exists("/opt/codedeploy-agent/state") {
			t.Errorf("image prepare has not enabled the unit, or left something:\n%s", out)
		}
	})
	m := newMachine(t)
	m.start()
	deb := m.bring(built.deb("0.1.0"))
	for _, tt := range []struct {
		name            string
		prepare, tidy   []string
		install         []string
		enabled, active bool
	}{
		{"policy-rc.d", []string{"sh", "-c", "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d"}, []string{"rm", "/usr/sbin/policy-rc.d"},
			[]string{"dpkg", "--install", deb}, true, false},
		{"marker", []string{"sh", "-c", "mkdir -p /etc/codedeploy-agent && touch /etc/codedeploy-agent/do-not-start"}, []string{"true"},
			[]string{"dpkg", "--install", deb}, false, false},
		{"variable", []string{"true"}, []string{"true"}, []string{"env", "CODEDEPLOY_AGENT_DO_NOT_START=1", "dpkg", "--install", deb}, false, false},
		{"nothing", []string{"true"}, []string{"true"}, []string{"dpkg", "--install", deb}, true, true},
	} {
		m.run(tt.prepare...)
		m.run(tt.install...)
		time.Sleep(2 * time.Second)
		if active := m.unit("ActiveState") != "inactive"; active != tt.active || enabled(m) != tt.enabled {
			t.Errorf("%s: the unit is %s, enabled: %v; want running: %v, enabled: %v", tt.name, m.unit("ActiveState"), enabled(m), tt.active, tt.enabled)
		}
		m.run("dpkg", "--purge", "codedeploy-agent")
		m.run(tt.tidy...)
		if left, _ := filepath.Glob(m.path("/etc/codedeploy-agent/*")); left != nil {
			t.Errorf("%s: left %v", tt.name, left)
		}
	}
}

// On a host without the package the binary installs itself as a service.
func TestServiceInstall(t *testing.T) {
	m := newMachine(t)
	c := newCloud(t, "i-0123456789abcdef0")
	c.appear()
	c.configure(m)
	m.run("mv", "/etc/codedeploy-agent/conf/codedeployagent.yml", "/etc/agent.yml")
	m.start()
	program := m.bring(built.faulty)
	m.run(program, "service", "install", "--config-file", "/etc/agent.yml")
	if out, err := m.try(program, "service", "install"); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("a second install: %v\n%s", err, out)
	}
	if m.unit("ActiveState") != "inactive" || m.run("systemctl", "is-enabled", "codedeploy-agent") != "enabled" {
		t.Errorf("after the install the unit is %s", m.unit("ActiveState"))
	}
	m.run(program, "service", "start")
	m.waitForState("active")
	c.deploy(m, c.revision("one", nil))
	main := m.unit("MainPID")
	m.run(program, "service", "restart")
	m.waitForState("active")
	if m.unit("MainPID") == main {
		t.Error("the restart has restarted nothing")
	}
	m.run(program, "service", "stop")
	m.run(program, "service", "uninstall")
	if m.exists("/etc/systemd/system/codedeploy-agent.service") {
		t.Error("the unit is still there")
	}
}
