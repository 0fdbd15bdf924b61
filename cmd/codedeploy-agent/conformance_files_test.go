//go:build unix

package main

import (
	"fmt"
	"strings"
)

// files is a files section. Each entry is "source => destination".
func files(entries ...string) string {
	s := "files:\n"
	for _, e := range entries {
		source, destination, _ := strings.Cut(e, " => ")
		s += fmt.Sprintf("  - source: %s\n    destination: %s\n", source, destination)
	}
	return s
}

// one is the rule's only deployment.
func one(appspec string, bundle ...file) []deploy {
	return []deploy{{appspec: appspec, bundle: bundle}}
}

// fails is the rule's only deployment, the Install of which fails.
func fails(says []string, appspec string, bundle ...file) []deploy {
	return []deploy{{appspec: appspec, bundle: bundle, events: "DownloadBundle Install=5", says: says}}
}

// filesRules are about the files section.
func filesRules() []rule {
	tree := []file{text("a.txt", "a"), text("sub/b.txt", "b"), {"sub/deep/c.txt", "c", 0o600}, script("run.sh", "#!/bin/sh\n"), text(".hidden", "h"),
		directory("void", 0o700), {"sub/ro.txt", "r", 0o444}}
	return []rule{
		{
			name: "the whole revision, the AppSpec included", ordinary: true,
			deploys: one(files("/ => DEST"), tree...),
			tree: `./ 755
				.hidden 644 h
				a.txt 644 a
				appspec.yml 644 "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destina...
				run.sh 755 #!/bin/sh
				sub/ 755
				sub/b.txt 644 b
				sub/deep/ 755
				sub/deep/c.txt 600 c
				sub/ro.txt 444 r
				void/ 755`,
		},
		{
			name:    "a directory gives what is in it",
			deploys: one(files("html => DEST/www"), text("html/x.html", "x"), text("html/css/y.css", "y")),
			tree: `./ 755
				www/ 755
				www/css/ 755
				www/css/y.css 644 y
				www/x.html 644 x`,
		},
		{
			name:    "slashes around source and destination",
			deploys: one(files("//html/ => DEST//www/./x/../"), text("html/x.html", "x")),
			tree: `./ 755
				www/ 755
				www/x.html 644 x`,
		},
		{
			name:    "a file goes into the destination, which is a directory",
			deploys: one(files("app.conf => DEST/etc/app.conf"), text("app.conf", "k=v")),
			tree: `./ 755
				etc/ 755
				etc/app.conf/ 755
				etc/app.conf/app.conf 644 k=v`,
			list: `DEST
				DEST/etc
				DEST/etc/app.conf
				DEST/etc/app.conf/app.conf`,
		},
		{
			name:    "several sources into one tree",
			deploys: one(files("a.txt => DEST/one", "sub => DEST/one/sub", "run.sh => DEST/bin"), tree...),
			tree: `./ 755
				bin/ 755
				bin/run.sh 755 #!/bin/sh
				one/ 755
				one/a.txt 644 a
				one/sub/ 755
				one/sub/b.txt 644 b
				one/sub/deep/ 755
				one/sub/deep/c.txt 600 c
				one/sub/ro.txt 444 r`,
		},
		{
			name:    "two directories become one",
			deploys: one(files("a => DEST", "b => DEST"), text("a/x", "1"), text("b/y", "2"), text("a/s/1", "1"), text("b/s/2", "2")),
			tree: `./ 755
				s/ 755
				s/1 644 1
				s/2 644 2
				x 644 1
				y 644 2`,
		},
		{
			name:    "an AppSpec that says nothing installs nothing",
			deploys: one("\n", text("a", "1")),
		},
		{
			name: "a second revision, and back",
			deploys: append(
				one(files("d => DEST"), text("d/old", "1"), text("d/both", "1"), text("d/s/gone", "1")),
				deploy{appspec: files("d => DEST"), bundle: []file{text("d/new", "2"), text("d/both", "2")}},
			),
			tree: `./ 755
				both 644 2
				new 644 2`,
		},
		{
			name: "a directory where the previous revision had a file, and the other way round",
			deploys: append(one(files("d => DEST"), text("d/x", "file"), text("d/y/z", "deep")),
				deploy{appspec: files("d => DEST"), bundle: []file{text("d/x/z", "deep"), text("d/y", "file")}}),
			tree: `./ 755
				x/ 755
				x/z 644 deep
				y 644 file`,
		},
		{
			name: "several problems are told at once, and nothing is changed",
			deploys: append(one(files("a => DEST"), text("a", "1")), fails([]string{
				"the source ghost is not in the revision", "the source *.txt is not in the revision", "DEST/a",
			},
				files("a => DEST", "ghost => DEST", "'*.txt' => DEST", "s/a => DEST"), text("a", "2"), text("s/a", "3"), text("b.txt", "4"))...),
			tree: `./ 755
				a 644 1`,
		},
		{
			name:    "a source that leaves the revision",
			deploys: fails([]string{"leaves the revision"}, files("../../../secret => DEST"), text("a", "1")),
		},
		{
			name:    "a source that leaves the revision through a link",
			deploys: fails([]string{"leaves the revision through a link"}, files("out/hostname => DEST"), link("out", "/etc")),
		},
		{
			name:    "a file where another source makes a directory",
			deploys: fails([]string{"DEST/x"}, files("a => DEST", "b => DEST"), text("a/x", "file"), text("b/x/y", "in a directory")),
		},
		{
			name:    "two files for one place",
			deploys: fails([]string{"DEST/x", "a/x", "b/x"}, files("a/x => DEST", "b/x => DEST"), text("a/x", "1"), text("b/x", "2")),
		},
		{
			name: "modes travel with the files, those of directories do not", root: true, in: daemonOnly,
			deploys: one(files("d => DEST"), file{"d/suid", "1", 0o4755}, file{"d/sgid", "2", 0o2755}, file{"d/none", "3", noMode}, file{"d/all", "4", 0o777},
				directory("d/sticky", 0o1777), directory("d/ro", 0o555), file{"d/ro/x", "5", 0o400}),
			tree: `./ 755
				all 777 4
				none 0 3
				ro/ 755
				ro/x 400 5
				sgid 2755 2
				sticky/ 755
				suid 4755 1`,
		},
		{
			name: "a relative destination starts where the agent works, which is the root directory", in: daemonOnly,
			deploys: one(files("a => .DEST"), text("a", "1")), tree: "./ 755 \n a 644 1", list: "DEST \n DEST/a",
		},
		{
			name: "a relative destination of a local deployment", in: localOnly,
			deploys: one(files("a => RELATIVE"), text("a", "1")), tree: "./ 755 \n a 644 1", list: "DEST \n DEST/a",
		},
		{
			name: "modes of a directory that is deployed: nobody else may write", root: true, in: localOnly,
			deploys: one(
				files("d => DEST"), file{"d/suid", "1", 0o4755}, file{"d/all", "4", 0o777}, file{"d/group", "5", 0o664},
				directory("d/sticky", 0o1777),
			),
			tree: `./ 755
				all 755 4
				group 644 5
				sticky/ 755
				suid 4755 1`,
		},
		{
			name: "directories without files", ordinary: true,
			deploys: one(files("d => DEST/x/y"), directory("d/e1", 0o755), directory("d/e2", 0o700), directory("d/e2/e3", 0o1777)),
			tree: `./ 755
				x/ 755
				x/y/ 755
				x/y/e1/ 755
				x/y/e2/ 755
				x/y/e2/e3/ 755`,
		},
		{
			name: "links are installed as they are, links to directories inside are followed", ordinary: true,
			deploys: one(files("d => DEST"), text("d/real", "r"), text("d/dir/in", "i"), link("d/to-file", "real"), link("d/to-dir", "dir"),
				link("d/dangling", "nowhere"), link("d/absolute", "/etc/hostname"), link("d/absolute-dangling", "/nowhere/at/all"), link("d/away", "/etc")),
			tree: `./ 755
				absolute -> /etc/hostname
				absolute-dangling -> /nowhere/at/all
				away -> /etc
				dangling -> nowhere
				dir/ 755
				dir/in 644 i
				real 644 r
				to-dir/ 755
				to-dir/in 644 i
				to-file -> real`,
		},
		{
			name:    "links that go round",
			deploys: one(files("d => DEST"), link("d/a", "b"), link("d/b", "a"), link("d/self", "."), link("d/s/up", ".."), text("d/f", "f")),
			tree: `./ 755
				a -> b
				b -> a
				f 644 f
				s/ 755
				s/up -> ..
				self -> .`,
		},
		{
			name:    "a source that is a link to a file",
			deploys: one(files("l => DEST"), text("f", "f"), link("l", "f")),
			tree: `./ 755
				l -> f`,
		},
		{
			name:    "a source that is a link to a directory",
			deploys: one(files("l => DEST"), text("d/f", "f"), link("l", "d")),
			tree: `./ 755
				f 644 f`,
		},
		{
			name: "a link in place of a file, and the other way round",
			deploys: append(one(files("d => DEST"), text("d/a", "file"), link("d/b", "a")),
				deploy{appspec: files("d => DEST"), bundle: []file{link("d/a", "b"), text("d/b", "file")}}),
			tree: `./ 755
				a -> b
				b 644 file`,
		},
		{
			name: "odd names", ordinary: true,
			deploys: one(files("d => DEST"), text("d/a b", "1"), text("d/ leading", "2"), text("d/trailing ", "3"), text("d/line\nfeed", "4"), text("d/no\xfftext", "5"),
				text("d/*", "6"), text(`d/back\slash`, "7"), text("d/-rf", "8"), text("d/semanage", "9"), text("d/tab\t", "10"), text("d/\xc3\xbcber", "11")),
			tree: `./ 755
				" leading" 644 2
				* 644 6
				-rf 644 8
				"a b" 644 1
				back\slash 644 7
				"line\nfeed" 644 4
				"no\xfftext" 644 5
				semanage 644 9
				"tab\t" 644 10
				"trailing " 644 3
				"\u00fcber" 644 11`,
		},
		{
			name: "odd names, replaced by others",
			deploys: append(one(
				files("d => DEST"), text("d/line\nfeed", "1"), text("d/trailing ", "1"), text("d/no\xfftext", "1"), text("d/ dir /x", "1"),
			),
				deploy{appspec: files("d => DEST"), bundle: []file{text("d/line\nfeed", "2"), text("d/trailing", "2")}}),
			tree: `./ 755
				"line\nfeed" 644 2
				trailing 644 2`,
		},
		{
			name: "a destination behind a link of the host", ordinary: true,
			before:  []file{directory("real", 0o755), link("current", "real")},
			deploys: one(files("d => DEST/current/app"), text("d/a", "1")),
			tree: `./ 755
				current -> real
				real/ 755
				real/app/ 755
				real/app/a 644 1`,
			list: `DEST/current/app
				DEST/current/app/a`,
		},
		{
			name:    "a destination below a link that leads nowhere",
			before:  []file{link("current", "gone")},
			deploys: fails([]string{"DEST/current"}, files("d => DEST/current/app"), text("d/a", "1")),
			tree: `./ 755
				current -> gone`,
		},
		{
			name: "bytes stay as they are",
			deploys: one(
				files("d => DEST"), text("d/crlf", "a\r\nb\r\n"), text("d/nul", "a\x00b"), text("d/empty", ""),
				text("d/latin", "caf\xe9\n"),
			),
			tree: `./ 755
				crlf 644 "a\r\nb\r"
				empty 644
				latin 644 "caf\xe9"
				nul 644 "a\x00b"`,
		},
	}
}
