//go:build unix

package main

import "syscall"

// existingRules are about what stands where a file of the revision goes and was not put there by the previous one.
func existingRules() []rule {
	rules := []rule{
		{
			name: "the AppSpec's choice wins: OVERWRITE", before: []file{{"a", "mine", 0o640}},
			deploys: []deploy{
				{appspec: "file_exists_behavior: OVERWRITE\n" + files("d => DEST"), bundle: []file{text("d/a", "theirs")}, behavior: "DISALLOW"},
			},
			tree: "./ 755 \n a 644 theirs", left: "./ 755",
		},
		{
			name: "the AppSpec's choice wins: RETAIN", before: []file{{"a", "mine", 0o640}},
			deploys: []deploy{
				{
					appspec: "file_exists_behavior: RETAIN\n" + files("d => DEST"),
					bundle:  []file{text("d/a", "theirs"), text("d/b", "new")}, behavior: "OVERWRITE",
				},
			},
			tree: "./ 755 \n a 640 mine foreign \n b 644 new", list: "DEST/b",
		},
		{
			name: "the AppSpec's choice wins: DISALLOW", before: []file{{"a", "mine", 0o640}},
			deploys: []deploy{{appspec: "file_exists_behavior: DISALLOW\n" + files("d => DEST"), bundle: []file{
				text("d/a", "theirs"), text("d/b", "new"),
			}, behavior: "OVERWRITE",
				events: "DownloadBundle Install=5", says: []string{"DEST/a"}}},
			tree: "./ 755 \n a 640 mine foreign",
		},
		{
			name: "an option that does not exist",
			in:   daemonOnly,
			deploys: []deploy{
				{
					appspec: files("d => DEST"), bundle: []file{text("d/a", "1")}, behavior: "REPLACE", events: "DownloadBundle Install=5",
					says: []string{"REPLACE", "DISALLOW", "OVERWRITE", "RETAIN"},
				},
			},
		},
		{
			name: "an option in lower case", before: []file{text("a", "mine")},
			deploys: []deploy{{appspec: files("d => DEST"), bundle: []file{text("d/a", "theirs")}, behavior: "overwrite"}},
			tree:    "./ 755 \n a 644 theirs", left: "./ 755",
		},
		{
			name: "every file that exists is named", before: []file{text("a", "mine"), text("s/b", "mine")},
			deploys: fails([]string{"DEST/a", "DEST/s/b"}, files("d => DEST"), text("d/a", "1"), text("d/s/b", "2"), text("d/c", "3")),
			tree:    "./ 755 \n a 644 mine foreign \n s/ 755 \n s/b 644 mine foreign",
		},
		{
			name: "what the previous revision installed is no obstacle, even when it was changed",
			deploys: append(one(
				files("d => DEST"), text("d/a", "1"), text("d/b", "1"),
			), deploy{appspec: files("d => DEST"), bundle: []file{text("d/a", "2"), text("d/b", "2")},
				first: func(p *play) { p.standing([]file{{"a", "changed by hand", 0o600}}) }}),
			tree: "./ 755 \n a 644 2 \n b 644 2",
		},
		{
			name: "a file that the previous revision did not have", before: []file{text("late", "mine")},
			deploys: append(
				one(files("d => DEST"), text("d/a", "1")),
				fails([]string{"DEST/late"}, files("d => DEST"), text("d/a", "2"), text("d/late", "theirs"))...,
			),
			tree: "./ 755 \n a 644 1 \n late 644 mine foreign",
		},
		{
			name: "a file that was overwritten goes with the revision that replaced it", before: []file{text("a", "mine")},
			deploys: []deploy{
				{appspec: files("d => DEST"), bundle: []file{text("d/a", "1")}, behavior: "OVERWRITE"},
				{appspec: files("d => DEST"), bundle: []file{text("d/b", "2")}},
			},
			tree: "./ 755 \n b 644 2", left: "./ 755",
		},
		{
			name: "a file that was retained stays for good", before: []file{text("a", "mine")},
			deploys: []deploy{
				{appspec: files("d => DEST"), bundle: []file{text("d/a", "1")}, behavior: "RETAIN"},
				{appspec: files("d => DEST"), bundle: []file{text("d/b", "2")}},
			},
			tree: "./ 755 \n a 644 mine foreign \n b 644 2",
		},
		{
			name: "a directory that exists keeps its mode and is not listed", before: []file{directory("s", 0o700)}, ordinary: true,
			deploys: one(files("d => DEST"), text("d/s/a", "1")),
			tree:    "./ 755 \n s/ 700 \n s/a 644 1", list: "DEST/s/a",
		},
	}
	// What stands at DEST/x, and what comes of it when a file of the revision goes there.
	const wrong = "!" // the Install fails and changes nothing
	for _, stands := range []struct {
		what                        string
		before                      []file
		as                          string // the lines of the tree
		disallow, overwrite, retain string // what is at DEST/x afterwards; "" is what stood there
	}{
		{"a file", []file{text("x", "mine")}, "x 644 mine foreign", wrong, "x 644 theirs", ""},
		{"an empty file", []file{text("x", "")}, "x 644 foreign", wrong, "x 644 theirs", ""},
		{"a file without rights", []file{{"x", "mine", noMode}}, "x 0 mine foreign", wrong, "x 644 theirs", ""},
		{"a directory", []file{directory("x", 0o750)}, "x/ 750", wrong, wrong, ""},
		{"a directory with a file", []file{text("x/y", "mine")}, "x/ 755 \n x/y 644 mine foreign", wrong, wrong, ""},
		{"a link to a file", []file{link("x", "HOST/outside")}, "x -> HOST/outside", wrong, "x 644 theirs", ""},
		{"a link to a directory", []file{link("x", "/usr")}, "x -> /usr", wrong, "x 644 theirs", ""},
		{"a link that leads nowhere", []file{link("x", "HOST/nothing")}, "x -> HOST/nothing", "x 644 theirs", "x 644 theirs", "x 644 theirs"},
		{"a link to itself", []file{link("x", "x")}, "x -> x", "x 644 theirs", "x 644 theirs", "x 644 theirs"},
	} {
		for behavior, after := range map[string]string{"DISALLOW": stands.disallow, "OVERWRITE": stands.overwrite, "RETAIN": stands.retain} {
			for _, comes := range []file{text("d/x", "theirs"), link("d/x", "/usr/bin")} {
				r := rule{name: behavior + " where " + stands.what + " stands", before: stands.before, once: true}
				d := deploy{appspec: files("d => DEST"), bundle: []file{comes}, behavior: behavior,
					first: func(p *play) { p.write(p.group+"/outside", "precious") }}
				if comes.content != "theirs" {
					r.name += ", for a link"
					r.in = daemonOnly // the kind of what comes makes no difference between the ways
					if after != "" && after != wrong {
						after = "x -> /usr/bin"
					}
				}
				switch after {
				case wrong:
					d.events, d.says, r.tree = "DownloadBundle Install=5", []string{"DEST/x"}, "./ 755 \n"+stands.as
				case "":
					r.tree = "./ 755 \n" + stands.as
				default:
					r.tree = "./ 755 \n" + after
				}
				r.deploys = []deploy{d}
				r.check = func(p *play) {
					if got := p.read(p.home + "/outside"); got != "precious" {
						p.t.Errorf("the file that a link leads to is %q", got)
					}
				}
				rules = append(rules, r)
			}
		}
	}
	for _, behavior := range []string{"DISALLOW", "OVERWRITE"} {
		rules = append(rules,
			rule{
				name: behavior + " where a FIFO stands", tree: "./ 755 \n x 644 special",
				deploys: []deploy{{appspec: files("d => DEST"), bundle: []file{text("d/x", "theirs")}, behavior: behavior, events: "DownloadBundle Install=5", says: []string{"DEST/x"},
					first: func(p *play) {
						p.standing([]file{directory("", 0o755)})
						if err := syscall.Mkfifo(p.dest+"/x", 0o644); err != nil {
							p.t.Fatal(err)
						}
					}}},
			},
			rule{
				name: behavior + " where a file stands, for a directory", before: []file{text("x", "mine")}, tree: "./ 755 \n x 644 mine foreign",
				deploys: []deploy{
					{
						appspec: files("d => DEST"), bundle: []file{text("d/x/y", "theirs")}, behavior: behavior,
						events: "DownloadBundle Install=5", says: []string{"DEST/x"},
					},
				},
			})
	}
	return rules
}
