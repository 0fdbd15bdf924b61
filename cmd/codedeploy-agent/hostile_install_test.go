//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"codedeploy-agent/agent/config"
)

// stranger is a user that is neither root nor any that a host has.
const stranger = 12345

// oneFile installs the file a.
const oneFile = "version: 0.0\nos: linux\nfiles:\n  - source: a\n    destination: DEST\n"

// lay makes the directory that is deployed: pairs of name and content, "-> target" for a link.
func (s *stage) lay(spec string, pairs ...string) bundle {
	s.t.Helper()
	s.write("bundle/appspec.yml", s.text(spec), 0o644)
	for i := 0; i < len(pairs); i += 2 {
		if target, ok := strings.CutPrefix(pairs[i+1], "-> "); ok {
			s.link("bundle/"+pairs[i], target)
		} else {
			s.write("bundle/"+pairs[i], pairs[i+1], 0o644)
		}
	}
	return bundle{kind: "directory"}
}

func (s *stage) link(name, target string) {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.path(name)), 0o755), os.Symlink(s.text(target), s.path(name)))
}

// foreign is a link of another user.
func (s *stage) foreign(name, target string) {
	s.t.Helper()
	s.link(name, target)
	must(s.t, os.Lchown(s.path(name), stranger, stranger))
}

func (s *stage) fifo(name string) {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.path(name)), 0o755), syscall.Mkfifo(s.path(name), 0o644))
}

func (s *stage) socket(name string) {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	l, err := net.Listen("unix", s.path(name))
	must(s.t, err)
	s.t.Cleanup(func() { l.Close() })
}

func (s *stage) device(name string) {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.path(name)), 0o755), syscall.Mknod(s.path(name), syscall.S_IFCHR|0o666, 1<<8|5)) // zero, which never ends
}

// before deploys what an earlier deployment has left, with the default settings.
func (s *stage) before(b bundle, exists string) {
	s.t.Helper()
	c := *config.Default()
	c.RootDir, c.StateDir, c.LogDir = s.config.RootDir, s.config.StateDir, s.config.LogDir
	now := s.config
	s.config = &c
	must(s.t, s.deploy(b, exists))
	s.config = now
	must(s.t, os.RemoveAll(s.path("bundle")))
}

// hostileDirectories are directories that are deployed as they are.
func hostileDirectories() []hostile {
	var out []hostile
	add := func(c hostile) {
		c.area, c.form = "directories", "directory"
		out = append(out, c)
	}
	for name, make := range map[string]func(s *stage, name string){"a FIFO": (*stage).fifo, "a socket": (*stage).socket} {
		add(hostile{name: name, refused: "special file", make: func(s *stage) bundle { make(s, "bundle/x"); return s.lay(wholeSpec) }})
	}
	add(hostile{name: "a device", root: true, refused: "special file", make: func(s *stage) bundle { s.device("bundle/x"); return s.lay(wholeSpec) }})
	add(hostile{name: "an AppSpec that is a FIFO", refused: "appspec.yml is not a file", make: func(s *stage) bundle { s.fifo("bundle/appspec.yml"); return bundle{kind: "directory"} }})
	add(hostile{name: "an AppSpec that is a directory", refused: "appspec.yml is not a file", make: func(s *stage) bundle { s.write("bundle/appspec.yml/x", "", 0o644); return bundle{kind: "directory"} }})
	add(hostile{name: "an AppSpec that is a link to another file", refused: "escapes",
		make: func(s *stage) bundle { s.link("bundle/appspec.yml", "OUT/precious"); return bundle{kind: "directory"} }})
	add(hostile{name: "a link to another file", setting: links, leaves: []string{"app/l->OUT/precious"}, make: func(s *stage) bundle { return s.lay(wholeSpec, "l", "-> OUT/precious") }})
	add(hostile{name: "a link to another directory", setting: links, leaves: []string{"app/d->OUT"}, make: func(s *stage) bundle { return s.lay(wholeSpec, "d", "-> OUT") }})
	add(hostile{name: "a link to a directory within", setting: links, leaves: []string{"app/d/a=1", "app/l/a=1"}, make: func(s *stage) bundle { return s.lay(wholeSpec, "d/a", "1", "l", "-> d") }})
	add(hostile{name: "a link to itself", setting: links, leaves: []string{"app/l->l"}, make: func(s *stage) bundle { return s.lay(wholeSpec, "l", "-> l") }})
	add(hostile{name: "a link to the directory it is in", setting: links, leaves: []string{"app/d/l->."}, make: func(s *stage) bundle { return s.lay(wholeSpec, "d/l", "-> .") }})
	add(hostile{name: "a circle of links", setting: links, leaves: []string{"app/a/b/a->../a", "app/b/a/b->../b"},
		make: func(s *stage) bundle { return s.lay(wholeSpec, "a/b", "-> ../b", "b/a", "-> ../a") }})
	add(hostile{name: "a set-user-id file", setting: unsafe_, leaves: []string{"app/x=1 urwxr-xr-x"}, make: func(s *stage) bundle {
		b := s.lay(wholeSpec, "x", "1")
		must(s.t, os.Chmod(s.path("bundle/x"), 0o755|os.ModeSetuid))
		return b
	}})
	add(hostile{name: "a foreign owner", root: true, leaves: []string{"app/x=1"}, make: func(s *stage) bundle {
		b := s.lay(wholeSpec, "x", "1")
		must(s.t, os.Chown(s.path("bundle/x"), stranger, stranger))
		return b
	}})
	add(hostile{name: "600 directories deep", refused: "512", make: func(s *stage) bundle {
		b := s.lay(wholeSpec)
		must(s.t, os.MkdirAll(s.path("bundle/"+strings.Repeat("d/", 600)), 0o755))
		return b
	}})
	add(hostile{name: "that holds the deployment root", refused: "lies inside it", make: func(s *stage) bundle {
		s.write("agent/appspec.yml", s.text(wholeSpec), 0o644)
		must(s.t, os.Symlink(s.path("agent"), s.path("bundle")))
		return bundle{kind: "directory"}
	}})
	return out
}

