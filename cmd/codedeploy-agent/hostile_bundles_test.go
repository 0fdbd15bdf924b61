//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	encoding "encoding/binary"
	"slices"
	"strings"
)

// wholeSpec installs everything in the bundle.
const wholeSpec = "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: DEST\n"

// archived is a hostile bundle in several forms, each of which is a case.
type archived struct {
	name, forms, refused, setting string
	leaves, strictly              []string
	told, limit                   string
	root                          bool
	entries                       []packed
}

func (a archived) cases(area string) []hostile {
	var out []hostile
	for form := range strings.FieldsSeq(a.forms) {
		out = append(out, hostile{area: area, name: a.name, form: form, refused: a.refused, setting: a.setting, leaves: a.leaves, strictly: a.strictly,
			told: a.told, limit: a.limit, root: a.root,
			make: func(s *stage) bundle {
				return s.pack(form, append([]packed{filed("appspec.yml", wholeSpec)}, a.entries...)...)
			}})
	}
	return out
}

func casesOf(area string, all ...archived) []hostile {
	var out []hostile
	for _, a := range all {
		out = append(out, a.cases(area)...)
	}
	return out
}

// pack makes a bundle in a form: v7, gnu, pax, tgz, zip or zip64.
func (s *stage) pack(form string, entries ...packed) bundle {
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		e.name, e.link, e.content = s.text(e.name), s.text(e.link), s.text(e.content)
	}
	switch form {
	case "v7":
		return bundle{"tar", tarball(v7, entries...)}
	case "gnu":
		return bundle{"tar", tarball(gnu, entries...)}
	case "pax":
		return bundle{"tar", tarball(pax, entries...)}
	case "tgz":
		return bundle{"tgz", gzipped(tarball(gnu, entries...))}
	case "zip":
		return bundle{"zip", zipped(entries...)}
	case "zip64":
		return bundle{"zip", zipped64(entries...)}
	}
	panic("no form " + form)
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data) // a Buffer never fails
	z.Close()
	return b.Bytes()
}

const (
	climbs  = `climbs with ".."`
	aLink   = "which is a link"
	links   = "reject_symlinks_in_bundle"
	unsafe_ = "reject_unsafe_permissions_in_bundle"
	leaving = "reject_path_traversal_in_bundle"
)

