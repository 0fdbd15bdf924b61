package lint

import "testing"

// TestTraps checks bundles that look wrong and work: nothing is found, not even advice.
func TestTraps(t *testing.T) {
	t.Parallel()
	script := func(event, commands string) string { return hook(event, "#!/bin/bash\n"+commands) }
	for name, text := range map[string]string{
		"AppSpec with the line ends of Windows": "-- appspec.yml --\nversion: 0.0\r\nos: linux\r\nhooks:\r\n  AfterInstall:\r\n    - location: scripts/ok.sh\r\n      timeout: 60\r\n" + ok,
		"location with a slash":                 head + "hooks:\n  AfterInstall:\n    - location: /scripts/ok.sh\n    \n" + ok,
		"location with ./":                      head + "hooks:\n  AfterInstall:\n    - location: ./scripts/ok.sh\n" + ok,
		"location that climbs and comes back":   head + "hooks:\n  AfterInstall:\n    - location: scripts/../scripts/ok.sh\n" + ok,
		"backslashes on Windows":                "-- appspec.yml --\nversion: 0.0\nos: windows\nfiles:\n  - source: \\app\n    destination: c:\\srv\\app\nhooks:\n  AfterInstall:\n    - location: \\scripts\\a.ps1\n" + rest + "-- scripts/a.ps1 --\nStart-Service x\r\n",
		"another case on Windows":               "-- appspec.yml --\nversion: 0.0\nos: windows\nfiles:\n  - source: App\n    destination: c:\\srv\nhooks:\n  AfterInstall:\n    - location: Scripts\\A.ps1\n" + rest + "-- scripts/a.ps1 --\nx\n",
		"nothing to do":                         head + "files: []\nhooks:\n  AfterInstall:\n",
		"whole bundle":                          head + "files:\n  - source: /\n    destination: /srv/app\n" + rest,
		"two directories merged":                head + "files:\n  - source: app\n    destination: /srv\n  - source: other\n    destination: /srv\n" + rest + "-- other/lib/x --\nx\n",
		"directory named like a site":           head + "files:\n  - source: example.com\n    destination: /var/www/example.com\n-- example.com/index.html --\nx\n",
		"directory of destination only":         head + app + "permissions:\n  - object: /srv\n    pattern: app\n    type: [directory]\n    owner: www\n" + rest,
		"permissions of what is above":          head + "files:\n  - source: app\n    destination: /srv/a/b\npermissions:\n  - object: /srv\n    pattern: '**'\n    owner: www\n" + rest,
		"permissions that exclude each other":   head + app + "permissions:\n  - object: /srv/app\n    except: ['*.sh']\n    mode: 644\n    type: [file]\n  - object: /srv/app\n    pattern: '*.sh'\n    mode: 755\n    type: [file]\n" + rest,
		"object written differently":            head + app + "permissions:\n  - object: /srv//x/../app/\n    mode: 644\n    type: [file]\n" + rest,
		"sticky and shared":                     head + app + "permissions:\n  - object: /srv/app\n    mode: 1777\n    type: [directory]\n" + rest,
		"default acl of directories":            head + app + "permissions:\n  - object: /srv/app\n    acls: ['d:u:alice:rx']\n    type: [directory]\n" + rest,
		"timeouts of exactly an hour":           head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n      timeout: 1800\n    - location: scripts/ok.sh\n      timeout: 1800\n" + ok,
		"one script without a timeout":          head + "hooks:\n  AfterInstall:\n    - location: scripts/ok.sh\n" + ok,

		"options of the interpreter":          hook("AfterInstall", "#!/bin/bash -xe\nsystemctl restart app\n"),
		"blank before the interpreter":        hook("AfterInstall", "#! /bin/bash\nsystemctl restart app\n"),
		"env with its option":                 hook("AfterInstall", "#!/usr/bin/env -S bash -e\nsystemctl restart app\n"),
		"env with a variable":                 hook("AfterInstall", "#!/usr/bin/env bash\nsystemctl restart app\n"),
		"python":                              hook("AfterInstall", "#!/usr/bin/env python3\nif x == [[1]]: print('rm -rf /')\n"),
		"subshells that look like arithmetic": hook("AfterInstall", "#!/bin/sh\n((echo a; echo b) | cat; true)\n"),
		"a substitution that looks like it":   hook("AfterInstall", "#!/bin/bash\necho $((time -p $1 >/dev/null) 2>&1)\n"),
		"a script that is Python, too":        hook("AfterInstall", "#!/bin/sh\n'''exec' \"/srv/python\" \"$0\" \"$@\"\n' '''\ndef f(x):\n  pass\n"),
		"a program":                           hook("AfterInstall", "\x7fELF\x00\x01\xff"),
		"posix shell":                         hook("AfterInstall", "#!/bin/sh\nset -eu\n. /etc/app.env\nif [ \"$A\" = b ] && command -v x >/dev/null 2>&1; then\n  exec x \"$@\"\nfi\n"),
		"background, both redirected":         script("ApplicationStart", "nohup java -jar /srv/app.jar >/var/log/a.log 2>&1 </dev/null &\n"),
		"background, &> file":                 script("ApplicationStart", "node server.js &>> /var/log/a.log &\n"),
		"background, separate files":          script("ApplicationStart", "node server.js > out.log 2> err.log &\n"),
		"background, on a continued line":     script("ApplicationStart", "nohup java \\\n  -jar /srv/app.jar \\\n  > /var/log/a.log 2>&1 &\n"),
		"background in a subshell":            script("ApplicationStart", "(cd /srv/app && nohup ./run) >/dev/null 2>&1 &\n"),
		"background in ( )":                   script("ApplicationStart", "(nohup ./run >/dev/null 2>&1) &\n"),
		"background after exec":               script("ApplicationStart", "exec >>/var/log/deploy.log 2>&1\nnode server.js &\n"),
		"background that is waited for":       script("AfterInstall", "make a &\nmake b &\nwait\n"),
		"background in a quiet function":      script("ApplicationStart", "start() { node server.js & }\nstart >/dev/null 2>&1\n"),
		"background in a substitution":        script("ApplicationStart", "pid=$(node server.js >/dev/null 2>&1 & echo $!)\necho $pid\n"),
		"closed outputs":                      script("ApplicationStart", "node server.js >&- 2>&- &\n"),
		"text with an ampersand":              script("ApplicationStart", "echo 'a & b'\ncat >/srv/x <<EOF\nrun &\nEOF\nsystemctl start app\n"),
		"npm start":                           script("ApplicationStart", "cd /srv/app\nnpm start\n"),
		"docker run":                          script("ApplicationStart", "docker run --rm app migrate\n"),
		"compose detached":                    script("ApplicationStart", "docker-compose -f /srv/x.yml up -d --build\n"),
		"java that is not the end":            script("ApplicationStart", "java -jar /srv/migrate.jar\nsystemctl start app\n"),
		"gunicorn as a daemon":                script("ApplicationStart", "gunicorn -b :8000 app:app --daemon\n"),
		"stop with || true":                   script("ApplicationStop", "sudo pkill -f app.jar || true\n"),
		"stop with || :":                      script("ApplicationStop", "set -e\npkill node || :\nkillall node || echo none\n"),
		"stop of a unit":                      script("ApplicationStop", "systemctl stop nginx\n"),
		"stop by service":                     script("ApplicationStop", "service httpd stop\n"),
		"stop that asks":                      script("ApplicationStop", "if pgrep node; then pkill node; fi\n"),
		"stop that leaves before":             script("ApplicationStop", "PID=$(pgrep -f app.jar)\nif [ -z \"$PID\" ]; then\n  exit 0\nfi\nkill -15 $PID\n"),
		"stop that ends in exit 0":            script("ApplicationStop", "pkill node\nexit 0\n"),
		"stop in a loop":                      script("ApplicationStop", "for p in $(pgrep node); do kill $p; done\n"),
		"stop by xargs -r":                    script("ApplicationStop", "pgrep node | xargs -r kill\n"),
		"stop after set +e":                   script("ApplicationStop", "set -e\ncd /srv\nset +e\npkill node\ntrue\n"),
		"docker rm -f":                        script("ApplicationStop", "docker rm -f app\n"),
		"kill in another event":               script("AfterInstall", "pkill node\n"),
		"yum -y":                              script("BeforeInstall", "yum -y install httpd\nyum install -y php\nsudo dnf install --assumeyes x\nyum list installed\nyum clean all\n"),
		"apt with -y among others":            script("BeforeInstall", "export DEBIAN_FRONTEND=noninteractive\napt-get update\napt-get -qy install nginx\napt-get install -yq nginx\napt-get -qq install nginx\nsudo -E apt-get --yes upgrade\n"),
		"yes |":                               script("BeforeInstall", "yes | apt-get install nginx\n"),
		"extras":                              script("BeforeInstall", "amazon-linux-extras install -y nginx1\namazon-linux-extras enable php8.2\n"),
		"chmod of others":                     script("AfterInstall", "chmod 755 /srv/a\nchmod -R u+w,g+w /srv/b\nchmod +x /srv/c\nchmod 1777 /srv/tmp\nchmod --reference=/a /b\nchmod \"$MODE\" /x\n"),
		"rm of the application":               script("AfterInstall", "rm -rf /var/www/html/old\nrm -rf /home/ubuntu/app\nrm -f /etc/nginx/sites-enabled/default\nrm -rf /opt/app/*\n"),
		"rm of variables that are set":        script("AfterInstall", "APP=/srv/app\nrm -rf $APP/old\nrm -rf ${X:?}/old\nrm -rf \"$HOME\"/.cache\nfor d in a b; do rm -rf $d/x; done\nread -r Y\nrm -rf $Y/z\nrm -rf /srv/$Z/old\n"),
		"rm under set -u":                     script("AfterInstall", "set -euo pipefail\nrm -rf $APP/old\n"),
		"rm with a file of variables":         script("AfterInstall", ". /etc/app.env\nrm -rf $APP/old\n"),
		"curl --fail":                         script("ValidateService", "curl -sf http://localhost\ncurl --fail-with-body http://localhost\n"),
		"curl with a status test":             script("ValidateService", "code=$(curl -s -o /dev/null -w '%{http_code}' http://localhost)\n[ $code = 200 ]\n"),
		"curl into grep":                      script("ValidateService", "curl -s http://localhost | grep -q ok\n"),
		"curl for the log":                    script("ValidateService", "systemctl is-active app\ncurl -v http://localhost || echo 'no answer'\n"),
		"curl in another event":               script("AfterInstall", "curl -s -X POST https://example.com/deployed\n"),
		"metadata with a token":               script("AfterInstall", "T=$(curl -s -X PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60')\ncurl -s -H \"X-aws-ec2-metadata-token: $T\" http://169.254.169.254/latest/meta-data/instance-id\n"),
		"su with a command":                   script("AfterInstall", "su - ubuntu -c 'pm2 restart all'\nsudo su ubuntu -c 'x'\nsudo -u ubuntu -H bash -c 'x'\nsudo -i -u ubuntu pm2 list\nsudo -u ubuntu bash <<EOF\nx\nEOF\nbash /srv/x.sh\n"),
		"another unit restarted":              script("AfterInstall", "systemctl restart codedeploy-demo\nsystemctl status codedeploy-agent\n"),
		"paths after cd":                      script("AfterInstall", "cd \"$(dirname \"$0\")\" || exit 1\n./b.sh\ncp ../conf/app.conf /etc\n") + "-- scripts/b.sh* --\n#!/bin/sh\ntrue\n-- conf/app.conf --\n\n",
		"paths that are not the bundle's":     script("AfterInstall", "unzip -q /tmp/awscli.zip\n./aws/install\n"),
		"functions named like commands":       script("ApplicationStop", "kill() { echo nothing; }\nkill\n"),
		"heredoc of a script":                 script("AfterInstall", "cat > /etc/cron.daily/x <<'EOF'\n#!/bin/sh\nrm -rf /\nyum install x\nnode y &\nEOF\n"),
		"comments":                            script("AfterInstall", "# rm -rf /\n# nohup x &\nsystemctl restart app\n"),
		"validated":                           script("ValidateService", "sleep 5\nsystemctl is-active --quiet app\n"),
		"validated by a test":                 script("ValidateService", "sleep 5\n[ -f /run/app.pid ]\n"),
	} {
		t.Run(name, func(t *testing.T) {
			b, _, _ := bundle(t, text)
			for _, p := range Bundle(b, finished).Problems {
				t.Errorf("%s:%d:%d: %s: %s [%s]", p.File, p.Line, p.Column, p.Severity, p.Message, p.Rule)
			}
		})
	}
}

