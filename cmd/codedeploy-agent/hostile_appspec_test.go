//go:build unix

package main

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf16"
)

// hostileAppSpecs are AppSpec files that ask for endless work, for scripts elsewhere or for users that are none.
func hostileAppSpecs() []hostile {
	var out []hostile
	const head = "version: 0.0\nos: linux\n"
	add := func(name, refused, text string) {
		out = append(out, hostile{area: "AppSpec", name: name, form: "tgz", refused: refused, make: func(s *stage) bundle {
			return s.pack("tgz", filed("appspec.yml", text), filed("run", "#!/bin/sh\n"))
		}})
	}
	for name, text := range map[string]string{
		"without a version": "os: linux\n", "without an os": "version: 0.0\n", "of another version": "version: 1.0\nos: linux\n", "for another system": "version: 0.0\nos: freebsd\n",
		"empty": "", "blank": " \n\t\n", "no YAML": "{{{invalid", "a list": "- version: 0.0\n", "a text": "version", "an unclosed list": head + "files: [\n",
		"tabs": "version: 0.0\n\tos: linux\n", "control characters": head + "hooks: \x01\n", "half of UTF-16": "\xff\xfev\x00e", "not UTF-8": head + "hooks: \xff\n",
		"a file without source": head + "files:\n  - destination: /srv\n", "a file without destination": head + "files:\n  - source: a\n",
		"a script without location": head + "hooks:\n  AfterInstall:\n    - timeout: 5\n", "a script with an empty location": head + "hooks:\n  AfterInstall:\n    - location: \"\"\n",
		"permissions on Windows": "version: 0.0\nos: windows\npermissions:\n  - object: a\n    mode: 600\n", "a number for hooks": head + "hooks: 7\n", "a list for hooks": head + "hooks: [a]\n",
		"an unknown choice for existing files": head + "file_exists_behavior: DELETE\n",
	} {
		add(name, "cannot use the AppSpec", text)
	}
	add("over a megabyte", "may have 1048576", head+strings.Repeat("#", 1<<20))
	out = append(out, hostile{area: "AppSpec", name: "of a terabyte of holes", form: "directory", refused: "may have 1048576", make: func(s *stage) bundle {
		b := s.lay(head)
		must(s.t, os.Truncate(s.path("bundle/appspec.yml"), 1<<33))
		return b
	}})
	multiplied := func(first, form string) string {
		var b strings.Builder
		b.WriteString("a0: &a0 " + first + "\n")
		for i := 1; i < 40; i++ {
			all := strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", ")
			fmt.Fprintf(&b, "a%d: &a%d "+form+"\n", i, i, all)
		}
		return b.String()
	}
	add("aliases of aliases", "no mapping but a list", head+multiplied("[x]", "[%s]")+"hooks: {AfterInstall: *a39}\n")
	add("merges of merges", "aliases make the file too large", head+multiplied("{location: x}", "{<<: [%s]}")+"hooks: {AfterInstall: [*a39]}\n")
	add("a mapping in itself", "nested more than", head+"hooks: &h\n  <<: *h\n")
	add("a list in itself", "no mapping but a list", head+"hooks: {AfterInstall: &a [*a]}\n")
	add("20,000 lists in each other", "not valid YAML", head+"files: "+strings.Repeat("[", 20_000))
	add("20,000 mappings in each other", "not valid YAML", head+"files: "+strings.Repeat("{a: ", 20_000))
	add("a number of 100,000 digits", "version", "os: linux\nversion: "+strings.Repeat("9", 100_000)+"\n")
	add("2,000 mistakes", "and 1950 more", head+"hooks:\n  AfterInstall:\n"+strings.Repeat("    - lokation: a\n", 2_000))
	add("20,000 scripts that are not there", "does not exist", head+"hooks:\n  BeforeInstall:\n"+strings.Repeat("    - location: none\n", 20_000))
	add("an event that nobody sends", "unknown lifecycle events", head+"hooks:\n  ../../x:\n    - location: run\n")
	add("keys twice", "", head+"os: linux\nversion: 1.0\nversion: 0.0\n")
	add("keys that are none", "", head+"__proto__: {}\n\"\\x1b[2J\": x\n!!binary YQ==: x\n")
	add("two documents", "", head+"---\nhooks: {BeforeInstall: [{location: ../../x}]}\n")
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(head)) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	add("UTF-16", "", string(wide))

	script := func(name, refused string, lines ...string) {
		add(name, refused, head+"hooks:\n  BeforeInstall:\n    - "+strings.Join(lines, "\n      ")+"\n")
	}
	script("a script that climbs", "outside of the revision", "location: ../../../../../outside/script.sh")
	script("a script that climbs from below", "outside of the revision", "location: hooks/../../../../../../outside/script.sh")
	script("a script that climbs from the root", "outside of the revision", "location: /../../../../../outside/script.sh")
	script("a script elsewhere", "does not exist", "location: OUT/script.sh")
	script("a script with arguments", "does not exist", "location: run --now")
	script("a script with a command behind it", "does not exist", `location: "run; touch OUT/new"`)
	script("a script with a command in it", "does not exist", `location: "$(touch OUT/new)run"`)
	script("a script of two lines", "does not exist", `location: "run\ntouch OUT/new"`)
	script("a script with NUL", "NUL byte", `location: "run\0x"`)
	script("a script that is the revision", "is a directory", "location: .")
	for name, lines := range map[string]string{
		"a script with a timeout of a day": "timeout: 86400", "a script with a timeout of 136 years": "timeout: 4294967295", "a script with a timeout beyond all time": "timeout: 1e300",
	} {
		out = append(out, hostile{area: "AppSpec", name: name, form: "tgz", runs: true, make: func(s *stage) bundle {
			return s.pack("tgz", filed("appspec.yml", head+"hooks:\n  BeforeInstall:\n    - location: run\n      "+lines+"\n"), filed("run", "#!/bin/sh\n"))
		}})
	}
	out = append(out, hostile{area: "AppSpec", name: "a script that is a link to a file that is no script", form: "tgz", refused: "not part of the revision", setting: links,
		make: func(s *stage) bundle {
			return s.pack("tgz", filed("appspec.yml", head+"hooks:\n  BeforeInstall:\n    - location: run\n"), symlink("run", "OUT/precious"))
		}})
	for _, user := range []string{"--help", "--version", `"-"`, "-c", "root;id", "$(id)", "nobody-has-this-name", "root:root", "/etc/passwd", `"root root"`, `"root\nx"`, "0", "4294967295"} {
		script("a script that runs as "+strings.Trim(user, `"`), "cannot run as user", "location: run", "runas: "+user)
	}
	for _, timeout := range []string{"0", "-1", ".inf", ".nan", "[1]", "x", "0x"} {
		script("a script with the timeout "+timeout, "timeout", "location: run", "timeout: "+timeout)
	}
	return out
}