// hostileDestinations have in their way what somebody has put there, or lead elsewhere.
func hostileDestinations() []hostile {
	var out []hostile
	add := func(c hostile) {
		c.area, c.form = "destinations", "directory"
		out = append(out, c)
	}
	// in prepares the host; the bundle then installs the file a.
	in := func(prepare func(s *stage)) func(s *stage) bundle {
		return func(s *stage) bundle { prepare(s); return s.lay(oneFile, "a", "new") }
	}
	const exists, inTheWay = "already exists at this location", "a device, FIFO or socket stands at"
	ours := []string{"app/a=new"}
	toFile := func(s *stage) { s.link("srv/app/a", "OUT/precious") }
	add(hostile{name: "a link to another file", refused: exists, make: in(toFile)})
	add(hostile{name: "a link to another file, which OVERWRITE replaces", exists: "OVERWRITE", leaves: ours, make: in(toFile)})
	add(hostile{name: "a link to another file, which RETAIN keeps", exists: "RETAIN", leaves: []string{"app/a->OUT/precious"}, make: in(toFile)})
	add(hostile{name: "a link to what is not there", leaves: ours, make: in(func(s *stage) { s.link("srv/app/a", "OUT/new") })})
	add(hostile{name: "a link to another directory in the place of a file", refused: exists, make: in(func(s *stage) { s.link("srv/app/a", "OUT/dir") })})
	add(hostile{name: "... which OVERWRITE replaces", exists: "OVERWRITE", leaves: ours, make: in(func(s *stage) { s.link("srv/app/a", "OUT/dir") })})
	add(hostile{name: "a second name of another file", exists: "OVERWRITE", leaves: ours, open: true, make: func(s *stage) bundle {
		s.write("srv/app/x", "", 0o644)
		must(s.t, os.Remove(s.path("srv/app/x")), os.Link(s.path("outside/precious"), s.path("srv/app/a")))
		s.t.Cleanup(func() {
			data, err := os.ReadFile(s.path("outside/precious"))
			if info, e := os.Stat(s.path("outside/precious")); err != nil || e != nil || string(data) != canaryText || info.Mode() != 0o600 {
				s.t.Errorf("the file of the other name is %q, %v", data, info)
			}
		})
		return s.lay(oneFile, "a", "new")
	}})
	for _, behavior := range []string{"DISALLOW", "OVERWRITE"} {
		refused := map[string]string{"DISALLOW": exists, "OVERWRITE": inTheWay}[behavior]
		add(hostile{name: "a FIFO, " + behavior, exists: behavior, refused: refused, make: in(func(s *stage) { s.fifo("srv/app/a") })})
		add(hostile{name: "a socket, " + behavior, exists: behavior, refused: refused, make: in(func(s *stage) { s.socket("srv/app/a") })})
		add(hostile{name: "a device, " + behavior, root: true, exists: behavior, refused: refused, make: in(func(s *stage) { s.device("srv/app/a") })})
	}
	add(hostile{name: "a FIFO, RETAIN", exists: "RETAIN", leaves: []string{"app/a p---------"}, make: in(func(s *stage) { s.fifo("srv/app/a") })})
	add(hostile{name: "a FIFO in the place of a directory", exists: "OVERWRITE", refused: "where a directory is needed", make: in(func(s *stage) { s.fifo("srv/app") })})
	add(hostile{name: "a directory in the place of a file", exists: "OVERWRITE", refused: "a directory stands at", make: in(func(s *stage) { s.write("srv/app/a/x", "", 0o644) })})
	add(hostile{name: "a file in the place of a directory", exists: "OVERWRITE", refused: "where a directory is needed", make: in(func(s *stage) { s.write("srv/app", "", 0o644) })})
	add(hostile{name: "a link that leads nowhere in the place of a directory", exists: "OVERWRITE", refused: "leads to no directory", make: in(func(s *stage) { s.link("srv/app", "OUT/new") })})
	add(hostile{name: "a link of root's in the place of a directory", leaves: []string{"app->OUT/empty"}, open: true, make: in(func(s *stage) { s.link("srv/app", "OUT/empty") })})

	const mayChange = "may change the link"
	add(hostile{name: "another user's link in the place of a directory", root: true, refused: mayChange, make: in(func(s *stage) { s.foreign("srv/app", "OUT/empty") })})
	add(hostile{name: "another user's link further up", root: true, refused: mayChange, make: func(s *stage) bundle {
		s.foreign("srv/u", "OUT")
		return s.lay(strings.ReplaceAll(oneFile, "DEST", "SRV/u/dir/new"), "a", "new")
	}})
	add(hostile{name: "a link of root's in another user's directory", root: true, refused: mayChange, make: func(s *stage) bundle {
		s.link("srv/u/app", "OUT/empty")
		must(s.t, os.Chown(s.path("srv/u"), stranger, stranger))
		return s.lay(strings.ReplaceAll(oneFile, "DEST", "SRV/u/app"), "a", "new")
	}})
	add(hostile{name: "a link in a directory that everybody may write to", refused: "everybody may change the link", make: func(s *stage) bundle {
		s.link("srv/u/app", "OUT/empty")
		must(s.t, os.Chmod(s.path("srv/u"), 0o777))
		return s.lay(strings.ReplaceAll(oneFile, "DEST", "SRV/u/app"), "a", "new")
	}})
	add(hostile{name: "a link of root's to another user's link", root: true, refused: mayChange, make: in(func(s *stage) { s.foreign("srv/u", "OUT/empty"); s.link("srv/app", "SRV/u") })})
	add(hostile{name: "another user's link to that user's directory", root: true,
		leaves: []string{fmt.Sprintf("app->%%/u of %d", stranger), fmt.Sprintf("u/ of %d", stranger), "u/a=new"},
		make: in(func(s *stage) {
			must(s.t, os.Mkdir(s.path("srv/u"), 0o755), os.Chown(s.path("srv/u"), stranger, stranger))
			s.foreign("srv/app", "SRV/u")
		})})

	at := func(name, refused, destination string) {
		add(hostile{name: name, refused: refused, make: func(s *stage) bundle { return s.lay(strings.ReplaceAll(oneFile, "DEST", destination), "a", "new") }})
	}
	add(hostile{name: "relative and climbing", setting: leaving, told: "is not absolute", leaves: ours, make: func(s *stage) bundle {
		here, err := os.Getwd()
		must(s.t, err)
		to, err := filepath.Rel(here, s.path("srv/app"))
		must(s.t, err)
		return s.lay(strings.ReplaceAll(oneFile, "DEST", to), "a", "new")
	}})
	at("with NUL", "NUL byte", `"/srv/a\0b"`)
	at("of 5000 characters", "too long", "/"+strings.Repeat("x", 5000))
	add(hostile{name: "that climbs above the root", setting: leaving, leaves: ours, make: func(s *stage) bundle {
		return s.lay(strings.ReplaceAll(oneFile, "DEST", "/../.."+s.path("srv/app")), "a", "new")
	}})
	add(hostile{name: "with a line feed", leaves: []string{"x\ny/a=new"}, make: func(s *stage) bundle { return s.lay(strings.ReplaceAll(oneFile, "DEST", `"SRV/x\ny"`), "a", "new") }})
	from := func(name, refused, source string) {
		add(hostile{name: name, refused: refused, make: func(s *stage) bundle {
			return s.lay(strings.ReplaceAll(oneFile, "source: a", "source: "+source), "a", "new")
		}})
	}
	from("a source that climbs", "leaves the revision", "../../../../../outside/precious")
	from("a source that climbs from below", "leaves the revision", "a/../../../../../../outside/precious")
	from("a source that climbs from the root", "leaves the revision", "/../../../../../outside/precious")
	from("an absolute source", "is not in the revision", "OUT/precious")
	from("an absolute source with two slashes", "is not in the revision", "/OUT/precious")
	add(hostile{name: "a source through a link", refused: "leaves the revision through a link", setting: links, make: func(s *stage) bundle {
		return s.lay(strings.ReplaceAll(oneFile, "source: a", "source: out/precious"), "out", "-> OUT")
	}})
	add(hostile{name: "a source that is a link", setting: links, leaves: []string{"app/a->OUT"}, make: func(s *stage) bundle { return s.lay(oneFile, "a", "-> OUT") }})
	add(hostile{name: "two sources for one file", refused: "go to", make: func(s *stage) bundle {
		return s.lay(oneFile+"  - source: d/a\n    destination: DEST\n", "a", "1", "d/a", "2")
	}})
	add(hostile{name: "a file where another source needs a directory", refused: "a directory is needed at", make: func(s *stage) bundle {
		return s.lay(oneFile+"  - source: b\n    destination: DEST/a\n", "a", "1", "b", "2")
	}})
	return out
}

