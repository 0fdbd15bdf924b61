package lint

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"codedeploy-agent/appspec"
)

// here marks the place of the mistake in a file of a test. It is taken out before the check.
const here = "§"

// bundle makes a bundle of a text: files begin with "-- NAME --"; a name with "*" is executable. It returns the place of the mark.
func bundle(t *testing.T, text string) (b fstest.MapFS, file string, at appspec.Place) {
	t.Helper()
	b = fstest.MapFS{}
	name := ""
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, "-- "); ok {
			name = strings.TrimSuffix(strings.TrimRight(n, "\n"), " --")
			mode := fs.FileMode(0o644)
			if strings.HasSuffix(name, "*") {
				name, mode = strings.TrimSuffix(name, "*"), 0o755
			}
			b[name] = &fstest.MapFile{Mode: mode}
			continue
		}
		if before, after, ok := strings.Cut(line, here); ok {
			file, at = name, appspec.Place{Line: 1 + strings.Count(string(b[name].Data), "\n"), Column: 1 + utf8.RuneCountInString(before)}
			line = before + after
		}
		b[name].Data = append(b[name].Data, line...)
	}
	return b, file, at
}

// good is the rest of a bundle in which one thing is wrong.
const (
	head = "-- appspec.yml --\nversion: 0.0\nos: linux\n"
	app  = "files:\n  - source: app\n    destination: /srv/app\n"
	rest = "-- app/index.html --\nx\n-- app/run.sh --\nx\n-- app/lib/util.sh --\nx\n"
	ok   = "-- scripts/ok.sh* --\n#!/bin/bash\nsystemctl restart app\n"
)

// hook is an AppSpec with one script in an event, and the script.
func hook(event, script string) string {
	return head + "hooks:\n  " + event + ":\n    - location: scripts/a.sh\n      timeout: 60\n-- scripts/a.sh* --\n" + script
}

// mistake is a bundle with one known mistake.
type mistake struct {
	name     string
	text     string
	rule     string
	severity appspec.Severity
	message  string // part of the message
	hint     string // part of the hint
	options  Options
}

const failing, warning = appspec.Failing, appspec.Warning

var finished = Options{Finished: true}

