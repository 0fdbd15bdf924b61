//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"

	"codedeploy-agent/agent/rehearsal"
)

// storeRules are about what is kept below the deployment root.
func storeRules() []rule {
	appspec := files("d => DEST") + scripts("BeforeInstall hook.sh")
	bundle := []file{text("d/x", "x"), script("hook.sh", "#!/bin/sh\necho hi\n")}
	const events = "DownloadBundle BeforeInstall Install"
	deployed := func(n int) []deploy {
		var all []deploy
		for range n {
			all = append(all, deploy{appspec: appspec, bundle: bundle})
		}
		return all
	}
	broken := fails([]string{"ghost"}, files("ghost => DEST"))[0]
	damaged := deploy{data: func(*play) []byte { return []byte("x") }, events: "DownloadBundle=5", says: []string{"gzip"}}
	const tree = "./ 755 \n x 644 x"
	// kept says which of the rule's deployments are still there.
	kept := func(want string) func(*play) {
		return func(p *play) {
			var got []string
			for i, id := range p.ids {
				if _, err := os.Stat(p.inRoot(p.group, id)); err == nil {
					got = append(got, fmt.Sprint(i+1))
				}
			}
			if strings.Join(got, " ") != want {
				p.t.Errorf("the revisions %v are kept, want %s", got, want)
			}
		}
	}
	layout := func(want string) func(*play) {
		return func(p *play) { p.want("deployment root", p.layout(), want) }
	}
	rules := []rule{
		{
			name: "layout and modes", ordinary: true, once: true, in: daemonOnly, deploys: []deploy{
				{appspec: appspec, bundle: bundle, events: events},
			}, tree: tree,
			check: layout(`<1>/ 755
				<1>/bundle.tar 644
				<1>/deployment-archive/ 755
				<1>/deployment-archive/appspec.yml 644
				<1>/deployment-archive/d/ 755
				<1>/deployment-archive/d/x 644
				<1>/deployment-archive/hook.sh 755
				<1>/logs/ 755
				<1>/logs/scripts.log 644
				deployment-instructions/GROUP-cleanup 644
				deployment-instructions/GROUP-install.json 644
				deployment-instructions/GROUP_last_successful_install 644
				deployment-instructions/GROUP_most_recent_install 644`),
		},
		{
			name: "layout and modes, with restrict_agent_dir_permissions", settings: []string{":restrict_agent_dir_permissions: true"},
			once: true, in: daemonOnly, deploys: []deploy{{appspec: appspec, bundle: bundle, events: events}}, tree: tree,
			check: func(p *play) {
				layout(`<1>/ 711
					<1>/bundle.tar 600
					<1>/deployment-archive/ 711
					<1>/deployment-archive/appspec.yml 644
					<1>/deployment-archive/d/ 755
					<1>/deployment-archive/d/x 644
					<1>/deployment-archive/hook.sh 755
					<1>/logs/ 750
					<1>/logs/scripts.log 640
					deployment-instructions/GROUP-cleanup 600
					deployment-instructions/GROUP-install.json 600
					deployment-instructions/GROUP_last_successful_install 600
					deployment-instructions/GROUP_most_recent_install 600`)(p)
				for dir, mode := range map[string]os.FileMode{"": 0o711, p.group: 0o711, "deployment-instructions": 0o700, "ongoing-deployment": 0o700, "deployment-logs": 0o750} {
					if info, err := os.Stat(p.inRoot(dir)); err != nil || info.Mode().Perm() != mode {
						p.t.Errorf("%s of the deployment root: %v, %v, want mode %o", dir, info, err, mode)
					}
				}
			},
		},
		{
			name: "a local deployment's layout", in: localOnly, once: true, deploys: []deploy{
				{appspec: appspec, bundle: bundle, events: events},
			}, tree: tree,
			check: layout(`<1>/ 755
				<1>/deployment-archive/ 755
				<1>/deployment-archive/appspec.yml 644
				<1>/deployment-archive/d/ 755
				<1>/deployment-archive/d/x 644
				<1>/deployment-archive/hook.sh 755
				<1>/logs/ 755
				<1>/logs/scripts.log 644
				deployment-instructions/GROUP-cleanup 644
				deployment-instructions/GROUP-install.json 644
				deployment-instructions/GROUP_last_successful_install 644
				deployment-instructions/GROUP_most_recent_install 644`),
		},
		{
			name: "an event that has nothing to do makes the deployment's directory", in: daemonOnly, once: true, deploys: []deploy{
				{appspec: "\n", events: "ApplicationStop=noop"},
			},
			check: layout("<1>/ 755"),
		},
		{
			name: "install.json, byte for byte", once: true, deploys: []deploy{
				{appspec: files("d => DEST/a") + "permissions:\n  - {object: DEST/a/x, mode: 600}\n", bundle: bundle},
			},
			tree: "./ 755 \n a/ 755 \n a/x 600 x",
			check: func(p *play) {
				want := p.fill(`{"instructions":[{"type":"mkdir","directory":"DEST"},{"type":"mkdir","directory":"DEST/a"},` +
					`{"type":"copy","source":"ROOT/` + p.group + "/" + p.ids[0] + `/deployment-archive/d/x","destination":"DEST/a/x"},{"type":"chmod","mode":"600","file":"DEST/a/x"}]}`)
				if got := p.instructions("-install.json"); got != want {
					p.t.Errorf("install.json is\n%s\nwant\n%s", got, want)
				}
			},
		},
		{name: "five revisions are kept", once: true, deploys: deployed(7), tree: tree, check: kept("3 4 5 6 7")},
		{
			name: "max_revisions 2", settings: []string{":max_revisions: 2"}, once: true, ordinary: true, deploys: deployed(4), tree: tree,
			check: kept("3 4"),
		},
		{name: "max_revisions 1: the last successful one is kept besides", settings: []string{":max_revisions: 1"}, once: true, deploys: deployed(3), tree: tree,
			check: kept("2 3")},
		{
			name: "max_revisions 0", settings: []string{":max_revisions: 0"}, once: true, in: daemonOnly, deploys: deployed(3), tree: tree,
			check: kept("2 3"),
		},
		{name: "the last successful revision outlives failed ones", settings: []string{":max_revisions: 2"}, once: true,
			deploys: []deploy{deployed(1)[0], broken, broken, broken}, tree: tree, check: kept("1 4")},
		{name: "a failed download costs no revision", settings: []string{":max_revisions: 2"}, once: true,
			deploys: []deploy{deployed(1)[0], deployed(1)[0], damaged, damaged}, tree: tree, check: kept("1 2 3 4")},
		{name: "what failed downloads left goes with the next good one", settings: []string{":max_revisions: 2"}, once: true,
			deploys: []deploy{deployed(1)[0], damaged, damaged, deployed(1)[0]}, tree: tree, check: kept("1 4")},
	}
	for i := range rules {
		if rules[i].in == bothWays && rules[i].settings != nil {
			rules[i].in = daemonOnly
		}
	}
	return append(rules, reuseRules(appspec, bundle, tree)...)
}

