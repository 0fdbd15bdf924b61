//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"

	"codedeploy-agent/agent/rehearsal"
)

// noSudo says why sudo cannot be tried here, "" if it can.
func noSudo() string {
	if err := exec.Command("sudo", "-n", "true").Run(); err != nil {
		return "sudo does not work here"
	}
	return ""
}

// userRules are about the users of scripts.
func userRules(single func(body, more string) deploy) []rule {
	name, uid := somebody()
	const who = `echo "$(id -u) $USER $LOGNAME $HOME $SHELL" >> NOTES`
	home := ""
	if u, err := user.Lookup(name); err == nil {
		home = u.HomeDir
	}
	failing := func(d deploy, code, log string, says ...string) deploy {
		d.events, d.script, d.says, d.log = "DownloadBundle BeforeInstall="+code, "hook.sh", says, "LifecycleEvent - BeforeInstall \n Script - hook.sh \n"+log
		return d
	}
	return []rule{
		{name: "runas", root: true, once: true, deploys: []deploy{single(noting(who), ", runas: "+name)},
			check: func(p *play) {
				got := p.noted()
				want := fmt.Sprintf("%s %s %s %s ", uid, name, name, home)
				if len(got) != 2 || !strings.HasPrefix(got[1], want) {
					p.t.Errorf("the script saw %q, want %q and a shell", got, want)
				}
			}, ran: "*"},
		{
			name: "runas, with blanks around the name", root: true, in: daemonOnly, once: true,
			deploys: []deploy{single("#!/bin/sh\nid -u >> NOTES\n", ", runas: ' "+name+" '")}, ran: uid,
		},
		{name: "runas with sudo: that user, without the deployment's environment", root: true, once: true, needs: noSudo,
			deploys: []deploy{single("#!/bin/sh\necho \"$(id -u) [$DEPLOYMENT_ID]\" >> NOTES\n", ", sudo: true, runas: "+name)}, ran: uid + " []"},
		{name: "runas nobody in particular", once: true, deploys: []deploy{single("#!/bin/sh\nid -u >> NOTES\n", ", runas: ")}, ran: "MYUID"},
		{
			name: "a script that runs as somebody and fails", root: true,
			deploys: []deploy{failing(single("#!/bin/sh\necho x; exit 5\n", ", runas: "+name), "4", "[stdout]x", "hook.sh", name, "exit code 5")},
		},
		{
			name: "runas somebody who does not exist", ordinary: true,
			deploys: []deploy{failing(single(noting(""), ", runas: no-such-user"), "4", "", "no-such-user")},
		},
		{name: "runas an option of su", deploys: []deploy{failing(single(noting(""), ", runas: '--help'"), "4", "", "--help")}},
		{name: "runas another user, as an ordinary user", needs: func() string {
			if os.Getuid() == 0 {
				return "it is for ordinary users"
			}
			return ""
		}, deploys: []deploy{failing(single(noting(""), ", runas: root"), "4", "", "root")}},
	}
}

