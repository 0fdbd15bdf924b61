//go:build unix

package main

import (
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strings"
)

// permissions is a permissions section. Each entry is what follows the object, DEST/app if it names none, in flow style.
func permissions(entries ...string) string {
	s := files("d => DEST/app") + "permissions:\n"
	for _, e := range entries {
		if !strings.Contains(e, "object:") {
			e = "object: DEST/app, " + e
		}
		s += "  - {" + e + "}\n"
	}
	return s
}

// somebody is an account that is not the agent's: its name and ids as the tree prints them.
func somebody() (name, owner string) {
	for _, name := range []string{"nobody", "daemon", "bin"} {
		if u, err := user.Lookup(name); err == nil && u.Uid != fmt.Sprint(os.Getuid()) {
			return name, u.Uid
		}
	}
	return "", ""
}

// someGroup is a group that is not the agent's.
func someGroup() (name, id string) {
	for _, name := range []string{"daemon", "bin", "games", "staff"} {
		if g, err := user.LookupGroup(name); err == nil {
			return name, g.Gid
		}
	}
	return "", ""
}

// permissionsRules are about the permissions section. All but a few install the same tree.
func permissionsRules() []rule {
	tree := []file{text("d/a.sh", "1"), text("d/b.txt", "2"), text("d/sub/c.sh", "3"), text("d/sub/d.txt", "4"), text("d/sub/deep/e.sh", "5")}
	const plain = `./ 755
		app/ 755
		app/a.sh 644 1
		app/b.txt 644 2
		app/sub/ 755
		app/sub/c.sh 644 3
		app/sub/d.txt 644 4
		app/sub/deep/ 755
		app/sub/deep/e.sh 644 5`
	// with is the plain tree with other modes, "path mode" each, or with other lines, "path mode rest".
	with := func(changes ...string) string {
		s := plain
		for _, c := range changes {
			path, rest, _ := strings.Cut(c, " ")
			old := regexp.QuoteMeta(path) + ` \d+`
			if strings.Contains(rest, " ") {
				old += `.*`
			}
			s = regexp.MustCompile(`(?m)^(\s*)`+old).ReplaceAllString(s, "${1}"+path+" "+rest)
		}
		return s
	}
	every := func(entries ...string) []deploy { return one(permissions(entries...), tree...) }
	refused := func(says []string, entries ...string) []deploy { return fails(says, permissions(entries...), tree...) }
	name, uid := somebody()
	groupName, gid := someGroup()

	rules := []rule{
		{name: "a directory: everything below it, not itself", ordinary: true, deploys: every("mode: 750"),
			tree: with("app/a.sh 750", "app/b.txt 750", "app/sub/ 750", "app/sub/c.sh 750", "app/sub/d.txt 750", "app/sub/deep/ 750", "app/sub/deep/e.sh 750")},
		{name: "type file", deploys: every("mode: 600, type: [file]"),
			tree: with("app/a.sh 600", "app/b.txt 600", "app/sub/c.sh 600", "app/sub/d.txt 600", "app/sub/deep/e.sh 600")},
		{name: "type directory", deploys: every("mode: 711, type: [directory]"), tree: with("app/sub/ 711", "app/sub/deep/ 711")},
		{name: "two entries for the two types", ordinary: true, deploys: every("mode: 640, type: [file]", "mode: 2750, type: [directory]"),
			tree: with("app/a.sh 640", "app/b.txt 640", "app/sub/ 2750", "app/sub/c.sh 640", "app/sub/d.txt 640", "app/sub/deep/ 2750", "app/sub/deep/e.sh 640")},
		{name: "a pattern matches what lies directly in the directory", deploys: every("pattern: '*.sh', mode: 755"), tree: with("app/a.sh 755")},
		{
			name: "a pattern below another directory", deploys: every("object: DEST/app/sub, pattern: '*.sh', mode: 755"),
			tree: with("app/sub/c.sh 755"),
		},
		{name: "the pattern *", deploys: every("pattern: '*', mode: 700"), tree: with("app/a.sh 700", "app/b.txt 700", "app/sub/ 700")},
		{name: "stars in the middle of a pattern", deploys: every("pattern: 'a*s*', mode: 755"), tree: with("app/a.sh 755")},
		{name: "a pattern that is a name", deploys: every("pattern: b.txt, mode: 600"), tree: with("app/b.txt 600")},
		{
			name:    "a pattern matches from the first character to the last",
			deploys: every("pattern: '.sh', mode: 600", "pattern: 'a', mode: 600"), tree: plain,
		},
		{name: "? and [ in a pattern stand for themselves", deploys: every("pattern: '?.sh', mode: 755", "pattern: '[ab]*', mode: 755"), tree: plain},
		{name: "except", deploys: every("pattern: '**', except: [b.txt, '*.sh'], mode: 600, type: [file]"),
			tree: with("app/sub/c.sh 600", "app/sub/d.txt 600", "app/sub/deep/e.sh 600")},
		{name: "except does not look into directories", deploys: every("except: [c.sh, sub], mode: 700"),
			tree: with("app/a.sh 700", "app/b.txt 700", "app/sub/c.sh 700", "app/sub/d.txt 700", "app/sub/deep/ 700", "app/sub/deep/e.sh 700")},
		{name: "except with a pattern", deploys: every("pattern: '*', except: ['*.txt'], mode: 700, type: [file]"), tree: with("app/a.sh 700")},
		{name: "a file", ordinary: true, deploys: every("object: DEST/app/a.sh, mode: 755"), tree: with("app/a.sh 755")},
		{name: "a file that is named by another way", deploys: every("object: DEST/./app//sub/../a.sh/, mode: 755"), tree: with("app/a.sh 755")},
		{name: "a directory with a slash at its end", deploys: every("object: DEST/app/sub/, mode: 755, type: [file]"),
			tree: with("app/sub/c.sh 755", "app/sub/d.txt 755", "app/sub/deep/e.sh 755")},
		{name: "the type of a file is directory: no effect", deploys: every("object: DEST/app/a.sh, mode: 755, type: [directory]"), tree: plain},
		{
			name: "a pattern or except on a file",
			deploys: refused(
				[]string{"DEST/app/a.sh", "DEST/app/b.txt"}, "object: DEST/app/a.sh, except: [x], mode: 755",
				"object: DEST/app/b.txt, pattern: '*', mode: 755",
			),
		},
		{
			name:    "two entries for one file",
			deploys: refused([]string{"DEST/app/a.sh", "more than once"}, "object: DEST/app/a.sh, mode: 755", "mode: 700, type: [file]"),
		},
		{
			name:    "two entries for one file, in the other order",
			deploys: refused([]string{"DEST/app/a.sh", "more than once"}, "mode: 700", "object: DEST/app/a.sh, mode: 755"),
		},
		{
			name:    "an object that nothing matches: no effect",
			deploys: every("object: DEST/ghost, mode: 700", "pattern: '*.none', mode: 700"), tree: plain,
		},
		{name: "a directory that was there keeps its mode, what is installed in it gets it", before: []file{
			text("stranger", "x"), directory("app", 0o711),
		},
			deploys: every("object: DEST, mode: 700"),
			tree: `./ 755
				app/ 711
				app/a.sh 700 1
				app/b.txt 700 2
				app/sub/ 700
				app/sub/c.sh 700 3
				app/sub/d.txt 700 4
				app/sub/deep/ 700
				app/sub/deep/e.sh 700 5
				stranger 644 x foreign`},
		{name: "a file that is retained keeps its mode", before: []file{text("app/a.sh", "mine")},
			deploys: []deploy{{appspec: permissions("mode: 700, type: [file]"), bundle: tree, behavior: "RETAIN"}},
			tree:    strings.ReplaceAll(with("app/b.txt 700", "app/sub/c.sh 700", "app/sub/d.txt 700", "app/sub/deep/e.sh 700"), "644 1", "644 mine foreign")},
		{name: "a file that is overwritten", before: []file{text("app/a.sh", "mine")}, left: "./ 755 \n app/ 755",
			deploys: []deploy{{appspec: permissions("mode: 700, type: [file]"), bundle: tree, behavior: "OVERWRITE"}},
			tree:    with("app/a.sh 700", "app/b.txt 700", "app/sub/c.sh 700", "app/sub/d.txt 700", "app/sub/deep/e.sh 700")},
		{name: "a link: what it leads to", ordinary: true, deploys: one(
			permissions("object: DEST/app/l, mode: 600"), text("d/t", "t"), link("d/l", "t"),
		),
			tree: "./ 755 \n app/ 755 \n app/l -> t \n app/t 600 t"},
		{name: "a link that leads nowhere: no effect", deploys: one(permissions("object: DEST/app/l, mode: 600"), link("d/l", "nowhere")),
			tree: "./ 755 \n app/ 755 \n app/l -> nowhere"},
		{name: "a link out of the revision: what it leads to", before: []file{text("host", "x")}, left: "./ 755 \n host 600 x foreign",
			deploys: one(permissions("object: DEST/app/l, mode: 600"), link("d/l", "DEST/host")), tree: "./ 755 \n app/ 755 \n app/l -> DEST/host \n host 600 x foreign"},
		{name: "a link, with reject_symlink_permission_targets", settings: []string{":reject_symlink_permission_targets: true"},
			deploys: fails([]string{"DEST/app/l", "reject_symlink_permission_targets"}, permissions("object: DEST/app/l, mode: 600"), text("d/t", "t"), link("d/l", "t"))},
		{name: "a set-user-id mode, with reject_unsafe_permissions_in_bundle", settings: []string{":reject_unsafe_permissions_in_bundle: true"},
			deploys: refused([]string{"4755", "reject_unsafe_permissions_in_bundle"}, "object: DEST/app/a.sh, mode: 4755")},
		{
			name:    "the mode does not come back with the next revision",
			deploys: append(every("mode: 700"), one(files("d => DEST/app"), tree...)...), tree: plain,
		},
		{name: "the mode changes with the next revision", deploys: append(every("mode: 700"), every("object: DEST/app/sub, mode: 750")...),
			tree: with("app/sub/c.sh 750", "app/sub/d.txt 750", "app/sub/deep/ 750", "app/sub/deep/e.sh 750")},
		{
			name:    "an unknown owner and an unknown group, both told",
			deploys: refused([]string{"no-such-user", "no-such-group"}, "owner: no-such-user", "group: no-such-group, object: DEST/app/sub"),
		},
		{name: "an owner, as an ordinary user", needs: func() string {
			if os.Getuid() == 0 {
				return "it is for users who may not change owners"
			}
			return ""
		}, deploys: refused([]string{"owner"}, "owner: root")},
		{name: "owner and group", root: true, deploys: every("object: DEST/app/a.sh, owner: " + name + ", group: " + groupName),
			tree: with("app/a.sh 644 1 owner=" + uid + ":" + gid)},
		{
			name: "the owner alone", root: true, deploys: every("object: DEST/app/a.sh, owner: " + name),
			tree: with("app/a.sh 644 1 owner=" + uid + ":0"),
		},
		{name: "the group alone, for directories", root: true, deploys: every("group: " + groupName + ", type: [directory]"),
			tree: strings.NewReplacer("sub/ 755", "sub/ 755 owner=0:"+gid, "deep/ 755", "deep/ 755 owner=0:"+gid).Replace(plain)},
		{
			name: "numbers as owner and group", root: true, deploys: every("object: DEST/app/a.sh, owner: 12345, group: 54321"),
			tree: with("app/a.sh 644 1 owner=12345:54321"),
		},
		{name: "a set-user-id mode stays with the owner it is for", root: true, deploys: every("object: DEST/app/a.sh, mode: 4755, owner: " + name),
			tree: with("app/a.sh 4755 1 owner=" + uid + ":0")},
		{name: "a new owner takes the set-user-id bit of the bundle away", root: true,
			deploys: one(permissions("owner: "+name), file{"d/suid", "1", 0o4755}, file{"d/sgid", "2", 0o2755}, file{"d/plain", "3", 0o2644}),
			tree:    "./ 755 \n app/ 755 \n app/plain 2644 3 owner=" + uid + ":0 \n app/sgid 755 2 owner=" + uid + ":0 \n app/suid 755 1 owner=" + uid + ":0"},
		{
			name: "an SELinux context on a host without its tools", needs: noSELinuxTools,
			deploys: refused(
				[]string{"semanage", "DEST/app/a.sh"},
				"object: DEST/app/a.sh, context: {name: unconfined_u, type: httpd_sys_content_t, range: s0}",
			),
		},
	}
	for mode, bits := range map[string]string{"7": "7", "70": "70", "644": "644", "'0755'": "755", "0750": "750", "4755": "4755", "'1777'": "1777",
		"2711": "2711", "0": "0"} {
		in := bothWays
		if mode != "7" && mode != "0750" {
			in = daemonOnly
		}
		rules = append(rules, rule{name: "mode " + mode, in: in, deploys: every("object: DEST/app/a.sh, mode: " + mode), tree: with("app/a.sh " + bits),
			check: func(p *play) {
				want := strings.Trim(mode, "'")
				for len(want) < 3 {
					want = "0" + want
				}
				if got := p.instructions("-install.json"); !strings.Contains(got, `"mode":"`+want+`"`) {
					p.t.Errorf("install.json does not say mode %s: %s", want, got)
				}
			}})
	}
	return append(append(rules, aclRules(tree, name, uid)...), contextRules(tree, plain)...)
}