// hostileNames has entries whose names say where they should not go.
func hostileNames() []hostile {
	const far = "../../../../../outside/precious"
	long := strings.Repeat("n", 65535)
	out := casesOf("names",
		archived{name: "climbs to another directory", forms: "v7 gnu pax tgz zip zip64", refused: climbs, entries: []packed{filed(far, "evil")}},
		archived{name: "climbs one level", forms: "gnu pax zip", refused: climbs, entries: []packed{filed("../climbed", "evil")}},
		archived{name: "climbs from below", forms: "gnu pax zip", refused: climbs, entries: []packed{filed("a/b/../../../climbed", "evil")}},
		archived{name: "climbs from a directory of the bundle", forms: "gnu zip", refused: climbs, entries: []packed{folder("a"), filed("a/../../climbed", "evil")}},
		archived{name: "climbs and comes back", forms: "gnu zip", refused: climbs, entries: []packed{filed("a/../b", "evil")}},
		archived{name: "climbs from the root", forms: "gnu zip", refused: climbs, setting: leaving, entries: []packed{filed("/../climbed", "evil")}},
		archived{name: "a directory that climbs", forms: "gnu zip", refused: climbs, entries: []packed{folder("../climbed")}},
		archived{name: "a link that climbs", forms: "gnu", refused: climbs, entries: []packed{symlink("../climbed", "x")}},
		archived{name: "absolute", forms: "v7 gnu pax zip", setting: leaving, leaves: []string{"app/etc/hostile=evil"}, entries: []packed{filed("/etc/hostile", "evil")}},
		archived{name: "absolute, several slashes", forms: "gnu zip", setting: leaving, leaves: []string{"app/etc/hostile=evil"}, entries: []packed{filed("///etc//hostile", "evil")}},
		archived{name: "with a drive", forms: "gnu zip", setting: leaving, leaves: []string{"app/C:/x=evil"}, entries: []packed{filed("C:/x", "evil")}},
		archived{name: "URL-encoded dots and slashes", forms: "gnu pax zip", leaves: []string{"app/%2e%2e%2fclimbed=1", "app/..%2F..%2Fclimbed=2", "app/..%5Cclimbed=3"},
			entries: []packed{filed("%2e%2e%2fclimbed", "1"), filed("..%2F..%2Fclimbed", "2"), filed("..%5Cclimbed", "3")}},
		archived{name: "backslashes", forms: "gnu pax zip", leaves: []string{`app/..\..\climbed=evil`}, entries: []packed{filed(`..\..\climbed`, "evil")}},
		archived{name: "dots in other scripts", forms: "pax zip", leaves: []string{"app/\u2024\u2024/climbed=1", "app/\uff0e\uff0e/climbed=2"},
			entries: []packed{filed("\u2024\u2024/climbed", "1"), filed("\uff0e\uff0e/climbed", "2")}},
		archived{name: "that programs take for options or commands", forms: "gnu zip", leaves: []string{"app/$(id)=2", "app/-rf=1", "app/...=3", "app/~=4"},
			entries: []packed{filed("-rf", "1"), filed("$(id)", "2"), filed("...", "3"), filed("~", "4")}},
		archived{name: "with a line feed", forms: "gnu pax zip", leaves: []string{"app/a\nb=evil"}, entries: []packed{filed("a\nb", "evil")}},
		archived{name: "not UTF-8", forms: "gnu zip", leaves: []string{"app/\xff\xfe=evil"}, entries: []packed{filed("\xff\xfe", "evil")}},
		archived{name: "with control sequences", forms: "gnu zip", leaves: []string{"app/\x1b[2J=evil"}, entries: []packed{filed("\x1b[2J", "evil")}},
		archived{name: "with NUL", forms: "pax", refused: "no tar entry can be read", entries: []packed{filed("a\x00b", "evil")}},
		archived{name: "with NUL", forms: "zip", refused: "NUL character", entries: []packed{filed("a\x00b", "evil")}},
		archived{name: "of 65,535 bytes", forms: "gnu pax zip", refused: "its name has 65535 bytes", entries: []packed{filed(long, "evil")}},
		archived{name: "with a part of 300 bytes", forms: "gnu zip", refused: "too long", entries: []packed{filed(long[:300], "evil")}},
		archived{name: "600 directories deep", forms: "gnu zip", refused: "512 is the most", entries: []packed{filed(strings.Repeat("d/", 600)+"f", "evil")}},
		archived{name: "that cleaning empties", forms: "gnu zip", refused: "without a name", entries: []packed{filed("././.", "evil")}},
		archived{name: "that differ in case", forms: "gnu zip", leaves: []string{"app/README=2", "app/readme=1"}, entries: []packed{filed("readme", "1"), filed("README", "2")}},
		archived{name: "in several spellings", forms: "gnu zip", leaves: []string{"app/d/x=3"}, entries: []packed{filed("d/x", "1"), filed("./d/x", "2"), filed("d/.//x", "3")}},
		archived{name: "a directory in the place of a file", forms: "gnu zip", leaves: []string{"app/x/y=2"}, entries: []packed{filed("x", "1"), folder("x"), filed("x/y", "2")}},
		archived{name: "a file in the place of a directory", forms: "gnu zip", refused: "a directory has that name", entries: []packed{folder("d"), filed("d", "evil")}},
		archived{name: "below a file", forms: "gnu zip", refused: "it is not a directory", entries: []packed{filed("f", "1"), filed("f/x", "evil")}},
	)
	raw := func(name, form, refused string, leaves []string, data func(s *stage) []byte, kind string) {
		out = append(out, hostile{area: "names", name: name, form: form, refused: refused, leaves: leaves, make: func(s *stage) bundle { return bundle{kind, data(s)} }})
	}
	spec := func(s *stage) packed { return filed("appspec.yml", s.text(wholeSpec)) }
	raw("GNU says another one than PAX", "tar", climbs, nil, func(s *stage) []byte {
		return append(spec(s).tar(gnu), append(block("././@LongLink", 'L', 0o644, 0, 0, "", "", "../climbed\x00", gnu),
			append(paxRecords('x', "path=harmless"), tarball(gnu, filed("header", "evil"))...)...)...)
	}, "tar")
	raw("PAX says one for all that follow", "tar", "", []string{"app/a=1"}, func(s *stage) []byte {
		return append(paxRecords('g', "path=../climbed", "linkpath=../climbed"), tarball(gnu, spec(s), filed("a", "1"))...)
	}, "tar")
	raw("backslashes of a DOS program", "zip", climbs, nil, func(s *stage) []byte {
		data := zipped(spec(s), filed(`..\..\climbed`, "evil"))
		for at := bytes.Index(data, []byte("PK\x01\x02")); at >= 0; { // made by: 0, which is DOS
			data[at+5] = 0
			next := bytes.Index(data[at+4:], []byte("PK\x01\x02"))
			if next < 0 {
				break
			}
			at += 4 + next
		}
		return data
	}, "zip")
	for name, pair := range map[string][2]string{
		"another one in the directory of the zip, which climbs": {"harmless/xx", "../climbed."},
		"another one in the directory of the zip":               {"hooks/abc", "hooks/run"},
		"a longer one in the directory of the zip":              {"hooks/run", "hooks/run.sh"},
		"a shorter one in the directory of the zip":             {"hooks/run.sh", "hooks/run"},
	} {
		raw(name, "zip", "has another name", nil, func(s *stage) []byte {
			z, e := &zipFile{}, filed("", "evil")
			z.list(spec(s), "appspec.yml", z.local(spec(s), "appspec.yml"))
			z.list(e, pair[1], z.local(e, pair[0]))
			return z.finish()
		}, "zip")
	}
	lifted := func(name, refused string, leaves []string, entries ...packed) {
		for _, form := range []string{"gnu", "zip"} {
			out = append(out, hostile{area: "names", name: name, form: form, refused: refused, leaves: leaves, make: func(s *stage) bundle { return s.pack(form, entries...) }})
		}
	}
	lifted("climbs in the directory that is lifted", climbs, nil, filed("r/appspec.yml", wholeSpec), filed("r/../../climbed", "evil"))
	lifted("that a lifted directory makes another", "", []string{"app/deployment-archive=evil", "app/bundle.tar=evil"},
		filed("r/appspec.yml", wholeSpec), filed("r/deployment-archive", "evil"), filed("r/bundle.tar", "evil"))
	return out
}

