//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// noSELinuxTools says why a host without the tools of SELinux cannot be tried here, "" if it can.
func noSELinuxTools() string {
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/bin", "/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "semanage")); err == nil {
			return "this host has semanage"
		}
	}
	return ""
}

// contextRules are about SELinux contexts. The tools that set them are scripts that note how they are called.
func contextRules(tree []file, plain string) []rule {
	tools := filepath.Join(filepath.Dir(binary), "tools")
	log := filepath.Join(tools, "log")
	prepare := sync.OnceValue(func() string { // once, for nobody may write a program that another rule's agent runs
		if why := noSELinuxTools(); why != "" {
			return why
		}
		syscall.ForkLock.RLock() // a process forked meanwhile would hold the programs open for writing
		defer syscall.ForkLock.RUnlock()
		for _, name := range []string{"semanage", "restorecon"} {
			// An added rule that exists is an error of the real semanage.
			script := "#!/bin/sh\necho \"" + name + " $*\" >> " + log + "\ncase \"$2 $*\" in -a*exists*) exit 1; esac\n"
			if err := errors.Join(os.MkdirAll(tools, 0o755), os.WriteFile(filepath.Join(tools, name), []byte(script), 0o755)); err != nil {
				return err.Error()
			}
		}
		return ""
	})
	called := func(want string) func(*play) {
		return func(p *play) {
			var got []string
			for line := range strings.Lines(p.read(log)) {
				if strings.Contains(line, p.dest+"/") {
					got = append(got, strings.TrimSpace(p.plain(line)))
				}
			}
			p.want("calls of the tools", got, want)
		}
	}
	context := func(object, context string) deploy {
		return one(permissions("object: "+object+", context: {"+context+"}"), append(tree, text("d/zexists+", "6"))...)[0]
	}
	all := plain + "\n app/zexists+ 644 6"
	list := strings.Join([]string{"DEST", "DEST/app", "DEST/app/a"}, "\n")
	rules := []rule{
		{name: "user, type and range", deploys: []deploy{
			context("DEST/app/a.sh", "name: unconfined_u, type: httpd_sys_content_t, range: 's0:c3,c1,c2'"),
		}, tree: all,
			check: called("semanage fcontext -a -s unconfined_u -t httpd_sys_content_t -r s0:c1.c3 DEST/app/a.sh \n restorecon -vF DEST/app/a.sh")},
		{
			name: "the type alone", deploys: []deploy{context("DEST/app/a.sh", "type: bin_t")}, tree: all,
			check: called("semanage fcontext -a -t bin_t DEST/app/a.sh \n restorecon -vF DEST/app/a.sh"),
		},
		{name: "a rule that exists is changed, and a path is no expression", deploys: []deploy{
			context("DEST/app/zexists+", "type: bin_t"),
		}, tree: all,
			check: called(`semanage fcontext -a -t bin_t DEST/app/zexists\+
				semanage fcontext -m -t bin_t DEST/app/zexists\+
				restorecon -vF DEST/app/zexists+`)},
		{name: "the rule goes with the revision", deploys: append(
			[]deploy{context("DEST/app/a.sh", "type: bin_t")}, one(files("d => DEST"), text("d/a", "1"))...,
		), tree: "./ 755 \n a 644 1",
			check: called("semanage fcontext -a -t bin_t DEST/app/a.sh \n restorecon -vF DEST/app/a.sh \n semanage fcontext -d DEST/app/a.sh")},
		{name: "the clean-up list names it", deploys: one(
			permissions("object: DEST/app/a, context: {type: bin_t}"), text("d/a", "1"),
		), tree: "./ 755 \n app/ 755 \n app/a 644 1",
			list: list + "\n semanage\x00DEST/app/a", check: called("semanage fcontext -a -t bin_t DEST/app/a \n restorecon -vF DEST/app/a")},
	}
	for i := range rules {
		rules[i].name, rules[i].needs, rules[i].once = "context: "+rules[i].name, prepare, true
		rules[i].env = []string{"PATH=" + tools + ":" + os.Getenv("PATH")}
		if i > 1 {
			rules[i].in = daemonOnly
		}
	}
	return rules
}
