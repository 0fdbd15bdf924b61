package lint

import (
	"slices"
	"testing"
)

var advised = Options{Finished: true, Advice: true}

// habits are bundles with one habit that works and could be better.
var habits = []mistake{
	{"no timeout", head + "hooks:\n  ValidateService:\n    - location: §scripts/ok.sh\n" + ok, "hook-without-timeout", Info, "may take an hour", "timeout", advised},
	{"no ValidateService", head + "hooks:\n  §ApplicationStart:\n    - location: scripts/ok.sh\n      timeout: 60\n" + ok, "no-validate-service", Info, "nothing looks at", "health", advised},
	{"destination in /tmp", head + "files:\n  - source: app\n    destination: §/tmp/app\n" + rest, "destination-temporary", Info, "/tmp", "directory of the application", advised},
	{"sudo as root", hook("ValidateService", "#!/bin/bash -e\n§sudo -E systemctl is-active app\nsudo true\n"), "sudo-as-root", Info, "already runs as root", "leave sudo out", advised},
	{"no set -e", hook("ValidateService", "#!/bin/bash\n§cd /srv/app\nsystemctl is-active app\n"), "no-errexit", Info, "goes on when a command fails", "set -e", advised},
	{"kill -9", hook("ValidateService", "#!/bin/bash\nset -e\n§kill -9 $PID\n"), "kill-9", Info, "kill -9", "TERM first", advised},
	{"pkill -KILL", hook("ValidateService", "#!/bin/bash\n§pkill -KILL node\n"), "kill-9", Info, "pkill -9", "TERM first", advised},
	{"npm ci", hook("ValidateService", "#!/bin/bash\nset -e\ncd /srv/app && §npm ci --production\n"), "installs-in-hook", Info, "npm ci needs its registry", "bundle", advised},
	{"yum install", hook("ValidateService", "#!/bin/bash\n§yum install -y httpd\n"), "installs-in-hook", Info, "yum install", "image", advised},
	{"python -m pip", hook("ValidateService", "#!/bin/bash\n§python3 -m pip install -r requirements.txt\n"), "installs-in-hook", Info, "pip install", "bundle", advised},
	{"yarn alone", hook("ValidateService", "#!/bin/bash\n§yarn --frozen-lockfile\n"), "installs-in-hook", Info, "yarn needs", "bundle", advised},
	{"git pull", hook("ValidateService", "#!/bin/bash\n§git pull origin main\n"), "fetches-code", Info, "git pull", "bundle", advised},
	{"curl into a shell", hook("ValidateService", "#!/bin/bash\n§curl -fsSL https://example.com/x.sh | tee x | sudo -u app bash -\n"), "runs-what-it-downloads", Info, "run as it comes", "checksum", advised},
}

func TestHabits(t *testing.T) {
	t.Parallel()
	for _, h := range habits {
		t.Run(h.name, func(t *testing.T) {
			b, file, at := bundle(t, h.text)
			var found []Problem
			for _, p := range Bundle(b, h.options).Problems {
				if ruleOf(p.Rule).Advice {
					found = append(found, p)
				}
			}
			h.check(t, found, file, at)
			unasked := h.options
			unasked.Advice = false
			for _, p := range Bundle(b, unasked).Problems {
				if ruleOf(p.Rule).Advice {
					t.Errorf("without being asked: %+v", p)
				}
			}
		})
	}
}

// TestGoodHabits checks bundles to which no advice is given.
func TestGoodHabits(t *testing.T) {
	t.Parallel()
	as := func(user, script string) string {
		return head + "hooks:\n  ValidateService:\n    - location: scripts/a.sh\n      timeout: 60\n      runas: " + user + "\n-- scripts/a.sh* --\n" + script
	}
	for name, text := range map[string]string{
		"no hooks":               head + app + rest,
		"a directory like /tmp":  head + "files:\n  - source: app\n    destination: /tmpfiles\n" + rest,
		"sudo as another":        as("ubuntu", "#!/bin/bash -e\nsudo systemctl restart app\n"),
		"sudo to another":        as("root", "#!/bin/bash -e\nsudo -u app bin/check\nsudo -nu app true\nsudo --user=app true\n"),
		"one command":            as("root", "#!/bin/bash\nf() { false; }\nsystemctl is-active app\n"),
		"set -e":                 as("root", "#!/bin/bash\n# comment\nset -euo pipefail\ncd /srv\ntrue\n"),
		"set -o errexit":         as("root", "#!/bin/bash\nset -o errexit\ncd /srv\ntrue\n"),
		"kill":                   as("root", "#!/bin/bash -e\nkill $PID\nkill -15 $PID\nkill -0 9\n"),
		"package managers":       as("root", "#!/bin/bash -e\nyum clean all\nnpm run build\nyarn --version\nyarn start\nbundle exec rake\npip list\npip install --no-index x\ncomposer dump-autoload\ngem list\n"),
		"git":                    as("root", "#!/bin/bash -e\ngit rev-parse HEAD\n"),
		"curl into a filter":     as("root", "#!/bin/bash -e\ncurl -sf http://localhost | grep -q ok\ncurl -sf http://localhost | python3 -c 'import json'\n"),
		"functions named alike":  as("root", "#!/bin/bash -e\nnpm() { echo; }\nnpm install\n"),
		"an event that is none":  head + "hooks:\n  AfterDeploy:\n    - location: scripts/ok.sh\n" + ok,
		"used by root and other": head + "hooks:\n  ValidateService:\n    - location: scripts/a.sh\n      timeout: 9\n    - location: scripts/a.sh\n      timeout: 9\n      runas: app\n-- scripts/a.sh* --\n#!/bin/bash\nsudo systemctl is-active app\n",
	} {
		b, _, _ := bundle(t, text)
		for _, p := range Bundle(b, advised).Problems {
			if ruleOf(p.Rule).Advice && !slices.Contains([]string{"no-validate-service"}, p.Rule) {
				t.Errorf("%s: %s:%d: %s [%s]", name, p.File, p.Line, p.Message, p.Rule)
			}
		}
	}
}
