//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// semanage says whether this host could really set SELinux contexts; then no test does.
func semanage() bool {
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/", ""} {
		if _, err := exec.LookPath(dir + "semanage"); err == nil {
			return true
		}
	}
	return false
}

// hostilePermissions are permissions that would change something else, or give what nobody should have.
func hostilePermissions() []hostile {
	var out []hostile
	add := func(c hostile) {
		c.area, c.form = "permissions", "directory"
		out = append(out, c)
	}
	// grant installs the file a and gives permissions; entries are the lines of one.
	grant := func(entries ...string) func(s *stage) bundle {
		return func(s *stage) bundle {
			return s.lay(oneFile+"permissions:\n  - "+strings.Join(entries, "\n    ")+"\n", "a", "new")
		}
	}
	of := func(object string, lines ...string) func(s *stage) bundle {
		return grant(append([]string{"object: " + object}, lines...)...)
	}
	for mode, shown := range map[string]string{"4755": "urwxr-xr-x", "2755": "grwxr-xr-x", "6755": "ugrwxr-xr-x", "7777": "ugtrwxrwxrwx", "4644": "urw-r--r--"} {
		add(hostile{name: "mode " + mode, setting: unsafe_, leaves: []string{"app/a=new " + shown}, make: of("DEST/a", "mode: "+mode)})
	}
	add(hostile{name: "mode 1777", leaves: []string{"app/a=new trwxrwxrwx"}, make: of("DEST/a", "mode: 1777")})
	for _, mode := range []string{"17777", "888", "u+s", "-1", "0x7777777", `"\0"`} {
		add(hostile{name: "mode " + mode, refused: "mode", make: of("DEST/a", "mode: "+mode)})
	}
	for _, name := range []string{"nobody-has-this-name", "root;id", "$(id)", "--help", "-1", "4294967295", "99999999999", "a:b", `"root\nroot"`, `"root root"`, "/etc/passwd", "../root"} {
		add(hostile{name: "owner " + strings.Trim(name, `"`), refused: "user", make: of("DEST/a", "owner: "+name)})
	}
	for _, name := range []string{"nobody-has-this-name", "4294967295", "root;id"} {
		add(hostile{name: "group " + name, refused: "group", make: of("DEST/a", "group: "+name)})
	}
	for name, list := range map[string]string{"access list for a command": `["u:$(id):rwx"]`, "access list for an option": `["u:-x:rwx"]`} {
		add(hostile{name: name, refused: "does not exist on this host", make: of("DEST/a", "acls: "+list)})
	}
	for name, list := range map[string]string{
		"access list of eight": `["u:root:8"]`, "access list of five parts": `["d:u:root:rwx:x"]`,
		"access list of no kind": `["x:root:rwx"]`, "access list with a line feed": `["u:root\nu:x:rwx"]`,
	} {
		add(hostile{name: name, refused: "acl", make: of("DEST/a", "acls: "+list)})
	}
	add(hostile{name: "default access list of a file", refused: "default acl", make: of("DEST/a", `acls: ["d:u:root:rwx"]`)})
	add(hostile{name: "the same file twice", refused: "more than once", make: grant("object: DEST/a", "mode: 600", "pattern: \"**\"\n  - object: DEST", "mode: 666")})
	add(hostile{name: "the whole host", leaves: []string{"app/ -rwx------", "app/a=new -rwx------"}, make: of("/", "mode: 700")})
	add(hostile{name: "the directory of others", told: "have no effect", leaves: []string{"app/a=new"}, make: of("OUT", "mode: 777")})
	add(hostile{name: "the file of others", told: "have no effect", leaves: []string{"app/a=new"}, make: of("OUT/precious", "mode: 777", "owner: root")})
	add(hostile{name: "a file of others beside the new ones", leaves: []string{"app/a=new -rwxrwxrwx", "app/mine=not ours"}, make: func(s *stage) bundle {
		s.write("srv/app/mine", "not ours", 0o644)
		return of("DEST", "mode: 777")(s)
	}})
	add(hostile{name: "a pattern that climbs", told: "have no effect", leaves: []string{"app/a=new"}, make: of("DEST", `pattern: "../../outside/*"`, "mode: 777")})
	add(hostile{name: "an object that climbs", leaves: []string{"app/a=new -rwxrwxrwx"}, make: of("/../../DEST/a", "mode: 777")})

	// through installs a link and gives permissions on it.
	through := func(target string, lines ...string) func(s *stage) bundle {
		return func(s *stage) bundle {
			return s.lay(strings.ReplaceAll(oneFile, "source: a", "source: l")+"permissions:\n  - object: DEST/l\n    "+strings.Join(lines, "\n    ")+"\n", "l", "-> "+target)
		}
	}
	const targets = "reject_symlink_permission_targets"
	open := func(c hostile) {
		c.off = links
		add(c)
	}
	open(hostile{name: "a link to the file of others", open: true, setting: targets, told: "is not part of the revision", leaves: []string{"app/l->OUT/precious"}, make: through("OUT/precious", "mode: 666")})
	for what, line := range map[string]string{"owner": `owner: "12345"`, "group": `group: "12345"`, "access list": `acls: ["u:root:rwx"]`} {
		open(hostile{name: "a link to the file of others, " + what, root: true, open: true, setting: targets, told: "is not part of the revision", leaves: []string{"app/l->OUT/precious"},
			make: through("OUT/precious", line)})
	}
	open(hostile{name: "a link to the directory of others", open: true, setting: targets, told: "is not part of the revision", leaves: []string{"app/l->OUT/dir"}, make: through("OUT/dir", "mode: 777")})
	open(hostile{name: "a link to a link to the file of others", open: true, setting: targets, told: "is not part of the revision", leaves: []string{"app/l->OUT/link"}, make: through("OUT/link", "mode: 666")})
	open(hostile{name: "a link that leads nowhere", setting: targets, told: "leads nowhere", leaves: []string{"app/l->OUT/dangling"}, make: through("OUT/dangling", "mode: 666")})
	open(hostile{name: "a link to itself", setting: targets, told: "leads nowhere", leaves: []string{"app/l->l"}, make: through("l", "mode: 666")})
	open(hostile{name: "a link to a FIFO", setting: targets, refused: "device, FIFO or socket", make: func(s *stage) bundle { s.fifo("srv/fifo"); return through("SRV/fifo", "mode: 666")(s) }})
	open(hostile{name: "a link through another user's link", root: true, setting: targets, refused: "may change the link", make: func(s *stage) bundle {
		s.foreign("srv/u", "OUT")
		return through("SRV/u/precious", "owner: nobody")(s)
	}})
	open(hostile{name: "a link to another user's link", root: true, setting: targets, refused: "may change the link", make: func(s *stage) bundle {
		s.foreign("srv/u", "OUT/dir")
		return through("SRV/u", "mode: 777")(s)
	}})
	open(hostile{name: "a link to a second name of a file", root: true, setting: targets, refused: "has 2 names", make: func(s *stage) bundle {
		must(s.t, os.Mkdir(s.path("srv/u"), 0o755), os.Link(s.path("outside/precious"), s.path("srv/u/x")), os.Chown(s.path("srv/u"), stranger, stranger))
		return through("SRV/u/x", "mode: 666")(s)
	}})
	open(hostile{name: "a link to a file of the revision", setting: targets, leaves: []string{"app/a=new -rw-------", "app/l->a"}, make: func(s *stage) bundle {
		return s.lay(wholeSpec+"permissions:\n  - object: DEST/l\n    mode: 600\n", "l", "-> a", "a", "new")
	}})
	context := func(name, refused, setting, text string) {
		add(hostile{name: name, refused: refused, setting: setting, make: func(s *stage) bundle {
			if semanage() {
				s.t.Skip("this host can set SELinux contexts, which a test must not")
			}
			return of("DEST/a", "context: "+text)(s)
		}})
	}
	for _, domain := range []string{"unconfined_t", "kernel_t", "init_t"} {
		context("SELinux type "+domain, "SELinux", "reject_unconfined_selinux_in_bundle", "{type: "+domain+"}")
	}
	context("SELinux type that is an option", "is no part of an SELinux context", "", "{type: --help}")
	context("SELinux user that is an option", "is no part of an SELinux context", "", "{name: -x, type: etc_t}")
	context("SELinux type of two lines", "is no part of an SELinux context", "", `{type: "etc_t\nx"}`)
	context("no SELinux type", "type", "", "{name: user_u}")
	context("SELinux range that is none", "range", "", "{type: etc_t, range: invalid}")
	context("SELinux range of too many", "range", "", fmt.Sprintf("{type: etc_t, range: %q}", "s0:"+strings.Repeat("c0.c1023,", 500)))
	return out
}
