//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
)

// cleanupRules are about what an Install removes of the previous revision.
func cleanupRules() []rule {
	// handed writes a clean-up list as an agent before this one may have left it; the previous revision's stays before it.
	handed := func(list string) func(*play) {
		return func(p *play) {
			path := p.inRoot("deployment-instructions", p.group+"-cleanup")
			before := p.read(path)
			p.write(filepath.Join("root", "deployment-instructions", p.group+"-cleanup"), before+p.fill(list))
		}
	}
	first := []file{text("d/a", "1"), text("d/s/b", "1")}
	second := func(prepare func(*play)) deploy {
		return deploy{appspec: files("d => DEST"), bundle: []file{text("d/c", "2")}, first: prepare}
	}
	const done = "./ 755 \n c 644 2"
	return []rule{
		{
			name: "what the previous revision installed goes, with its directories", ordinary: true,
			deploys: append(one(files("d => DEST/x/y"), first...), second(nil)),
			tree:    done, list: "DEST \n DEST/c",
		},
		{
			name: "strangers stay, and the directories that hold them", ordinary: true,
			deploys: append(one(files("d => DEST"), first...), second(func(p *play) { p.standing([]file{text("s/log", "of the application")}) })),
			tree:    "./ 755 \n c 644 2 \n s/ 755 \n s/log 644 of the application foreign", list: "DEST/c",
			left: "./ 755 \n s/ 755 \n s/log 644 of the application foreign",
		},
		{
			name:    "links go, not what they lead to",
			before:  []file{text("keep/precious", "p")},
			deploys: append(one(files("d => DEST"), text("d/a", "1"), link("d/dangling", "nowhere"), link("d/out", "DEST/keep")), second(nil)),
			tree:    "./ 755 \n c 644 2 \n keep/ 755 \n keep/precious 644 p foreign",
		},
		{
			name: "files that are gone already are no problem",
			deploys: append(one(files("d => DEST"), first...), second(func(p *play) {
				if err := os.RemoveAll(p.dest); err != nil {
					p.t.Fatal(err)
				}
			})),
			tree: done, list: "DEST \n DEST/c",
		},
		{
			name: "another group's files stay", ordinary: true,
			deploys: append(one(files("d => DEST"), first...), deploy{appspec: files("d => HOST/other"), bundle: []file{text("d/c", "2")}, first: func(p *play) {
				other := *p
				copied := *p.host
				copied.group += "b"
				other.host, other.rule, other.ids, other.recent, other.successful = &copied, &rule{}, nil, "", ""
				other.deploy(&deploy{appspec: files("d => DEST/other"), bundle: []file{text("d/o", "other")}})
			}}),
			tree: "./ 755 \n other/ 755 \n other/o 644 other", left: "./ 755 \n other/ 755 \n other/o 644 other",
		},
		{
			name:    "a list of the official agent: the last line first, directories after what is in them",
			before:  []file{text("x/y/z", "old"), text("x/f", "old")},
			deploys: []deploy{second(handed("DEST/x\nDEST/x/y\nDEST/x/y/z\nDEST/x/f\n"))},
			tree:    done, left: "./ 755",
		},
		{
			name:    "a directory that is listed after what is in it stays",
			before:  []file{text("x/f", "old")},
			deploys: []deploy{second(handed("DEST/x/f\nDEST/x\n"))},
			tree:    done + "\n x/ 755", left: "./ 755 \n x/ 755",
		},
		{
			name:    "a line that was cut short is not executed",
			before:  []file{text("aa", "old"), text("aab", "of somebody"), text("b", "old")},
			deploys: []deploy{second(handed("DEST/b\nDEST/aa"))},
			tree:    "./ 755 \n aa 644 old foreign \n aab 644 of somebody foreign \n c 644 2", left: "./ 755 \n aa 644 old foreign \n aab 644 of somebody foreign",
		},
		{
			name:    "blank lines and blanks around paths",
			before:  []file{text("a", "old"), text("b", "old")},
			deploys: []deploy{second(handed("\n  \nDEST/a  \n\n\t DEST/b\n\n"))},
			tree:    done, left: "./ 755",
		},
		{
			name:    "a path that is listed twice, and one that is not there",
			before:  []file{text("a", "old")},
			deploys: []deploy{second(handed("DEST/a\nDEST/ghost\nDEST/a\n"))},
			tree:    done, left: "./ 755",
		},
		{
			name:    "lines that no agent writes are not followed",
			before:  []file{text("a", "old"), text("relative", "of somebody")},
			deploys: []deploy{second(handed("/../../../..DEST/nothing\nsrv/relative\nDEST/rela\x00tive\n/\nDEST/a\n"))},
			tree:    done + "\n relative 644 of somebody foreign", left: "./ 755 \n relative 644 of somebody foreign",
		},
		{
			name:    "a path with .. that stays below the root directory",
			before:  []file{text("a", "old")},
			deploys: []deploy{second(handed("DEST/x/../a\n"))},
			tree:    done, left: "./ 755",
		},
		{
			name:    "a rule for SELinux: removed, and no failure where there are no such tools",
			before:  []file{text("a", "old")},
			deploys: []deploy{second(handed("DEST/a\nsemanage\x00DEST/a\n"))},
			tree:    done, left: "./ 755", list: "DEST/c",
		},
		{
			name:    "a directory that is not empty stays",
			before:  []file{text("x/mine", "of somebody")},
			deploys: []deploy{second(handed("DEST/x\n"))},
			tree:    done + "\n x/ 755 \n x/mine 644 of somebody foreign",
		},
		{
			name:    "a dangling link is removed",
			before:  []file{link("l", "nowhere")},
			deploys: []deploy{second(handed("DEST/l\n"))},
			tree:    done, left: "./ 755",
		},
		{
			name:    "a directory that has become a link: the link goes, what it leads to stays",
			before:  []file{text("real/a", "of somebody"), link("s", "real")},
			deploys: []deploy{second(handed("DEST/s\nDEST/s/a\n"))},
			tree:    "./ 755 \n c 644 2 \n real/ 755 \n real/a 644 of somebody foreign", left: "./ 755 \n real/ 755 \n real/a 644 of somebody foreign",
		},
		{
			name:   "a list that others may write is not followed",
			before: []file{text("a", "of somebody")},
			deploys: []deploy{second(func(p *play) {
				handed("DEST/a\n")(p)
				if err := os.Chmod(p.inRoot("deployment-instructions", p.group+"-cleanup"), 0o666); err != nil {
					p.t.Fatal(err)
				}
			})},
			tree: "./ 755 \n a 644 of somebody foreign \n c 644 2", left: "./ 755 \n a 644 of somebody foreign",
		},
		{
			name: "a failed Install removes nothing, and the next one removes what the one before installed",
			deploys: append(append(
				one(files("d => DEST"), first...), fails([]string{"ghost"}, files("d => DEST", "ghost => DEST"), text("d/y", "2"))...,
			),
				second(func(p *play) {
					p.want("installed files after the failure", p.installed(), "./ 755 \n a 644 1 \n s/ 755 \n s/b 644 1")
				})),
			tree: done, list: "DEST \n DEST/c",
		},
		{
			name:    "a list that a crash left longer than what was installed",
			before:  []file{text("a", "half installed")},
			deploys: []deploy{second(handed("DEST/a\nDEST/b\nDEST/s\nDEST/s/t\n"))},
			tree:    done, left: "./ 755",
		},
		{
			name:    "the list of the first Install is empty if nothing was installed",
			deploys: one("\n"),
			check: func(p *play) {
				if got := p.instructions("-cleanup"); got != "" {
					p.t.Errorf("the clean-up list is %q", got)
				}
				if got := strings.TrimSpace(p.instructions("-install.json")); got != `{"instructions":[]}` {
					p.t.Errorf("install.json is %s", got)
				}
			},
		},
	}
}
