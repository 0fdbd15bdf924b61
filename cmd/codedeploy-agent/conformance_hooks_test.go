//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"

	"codedeploy-agent/agent/rehearsal"
)

// scripts is a hooks section. Each entry is "Event location" or "Event location, more" with more keys of the script.
func scripts(entries ...string) string {
	s, last := "hooks:\n", ""
	for _, e := range entries {
		event, script, _ := strings.Cut(e, " ")
		if event != last {
			s += "  " + event + ":\n"
			last = event
		}
		s += "    - {location: " + script + "}\n"
	}
	return s
}

// noting is a script that notes its event and its path, and then does what body says.
func noting(body string) string {
	return "#!/bin/sh\necho \"$LIFECYCLE_EVENT $0\" >> NOTES\n" + body + "\n"
}

// everyHook is a revision with a noting script for each event.
func everyHook() (appspec string, bundle []file) {
	var entries []string
	for _, e := range []string{"BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop", "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService",
		"BeforeAllowTraffic", "AfterAllowTraffic"} {
		entries = append(entries, e+" hooks/"+e+".sh")
		bundle = append(bundle, script("hooks/"+e+".sh", noting("")))
	}
	return scripts(entries...), bundle
}

// traffic makes the deployment one of a blue/green deployment, or its rollback.
func traffic(creator string) func(*play, *rehearsal.SpecOptions) {
	return func(_ *play, s *rehearsal.SpecOptions) { s.Type, s.Creator = rehearsal.TypeBlueGreen, creator }
}