// reuseRules are about deployments that take the revision from an earlier one (RESTART).
func reuseRules(appspec string, bundle []file, tree string) []rule {
	from := func(what func(*play) string, note string) deploy {
		return deploy{appspec: files("d => DEST"), bundle: []file{text("d/downloaded", "d")}, note: "BundleSource=" + note,
			spec: func(p *play, s *rehearsal.SpecOptions) { s.ReuseArchiveFromDeploymentID = what(p) }}
	}
	first := deploy{appspec: appspec, bundle: bundle}
	id := func(p *play) string { return p.ids[0] }
	const downloaded = "./ 755 \n downloaded 644 d"
	rules := []rule{
		{name: "the revision of an earlier deployment", deploys: []deploy{first, from(id, "archive-reuse")}, tree: tree},
		{
			name:    "the earlier deployment as an ARN",
			deploys: []deploy{first, from(func(p *play) string { return "arn:aws:codedeploy:us-east-1:123456789012:deployment/" + p.ids[0] }, "archive-reuse")},
			tree:    tree,
		},
		{
			name:    "an earlier deployment that is not here",
			deploys: []deploy{from(func(*play) string { return "d-NOTHERE01" }, "downloaded")}, tree: downloaded,
		},
		{name: "an earlier deployment without an AppSpec", deploys: []deploy{first, from(func(p *play) string {
			if err := os.Remove(p.inRoot(p.group, p.ids[0], "deployment-archive", "appspec.yml")); err != nil {
				p.t.Fatal(err)
			}
			return p.ids[0]
		}, "downloaded")}, tree: downloaded},
		{
			name: "reuse switched off", settings: []string{":enable_archive_reuse: false"},
			deploys: []deploy{first, from(id, "downloaded")}, tree: downloaded,
		},
		{name: "of another group", deploys: []deploy{from(func(p *play) string {
			other := *p
			copied := *p.host
			copied.group += "b"
			other.host, other.ids, other.recent, other.successful = &copied, nil, "", ""
			other.deploy(&deploy{appspec: "\n"})
			return other.ids[0]
		}, "downloaded")}, tree: downloaded},
		{name: "its own revision", deploys: []deploy{from(func(p *play) string { return p.latest.DeploymentID }, "downloaded")}, tree: downloaded},
	}
	for i := range rules {
		rules[i].name, rules[i].in, rules[i].once = "reuse: "+rules[i].name, daemonOnly, true
	}
	return rules
}