// environmentRules are about the environment of scripts.
func environmentRules() []rule {
	const shows = "#!/bin/sh\nenv | grep -E '^(LIFECYCLE_EVENT|DEPLOYMENT_[A-Z_]+|APPLICATION_NAME|BUNDLE_[A-Z]+|KEPT|" +
		"LD_[A-Z_]+|BASH_ENV|CODEDEPLOY[A-Z_]*|NOTIFY_SOCKET|AWS_(ACCESS|SECRET|SESSION|CREDENTIAL|SHARED|CONTAINER|PROFILE)[A-Z_]*)=' | LC_ALL=C sort >> NOTES\n"
	revision := func(events string, spec func(*play, *rehearsal.SpecOptions)) deploy {
		return deploy{
			appspec: scripts("BeforeInstall show.sh", "ApplicationStop show.sh"), bundle: []file{script("show.sh", shows)}, events: events,
			spec: spec,
		}
	}
	// known makes the bundle's place one that an expectation can name.
	known := func(version, etag string) func(*play, *rehearsal.SpecOptions) {
		return func(p *play, s *rehearsal.SpecOptions) {
			at := s.Revision.S3
			at.Key, at.Version, at.ETag = p.group+"/the key", version, etag
			if _, err := p.service.Put(at.Bucket, at.Key, rehearsal.Object{Data: p.packed, Version: version, ETag: etag}); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	kept := []string{"KEPT=as it is", "LD_PRELOAD_NOT=x", "BASH_ENV=/dev/null", "LD_AUDIT=", "AWS_ACCESS_KEY_ID=AKIDTEST",
		"AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=secret", "AWS_CREDENTIAL_FILE=/x", "AWS_SHARED_CREDENTIALS_FILE=/x",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x", "CODEDEPLOY_GITHUB_TOKEN=secret", "NOTIFY_SOCKET=/x", "AWS_PROFILE=p",
		"DEPLOYMENT_ID=of the agent", "BUNDLE_KEY=of the agent"}
	const deployment = `APPLICATION_NAME=shop
		BUNDLE_BUCKET=bundles
		BUNDLE_ETAG=0123456789abcdef
		BUNDLE_KEY=GROUP/the key
		BUNDLE_VERSION=v7
		DEPLOYMENT_GROUP_ID=GROUP
		DEPLOYMENT_GROUP_NAME=fleet
		DEPLOYMENT_ID=<1>
		LIFECYCLE_EVENT=BeforeInstall`
	return []rule{
		{
			name: "what the service says about the deployment", in: daemonOnly, once: true,
			deploys: []deploy{revision("DownloadBundle BeforeInstall Install", known("v7", "0123456789abcdef"))}, ran: deployment,
		},
		{name: "no version", in: daemonOnly, once: true, deploys: []deploy{revision("DownloadBundle BeforeInstall Install", known("", "0123456789abcdef"))},
			ran: strings.Replace(deployment, "BUNDLE_VERSION=v7", "", 1)},
		{name: "no ETag", in: daemonOnly, once: true,
			deploys: []deploy{revision("DownloadBundle BeforeInstall Install", func(p *play, s *rehearsal.SpecOptions) {
				known("v7", "0123456789abcdef")(p, s)
				s.Revision.S3.ETag = ""
			})}, ran: strings.Replace(deployment, "BUNDLE_ETAG=0123456789abcdef", "", 1)},
		{name: "the previous revision's script is told about the new deployment", in: daemonOnly, once: true,
			deploys: []deploy{revision("DownloadBundle Install", nil), revision("ApplicationStop", known("v8", "0123456789abcdef"))},
			ran:     strings.NewReplacer("<1>", "<2>", "v7", "v8", "BeforeInstall", "ApplicationStop").Replace(deployment)},
		{name: "a local deployment", in: localOnly, once: true, ordinary: true, deploys: []deploy{
			revision("DownloadBundle BeforeInstall Install", nil),
		},
			ran: "APPLICATION_NAME=shop \n DEPLOYMENT_GROUP_ID=GROUP \n DEPLOYMENT_GROUP_NAME=fleet \n DEPLOYMENT_ID=<1> \n LIFECYCLE_EVENT=BeforeInstall"},
		{name: "the agent's environment, without its secrets", env: kept, once: true, deploys: []deploy{
			revision("DownloadBundle BeforeInstall Install", known("v7", "0123456789abcdef")),
		}, in: daemonOnly,
			ran: strings.NewReplacer("BUNDLE_BUCKET", "AWS_PROFILE=p \n AWS_SHARED_CREDENTIALS_FILE=/x \n BASH_ENV=/dev/null \n BUNDLE_BUCKET",
				"LIFECYCLE_EVENT", "KEPT=as it is \n LD_AUDIT= \n LD_PRELOAD_NOT=x \n LIFECYCLE_EVENT").Replace(deployment)},
		{name: "strip_loader_env_in_hooks", env: kept, settings: []string{":strip_loader_env_in_hooks: true"}, once: true, in: daemonOnly,
			deploys: []deploy{revision("DownloadBundle BeforeInstall Install", known("v7", "0123456789abcdef"))},
			ran: strings.NewReplacer("BUNDLE_BUCKET", "AWS_PROFILE=p \n AWS_SHARED_CREDENTIALS_FILE=/x \n BUNDLE_BUCKET",
				"LIFECYCLE_EVENT", "KEPT=as it is \n LD_PRELOAD_NOT=x \n LIFECYCLE_EVENT").Replace(deployment)},
		{name: "restrict_hook_env_to_allowlist", env: kept, settings: []string{":restrict_hook_env_to_allowlist: true"}, once: true, in: daemonOnly,
			deploys: []deploy{revision("DownloadBundle BeforeInstall Install", known("v7", "0123456789abcdef"))}, ran: deployment},
	}
}