// hostileLists are clean-up lists, or changes of the host since they were written, that ask for the removal of something else.
func hostileLists() []hostile {
	var out []hostile
	// listed has the list of an earlier deployment, and then installs the file a.
	listed := func(name, told string, stays []string, prepare func(s *stage)) *hostile {
		out = append(out, hostile{area: "clean-up", name: name, form: "directory", told: told, leaves: append([]string{"app/a=new"}, stays...),
			make: func(s *stage) bundle { prepare(s); return s.lay(oneFile, "a", "new") }})
		return &out[len(out)-1]
	}
	line := func(name, told, text string) {
		listed(name, told, nil, func(s *stage) { s.list(text) })
	}
	const notFollowed = "clean-up list is not followed"
	line("a relative line", "not an absolute path", "outside/precious\n../outside/precious\n")
	line("a line that climbs above the root", "climbs above the root", "/../../../OUT/precious\n")
	line("a line with NUL", "NUL byte", "OUT/precious\x00x\nx\x00OUT/precious\n")
	line("a line that names the root", "root directory", "/\n//\n/./\n")
	line("a line that was cut short", "", "OUT/precious")
	line("blank lines", "", "\n \n\t\n")
	line("a line of a megabyte", "", "/"+strings.Repeat("x", 1<<20)+"\n")
	line("a line below a file", "", "OUT/precious/x\n")
	line("a directory with something in it", "", "OUT\nOUT/dir\n")
	line("100,000 lines", "", strings.Repeat("OUT/nowhere/x\n", 100_000))
	listed("a list that everybody may write", "others may write it", nil, func(s *stage) {
		s.list("OUT/precious\n")
		must(s.t, os.Chmod(s.path(listName), 0o666))
	})
	listed("a list of another user", notFollowed, nil, func(s *stage) {
		s.list("OUT/precious\n")
		must(s.t, os.Chown(s.path(listName), stranger, stranger))
	}).root = true
	listed("a list that is a link", "not a regular file", nil, func(s *stage) {
		s.write("outside/list", s.text("OUT/precious\n"), 0o644)
		s.link(listName, "OUT/list")
	})
	listed("a list that is a FIFO", "not a regular file", nil, func(s *stage) { s.fifo(listName) })
	listed("a list that is a device", "not a regular file", nil, func(s *stage) { s.device(listName) }).root = true
	listed("a second list that everybody may write", "others may write it", nil, func(s *stage) { s.write(listName+".names", s.text("OUT/precious\x00"), 0o666) })
	official := func(s *stage, list string, destinations ...string) {
		s.list(list)
		var form struct {
			Instructions []map[string]string `json:"instructions"`
		}
		for _, d := range destinations {
			form.Instructions = append(form.Instructions, map[string]string{"type": "copy", "source": "x", "destination": s.text(d)})
		}
		text, err := json.Marshal(form)
		must(s.t, err)
		s.write(instructionsName, string(text), 0o644)
	}
	listed("a line injected by a name with line feeds, official agent", "is not followed", nil, func(s *stage) {
		official(s, "SRV/app/b\nSRV/app/x\nOUT/precious\ny\n", "SRV/app/b", "SRV/app/x\nOUT/precious\ny")
		s.write("srv/app/b", "old", 0o644)
	})
	listed("a line of a name with a blank at its end, official agent", "is not followed", nil, func(s *stage) { official(s, "OUT/precious \n", "OUT/precious ") })
	listed("a name with line feeds", "", nil, func(s *stage) {
		s.before(s.pack("gnu", filed("appspec.yml", wholeSpec), filed("x\nOUT/precious\ny", "1"), filed("plain", "1")), "")
	})
	listed("a name with a blank at its end", "", []string{"app/mine=not ours"}, func(s *stage) {
		s.write("srv/app/mine", "not ours", 0o644)
		s.before(s.pack("gnu", filed("appspec.yml", wholeSpec), filed("mine ", "1"), filed(" mine", "1")), "")
	})
	listed("a name that is not UTF-8", "", nil, func(s *stage) { s.before(s.pack("gnu", filed("appspec.yml", wholeSpec), filed("\xff\xfe", "1")), "") })
	listed("a link that was installed", "", nil, func(s *stage) {
		s.before(s.pack("gnu", filed("appspec.yml", wholeSpec), symlink("d", "OUT"), symlink("f", "OUT/precious")), "")
	})
	earlier := func(s *stage) {
		s.before(s.pack("gnu", filed("appspec.yml", wholeSpec), filed("d/deep", "1"), filed("d/precious", "1")), "")
	}
	listed("a directory that became a link", "is a link now", nil, func(s *stage) {
		earlier(s)
		must(s.t, os.RemoveAll(s.path("srv/app/d")))
		s.link("srv/app/d", "OUT/dir")
	})
	listed("the directory above that became a link", "is a link now", []string{"old/d/deep=1", "old/d/precious=1"}, func(s *stage) {
		earlier(s)
		must(s.t, os.Rename(s.path("srv/app"), s.path("srv/old")))
		s.link("srv/app", "OUT")
		must(s.t, os.Remove(s.path("srv/old/appspec.yml")))
	})
	listed("a directory that was there before and became another user's link", "is not removed", []string{fmt.Sprintf("u->OUT of %d", stranger)}, func(s *stage) {
		s.list("SRV/u/precious\nSRV/u/dir/deep\n")
		s.foreign("srv/u", "OUT")
	}).root = true
	listed("a file that became a directory", "", []string{"app/d/deep/mine=not ours"}, func(s *stage) {
		earlier(s)
		must(s.t, os.Remove(s.path("srv/app/d/deep")))
		s.write("srv/app/d/deep/mine", "not ours", 0o644)
	})
	listed("a file that became a link", "", nil, func(s *stage) {
		earlier(s)
		must(s.t, os.Remove(s.path("srv/app/d/deep")))
		s.link("srv/app/d/deep", "OUT/dir/deep")
	})
	listed("a file that became a FIFO", "", nil, func(s *stage) {
		earlier(s)
		must(s.t, os.Remove(s.path("srv/app/d/deep")))
		s.fifo("srv/app/d/deep")
	})
	listed("what an install that was cut off left became a link", "", nil, func(s *stage) {
		s.list("SRV/app/.codedeploy-0badcafe-1\n")
		s.link("srv/app/.codedeploy-0badcafe-1", "OUT")
	})
	listed("what an install that was cut off left holds a link", "", nil, func(s *stage) {
		s.list("SRV/app/.codedeploy-0badcafe-1\n")
		s.link("srv/app/.codedeploy-0badcafe-1/sub/l", "OUT")
		s.write("srv/app/.codedeploy-0badcafe-1/sub/f", "x", 0o644)
	})
	return out
}