// TestFolderIsNoBundle has what a build adds: in a folder that is no error.
func TestFolderIsNoBundle(t *testing.T) {
	t.Parallel()
	b, _, _ := bundle(t, head+"files:\n  - source: target/app.jar\n    destination: /srv/app\npermissions:\n  - object: /srv/app\n    pattern: '*.jar'\n    mode: 644\nhooks:\n  AfterInstall:\n    - location: start.sh\n"+
		"-- scripts/start.sh* --\n#!/bin/sh\n:\n-- .git/config --\nx\n-- .git/appspec.yml --\nx\n")
	if r := Bundle(b, Options{}); r.Worst() != warning || len(r.Problems) != 2 {
		t.Errorf("a folder: %+v", r.Problems)
	}
	if r := Bundle(b, finished); r.Worst() != failing {
		t.Errorf("a bundle: %+v", r.Problems)
	}
}

// TestSubDirectory has an AppSpec that a build moves to the root: what it names is looked for beside it and at the root.
func TestSubDirectory(t *testing.T) {
	t.Parallel()
	b, _, _ := bundle(t, "-- deploy/appspec.yml --\nversion: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: /srv/app\nhooks:\n  AfterInstall:\n    - location: scripts/a.sh\n"+
		"-- deploy/scripts/a.sh* --\n#!/bin/bash\nyum install x\n-- app/x --\nx\n-- node_modules/y/appspec.yml --\nx\n-- a/b/c/d/e/f/appspec.yml --\nx\n")
	r := Bundle(b, Options{})
	rules := []string{}
	for _, p := range r.Problems {
		rules = append(rules, p.File+" "+p.Rule)
	}
	if len(rules) != 2 || rules[0] != "deploy/appspec.yml appspec-not-at-root" || rules[1] != "deploy/scripts/a.sh asks-for-confirmation" {
		t.Errorf("%v", rules)
	}
	if r := Bundle(b, Options{AppSpec: "deploy/appspec.yml"}); len(r.AppSpecs) != 1 || r.Problems[0].Rule != ruleScriptMissing {
		t.Errorf("named: %+v", r.Problems)
	}
}