// hookRules are about which scripts run, and how.
func hookRules() []rule {
	appspec, bundle := everyHook()
	every := func(events string) deploy { return deploy{appspec: appspec, bundle: bundle, events: events} }
	const inPlace = "DownloadBundle BeforeInstall Install AfterInstall ApplicationStart ValidateService"
	blueGreen := func(events, creator string) deploy {
		d := every(events)
		d.spec = traffic(creator)
		return d
	}
	// single is a revision with one script in BeforeInstall; more are further keys of the script.
	single := func(body, more string) deploy {
		return deploy{
			appspec: scripts("BeforeInstall hook.sh, timeout: 20" + more), bundle: []file{script("hook.sh", body)},
			events: "DownloadBundle BeforeInstall Install",
		}
	}
	// breaks is single when the script fails.
	breaks := func(body, code, log string, says ...string) deploy {
		d := single(body, "")
		d.events, d.script, d.says = "DownloadBundle BeforeInstall="+code, "hook.sh", append([]string{"hook.sh"}, says...)
		d.log = "LifecycleEvent - BeforeInstall \n Script - hook.sh \n" + log
		return d
	}
	located := func(location, name string, mode int64) deploy {
		return deploy{
			appspec: scripts("BeforeInstall " + location + ", timeout: 20"), bundle: []file{{name, noting(""), mode}},
			events: "DownloadBundle BeforeInstall Install",
		}
	}
	leaving := single(noting("sleep 60 & echo $! > HOST/left"), "")
	leaving.writes = "HOST/left"
	rules := []rule{
		{
			name: "in place, twice", once: true, ordinary: true,
			deploys: []deploy{every("ApplicationStop=noop " + inPlace), every("ApplicationStop " + inPlace)},
			ran: `BeforeInstall 1:hooks/BeforeInstall.sh
				AfterInstall 1:hooks/AfterInstall.sh
				ApplicationStart 1:hooks/ApplicationStart.sh
				ValidateService 1:hooks/ValidateService.sh
				ApplicationStop 1:hooks/ApplicationStop.sh
				BeforeInstall 2:hooks/BeforeInstall.sh
				AfterInstall 2:hooks/AfterInstall.sh
				ApplicationStart 2:hooks/ApplicationStart.sh
				ValidateService 2:hooks/ValidateService.sh`,
		},
		{
			name: "in place behind a load balancer", once: true,
			deploys: []deploy{every(
				"BeforeBlockTraffic=noop AfterBlockTraffic=noop ApplicationStop=noop DownloadBundle Install BeforeAllowTraffic AfterAllowTraffic",
			),
				every("BeforeBlockTraffic AfterBlockTraffic ApplicationStop DownloadBundle Install BeforeAllowTraffic AfterAllowTraffic")},
			ran: `BeforeAllowTraffic 1:hooks/BeforeAllowTraffic.sh
				AfterAllowTraffic 1:hooks/AfterAllowTraffic.sh
				BeforeBlockTraffic 1:hooks/BeforeBlockTraffic.sh
				AfterBlockTraffic 1:hooks/AfterBlockTraffic.sh
				ApplicationStop 1:hooks/ApplicationStop.sh
				BeforeAllowTraffic 2:hooks/BeforeAllowTraffic.sh
				AfterAllowTraffic 2:hooks/AfterAllowTraffic.sh`,
		},
		{
			name: "blue/green, an original instance: the installed revision blocks the traffic", in: daemonOnly, once: true,
			deploys: []deploy{every("DownloadBundle Install"), blueGreen("BeforeBlockTraffic AfterBlockTraffic", rehearsal.CreatorUser)},
			ran:     "BeforeBlockTraffic 1:hooks/BeforeBlockTraffic.sh \n AfterBlockTraffic 1:hooks/AfterBlockTraffic.sh",
		},
		{
			name: "blue/green, an original instance whose latest deployment failed", in: daemonOnly, once: true, before: []file{text("late", "in the way")},
			deploys: []deploy{every("DownloadBundle Install"), fails(
				[]string{"DEST/late"}, appspec+files("late => DEST"), append(bundle, text("late", "x"))...,
			)[0],
				blueGreen("BeforeBlockTraffic AfterBlockTraffic", rehearsal.CreatorUser)},
			ran:  "BeforeBlockTraffic 1:hooks/BeforeBlockTraffic.sh \n AfterBlockTraffic 1:hooks/AfterBlockTraffic.sh",
			tree: "./ 755 \n late 644 in the way foreign",
		},
		{
			name: "blue/green, a fresh instance: its own scripts", in: daemonOnly, once: true,
			deploys: []deploy{blueGreen("ApplicationStop=noop DownloadBundle Install BeforeAllowTraffic AfterAllowTraffic", rehearsal.CreatorUser)},
			ran:     "BeforeAllowTraffic 1:hooks/BeforeAllowTraffic.sh \n AfterAllowTraffic 1:hooks/AfterAllowTraffic.sh",
		},
		{
			name: "nothing has been installed: nothing to do", in: daemonOnly, once: true,
			deploys: []deploy{blueGreen("BeforeBlockTraffic=noop AfterBlockTraffic=noop ApplicationStop=noop", rehearsal.CreatorUser)},
		},
		{
			name: "nothing has been installed, a rollback", in: daemonOnly, once: true,
			deploys: []deploy{
				blueGreen("BeforeBlockTraffic=noop AfterBlockTraffic=noop BeforeAllowTraffic=noop AfterAllowTraffic=noop", rehearsal.CreatorRollback),
			},
		},
		{
			name: "blue/green, the rollback: what came last blocks, what was installed last allows", in: daemonOnly, once: true,
			deploys: []deploy{every("DownloadBundle Install"), every("DownloadBundle"),
				blueGreen("BeforeBlockTraffic AfterBlockTraffic ApplicationStop BeforeAllowTraffic AfterAllowTraffic", rehearsal.CreatorRollback)},
			ran: `BeforeBlockTraffic 2:hooks/BeforeBlockTraffic.sh
				AfterBlockTraffic 2:hooks/AfterBlockTraffic.sh
				ApplicationStop 1:hooks/ApplicationStop.sh
				BeforeAllowTraffic 1:hooks/BeforeAllowTraffic.sh
				AfterAllowTraffic 1:hooks/AfterAllowTraffic.sh`,
		},
		{
			name: "an in-place rollback is a deployment like any other", in: daemonOnly, once: true,
			deploys: []deploy{every("DownloadBundle Install"), every("DownloadBundle"), {appspec: appspec, bundle: bundle,
				events: "BeforeBlockTraffic ApplicationStop DownloadBundle Install BeforeAllowTraffic",
				spec:   func(_ *play, s *rehearsal.SpecOptions) { s.Creator = rehearsal.CreatorRollback }}},
			ran: `BeforeBlockTraffic 1:hooks/BeforeBlockTraffic.sh
				ApplicationStop 1:hooks/ApplicationStop.sh
				BeforeAllowTraffic 3:hooks/BeforeAllowTraffic.sh`,
		},
		{
			name: "a deployment that has its revision uses it for every event", in: daemonOnly, once: true,
			deploys: []deploy{
				every("DownloadBundle Install"),
				blueGreen("DownloadBundle BeforeBlockTraffic ApplicationStop AfterAllowTraffic", rehearsal.CreatorRollback),
			},
			ran: `BeforeBlockTraffic 2:hooks/BeforeBlockTraffic.sh
				ApplicationStop 2:hooks/ApplicationStop.sh
				AfterAllowTraffic 2:hooks/AfterAllowTraffic.sh`,
		},
		{
			name: "the service repeats a deployment", in: daemonOnly, once: true,
			deploys: []deploy{every(
				"ApplicationStop=noop DownloadBundle Install ValidateService",
			), {appspec: appspec, bundle: bundle, events: "ApplicationStop DownloadBundle Install ValidateService",
				spec: func(p *play, s *rehearsal.SpecOptions) { s.DeploymentID = p.ids[0] }}},
			ran: "ValidateService 1:hooks/ValidateService.sh \n ApplicationStop 1:hooks/ApplicationStop.sh \n ValidateService 1:hooks/ValidateService.sh",
		},
		{
			name: "the installed revision was deleted by hand", once: true,
			deploys: []deploy{every("DownloadBundle Install"), {appspec: appspec, bundle: bundle, events: "ApplicationStop=refused", says: []string{
				"deployment-archive is missing", "ignore ApplicationStop",
			},
				first: func(p *play) {
					if err := os.RemoveAll(p.inRoot(p.group, p.ids[0])); err != nil {
						p.t.Fatal(err)
					}
				}}},
		},
		{
			name: "a pointer with a line feed, as an editor leaves it", in: daemonOnly, once: true,
			deploys: []deploy{every("DownloadBundle Install"), {appspec: appspec, bundle: bundle, events: "ApplicationStop DownloadBundle Install",
				first: func(p *play) {
					p.write("root/deployment-instructions/"+p.group+"_last_successful_install", p.instructions("_last_successful_install")+"\n")
				}, spec: func(p *play, _ *rehearsal.SpecOptions) { p.successful += "\n" }}},
			ran: "ApplicationStop 1:hooks/ApplicationStop.sh",
		},
		{
			name: "a revision that was never downloaded", in: daemonOnly, once: true,
			deploys: []deploy{{appspec: appspec, bundle: bundle, events: "BeforeInstall=refused", says: []string{"deployment-archive is missing"}}},
		},
		{
			name: "the events of the AppSpec that nobody asks for do not run", once: true,
			deploys: []deploy{
				{
					appspec: scripts("SmokeTest a.sh", "AfterInstall a.sh"), bundle: []file{script("a.sh", noting(""))},
					events: "DownloadBundle Install AfterInstall",
				},
			},
			in: daemonOnly, ran: "AfterInstall 1:a.sh",
		},
		{
			name: "the service sends a custom event", in: daemonOnly, once: true,
			deploys: []deploy{
				{
					appspec: scripts("SmokeTest a.sh"), bundle: []file{script("a.sh", noting(""))},
					events: "DownloadBundle Install SmokeTest=unknown", says: []string{"SmokeTest"},
				},
			},
		},
		{
			name: "the service sends an event in the wrong case", in: daemonOnly, once: true,
			deploys: []deploy{{appspec: "\n", events: "downloadBundle=unknown", says: []string{"downloadBundle"}}},
		},
		{
			name: "a local deployment runs custom events", in: localOnly,
			deploys: []deploy{
				{
					appspec: scripts("SmokeTest a.sh", "BeforeInstall a.sh"), bundle: []file{script("a.sh", noting(""))},
					events: "DownloadBundle BeforeInstall Install SmokeTest",
				},
			},
			ran: "BeforeInstall 1:a.sh \n SmokeTest 1:a.sh",
		},
		{
			name: "a local deployment knows only its own events", in: localOnly,
			deploys: []deploy{
				{
					appspec: scripts("SmokeTest a.sh"), bundle: []file{script("a.sh", noting(""))}, events: "DownloadBundle Install=5",
					says: []string{"SmokeTest", "unknown"},
				},
			},
		},
		{
			name: "scripts of one event run in their order", once: true,
			deploys: []deploy{{appspec: scripts(
				"AfterInstall 2.sh", "AfterInstall 1.sh", "AfterInstall 2.sh",
			), bundle: []file{script("1.sh", noting("")), script("2.sh", noting(""))},
				events: "DownloadBundle Install AfterInstall"}},
			ran: "AfterInstall 1:2.sh \n AfterInstall 1:1.sh \n AfterInstall 1:2.sh",
		},
		{
			name: "the first script that fails ends the event",
			deploys: []deploy{{appspec: scripts(
				"AfterInstall 1.sh", "AfterInstall 2.sh", "AfterInstall 3.sh",
			), events: "DownloadBundle Install AfterInstall=4",
				bundle: []file{script("1.sh", noting("echo one")), script("2.sh", noting("echo two; exit 2")), script("3.sh", noting(""))},
				script: "2.sh", says: []string{"2.sh", "exit code 2"},
				log: "LifecycleEvent - AfterInstall \n Script - 1.sh \n [stdout]one \n Script - 2.sh \n [stdout]two"}},
			ran: "AfterInstall 1:1.sh \n AfterInstall 1:2.sh",
		},
		{
			name: "user, directory, arguments, input and umask", ordinary: true, once: true,
			deploys: []deploy{single(noting(`echo "uid=$(id -u) cwd=$(pwd) arguments=$# input=[$(cat)] umask=$(umask)" >> NOTES`), "")},
			ran:     "BeforeInstall 1:hook.sh \n uid=MYUID cwd=CWD arguments=0 input=[] umask=0022",
		},
		{
			name: "exit code 7", ordinary: true,
			deploys: []deploy{breaks(noting("echo out; exit 7"), "4", "[stdout]out", "exit code 7")}, ran: "BeforeInstall 1:hook.sh",
		},
		{name: "exit code 255", in: daemonOnly, deploys: []deploy{breaks("#!/bin/sh\nexit 255\n", "4", "", "exit code 255")}},
		{name: "a signal", in: daemonOnly, deploys: []deploy{breaks("#!/bin/sh\nkill -SEGV $$\n", "4", "", "signal")}},
		{
			name: "the time limit",
			deploys: []deploy{{appspec: scripts("BeforeInstall hook.sh, timeout: 1"), bundle: []file{
				script("hook.sh", noting("echo begun; sleep 30; echo done")),
			},
				events: "DownloadBundle BeforeInstall=3", script: "hook.sh", says: []string{"hook.sh", "1 seconds"},
				log: "LifecycleEvent - BeforeInstall \n Script - hook.sh \n [stdout]begun"}},
			ran: "BeforeInstall 1:hook.sh",
		},
		{
			name: "a script that is not there",
			deploys: []deploy{{appspec: scripts("BeforeInstall none.sh"), events: "DownloadBundle BeforeInstall=1", script: "none.sh", says: []string{"none.sh", "does not exist"},
				log: "LifecycleEvent - BeforeInstall"}},
		},
		{
			name: "a script that is a directory",
			deploys: []deploy{{appspec: scripts("BeforeInstall scripts"), bundle: []file{text("scripts/a.sh", "")},
				events: "DownloadBundle BeforeInstall=4", script: "scripts", says: []string{"scripts", "directory"},
				log: "LifecycleEvent - BeforeInstall \n Script - scripts"}},
		},
		{
			name: "a script outside of the revision",
			deploys: []deploy{{appspec: scripts("BeforeInstall ../../hook.sh"), events: "DownloadBundle BeforeInstall=1", script: "../../hook.sh", says: []string{"outside"},
				log: "LifecycleEvent - BeforeInstall"}},
		},
		{
			name: "a script without #!", once: true, deploys: []deploy{single("echo \"$LIFECYCLE_EVENT $0\" >> NOTES\n", "")},
			ran: "BeforeInstall 1:hook.sh",
		},
		{name: "an empty script", once: true, deploys: []deploy{single("", "")}},
		{
			name: "another interpreter", in: daemonOnly, once: true,
			deploys: []deploy{single("#!/usr/bin/env -S sh -e\necho \"$LIFECYCLE_EVENT $0\" >> NOTES\n", "")},
			ran:     "BeforeInstall 1:hook.sh",
		},
		{name: "a script with Windows line ends", deploys: []deploy{breaks("#!/bin/sh\r\necho hi\r\n", "4", "", "Windows line ends")}},
		{
			name: "a script whose interpreter is not there", in: daemonOnly,
			deploys: []deploy{breaks("#!/usr/bin/no-such-interpreter\n", "4", "", "no-such-interpreter")},
		},
		{
			name: "a script that is not executable", ordinary: true, once: true, deploys: []deploy{located("hook.sh", "hook.sh", 0o644)},
			ran: "BeforeInstall 1:hook.sh",
		},
		{
			name: "a script that nobody may read", root: true, once: true, deploys: []deploy{located("hook.sh", "hook.sh", noMode)},
			ran: "BeforeInstall 1:hook.sh",
		},
		{
			name: "a location with blanks in it", once: true, deploys: []deploy{located("my scripts/a b.sh", "my scripts/a b.sh", 0o755)},
			ran: "BeforeInstall 1:my scripts/a b.sh",
		},
		{
			name: "a location with blanks around it", in: daemonOnly, once: true,
			deploys: []deploy{located("'  hook.sh '", "hook.sh", 0o755)}, ran: "BeforeInstall 1:hook.sh",
		},
		{
			name: "a location with a slash before it", once: true, deploys: []deploy{located("/s/hook.sh", "s/hook.sh", 0o755)},
			ran: "BeforeInstall 1:s/hook.sh",
		},
		{
			name: "a location with .. that stays inside", once: true, deploys: []deploy{located("s/../s/hook.sh", "s/hook.sh", 0o755)},
			ran: "BeforeInstall 1:s/../s/hook.sh",
		},
		{
			name: "a location that a shell would take apart", in: daemonOnly, once: true,
			deploys: []deploy{located("\"$(touch x); a'.sh\"", "$(touch x); a'.sh", 0o755)}, ran: "BeforeInstall 1:$(touch x); a'.sh",
		},
		{
			name: "a script that is a link", once: true,
			deploys: []deploy{
				{
					appspec: scripts("BeforeInstall l.sh"), bundle: []file{script("lib/real.sh", noting("")), link("l.sh", "lib/real.sh")},
					events: "DownloadBundle BeforeInstall Install",
				},
			},
			ran: "BeforeInstall 1:l.sh",
		},
		{
			name: "a link to a file of the host that is not executable",
			deploys: []deploy{{appspec: scripts("BeforeInstall l.sh"), bundle: []file{link("l.sh", "HOST/precious")},
				events: "DownloadBundle BeforeInstall=2", script: "l.sh", says: []string{"l.sh", "not part of the revision"},
				log: "LifecycleEvent - BeforeInstall \n Script - l.sh", first: func(p *play) { p.write(p.group+"/precious", "echo bad\n") }}},
			check: func(p *play) {
				if info, err := os.Stat(p.home + "/precious"); err != nil || info.Mode() != 0o644 {
					p.t.Errorf("the file of the host has become %v, %v", info.Mode(), err)
				}
			},
		},
		{
			name: "a process that is left behind does not hold up the event", once: true,
			deploys: []deploy{leaving}, ran: "BeforeInstall 1:hook.sh",
			check: func(p *play) {
				if out, err := exec.Command("kill", strings.TrimSpace(p.read(p.home+"/left"))).CombinedOutput(); err != nil {
					p.t.Errorf("the process is gone: %s", out)
				}
			},
		},
		{
			name: "sudo", root: true, once: true, needs: noSudo,
			deploys: []deploy{single("#!/bin/sh\necho \"$0 $(id -u) [$LIFECYCLE_EVENT]\" >> NOTES\n", ", sudo: true")}, ran: "1:hook.sh 0 []",
		},
	}
	return append(append(rules, environmentRules()...), userRules(single)...)
}