// hostileArchives has links, kinds, modes, owners and sizes that no honest bundle has, or few.
func hostileArchives() []hostile {
	out := casesOf("links",
		archived{name: "to another file", forms: "v7 gnu pax zip zip64", setting: links, leaves: []string{"app/l->OUT/precious"}, entries: []packed{symlink("l", "OUT/precious")}},
		archived{name: "up to another file", forms: "gnu zip", setting: links, leaves: []string{"app/l->../../outside/precious"}, entries: []packed{symlink("l", "../../outside/precious")}},
		archived{name: "to another directory", forms: "gnu zip", setting: links, leaves: []string{"app/d->OUT"}, entries: []packed{symlink("d", "OUT")}},
		archived{name: "and a file through it", forms: "v7 gnu pax tgz zip zip64", refused: aLink, setting: links, entries: []packed{symlink("out", "OUT"), filed("out/precious", "evil")}},
		archived{name: "up, and a file through it", forms: "gnu zip", refused: aLink, setting: links, entries: []packed{symlink("up", ".."), filed("up/climbed", "evil")}},
		archived{name: "within the bundle, and a file through it", forms: "gnu zip", refused: aLink, setting: links, entries: []packed{folder("d"), symlink("in", "d"), filed("in/x", "evil")}},
		archived{name: "chained, and a file through them", forms: "gnu zip", refused: aLink, setting: links, entries: []packed{symlink("a", ".."), symlink("b", "a/.."), filed("b/climbed", "evil")}},
		archived{name: "in a loop, and a file through them", forms: "gnu zip", refused: aLink, setting: links, entries: []packed{symlink("a", "b"), symlink("b", "a"), filed("a/x", "evil")}},
		archived{name: "and a link through it", forms: "gnu zip", refused: aLink, setting: links, entries: []packed{symlink("out", "OUT"), symlink("out/l", "x")}},
		archived{name: "and a directory through it", forms: "gnu zip", refused: aLink, setting: links, entries: []packed{symlink("out", "OUT"), folder("out/sub")}},
		archived{name: "and a file through it in another spelling", forms: "gnu zip", refused: aLink, setting: links, entries: []packed{symlink("out", "OUT"), filed("./out/./precious", "evil")}},
		archived{name: "and a file through it in another case", forms: "gnu zip", setting: links, leaves: []string{"app/Out->OUT", "app/out/precious=evil"},
			entries: []packed{symlink("Out", "OUT"), filed("out/precious", "evil")}},
		archived{name: "in the place of a directory", forms: "gnu zip", refused: "a directory has that name", setting: links, entries: []packed{folder("d"), symlink("d", "OUT"), filed("d/precious", "evil")}},
		archived{name: "a file in its place", forms: "gnu zip", setting: links, leaves: []string{"app/x=new"}, entries: []packed{symlink("x", "OUT/precious"), filed("x", "new")}},
		archived{name: "a directory in its place", forms: "gnu zip", setting: links, leaves: []string{"app/x/precious=new"}, entries: []packed{symlink("x", "OUT"), folder("x"), filed("x/precious", "new")}},
		archived{name: "in the place of the archive", forms: "gnu zip", refused: "in the place of the archive", setting: links, entries: []packed{symlink(".", "OUT")}},
		archived{name: "to nothing at all", forms: "gnu zip", refused: "is no path", setting: links, entries: []packed{symlink("l", "")}},
		archived{name: "to a text of 5000 bytes", forms: "zip", refused: "target is too long", setting: links, entries: []packed{symlink("l", strings.Repeat("x", 5000))}},
		archived{name: "hard, to another file", forms: "gnu pax", refused: "before it in the bundle", setting: links, entries: []packed{hardlink("h", "OUT/precious")}},
		archived{name: "hard, up to another file", forms: "gnu pax", refused: "target's name climbs", setting: links, entries: []packed{hardlink("h", "../../../../../outside/precious")}},
		archived{name: "hard, through a symbolic one", forms: "gnu", refused: "before it in the bundle", setting: links, entries: []packed{symlink("out", "OUT"), hardlink("h", "out/precious")}},
		archived{name: "hard, to a symbolic one, and a file through it", forms: "gnu", refused: aLink, setting: links, entries: []packed{symlink("out", "OUT"), hardlink("h", "out"), filed("h/precious", "evil")}},
		archived{name: "hard, to a symbolic one, and a file in its place", forms: "gnu", setting: links, leaves: []string{"app/a->OUT/precious", "app/b=new"},
			entries: []packed{symlink("a", "OUT/precious"), hardlink("b", "a"), filed("b", "new")}},
		archived{name: "hard, and a file in its place", forms: "gnu", setting: links, leaves: []string{"app/a=kept", "app/b=new"}, entries: []packed{filed("a", "kept"), hardlink("b", "a"), filed("b", "new")}},
		archived{name: "hard, to a directory", forms: "gnu", refused: "hard link to the directory", setting: links, entries: []packed{folder("d"), hardlink("h", "d")}},
		archived{name: "hard, to what comes later", forms: "gnu", refused: "before it in the bundle", setting: links, entries: []packed{hardlink("h", "later"), filed("later", "x")}},
	)
	for _, form := range []string{"gnu", "zip"} {
		out = append(out, hostile{area: "links", name: "an AppSpec that is one", form: form, refused: "escapes", setting: links,
			make: func(s *stage) bundle { return s.pack(form, symlink("appspec.yml", "OUT/precious")) }})
		out = append(out, hostile{area: "links", name: "the only directory is one", form: form, refused: "has no appspec.yml", setting: links,
			make: func(s *stage) bundle { return s.pack(form, symlink("r", "OUT")) }})
	}
	const left = "is left out"
	own := func(p packed, uid int) packed { p.uid, p.gid = uid, uid; return p }
	extended := filed("x", "1")
	extended.pax = []string{"SCHILY.xattr.security.capability=\x01\x00\x00\x02\xff\xff\xff\xff", "SCHILY.xattr.user.hostile=1", "SCHILY.acl.access=user::rwx,user:65534:rwx"}
	out = append(out, casesOf("kinds and modes",
		archived{name: "character device", forms: "v7 gnu pax zip", told: left, entries: []packed{node("n", '3')}},
		archived{name: "block device", forms: "gnu zip", told: left, entries: []packed{node("n", '4')}},
		archived{name: "FIFO", forms: "gnu zip", told: left, entries: []packed{node("n", '6')}},
		archived{name: "socket", forms: "zip", told: left, entries: []packed{node("n", 's')}},
		archived{name: "device in the place of a file", forms: "gnu zip", told: left, leaves: []string{"app/n=1"}, entries: []packed{filed("n", "1"), node("n", '3')}},
		archived{name: "file in the place of a FIFO", forms: "gnu zip", told: left, leaves: []string{"app/n=1"}, entries: []packed{node("n", '6'), filed("n", "1")}},
		archived{name: "file below a FIFO", forms: "gnu", told: left, leaves: []string{"app/n/x=1"}, entries: []packed{node("n", '6'), filed("n/x", "1")}},
		archived{name: "FIFO that climbs", forms: "gnu zip", refused: climbs, entries: []packed{node("../n", '6')}},
		archived{name: "hard link to a device", forms: "gnu", refused: "before it in the bundle", setting: links, entries: []packed{node("n", '3'), hardlink("h", "n")}},
		archived{name: "part of another volume", forms: "gnu", refused: "another volume", entries: []packed{node("n", 'M')}},
		archived{name: "unknown kind", forms: "gnu", leaves: []string{"app/n=x"}, told: "unknown type", entries: []packed{{name: "n", kind: 'Z', content: "x"}}},
		archived{name: "set-user-id", forms: "v7 gnu pax", setting: unsafe_, leaves: []string{"app/x=moded urwxr-xr-x"}, entries: []packed{moded("x", 0o4755)}},
		archived{name: "set-group-id", forms: "gnu", setting: unsafe_, leaves: []string{"app/x=moded grwxr-xr-x"}, entries: []packed{moded("x", 0o2755)}},
		archived{name: "set-user-id and set-group-id", forms: "gnu", setting: unsafe_, leaves: []string{"app/x=moded ugrwxr-xr-x"}, entries: []packed{moded("x", 0o6755)}},
		archived{name: "every bit", forms: "gnu", setting: unsafe_, leaves: []string{"app/x=moded ugtrwxrwxrwx"}, entries: []packed{moded("x", 0o7777)}},
		archived{name: "set-user-id", forms: "zip zip64", leaves: []string{"app/x=moded -rwxr-xr-x"}, entries: []packed{moded("x", 0o4755)}},
		archived{name: "sticky", forms: "gnu", leaves: []string{"app/x=moded trwxr-xr-x"}, entries: []packed{moded("x", 0o1755)}},
		archived{name: "foreign owner", forms: "v7 gnu pax", root: true, leaves: []string{"app/x=1 of 12345"}, strictly: []string{"app/x=1"}, entries: []packed{own(filed("x", "1"), 12345)}},
		archived{name: "foreign owner of a directory", forms: "gnu", root: true, leaves: []string{"app/d/x=1"}, entries: []packed{own(folder("d"), 12345), filed("d/x", "1")}},
		archived{name: "capabilities and access lists", forms: "pax", leaves: []string{"app/x=1"}, entries: []packed{extended}},
	)...)
	sized := filed("x", "1")
	sized.size = "\xff" + strings.Repeat("\xff", 10) + "\x00"
	huge := filed("x", "1")
	huge.size = "\x80\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00"
	negative := filed("x", "1")
	negative.pax = []string{"size=-1"}
	sparse := packed{name: "GNUSparseFile.0/x", content: "1\n0\n0\n" + strings.Repeat("\x00", 506), pax: []string{"GNU.sparse.major=1", "GNU.sparse.minor=0",
		"GNU.sparse.name=x", "GNU.sparse.realsize=1125899906842624"}}
	many := []packed{}
	for _, c := range "abcdefghijklmnopqrstuvwxyz" {
		many = append(many, filed(string(c), ""))
	}
	out = append(out, casesOf("sizes",
		archived{name: "negative", forms: "gnu", refused: "no tar entry can be read", entries: []packed{sized}},
		archived{name: "negative", forms: "pax", refused: "no tar entry can be read", entries: []packed{negative}},
		archived{name: "a petabyte", forms: "gnu", refused: "space", entries: []packed{huge}},
		archived{name: "a sparse petabyte", forms: "pax", refused: "space", entries: []packed{sparse}},
		archived{name: "more bytes than allowed", forms: "gnu tgz zip zip64", limit: "archive_max_extraction_size: 100", refused: "archive_max_extraction_size",
			entries: []packed{filed("x", strings.Repeat("x", 101))}},
		archived{name: "more entries than allowed", forms: "gnu zip", limit: "archive_max_entries: 20", refused: "archive_max_entries", entries: many},
		archived{name: "more directories than allowed, without entries", forms: "gnu zip", limit: "archive_max_entries: 20", refused: "archive_max_entries",
			entries: []packed{filed(strings.Repeat("d/", 25)+"x", "")}},
		archived{name: "deeper than allowed", forms: "gnu zip", limit: "archive_max_depth: 3", refused: "archive_max_depth", entries: []packed{filed("a/b/c/d", "")}},
		archived{name: "a bundle in the bundle", forms: "gnu zip", leaves: []string{"app/inner.zip=" + string(zipped(filed("x", "")))},
			entries: []packed{filed("inner.zip", string(zipped(filed("x", ""))))}},
	)...)
	return append(out, damagedBundles()...)
}

