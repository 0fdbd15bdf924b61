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

// official makes a package that is laid out like the official agent 2.x's: its configuration belongs to the package, its unit is of another
// type and in the older place, and its program knows no SIGUSR2.
func official(t *testing.T, m *machine, format, config string) (pkg string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"agent": "#!/bin/sh\nexec sleep infinity\n", "conf": config,
		"init": "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: codedeploy-agent\n# Required-Start: $network\n# Required-Stop: $network\n" +
			"# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n### END INIT INFO\nexit 0\n",
		"unit":     "[Service]\nType=simple\nExecStart=/opt/codedeploy-agent/bin/codedeploy-agent start\n[Install]\nWantedBy=multi-user.target\n",
		"postinst": "#!/bin/sh\nsystemctl daemon-reload; systemctl enable codedeploy-agent; systemctl restart codedeploy-agent\n",
		"prerm":    "#!/bin/sh\nif [ \"$1\" != 1 ]; then systemctl stop codedeploy-agent; fi\n",
		"nfpm.yaml": `{name: codedeploy-agent, arch: all, version: "1.8.1", release: "36", maintainer: official <o@localhost>, description: official, contents: [
 {src: agent, dst: /opt/codedeploy-agent/bin/codedeploy-agent, file_info: {mode: 0755}}, {src: unit, dst: /lib/systemd/system/codedeploy-agent.service},
 {src: init, dst: /etc/init.d/codedeploy-agent, type: config, packager: deb, file_info: {mode: 0755}},
 {src: conf, dst: /etc/codedeploy-agent/conf/codedeployagent.yml, type: config|noreplace}], scripts: {postinstall: postinst, preremove: prerm}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(os.Getenv("NFPM"), "package", "--packager", format, "--target", dir)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cannot make an official package: %v\n%s", err, out)
	}
	found, _ := filepath.Glob(filepath.Join(dir, "*."+format))
	return m.bring(found[0])
}

// A host with an official package gets ours and goes back. Configuration, state and history stay, and there is one agent at any time.
func TestReplacesTheOfficialPackage(t *testing.T) {
	for _, tt := range []struct {
		format             string
		install, downgrade []string
		ours               func() string
	}{
		{"deb", []string{"dpkg", "--install"}, []string{"dpkg", "--install"}, func() string { return built.deb("0.1.0") }},
		{"rpm", []string{"rpm", "--upgrade", "--nodeps"}, []string{"rpm", "--upgrade", "--nodeps", "--oldpackage"}, func() string { return built.rpm("0.1.0") }},
	} {
		t.Run(tt.format, func(t *testing.T) {
			m := newMachine(t)
			c := newCloud(t, "i-0123456789abcdef0")
			c.appear()
			config := c.configure(m)
			m.run("rm", "/etc/codedeploy-agent/conf/codedeployagent.yml")
			m.start()
			pkg := official(t, m, tt.format, config)
			m.run(append(tt.install, pkg)...)
			m.waitForState("active")
			// The older ones are started by an init script and have no unit that is enabled.
			m.run("systemctl", "disable", "codedeploy-agent")
			m.run("sh", "-c", "rm -f /etc/rc?.d/*codedeploy-agent; ln -s ../init.d/codedeploy-agent /etc/rc3.d/S99codedeploy-agent")
			const history = "/opt/codedeploy-agent/deployment-root/g/d-OFFICIAL/logs/scripts.log"
			m.write(history, "history\n", 0o644)

			check := func(when string) {
				t.Helper()
				if got := m.read("/etc/codedeploy-agent/conf/codedeployagent.yml"); got != config {
					t.Errorf("%s: the configuration is\n%s", when, got)
				}
				if m.read(history) != "history\n" {
					t.Errorf("%s: the history is gone", when)
				}
				if left, _ := filepath.Glob(m.path("/etc/codedeploy-agent/conf/*")); len(left) != 1 {
					t.Errorf("%s: %v", when, left)
				}
			}
			m.run(append(tt.install, m.bring(tt.ours()))...)
			m.eventually(time.Minute, "our agent runs", func() bool { return m.unit("Type") == "notify" && m.unit("ActiveState") == "active" })
			check("after the switch")
			if got, _ := m.try("systemctl", "is-enabled", "codedeploy-agent"); got != "enabled" {
				t.Errorf("after the switch the unit is %s", got)
			}
			if !m.exists("/usr/lib/systemd/system/codedeploy-agent.service") {
				t.Error("the unit went with the official package")
			}
			if !strings.Contains(m.read("/opt/codedeploy-agent/.version"), "agent_version: 0.1.0") {
				t.Error(".version is not ours")
			}
			if m.exists("/etc/init.d/codedeploy-agent") {
				t.Error("the official init script is still there")
			}
			if out := m.run("sh", "-c", "codedeploy-agent doctor || true"); !strings.Contains(out, "none is installed") {
				t.Errorf("doctor:\n%s", out)
			}
			c.deploy(m, c.revision("one", nil))

			m.run(append(tt.downgrade, pkg)...)
			m.eventually(time.Minute, "the official agent runs", func() bool { return m.unit("Type") == "simple" && m.unit("ActiveState") == "active" })
			check("after the way back")
			if tt.format == "deb" && !m.exists("/etc/init.d/codedeploy-agent") {
				t.Error("the official init script has not come back")
			}
			if out, err := m.try("sh", "-c", "grep -a -l 'codedeploy-agen[t].run' /proc/[0-9]*/cmdline"); err == nil {
				t.Errorf("our agent still runs: %s", out)
			}
		})
	}
}
