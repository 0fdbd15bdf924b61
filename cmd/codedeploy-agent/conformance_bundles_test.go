//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"os"
	"strings"

	"codedeploy-agent/agent/rehearsal"
)

// bundleRules are about bundles: how they are unpacked, and which are refused.
func bundleRules() []rule {
	appspec := files("d => DEST")
	bundle := []file{text("d/x", "x"), script("d/run.sh", "#!/bin/sh\n"), link("d/l", "x"), {"d/secret", "s", 0o600}, directory("d/empty", 0o755)}
	const tree = "./ 755 \n empty/ 755 \n l -> x \n run.sh 755 #!/bin/sh \n secret 600 s \n x 644 x"
	// inside puts everything into directories.
	inside := func(dir string, appspecName string) []file {
		out := []file{text(dir+appspecName, "version: 0.0\nos: linux\n"+appspec)}
		for _, f := range bundle {
			f.name = dir + f.name
			out = append(out, f)
		}
		return out
	}
	packedAs := func(format string) func(*play) []byte {
		return func(p *play) []byte { return packAs(p.t, format, fillAll(p, inside("", "appspec.yml"))) }
	}
	odd := func(entries ...tar.Header) func(*play) []byte {
		return func(p *play) []byte {
			var buf bytes.Buffer
			w := tar.NewWriter(&buf)
			body := []byte("version: 0.0\nos: linux\n" + p.fill(appspec))
			all := append([]tar.Header{{Name: "appspec.yml", Mode: 0o644, Size: int64(len(body))}, {Name: "d/x", Mode: 0o644}}, entries...)
			for i := range all {
				h := &all[i]
				h.ModTime, h.Uid, h.Gid = packedAt, os.Getuid(), os.Getgid()
				if h.Uname != "" {
					h.Uid, h.Gid, h.Uname = 12345, 54321, ""
				}
				if err := w.WriteHeader(h); err != nil {
					p.t.Fatal(err)
				}
				if i == 0 {
					_, _ = w.Write(body) // Close tells
				} else if h.Size > 0 {
					_, _ = w.Write(bytes.Repeat([]byte("y"), int(h.Size)))
				}
			}
			if err := w.Close(); err != nil {
				p.t.Fatal(err)
			}
			return buf.Bytes()
		}
	}
	refused := func(format string, data func(*play) []byte, says ...string) []deploy {
		return []deploy{{format: format, data: data, events: "DownloadBundle=5", says: says}}
	}
	// placed is a deployment of the bundle of which the service says something else.
	placed := func(spec func(*play, *rehearsal.SpecOptions)) []deploy {
		return []deploy{{appspec: appspec, bundle: bundle, spec: spec}}
	}
	var rules []rule
	for _, format := range []string{"tar", "tgz", "zip"} {
		rules = append(rules,
			rule{name: format, ordinary: true, deploys: []deploy{{appspec: appspec, bundle: bundle, format: format}}, tree: tree},
			rule{
				name: format + ", all in one directory", once: true,
				deploys: []deploy{{bundle: inside("account-shop-1a2b3c/", "appspec.yml"), format: format}}, tree: tree,
			},
		)
	}
	for format, mismatch := range map[string]struct{ is, says string }{
		"tgz": {"tar", "gzip"}, "zip": {"tar", "zip"}, "tar": {"zip", "zip"},
	} {
		rules = append(
			rules,
			rule{name: format + " that is a " + mismatch.is, deploys: refused(format, packedAs(mismatch.is), mismatch.says, mismatch.is)},
		)
	}
	packed := deploy{appspec: "permissions:\n  - {object: DEST, pattern: x, mode: 640, type: [file]}\n" + appspec, bundle: bundle, format: "tar"}
	rules = append(rules,
		rule{name: "the same archive twice", ordinary: true, deploys: []deploy{packed, packed}, tree: strings.Replace(tree, "x 644", "x 640", 1)},
		rule{name: "tar that is a tgz", once: true, deploys: []deploy{{format: "tar", data: packedAs("tgz")}}, tree: tree},
		rule{name: "one directory, and the AppSpec has another name", once: true, in: daemonOnly,
			deploys: []deploy{{bundle: inside("shop/", "Company-AppSpec.yml"), appspecName: "Company-AppSpec.yml"}}, tree: tree},
		rule{name: "one directory in one directory: only one is left out", in: daemonOnly,
			deploys: []deploy{{bundle: inside("a/b/", "appspec.yml"), events: "DownloadBundle Install=5", says: []string{"appspec.yml"}}}},
		rule{name: "one directory that holds no AppSpec", in: daemonOnly, once: true,
			deploys: []deploy{{bundle: inside("shop/config/", "appspec.yml"), appspecName: "shop/config/appspec.yml",
				events: "DownloadBundle Install=5", says: []string{"the source d"}}}},
		rule{name: "one directory and a file beside it", in: daemonOnly,
			deploys: []deploy{{bundle: append(inside("a/", "appspec.yml"), text("README", "x")), events: "DownloadBundle Install=5", says: []string{"appspec.yml"}}}},
		rule{name: "a bundle of no bytes", deploys: refused("tgz", func(*play) []byte { return []byte{} }, "empty")},
		rule{name: "an archive without entries", once: true, deploys: []deploy{{format: "tar", events: "DownloadBundle Install=5",
			data: func(p *play) []byte { return packAs(p.t, "tar", nil) }, says: []string{"appspec.yml"}}}},
		rule{name: "half a zip", deploys: refused("zip", func(p *play) []byte { d := packedAs("zip")(p); return d[:len(d)/2] }, "zip")},
		rule{name: "half a tgz", deploys: refused("tgz", func(p *play) []byte { d := packedAs("tgz")(p); return d[:len(d)/2] }, "ends too early")},
		rule{
			name:    "no archive",
			deploys: refused("tar", func(*play) []byte { return []byte("<html>Sign in</html>" + strings.Repeat(" ", 1000)) }, "tar"),
		},
		rule{name: "an entry that climbs out", deploys: refused("tar", odd(tar.Header{Name: "../climbed", Mode: 0o644}), "../climbed", "..")},
		rule{
			name: "an entry that climbs and comes back", in: daemonOnly,
			deploys: refused("tar", odd(tar.Header{Name: "d/../../d/y", Mode: 0o644}), ".."),
		},
		rule{name: "an entry below a link of the bundle", before: []file{text("precious", "p")},
			deploys: refused(
				"tar",
				odd(tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, tar.Header{Name: "out/through", Mode: 0o644, Size: 1}),
				"out", "link",
			),
			tree: "./ 755 \n precious 644 p foreign"},
		rule{name: "a FIFO is left out", deploys: []deploy{{format: "tar", data: odd(tar.Header{Name: "d/fifo", Typeflag: tar.TypeFifo, Mode: 0o644})}},
			tree: "./ 755 \n x 644"},
		rule{name: "a device is left out", in: daemonOnly, once: true, tree: "./ 755 \n x 644", deploys: []deploy{{format: "tar",
			data: odd(tar.Header{Name: "d/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3})}}},
		rule{
			name: "a hard link to a file of the host", in: daemonOnly,
			deploys: refused("tar", odd(tar.Header{Name: "d/h", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}), "d/h"),
		},
		rule{name: "a hard link inside", once: true, deploys: []deploy{
			{
				format: "tar",
				data:   odd(tar.Header{Name: "d/y", Mode: 0o644, Size: 2}, tar.Header{Name: "d/h", Typeflag: tar.TypeLink, Linkname: "d/y"}),
			},
		},
			tree: "./ 755 \n h 644 yy \n x 644 \n y 644 yy"},
		rule{
			name: "an absolute name is below the archive", in: daemonOnly, once: true,
			deploys: []deploy{{format: "tar", data: odd(tar.Header{Name: "/d/y", Mode: 0o644, Size: 1})}},
			tree:    "./ 755 \n x 644 \n y 644 y",
		},
		rule{
			name: "of two entries of one name the last counts", in: daemonOnly, once: true,
			deploys: []deploy{{format: "tar", data: odd(tar.Header{Name: "d/x", Mode: 0o600, Size: 3})}}, tree: "./ 755 \n x 600 yyy",
		},
		rule{
			name: "owners of a tar", root: true,
			deploys: []deploy{{format: "tar", data: odd(tar.Header{Name: "d/y", Mode: 0o644, Uname: "12345"})}},
			tree:    "./ 755 \n x 644 \n y 644 owner=12345:54321",
		},
		rule{name: "owners of a tar, with ignore_ownership_in_bundle", root: true, settings: []string{":ignore_ownership_in_bundle: true"}, once: true,
			deploys: []deploy{{format: "tar", data: odd(tar.Header{Name: "d/y", Mode: 0o644, Uname: "12345"})}}, tree: "./ 755 \n x 644 \n y 644"},
		rule{name: "links, with reject_symlinks_in_bundle", settings: []string{":reject_symlinks_in_bundle: true"}, in: daemonOnly,
			deploys: refused("zip", packedAs("zip"), "d/l", "reject_symlinks_in_bundle")},
		rule{name: "set-user-id files, with reject_unsafe_permissions_in_bundle", settings: []string{
			":reject_unsafe_permissions_in_bundle: true",
		}, in: daemonOnly,
			deploys: refused("tar", odd(tar.Header{Name: "d/suid", Mode: 0o4755}), "d/suid", "reject_unsafe_permissions_in_bundle")},
		rule{name: "absolute names, with reject_path_traversal_in_bundle", settings: []string{
			":reject_path_traversal_in_bundle: true",
		}, in: daemonOnly,
			deploys: refused("tar", odd(tar.Header{Name: "/d/y", Mode: 0o644}), "/d/y", "reject_path_traversal_in_bundle")},
		rule{name: "more than archive_max_extraction_size", settings: []string{":archive_max_extraction_size: 1KB"}, in: daemonOnly,
			deploys: refused("tar", odd(tar.Header{Name: "d/y", Mode: 0o644, Size: 2000}), "archive_max_extraction_size")},
		rule{name: "a failed download leaves what was there before", once: true, deploys: []deploy{{appspec: appspec, bundle: bundle},
			refused("tgz", func(*play) []byte { return []byte("x") }, "gzip")[0], {appspec: appspec, bundle: []file{text("d/y", "2")}}}, tree: "./ 755 \n y 644 2"},
		rule{name: "an object version", in: daemonOnly, once: true, tree: tree, deploys: placed(func(p *play, s *rehearsal.SpecOptions) {
			at := s.Revision.S3
			at.Key, at.Version, at.ETag = p.group+"-versions.tgz", "v1", ""
			for version, data := range map[string][]byte{"v1": p.packed, "v2": []byte("newer")} {
				if _, err := p.service.Put(at.Bucket, at.Key, rehearsal.Object{Data: data, Version: version}); err != nil {
					p.t.Fatal(err)
				}
			}
		})},
		rule{name: "a key with blanks, signs and letters", in: daemonOnly, once: true, tree: tree, deploys: placed(func(p *play, s *rehearsal.SpecOptions) {
			s.Revision.S3.Key = p.group + "/one folder/a+b %20&c=d?e#f/\u00fcber.tgz"
			if _, err := p.service.Put(s.Revision.S3.Bucket, s.Revision.S3.Key, rehearsal.Object{Data: p.packed}); err != nil {
				p.t.Fatal(err)
			}
		})},
		rule{name: "no ETag in the specification", in: daemonOnly, once: true, tree: tree,
			deploys: placed(func(_ *play, s *rehearsal.SpecOptions) { s.Revision.S3.ETag = "" })},
		rule{name: "an ETag in quotes", in: daemonOnly, once: true, tree: tree,
			deploys: placed(func(_ *play, s *rehearsal.SpecOptions) { s.Revision.S3.ETag = `"` + s.Revision.S3.ETag + `"` })},
		rule{name: "another ETag", in: daemonOnly, deploys: []deploy{{appspec: appspec, bundle: bundle, events: "DownloadBundle=5", says: []string{strings.Repeat("f", 32)},
			spec: func(_ *play, s *rehearsal.SpecOptions) { s.Revision.S3.ETag = strings.Repeat("f", 32) }}}},
		rule{name: "the deployment's id as an ARN", in: daemonOnly, once: true, tree: tree, deploys: placed(func(_ *play, s *rehearsal.SpecOptions) {
			s.DeploymentID = "arn:aws:codedeploy:us-east-1:123456789012:deployment/" + s.DeploymentID
		}), check: func(p *play) {
			if entries, err := os.ReadDir(p.inRoot(p.group)); err != nil || len(entries) != 1 || entries[0].Name() != p.ids[0] {
				p.t.Errorf("the group has %v, %v, want %s", entries, err, p.ids[0])
			}
		}},
	)
	return rules
}

// fillAll fills the contents of files.
func fillAll(p *play, all []file) []file {
	out := make([]file, 0, len(all))
	for _, f := range all {
		f.content = p.fill(f.content)
		out = append(out, f)
	}
	return out
}