// damagedBundles are no archives, or archives that lie about themselves.
func damagedBundles() []hostile {
	var out []hostile
	add := func(name, kind, refused string, data func(spec packed) []byte) {
		out = append(out, hostile{area: "sizes", name: name, form: kind, refused: refused,
			make: func(s *stage) bundle { return bundle{kind, data(filed("appspec.yml", s.text(wholeSpec)))} }})
	}
	add("no byte", "tar", "it is empty", func(packed) []byte { return []byte{} })
	add("no byte", "zip", "it is empty", func(packed) []byte { return []byte{} })
	add("a page of the web", "tar", "is no tar archive", func(packed) []byte { return []byte(strings.Repeat("<html>", 200)) })
	add("a page of the web", "tgz", "not compressed with gzip", func(packed) []byte { return []byte("<html>") })
	add("a page of the web", "zip", "no zip archive", func(packed) []byte { return []byte("<html>") })
	add("a zip", "tar", "a zip archive", func(spec packed) []byte { return zipped(spec) })
	add("a compressed tar", "zip", "compressed with gzip", func(spec packed) []byte { return gzipped(tarball(gnu, spec)) })
	add("half", "tar", "ends too early", func(spec packed) []byte {
		data := tarball(gnu, spec, filed("x", strings.Repeat("x", 2000)))
		return data[:len(data)-2500]
	})
	add("half", "tgz", "ends too early", func(spec packed) []byte {
		data := gzipped(tarball(gnu, spec, filed("x", strings.Repeat("abc", 9000))))
		return data[:len(data)/2]
	})
	add("half", "zip", "cut short", func(spec packed) []byte {
		data := zipped(spec, filed("x", strings.Repeat("x", 2000)))
		return data[:len(data)-30]
	})
	add("two megabytes of PAX records", "tar", "too long", func(spec packed) []byte {
		return append(spec.tar(gnu), append(paxRecords('x', "comment="+strings.Repeat("x", 2<<20)), tarball(gnu, filed("x", "1"))...)...)
	})
	out = append(out, hostile{area: "sizes", name: "a bomb", form: "zip", refused: "archive_max_ratio", limit: "archive_max_ratio: 100",
		make: func(s *stage) bundle { return bundle{"zip", zipBomb(filed("appspec.yml", s.text(wholeSpec)), 65<<20)} }})
	record := func(data []byte, mark string, at int, value uint32, size int) []byte {
		i := bytes.LastIndex(data, []byte(mark))
		var b [4]byte
		encoding.LittleEndian.PutUint32(b[:], value)
		copy(data[i+at:i+at+size], b[:size])
		return data
	}
	const local, listed = "PK\x03\x04", "PK\x01\x02"
	x := filed("x", "content of x")
	add("entries in each other", "zip", "overlap", func(spec packed) []byte {
		z, inner := &zipFile{}, &zipFile{}
		hidden := filed("b", strings.Repeat("0", 100))
		inner.local(hidden, "b")
		quoting := filed("a", inner.data.String())
		z.list(spec, spec.name, z.local(spec, spec.name))
		at := z.local(quoting, "a")
		z.list(quoting, "a", at)
		z.list(hidden, "b", at+30+1)
		return z.finish()
	})
	add("an entry twice", "zip", "overlap", func(spec packed) []byte {
		z := &zipFile{}
		z.list(spec, spec.name, z.local(spec, spec.name))
		at := z.local(x, "x")
		z.list(x, "x", at)
		z.list(x, "x", at)
		return z.finish()
	})
	add("an entry that ends beyond the bundle", "zip", "does not end within the bundle", func(spec packed) []byte {
		return record(zipped(spec, x), listed, 20, 1<<20, 4)
	})
	add("an entry that is nowhere", "zip", `entry "x"`, func(spec packed) []byte { return record(zipped(spec, x), listed, 42, 1<<30, 4) })
	add("an entry with a password", "zip", "encrypted", func(spec packed) []byte { return record(zipped(spec, x), listed, 8, 1, 2) })
	add("an unknown compression", "zip", "method 77", func(spec packed) []byte { return record(zipped(spec, x), listed, 10, 77, 2) })
	add("a wrong checksum", "zip", "checksum", func(spec packed) []byte { return record(zipped(spec, x), listed, 16, 1, 4) })
	add("more content than it says", "zip", `entry "x"`, func(spec packed) []byte { return record(zipped(spec, x), listed, 24, 3, 4) })
	add("less content than it says", "zip", `entry "x"`, func(spec packed) []byte { return record(zipped(spec, x), listed, 24, 3000, 4) })
	return out
}
