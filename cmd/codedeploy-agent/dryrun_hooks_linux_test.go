package main

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What hooks of the field do: each line of a script is a habit that a dry run once got wrong.
func TestDryRunOfCommonHooks(t *testing.T) {
	t.Parallel()
	existing(t, "/usr/bin/apt-get")
	existing(t, "/usr/sbin/useradd")
	asEach(t, func(t *testing.T, h *host, who *syscall.Credential) {
		name := "common-" + filepath.Base(h.dir)
		bundle := h.layOut("bundle", []file{
			{"appspec.yml", strings.ReplaceAll(`version: 0.0
os: linux
files:
  - {source: app, destination: /opt/NAME}
  - {source: units, destination: /etc/systemd/system}
  - {source: programs, destination: /etc/supervisor/conf.d}
permissions:
  - {object: /opt/NAME, pattern: secret, mode: 640, acls: ["user:daemon:rw"], type: [file]}
hooks:
  BeforeInstall: [{location: before.sh, timeout: 60}]
  ApplicationStart: [{location: start.sh, timeout: 60}]
  ValidateService: [{location: check.sh, timeout: 60}, {location: denied.sh, timeout: 60, runas: daemon}]
`, "NAME", name), 0o644},
			{"app/secret", "x", 0o600},
			{"programs/" + name + ".conf", "[program:" + name + "]\ncommand=/bin/sleep 1000 ; as long as it takes\nautorestart=true\n", 0o644},
			{"units/" + name + "-crash.service", "[Service]\nExecStart=/bin/sh -c 'echo no database >&2; exit 3'\nRestart=on-failure\nRestartSec=20ms\n", 0o644},
			{"units/" + name + "-left.service", "[Service]\nExecStart=/bin/sh -c '/bin/sleep 1001 & sleep 0.1'\n", 0o644},
			{"units/" + name + "-stays.service", "[Service]\nExecStart=/bin/sleep 1002\nRestart=always\n", 0o644},
			{"units/" + name + ".timer", "[Timer]\nOnCalendar=hourly\n", 0o644},
			{"before.sh", strings.ReplaceAll(`#!/bin/bash
set -eo pipefail
apt-get install -y curl docker.io awscli supervisor
useradd -r -m -d /home/NAME user-dry && chown user-dry /home/NAME
aws ecr get-login-password | docker login --username AWS --password-stdin 1.dkr.ecr.us-east-1.amazonaws.com
curl -sf http://169.254.169.254/latest/meta-data/iam/security-credentials/; echo
aws s3 cp s3://bucket/env /etc/NAME.env && . /etc/NAME.env
`, "NAME", name), 0o755},
			{"start.sh", strings.ReplaceAll(`#!/bin/bash
systemctl daemon-reload
systemctl start NAME-crash NAME-left NAME-stays
systemctl start NAME.timer
supervisorctl update
docker run -d --name web -p 18080:80 image; docker inspect -f '{{.State.Running}}' web; docker ps -aq
kill $(systemctl show NAME-stays | sed -n 's/MainPID=//p')
for i in $(seq 1 100); do systemctl is-failed -q NAME-crash && break; sleep 0.05; done
`, "NAME", name), 0o755},
			{"check.sh", "#!/bin/bash\ncurl -sf http://localhost:18080/ && echo healthy\ncurl -sf http://localhost:18081/ || echo nobody\n", 0o755},
			{"denied.sh", "#!/bin/bash\nsystemctl restart nginx || echo denied\n", 0o755},
		})
		r := h.dryRun(who, 0, "--once", bundle)
		if len(r.Hooks) != 4 {
			t.Fatalf("hooks %+v, problems %q: want four", r.Hooks, r.Problems)
		}
		for i, want := range [][]string{{"Login Succeeded", "dry-run-role"}, {"[stdout]true", "[stdout]0123456789ab\n"}, {"healthy", "nobody"}, {"denied"}} {
			for _, w := range want {
				if !strings.Contains(r.Hooks[i].Output, w) && (w != "denied" || who == nil) {
					t.Errorf("hook %s prints\n%s\nwant %q", r.Hooks[i].Location, r.Hooks[i].Output, w)
				}
			}
		}
		for _, want := range []string{"create /opt/" + name + "/secret", "acl /opt/" + name + "/secret", "create /home/" + name, "overwrite /etc/passwd", "create /etc/" + name + ".env"} {
			if !slices.Contains(r.with(""), want) {
				t.Errorf("changes %q, want %q among them", r.with(""), want)
			}
		}
		for _, c := range r.Changes {
			if c.Action == "acl" && !strings.HasPrefix(c.Detail, "user:daemon:rw-") || strings.HasPrefix(c.Path, "/usr/bin/") {
				t.Errorf("change %+v", c)
			}
		}
		fares := map[string]string{}
		for _, u := range r.Units {
			fares[strings.TrimSuffix(strings.TrimPrefix(u.Name, name), ".service")] = u.State
			switch u.Name {
			case name + "-crash.service":
				if u.Restarts != 4 || !strings.Contains(u.Why, "exit code 3") || !strings.Contains(u.Output, "no database") {
					t.Errorf("unit %+v, want how it ended, after four restarts", u)
				}
			case name + "-stays.service":
				if u.Restarts != 1 {
					t.Errorf("unit %+v, want that it was started again", u)
				}
			case name + "-left.service":
				if u.EndedOthers != 1 {
					t.Errorf("unit %+v, want that what it left behind was ended", u)
				}
			}
		}
		if fares["-crash"] != "given up" || fares["-stays"] != "running" || fares["-left"] != "ended" || fares["supervisor-"+name] != "running" {
			t.Errorf("units %v", fares)
		}
		if c, ok := r.service("systemctl start " + name + ".timer"); !ok || !strings.Contains(c.Answer, "only services") {
			t.Errorf("services %+v, want the timer", r.Services)
		}
		warned := slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, name+"-crash.service is not well: given up") })
		if !warned {
			t.Errorf("warnings %q, want the service that crashes", r.Warnings)
		}
		var commands []string
		for _, p := range r.Processes {
			commands = append(commands, p.Command)
		}
		if want := []string{"/bin/sleep 1000", "/bin/sleep 1002"}; !sameSet(commands, want) {
			t.Errorf("processes %q, want %q", commands, want)
		}
	})
}
