//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// noACLs says why access control lists cannot be tried here, "" if they can.
func noACLs() string {
	if runtime.GOOS != "linux" {
		return "there are no POSIX access control lists on this system"
	}
	dir, err := os.MkdirTemp("", "codedeploy-acl-")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	if !supportsACLs(dir) {
		return "the file system of the temporary directory has no access control lists"
	}
	return ""
}

// aclRules are about access control lists.
func aclRules(tree []file, name, uid string) []rule {
	list := func(entries string, more ...string) string {
		return "acls: [" + entries + "]" + strings.Join(append([]string{""}, more...), ", ")
	}
	// acl is the tree of a single file with a list.
	acl := func(mode, list string) string { return "./ 755 \n app/ 755 \n app/f " + mode + " 1 acl=" + list }
	oneFile := func(mode int64, entries ...string) []deploy {
		return one(permissions(entries...), file{"d/f", "1", mode})
	}
	owned, groupName := strings.NewReplacer("NAME", name, "UID", uid), ""
	groupName, gid := someGroup()
	rules := []rule{
		{name: "a user", deploys: oneFile(0o644, list("'u:NAME:rwx'")), tree: acl("644", "u::6,u:UID:7,g::4,m::4,o::4")},
		{
			name: "a user, in the long form and by number", deploys: oneFile(0o644, list("'user:UID:r-x'")),
			tree: acl("644", "u::6,u:UID:5,g::4,m::4,o::4"),
		},
		{name: "a user, without a type", deploys: oneFile(0o660, list("'NAME:6'")), tree: acl("660", "u::6,u:UID:6,g::6,m::6,o::0")},
		{name: "a group", deploys: oneFile(0o640, list("'group:GROUP:rw'")), tree: acl("640", "u::6,g::4,g:GID:6,m::4,o::0")},
		{name: "the mask", deploys: oneFile(0o644, list("'u:NAME:rwx', 'm::r--'", "mode: 664")), tree: acl("644", "u::6,u:UID:7,g::6,m::4,o::4")},
		{name: "the mask, in two parts", deploys: oneFile(0o644, list("'u:NAME:rwx', 'm:rwx'")), tree: acl("674", "u::6,u:UID:7,g::4,m::7,o::4")},
		{name: "no rights", deploys: oneFile(0o644, list("'u:NAME:'")), tree: acl("644", "u::6,u:UID:0,g::4,m::4,o::4")},
		{name: "with a mode", deploys: oneFile(0o600, list("'u:NAME:r'", "mode: 750")), tree: acl("750", "u::7,u:UID:4,g::5,m::5,o::0")},
		{name: "each file's own mode counts", deploys: one(
			permissions(list("'u:NAME:r'", "type: [file]")), file{"d/x", "1", 0o600}, file{"d/y", "2", 0o644}, file{"d/z", "3", 0o755},
		),
			tree: "./ 755 \n app/ 755 \n app/x 600 1 acl=u::6,u:UID:4,g::0,m::0,o::0 \n " +
				"app/y 644 2 acl=u::6,u:UID:4,g::4,m::4,o::4 \n app/z 755 3 acl=u::7,u:UID:4,g::5,m::5,o::5"},
		{name: "default entries, for directories", deploys: one(
			permissions(list("'d:u:NAME:rwx', 'u:NAME:r-x'", "mode: 750, type: [directory]")), text("d/s/f", "1"),
		),
			tree: "./ 755 \n app/ 755 \n app/s/ 750 acl=u::7,u:UID:5,g::5,m::5,o::0 default=u::7,u:UID:7,g::5,m::5,o::0 \n app/s/f 644 1"},
		{name: "the owner's, the group's and others' default entries", deploys: one(
			permissions(list("'d:u::rwx', 'd:g::rwx', 'd:o::-', 'd:NAME:r'", "type: [directory]")), text("d/s/f", "1"),
		),
			tree: "./ 755 \n app/ 755 \n app/s/ 755 default=u::7,u:UID:4,g::7,m::7,o::0 \n app/s/f 644 1"},
		{
			name:    "a default entry on files",
			deploys: fails([]string{"DEST/app/f", "default"}, permissions(list("'d:u:NAME:rw'", "type: [file]")), text("d/f", "1")),
		},
		{name: "a user who does not exist", deploys: fails([]string{"no-such-user"}, permissions(list("'u:no-such-user:rw'")), text("d/f", "1"))},
		{name: "the list does not come back with the next revision", deploys: append(
			oneFile(0o644, list("'u:NAME:rwx'")), one(files("d => DEST/app"), text("d/f", "1"))...,
		),
			tree: "./ 755 \n app/ 755 \n app/f 644 1"},
		{name: "default entries do not reach what the next revision puts into the directory",
			deploys: append(
				one(permissions(list("'d:u:NAME:rwx'", "mode: 2775, type: [directory]")), text("d/s/f", "1")),
				one(files("d => DEST/app"), text("d/s/f", "2"), text("d/s/new/deep/g", "3"))...,
			),
			tree: "./ 755 \n app/ 755 \n app/s/ 755 \n app/s/f 644 2 \n app/s/new/ 755 \n app/s/new/deep/ 755 \n app/s/new/deep/g 644 3"},
		{name: "on a directory that the next revision uses again",
			deploys: append(
				one(permissions(list("'u:NAME:rwx'", "type: [directory]")), text("d/s/f", "1")),
				one(files("d => DEST/app"), text("d/s/f", "1"))...,
			),
			tree: "./ 755 \n app/ 755 \n app/s/ 755 \n app/s/f 644 1"},
	}
	for i := range rules {
		rules[i].name, rules[i].needs = "acl: "+rules[i].name, noACLs
		if i > 1 && len(rules[i].deploys) == 1 && rules[i].deploys[0].events == "" {
			rules[i].in = daemonOnly
		}
		fill := func(s string) string {
			return strings.NewReplacer("GROUP", groupName, "GID", gid).Replace(owned.Replace(s))
		}
		rules[i].tree = fill(rules[i].tree)
		for j := range rules[i].deploys {
			d := &rules[i].deploys[j]
			d.appspec = fill(d.appspec)
		}
	}
	host := rule{
		name: "acl: default entries of the host's directory reach what is new in it", needs: noACLs, once: true,
		deploys: []deploy{{appspec: files("d => DEST/app"), bundle: []file{text("d/s/f", "1"), {"d/s/x", "2", 0o750}}, first: func(p *play) {
			p.standing([]file{directory("", 0o755)})
			if out, err := exec.Command("setfacl", "-d", "-m", "u:"+uid+":r-x", p.dest).CombinedOutput(); err != nil {
				p.t.Skipf("setfacl: %v: %s", err, out)
			}
		}}},
		tree: owned.Replace("./ 755 default=u::7,u:UID:5,g::5,m::5,o::5 \n app/ 755 acl=u::7,u:UID:5,g::5,m::5,o::5 default=u::7,u:UID:5,g::5,m::5,o::5 \n " +
			"app/s/ 755 acl=u::7,u:UID:5,g::5,m::5,o::5 default=u::7,u:UID:5,g::5,m::5,o::5 \n " +
			"app/s/f 644 1 acl=u::6,u:UID:5,g::5,m::4,o::4 \n app/s/x 750 2 acl=u::7,u:UID:5,g::5,m::5,o::0"),
	}
	return append(rules, host, rule{
		name: "acl: install.json has them in the long form", needs: noACLs, in: daemonOnly, once: true,
		deploys: one(permissions(list("'d:"+name+":rx', 'm:7', 'u:"+name+":-'", "type: [directory]")), text("d/s/f", "1")),
		tree:    "./ 755 \n app/ 755 \n app/s/ 775 acl=u::7,u:" + uid + ":0,g::5,m::7,o::5 default=u::7,u:" + uid + ":5,g::5,m::5,o::5 \n app/s/f 644 1",
		check: func(p *play) {
			want := fmt.Sprintf(
				`{"type":"setfacl","acl":["default:user:%[1]s:r-x","mask::rwx","user:%[1]s:---"],"file":"%[2]s"}`, name,
				filepath.Join(p.dest, "app/s"),
			)
			if got := p.instructions("-install.json"); !strings.Contains(got, want) {
				p.t.Errorf("install.json does not have %s: %s", want, got)
			}
		},
	})
}