var languageMistakes = []mistake{
	{"second key indented less", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n     §timeout: 60\n" + ok, "yaml", failing, "not valid YAML", "indent it by 6 blanks", finished},
	{"no colon", "-- appspec.yml --\n§version 0.0\nos: linux\n", "yaml", failing, "not valid YAML", "colon after version", finished},
	{"no blank after a colon", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n      §timeout:300\n" + ok, "yaml", failing, "not valid YAML", "blank after the colon of timeout", finished},
	{"no blank after a dash", head + "files:\n  §-source: /\n    destination: /srv/app\n", "yaml", failing, "", "blank after the dash", finished},
	{"unquoted star", head + app + "permissions:\n  - object: /srv/app\n    §pattern: *\n    mode: 644\n" + rest, "yaml", failing, "not valid YAML", "quotes", finished},
	{"rest of a merge", head + "§<<<<<<< HEAD\nfiles: []\n=======\n>>>>>>> other\n", "yaml", failing, "not valid YAML", "resolve the conflict", finished},
	{"tab", head + "hooks:\n§\tBeforeInstall:\n", "yaml", failing, "not valid YAML", "blanks, not with tabs", finished},
	{"empty file", "-- appspec.yml --\n§\n", "yaml", failing, "the file is empty", "version: 0.0", finished},
	{"a second document", head + app + "---\n§hooks: {}\n" + rest, "document", warning, "does not count from here on", "---", finished},
	{"wrong version", "-- appspec.yml --\nversion: §1.0\nos: linux\n", "version", failing, "only version 0.0", "write version: 0.0", finished},
	{"no version", "-- appspec.yml --\n§os: linux\n", "version", failing, "has no version", "write version: 0.0", finished},
	{"version in quotes", "-- appspec.yml --\nversion: §\"0.0\"\nos: linux\n", "official-agents", failing, "refuse a version in quotes", "version: 0.0", finished},
	{"alias", head + "hooks:\n  BeforeInstall: &a\n    - location: scripts/ok.sh\n  AfterInstall: §*a\n" + ok, "official-agents", failing, "refuses the alias *a", "write the entry out", finished},
	{"date", head + "files:\n  - source: §2024-01-01\n    destination: /srv\n-- 2024-01-01/x --\nx\n", "official-agents", failing, "refuses the date", "quotes", finished},
	{"blank in a path", head + "hooks:\n  AfterInstall:\n    - location: §my scripts/ok.sh\n-- my scripts/ok.sh* --\n#!/bin/bash\ntrue\n", "official-agents", failing, "at its blanks", "rename", finished},
	{"a distribution as os", "-- appspec.yml --\nversion: 0.0\nos: §Ubuntu\n", "os", failing, `os "Ubuntu" is not supported`, "write os: linux", finished},
	{"no os", "-- appspec.yml --\n§version: 0.0\n", "os", failing, "has no os", "write os: linux", finished},
	{"hooks as a list", head + "hooks:\n  §- AfterInstall:\n    - location: scripts/ok.sh\n" + ok, "hooks", failing, "hooks is no mapping", "without dashes", finished},
	{"script as a text", head + "hooks:\n  AfterInstall: §scripts/ok.sh\n" + ok, "hooks", failing, "AfterInstall is no list", "- location:", finished},
	{"files as a mapping", head + "files:\n  §source: app\n  destination: /srv/app\n" + rest, "files", failing, "files is no list", "- source:", finished},
	{"location misspelt", head + "hooks:\n  AfterInstall:\n    - §locaton: scripts/ok.sh\n      timeout: 60\n" + ok, "hooks", failing, "has no location", "write location instead of locaton", finished},
	{"commands in the AppSpec", head + "hooks:\n  AfterInstall:\n    - §run: systemctl restart app\n", "hooks", failing, "has no location", "script", finished},
	{"empty location", head + "hooks:\n  AfterInstall:\n    - §location:\n      timeout: 60\n", "hooks", failing, "has no location", "script's path", finished},
	{"timeout as an entry", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n    - §timeout: 60\n" + ok, "hooks", failing, "has no location", "remove the dash", finished},
	{"timeout of nothing", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n      timeout: §0\n" + ok, "timeout", failing, "at least 1 second", "seconds", finished},
	{"timeout with a unit", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n      timeout: §5m\n" + ok, "timeout", warning, "counts as 5 seconds", "seconds", finished},
	{"behaviour in lower case", head + app + "file_exists_behavior: §overwrite\n" + rest, "file-exists-behavior", failing, "not one of", "write OVERWRITE", finished},
	{"overwrite under files", head + "files:\n  - source: app\n    destination: /srv/app\n    §overwrite: true\n" + rest, "unknown-key", warning, `"overwrite"`, "file_exists_behavior: OVERWRITE", finished},
	{"destination misspelt", head + "files:\n  - §source: app\n    destionation: /srv/app\n" + rest, "files", failing, "only a source", "write destination instead of destionation", finished},
	{"source misspelt", head + "files:\n  - §sources: app\n    destination: /srv/app\n" + rest, "files", failing, "only a destination", "write source instead of sources", finished},
	{"permissions for Windows", "-- appspec.yml --\nversion: 0.0\nos: windows\npermissions:\n  - §object: C:\\app\n    owner: x\n", "permissions", failing, "cannot be set on Windows", "remove the permissions section", finished},
	{"buildspec key", head + "§phases:\n  install: {}\n", "unknown-key", warning, `"phases"`, "buildspec", finished},
	{"event at the top level", head + "hooks:\n§AfterInstall:\n  - location: scripts/ok.sh\n" + ok, "unknown-key", warning, `"AfterInstall"`, "the keys are", finished},
	{"runas misspelt", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n      timeout: 60\n      §runass: root\n" + ok, "unknown-key", warning, `"runass"`, "did you mean runas", finished},
	{"event twice", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n  §AfterInstall:\n    - location: scripts/ok.sh\n" + ok, "duplicate-key", warning, "twice", "remove one", finished},
	{"no object", head + app + "permissions:\n  - §mode: 644\n" + rest, "permissions", failing, "no object", "add the file or directory", finished},
	{"type misspelt", head + app + "permissions:\n  - object: /srv/app\n    mode: 644\n    type: [§fiel]\n" + rest, "permissions", failing, `"fiel"`, "file or directory", finished},
	{"symbolic mode", head + app + "permissions:\n  - object: /srv/app\n    mode: §u+x\n    type: [file]\n" + rest, "mode", failing, "u+x", "755", finished},
	{"decimal of 0644", head + app + "permissions:\n  - object: /srv/app\n    mode: §420\n" + rest, "mode", warning, "mode 420 is an odd one", "write 644", finished},
	{"decimal of 0755", head + app + "permissions:\n  - object: /srv/app\n    mode: §493\n" + rest, "mode", failing, "'9'", "write 755", finished},
	{"unquoted octal", head + app + "permissions:\n  - object: /srv/app\n    mode: §0644\n    type: [file]\n" + rest, "mode", warning, "the number 420", "in quotes", finished},
	{"unquoted octal that 1.8 refuses", head + app + "permissions:\n  - object: /srv/app\n    mode: §0755\n" + rest, "official-agents", failing, "refuses the mode 0755", "in quotes", finished},
	{"acl of the owner", head + app + "permissions:\n  - object: /srv/app\n    acls: [§\"u::rwx\"]\n" + rest, "acl", failing, "come from the mode", "for example user:name:rwx", finished},
	{"acl that is none", head + app + "permissions:\n  - object: /srv/app\n    acls: [§\"user:alice:rwz\"]\n" + rest, "acl", failing, "'z'", "for example", finished},
	{"context without type", head + app + "permissions:\n  - object: /srv/app\n    context: §{range: s0}\n" + rest, "context", failing, "no type", "httpd_sys_content_t", finished},
	{"range that is none", head + app + "permissions:\n  - object: /srv/app\n    context: {type: httpd_sys_content_t, range: §s1-s0}\n" + rest, "context", failing, "lower than", "s0:c1.c3", finished},
	{"unknown rule in a comment", head + app + "hooks: {} # codedeploy: disable=§unknwn-key\n" + rest, "unknown-rule", warning, `"unknwn-key"`, "did you mean unknown-key", finished},
}

var bundleMistakes = []mistake{
	{"no AppSpec", rest, "appspec-missing", failing, "no appspec.yml", "--appspec-filename", finished},
	{"AppSpec in capitals", "-- appspec.YML --\n§version: 0.0\nos: linux\n", "appspec-name", failing, "appspec.YML", "rename it to appspec.yml", Options{}},
	{"AppSpec in a sub-directory", "-- deploy/appspec.yml --\n§version: 0.0\nos: linux\n", "appspec-not-at-root", failing, "in a sub-directory", "at the bundle's root", finished},
	{"AppSpec in a sub-directory of a folder", "-- deploy/appspec.yml --\n§version: 0.0\nos: linux\n", "appspec-not-at-root", warning, "in a sub-directory", "validate deploy", Options{}},
	{"appspec.yaml", "-- appspec.yaml --\n§version: 0.0\nos: linux\n", "appspec-name", warning, "2.x", "rename it to appspec.yml", finished},
	{"two AppSpecs", head + "-- appspec.yaml --\n§version: 0.0\nos: linux\n", "appspec-name", warning, "only that counts", "remove one", finished},
	{"Finder's directory", head + app + rest + "-- __MACOSX/._appspec.yml --\nx\n", "macos-files", warning, "__MACOSX", "zip -r", finished},

	{"event misspelt", head + "hooks:\n  §AfterINstal:\n    - location: scripts/ok.sh\n" + ok, "unknown-event", warning, `"AfterINstal"`, "did you mean AfterInstall", finished},
	{"event by another name", head + "hooks:\n  §AfterDeploy:\n    - location: scripts/ok.sh\n" + ok, "unknown-event", warning, `"AfterDeploy"`, "did you mean AfterInstall", finished},
	{"script of Install", head + "hooks:\n  §Install:\n    - location: scripts/ok.sh\n" + ok, "reserved-event", warning, "never run", "BeforeInstall or AfterInstall", finished},
	{"event of ECS", head + "hooks:\n  §AfterAllowTestTraffic:\n    - location: scripts/ok.sh\n" + ok, "ecs-event", warning, "never run", "ValidateService", finished},
	{"event without a load balancer", head + "hooks:\n  §BeforeAllowTraffic:\n    - location: scripts/ok.sh\n" + ok, "event-never-runs", warning, "never runs in an in-place", "load balancer",
		Options{Finished: true, Deployment: InPlace}},
	{"event that may run", head + "hooks:\n  §BeforeAllowTraffic:\n    - location: scripts/ok.sh\n" + ok, "event-never-runs", Info, "only in deployments with a load balancer", "--deployment-type", finished},
	{"long timeout", head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n      timeout: §6000\n" + ok, "timeout-too-long", warning, "3600", "3600 or less", finished},
	{"timeouts together", head + "hooks:\n  §AfterInstall:\n    - location: scripts/ok.sh\n      timeout: 3000\n    - location: scripts/ok.sh\n      timeout: 900\n" + ok, "timeout-sum", warning, "3900", "at most 3600", finished},
	{"timeouts with a default", head + "hooks:\n  §AfterInstall:\n    - location: scripts/ok.sh\n      timeout: 300\n    - location: scripts/ok.sh\n" + ok, "timeout-sum", warning, "no timeout, which counts as 3600", "give each script", finished},
	{"runas on Windows", "-- appspec.yml --\nversion: 0.0\nos: windows\nhooks:\n  AfterInstall:\n    - location: a.ps1\n      runas: §Administrator\n-- a.ps1 --\nx\n", "runas-windows", warning, "ignored", "remove it", finished},

	{"source missing", head + "files:\n  - source: §build/app.jar\n    destination: /srv/app\n", "source-missing", failing, "not in the bundle", "spelling", finished},
	{"source missing in a folder", head + "files:\n  - source: §build/app.jar\n    destination: /srv/app\n", "source-missing", warning, "not in this folder", "the build makes it", Options{}},
	{"source in another case", head + "files:\n  - source: §App\n    destination: /srv/app\n" + rest, "source-missing", failing, "upper and lower case", "write app", Options{}},
	{"wildcard", head + "files:\n  - source: §app/*.html\n    destination: /srv/app\n" + rest, "source-missing", failing, "not in the bundle", "wildcards are not expanded", finished},
	{"source outside", head + "files:\n  - source: §../secrets\n    destination: /srv/app\n", "source-outside", failing, "outside of the bundle", "put it into the bundle", finished},
	{"two sources for a target", head + "files:\n  - source: app\n    destination: /srv/app\n  - source: §other/index.html\n    destination: /srv/app\n" + rest + "-- other/index.html --\ny\n",
		"target-clash", failing, "/srv/app/index.html has two sources", "leave one out", finished},
	{"file and directory", head + "files:\n  - source: app\n    destination: /srv/app\n  - source: §other\n    destination: /srv/app\n" + rest + "-- other/index.html/x --\ny\n",
		"target-clash", failing, "a file and a directory", "another destination", finished},
	{"relative destination", head + "files:\n  - source: app\n    destination: §./\n" + rest, "destination-relative", warning, "the files go to /", "full path", finished},
	{"destination of Windows", head + "files:\n  - source: app\n    destination: §C:\\app\n" + rest, "destination-relative", failing, "path of Windows", "os: windows", finished},
	{"variable", head + "files:\n  - source: app\n    destination: §$HOME/app\n" + rest, "destination-variable", warning, "variable", "write the path out", finished},
	{"tilde", head + "files:\n  - source: app\n    destination: §~/app\n" + rest, "destination-variable", warning, "tilde", "write the path", finished},
	{"placeholder", head + "files:\n  - source: app\n    destination: §/srv/{{ name }}\n" + rest, "destination-variable", warning, "placeholder", "fill it in", finished},
	{"destination is the file", head + "files:\n  - source: app/index.html\n    destination: §/srv/index.html\n" + rest, "destination-file-name", warning, "/srv/index.html/index.html", "name the directory: /srv", finished},

	{"object elsewhere", head + app + "permissions:\n  - object: §/var/log/app\n    mode: 644\n" + rest, "permission-no-match", warning, "no destination is there", "AfterInstall", finished},
	{"object in the bundle", head + app + "permissions:\n  - object: §scripts/ok.sh\n    mode: 755\n" + rest + ok, "permission-no-match", warning, "no effect", "on the host", finished},
	{"object that is not installed", head + app + "permissions:\n  - object: §/srv/app/log\n    mode: 755\n" + rest, "permission-no-match", warning, "nothing that is installed", "at or below", finished},
	{"pattern that matches nothing", head + app + "permissions:\n  - object: §/srv/app\n    pattern: '*.py'\n    mode: 755\n" + rest, "permission-no-match", warning, "nothing that is installed", "at or below", finished},
	{"slash in a pattern", head + app + "permissions:\n  - object: /srv/app\n    pattern: §'**/*.sh'\n    mode: 755\n" + rest, "pattern-never-matches", warning, "never matches", "object of an entry of its own", finished},
	{"slash in except", head + app + "permissions:\n  - object: /srv/app\n    except: [run.sh, §lib/util.sh]\n    mode: 755\n" + rest, "pattern-never-matches", warning, "excludes nothing", "object of an entry of its own", finished},
	{"two entries for a file", head + app + "permissions:\n  - object: /srv/app\n    mode: 644\n    type: [file]\n  - object: §/srv/app/run.sh\n    mode: 755\n" + rest, "permission-twice", failing, "/srv/app/run.sh", "except, pattern or type", finished},
	{"pattern of a file", head + app + "permissions:\n  - object: /srv/app/run.sh\n    pattern: §'*.sh'\n    mode: 755\n" + rest, "permission-on-file", failing, "is a file", "leave the pattern out", finished},
	{"except of a file", head + app + "permissions:\n  - object: /srv/app/run.sh\n    except: §[x]\n    mode: 755\n" + rest, "permission-on-file", failing, "is a file", "leave except out", finished},
	{"type directory of a file", head + app + "permissions:\n  - object: /srv/app/run.sh\n    mode: 755\n    type: §[directory]\n" + rest, "permission-on-file", warning, "no effect", "add file", finished},
	{"default acl of files", head + app + "permissions:\n  - object: /srv/app\n    acls: [\"u:alice:rx\", §\"d:u:alice:rx\"]\n" + rest, "default-acl-on-file", failing, "cannot have the default entry", "type: [directory]", finished},
	{"set-id and owner", head + app + "permissions:\n  - object: /srv/app/run.sh\n    mode: §4755\n    owner: root\n" + rest, "set-id-lost", warning, "lose the set-id bits", "AfterInstall", finished},
	{"mode 777", head + app + "permissions:\n  - object: /srv/app\n    mode: §777\n" + rest, "world-writable", warning, "777", "775", finished},
	{"context without range", head + app + "permissions:\n  - object: /srv/app/run.sh\n    context: §{type: bin_t}\n" + rest, "context-range", warning, "1.8", "range: s0", finished},
	{"sets nothing", head + app + "permissions:\n  - §object: /srv/app\n    pattern: '*.sh'\n" + rest, "permission-useless", warning, "set nothing", "add owner", finished},
	{"pattern for 2.x", head + app + "permissions:\n  - object: /srv/app\n    pattern: §'*.s?'\n    mode: 755\n" + rest + "-- app/x.s? --\n\n", "pattern-special", Info, "2.x", "* only", finished},
}

var scriptMistakes = []mistake{
	{"script missing", head + "hooks:\n  AfterInstall:\n    - location: §scripts/start.sh\n", "script-missing", failing, "not in the bundle", "spelling", finished},
	{"script missing in a folder", head + "hooks:\n  AfterInstall:\n    - location: §ok.sh\n" + ok, "script-missing", warning, "not in this folder", "there is scripts/ok.sh, which is right if the build moves it", Options{}},
	{"script in another case", head + "hooks:\n  AfterInstall:\n    - location: §scripts/OK.sh\n" + ok, "script-missing", failing, "upper and lower case", "write scripts/ok.sh", Options{}},
	{"commands as a location", head + "hooks:\n  AfterInstall:\n    - location: §cd /srv && npm start\n", "script-missing", failing, "is a command, not the path", "put the commands into a script", Options{}},
	{"arguments in a location", head + "hooks:\n  AfterInstall:\n    - location: §scripts/ok.sh production\n" + ok, "script-missing", failing, "not in the bundle", "a location is a path, without arguments", finished},
	{"script with backslashes", head + "hooks:\n  AfterInstall:\n    - location: §scripts\\ok.sh\n" + ok, "script-missing", failing, "not in the bundle", "write the path with slashes: scripts/ok.sh", finished},
	{"script is a directory", head + "hooks:\n  AfterInstall:\n    - location: §scripts\n" + ok, "script-missing", failing, "is a directory", "name a file", finished},
	{"script outside", head + "hooks:\n  AfterInstall:\n    - location: §../ok.sh\n", "script-outside", failing, "outside of the bundle", "put it into the bundle", finished},
	{"not executable", head + "hooks:\n  AfterInstall:\n    - location: §ok.sh\n-- ok.sh --\n#!/bin/sh\n:\n", "script-not-executable", Info, "not executable", "chmod=+x", finished},
	{"line ends of Windows", hook("AfterInstall", "#!/bin/bash§\r\nsystemctl restart app\r\n"), "script-line-ends", failing, "its interpreter is not found", "LF line ends", finished},
	{"line ends of Windows in the middle", hook("AfterInstall", "#!/bin/bash\nsystemctl restart app§\r\n"), "script-line-ends", warning, "carriage return", "LF line ends", finished},
	{"relative interpreter", hook("AfterInstall", "§#!bin/bash\nsystemctl restart app\n"), "script-interpreter", failing, "relative path", "#!/bin/bash", finished},
	{"interpreter in line 2", hook("AfterInstall", "\n§#!/bin/bash\nsystemctl restart app\n"), "script-interpreter", warning, "not at the very beginning", "first bytes", finished},
	{"options for env", hook("AfterInstall", "§#!/usr/bin/env bash -e\nsystemctl restart app\n"), "script-interpreter", failing, "one name", "-S", finished},
	{"two options", hook("AfterInstall", "§#!/bin/bash -e -u\nsystemctl restart app\n"), "script-interpreter", failing, "as one", "set -eu", finished},
	{"byte order mark", hook("AfterInstall", "§\uFEFF#!/bin/bash\nsystemctl restart app\n"), "script-encoding", warning, "byte order mark", "UTF-8 without", finished},
	{"UTF-16", hook("AfterInstall", "§\xFF\xFE#\x00!\x00"), "script-encoding", failing, "UTF-16", "UTF-8", finished},
	{"no interpreter", hook("AfterInstall", "§systemctl restart app\n"), "script-no-interpreter", Info, "/bin/sh runs it", "#!/bin/bash", finished},
	{"empty script", hook("AfterInstall", "§\n"), "script-empty", Info, "empty", "remove it", finished},
	{"syntax error", hook("AfterInstall", "#!/bin/bash\n§if true; then\n  echo\n"), "script-syntax", failing, "cannot read the script", "bash -n", finished},
	{"arrays for sh", hook("AfterInstall", "#!/bin/sh\na=§(1 2)\n"), "script-shell", Info, "bash only", "#!/bin/bash", finished},
	{"test of bash for sh", hook("AfterInstall", "#!/bin/sh\nif §[[ -d /x ]]; then rm /x; fi\n"), "script-shell", Info, "[[ works in bash only", "#!/bin/bash", finished},
	{"== for sh", hook("AfterInstall", "#!/bin/sh\nif §[ \"$A\" == b ]; then rm /x; fi\n"), "script-shell", Info, "==", "#!/bin/bash", finished},

	{"nohup without redirection", hook("ApplicationStart", "#!/bin/bash\n§nohup java -jar /srv/app.jar &\n"), "open-output", warning, "script's output open", "2>&1", finished},
	{"error output left open", hook("ApplicationStart", "#!/bin/bash\n§nohup java -jar /srv/app.jar > /var/log/app.log &\n"), "open-output", warning, "error output open", "2>&1", finished},
	{"redirections in the wrong order", hook("ApplicationStart", "#!/bin/bash\n§java -jar /srv/app.jar 2>&1 >/var/log/app.log &\n"), "open-output", warning, "error output open", "2>&1", finished},
	{"background in a function", hook("ApplicationStart", "#!/bin/bash\nstart() {\n  §node server.js &\n}\nstart\n"), "open-output", warning, "output open", "2>&1", finished},
	{"background pipeline", hook("ApplicationStart", "#!/bin/bash\n§node server.js 2>&1 | tee /var/log/app.log &\n"), "open-output", warning, "output open", "2>&1", finished},
	{"log by process substitution", hook("ApplicationStart", "#!/bin/bash\nexec > >(tee /var/log/x) 2>&1\n§node server.js &\n"), "open-output", warning, "output open", "2>&1", finished},
	{"continued line", hook("ApplicationStart", "#!/bin/bash\n§nohup java \\\n  -jar /srv/app.jar \\\n  &\n"), "open-output", warning, "output open", "2>&1", finished},
	{"server in the foreground", hook("ApplicationStart", "#!/bin/bash\ncd /srv/app\n§sudo java -jar app.jar\n"), "foreground-server", warning, "does not return", "systemd", finished},
	{"compose in the foreground", hook("ApplicationStart", "#!/bin/bash\ncd /srv/app\n§docker compose up --build\n"), "foreground-server", warning, "does not return", "systemd", finished},
	{"pkill at the end", hook("ApplicationStop", "#!/bin/bash\n§sudo pkill -f app.jar\n"), "stop-fails", warning, "pkill fails when nothing is running", "|| true", finished},
	{"kill with set -e", hook("ApplicationStop", "#!/bin/bash\nset -e\n§kill $(cat /run/app.pid)\necho done\n"), "stop-fails", warning, "kill fails", "|| true", finished},
	{"docker stop", hook("ApplicationStop", "#!/bin/bash\necho stopping\n§docker stop app\n"), "stop-fails", warning, "docker stop fails", "|| true", finished},
	{"kill by xargs", hook("ApplicationStop", "#!/bin/bash\nps aux | grep [a]pp | awk '{print $2}' | §xargs kill -9\n"), "stop-fails", warning, "xargs fails", "|| true", finished},
	{"stop by a function", hook("ApplicationStop", "#!/bin/bash\nstop() { §killall node; }\nstop\n"), "stop-fails", warning, "killall fails", "|| true", finished},
	{"yum without -y", hook("BeforeInstall", "#!/bin/bash\n§sudo yum install httpd\n"), "asks-for-confirmation", warning, "yum install asks", "yum -y install", finished},
	{"apt without -y", hook("BeforeInstall", "#!/bin/bash\napt-get update\n§apt-get install -q nginx\n"), "asks-for-confirmation", warning, "apt-get install asks", "-y", finished},
	{"chmod 777", hook("AfterInstall", "#!/bin/bash\n§sudo chmod -R 777 /srv/app\n"), "world-writable", warning, "chmod 777", "775", finished},
	{"chmod a+w", hook("AfterInstall", "#!/bin/bash\n§chmod a+rw /srv/app\n"), "world-writable", warning, "a+rw", "775", finished},
	{"rm of the system", hook("BeforeInstall", "#!/bin/bash\nrm -rf §/usr/local/bin/*\n"), "removes-system-directory", warning, "more than the application", "own directory", finished},
	{"rm of a home", hook("BeforeInstall", "#!/bin/bash\nrm -rf §/home/ubuntu\n"), "removes-system-directory", warning, "more than the application", "own directory", finished},
	{"rm of a variable", hook("BeforeInstall", "#!/bin/bash\nrm -rf §\"$APP_DIR\"/*\n"), "removes-unset-variable", warning, "does not set APP_DIR", "${APP_DIR:?}", finished},
	{"rm of the destination", head + app + "hooks:\n  BeforeInstall:\n    - location: scripts/a.sh\n" + rest + "-- scripts/a.sh* --\n#!/bin/bash\nrm -rf §/srv/app/*\n", "removes-destination", Info, "/srv/app", "OVERWRITE", finished},
	{"curl without status", hook("ValidateService", "#!/bin/bash\n§curl -s http://localhost/health\n"), "curl-status", warning, "500", "--fail", finished},
	{"curl in a loop", hook("ValidateService", "#!/bin/bash\nuntil §curl -s http://localhost; do sleep 1; done\n"), "curl-status", warning, "500", "--fail", finished},
	{"nothing validated", hook("ValidateService", "#!/bin/bash\n§echo fine\nexit 0\n"), "validates-nothing", Info, "checks nothing", "health", finished},
	{"metadata without token", hook("AfterInstall", "#!/bin/bash\nid=$(§curl -s http://169.254.169.254/latest/meta-data/instance-id)\n"), "metadata-token", Info, "without a token", "api/token", finished},
	{"sudo su", hook("AfterInstall", "#!/bin/bash\n§sudo su - ubuntu\nsystemctl restart app\n"), "interactive-shell", warning, "no input", "runas", finished},
	{"agent restarted", hook("AfterInstall", "#!/bin/bash\n§sudo service codedeploy-agent restart\n"), "stops-agent", warning, "stops the agent", "outside", finished},
	{"script of the bundle by a relative path", hook("AfterInstall", "#!/bin/bash\n§./scripts/b.sh\n") + "-- scripts/b.sh* --\n#!/bin/sh\n", "relative-path", warning, "scripts/b.sh in the bundle", "dirname", finished},
	{"file of the bundle by a relative path", hook("AfterInstall", "#!/bin/bash\nsudo cp §conf/app.conf /etc/app.conf\n") + "-- conf/app.conf --\n\n", "relative-path", warning, "conf/app.conf in the bundle", "dirname", finished},
}

// TestMistakes checks bundles with one known mistake each: it is found, at the right line and column, nothing else is found, and the hint
// says what to do.
func TestMistakes(t *testing.T) {
	t.Parallel()
	all := append(append(append([]mistake{}, languageMistakes...), bundleMistakes...), scriptMistakes...)
	if len(all) < 60 {
		t.Errorf("%d mistakes", len(all))
	}
	covered := map[string]bool{}
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			b, file, at := bundle(t, m.text)
			r := Bundle(b, m.options)
			var found []Problem
			for _, p := range r.Problems {
				if p.Rule == m.rule {
					found = append(found, p)
				} else if p.Severity != Info && !(m.severity == failing && p.Rule == appspec.RuleUnknownKey) { // a misspelt key is also unknown
					t.Errorf("also %s:%d: %s: %s", p.File, p.Line, p.Rule, p.Message)
				}
			}
			m.check(t, found, file, at)
		})
		covered[m.rule] = true
		if r := ruleOf(m.rule); m.severity != r.Severity && !r.Varies && (m.options.Finished || m.severity != r.Folder) {
			t.Errorf("%s: the table has %s for %s, and this is %s", m.name, r.Severity, m.rule, m.severity)
		}
	}
	for _, m := range habits {
		covered[m.rule] = true
	}
	for _, r := range Rules() {
		switch r.Name {
		case appspec.RuleLimits, ruleUnreadable, ruleArchive: // have tests of their own
		default:
			if !covered[r.Name] {
				t.Errorf("no mistake is for the rule %s", r.Name)
			}
		}
	}
}

// check compares what was found with what is wrong.
func (m *mistake) check(t *testing.T, found []Problem, file string, at appspec.Place) {
	t.Helper()
	if len(found) != 1 || found[0].Rule != m.rule {
		t.Fatalf("found %+v, want one of %s", found, m.rule)
	}
	p := found[0]
	if at.Line > 0 && (p.File != file || p.Line != at.Line || p.Column != at.Column) {
		t.Errorf("it is at %s:%d:%d, want %s:%d:%d", p.File, p.Line, p.Column, file, at.Line, at.Column)
	}
	if p.Severity != m.severity || !strings.Contains(p.Message, m.message) || p.Hint == "" || !strings.Contains(p.Hint, m.hint) {
		t.Errorf("it is %s: %s (%s), want %s: %s (%s)", p.Severity, p.Message, p.Hint, m.severity, m.message, m.hint)
	}
}
