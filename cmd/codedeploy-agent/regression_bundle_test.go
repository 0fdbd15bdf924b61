//go:build unix

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"codedeploy-agent/agent/rehearsal"
)

// bundled is the specification of a deployment of a ready-made bundle.
func (h *host) bundled(kind string, data []byte) rehearsal.SpecOptions {
	h.t.Helper()
	spec := h.spec(nil)
	etag, err := h.service.Put("bundles", spec.Revision.S3.Key, rehearsal.Object{Data: data})
	if err != nil {
		h.t.Fatal(err)
	}
	spec.Revision.S3.ETag, spec.Revision.S3.BundleType = etag, kind
	return spec
}

// install runs DownloadBundle and Install and returns the result of the last one that ran.
func (h *host) install(spec rehearsal.SpecOptions) rehearsal.Result {
	h.t.Helper()
	r := h.command("DownloadBundle", spec)
	if r.Succeeded() {
		r = h.command("Install", spec)
	}
	return r
}

func (h *host) wantInstalled(spec rehearsal.SpecOptions) {
	h.t.Helper()
	if r := h.install(spec); !r.Succeeded() {
		h.t.Fatalf("deployment %s: %+v", spec.DeploymentID, r)
	}
}

// appspec is an AppSpec that installs the directory content, followed by other sections.
func (h *host) appspec(sections string) file {
	return file{"appspec.yml", "version: 0.0\nos: linux\nfiles:\n  - source: content\n    destination: " + h.dest + "\n" + sections, 0o644}
}

// entry is one entry of a tar, in all its detail.
type entry struct {
	tar.Header
	content string
}

func tarOf(t testing.TB, spec file, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range append([]entry{{tar.Header{Name: spec.name, Mode: spec.mode}, spec.content}}, entries...) {
		e.Size, e.Format = int64(len(e.content)), tar.FormatGNU
		if e.ModTime.IsZero() {
			e.ModTime = time.Unix(1700000000, 0)
		}
		if e.Uid == 0 && e.Gid == 0 {
			e.Uid, e.Gid = os.Getuid(), os.Getgid()
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// zipOf makes a zip; a mode with fs.ModeSymlink makes a link.
func zipOf(t testing.TB, files map[string]string, modes map[string]fs.FileMode) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestCompression) })
	for name, content := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if h.SetMode(0o644); modes[name] != 0 {
			h.SetMode(modes[name])
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// Modes with set-id and sticky bits, modes that the umask would narrow, hard links, links, times and owners arrive as the bundle has them.
func TestModesLinksTimesAndOwnersOfTheBundle(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	owner := 0
	if os.Getuid() == 0 {
		owner = 12345 // only root may give files away
	}
	spec := h.appspec("permissions:\n  - object: " + h.dest + "\n    pattern: \"set*\"\n    mode: 4755\n    type: [file]\n")
	at := time.Unix(1600000000, 0)
	for _, label := range []string{"one", "two"} {
		data := tarOf(t, spec,
			entry{tar.Header{Name: "content/", Mode: 0o755, Typeflag: tar.TypeDir}, ""},
			entry{tar.Header{Name: "content/index.html", Mode: 0o666, ModTime: at, Uid: owner, Gid: owner}, label},
			entry{tar.Header{Name: "content/sgid", Mode: 0o2755}, label},
			entry{tar.Header{Name: "content/suid", Mode: 0o4711}, label},
			entry{tar.Header{Name: "content/setting", Mode: 0o644}, label},
			entry{tar.Header{Name: "content/wide", Mode: 0o777}, label},
			entry{tar.Header{Name: "content/hard", Typeflag: tar.TypeLink, Linkname: "content/index.html"}, ""},
			entry{tar.Header{Name: "content/link", Typeflag: tar.TypeSymlink, Linkname: "index.html"}, ""},
		)
		h.wantInstalled(h.bundled("tar", data))
		h.wantTree(". drwxr-xr-x", "hard -rw-rw-rw- "+label, "index.html -rw-rw-rw- "+label, "link Lrwxrwxrwx -> index.html",
			"setting urwxr-xr-x "+label, "sgid grwxr-xr-x "+label, "suid urwx--x--x "+label, "wide -rwxrwxrwx "+label)
		info, err := os.Stat(h.dest + "/index.html")
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); !info.ModTime().Equal(at) || owner != 0 && (int(st.Uid) != owner || int(st.Gid) != owner) {
			t.Errorf("index.html is of %v and belongs to %d:%d; want %v and %d", info.ModTime(), st.Uid, st.Gid, at, owner)
		}
	}
	for _, label := range []string{"three", "four"} {
		h.wantInstalled(h.bundled("zip", zipOf(t, map[string]string{"appspec.yml": h.appspec("").content, "content/index.html": label, "content/link": "index.html"},
			map[string]fs.FileMode{"content/link": fs.ModeSymlink | 0o777, "content/index.html": 0o777})))
		h.wantTree(". drwxr-xr-x", "index.html -rwxrwxrwx "+label, "link Lrwxrwxrwx -> index.html")
	}
}

// A bundle that writes through its own links, climbs out, blows up, or has names that would be commands to the next Install.
func TestHostileBundles(t *testing.T) {
	t.Parallel()
	h := newHost(t, "archive_max_extraction_size: 3MiB")
	h.start()
	h.deploy(h.stopping("one"), rehearsal.Succeeded)
	outside := h.path("outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	spec := h.appspec("")
	zeros := strings.Repeat("\x00", 2<<20)
	link := func(name, target string) entry {
		return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}, ""}
	}
	plain := func(name string) entry { return entry{tar.Header{Name: name, Mode: 0o644}, "evil"} }
	tests := []struct {
		name, kind string
		data       []byte
		want       string
	}{
		{"through a link", "tar", tarOf(t, spec, link("lnk", outside), plain("lnk/x")), "lnk"},
		{"through a link in a directory", "tar", tarOf(t, spec, link("content/lnk", "../../../../../../.."+outside), plain("content/lnk/x")), "lnk"},
		{"over a link", "tar", tarOf(t, spec, link("lnk", outside), link("lnk/y", "z")), "lnk"},
		{"a hard link to outside", "tar", tarOf(t, spec, entry{tar.Header{Name: "h", Typeflag: tar.TypeLink, Linkname: h.config}, ""}), "to link to"},
		{"climbing", "tar", tarOf(t, spec, plain("../../../../outside/x")), `".."`},
		{"climbing later", "tar", tarOf(t, spec, plain("content/../../x")), `".."`},
		{"climbing in a zip", "zip", zipOf(t, map[string]string{"appspec.yml": spec.content, "../../../../outside/x": "evil"}, nil), `".."`},
		{"too much", "zip", zipOf(t, map[string]string{"appspec.yml": spec.content, "a": zeros, "b": zeros}, nil), "archive_max_extraction_size"},
	}
	for _, tt := range tests {
		d := h.bundled(tt.kind, tt.data)
		if r := h.command("DownloadBundle", d); r.Status != "Failed" || r.ErrorCode != 5 || !strings.Contains(r.Message, tt.want) {
			t.Errorf("%s: %+v, want Failed with code 5, saying %q", tt.name, r, tt.want)
		}
		if left, err := os.ReadDir(h.path("root/" + group + "/" + d.DeploymentID + "/deployment-archive")); err != nil || len(left) != 0 {
			t.Errorf("%s: left in the archive: %v %v, want it empty as from the official agents", tt.name, left, err)
		}
	}
	// A device or named pipe is left out.
	d := h.bundled("tar", tarOf(t, spec, entry{tar.Header{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}, ""},
		entry{tar.Header{Name: "pipe", Typeflag: tar.TypeFifo}, ""}))
	if r := h.command("DownloadBundle", d); !r.Succeeded() {
		t.Errorf("a device and a pipe: %+v, want them left out", r)
	}
	if left, err := os.ReadDir(h.path("root/" + group + "/" + d.DeploymentID + "/deployment-archive")); err != nil || len(left) != 1 {
		t.Errorf("unpacked: %v %v, want the AppSpec alone", left, err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 0 {
		t.Errorf("written outside of the archive: %v %v", left, err)
	}
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- one")

	// The clean-up list has a path in each line, and such a name would be two.
	victim := h.path("victim")
	h.write("victim", "precious")
	odd := "a\n" + strings.TrimPrefix(victim, "/")
	var dirs []entry
	for at := filepath.Dir("content/" + odd); at != "."; at = filepath.Dir(at) {
		dirs = append(dirs, entry{tar.Header{Name: at + "/", Mode: 0o755, Typeflag: tar.TypeDir}, ""})
	}
	slices.Reverse(dirs)
	h.wantInstalled(h.bundled("tar", tarOf(t, spec, append(dirs, plain("content/"+odd), plain("content/ padded "), plain("content/\xff\xfe"))...)))
	if got := h.read(h.dest + "/" + odd); got != "evil" {
		t.Errorf("the file with a line feed in its name holds %q", got)
	}
	h.deploy(h.stopping("two"), rehearsal.Succeeded)
	h.wantTree(". drwxr-xr-x", "index.html -rw-r--r-- two")
	if got := h.read(victim); got != "precious" {
		t.Errorf("a name in a bundle removed or changed a file of the host: %q", got)
	}
	h.deploy(h.stopping("three"), rehearsal.Succeeded)
}

// zstdOfZeros is content and then zeros, as a zstd frame of a few bytes: each block of zeros says how many there are.
func zstdOfZeros(content []byte, zeros int) []byte {
	const most = 128 << 10
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3} // no checksum, no size, a window of 1 MiB
	block := func(kind, size int, last bool, data ...byte) {
		h := kind<<1 | size<<3
		if last {
			h |= 1
		}
		frame = append(append(frame, byte(h), byte(h>>8), byte(h>>16)), data...)
	}
	block(0, len(content), false, content...)
	for ; zeros > 0; zeros -= most {
		block(1, min(zeros, most), zeros <= most, 0)
	}
	return frame
}

// A small bundle that would fill the disk is refused without any setting.
func TestBombIsRefusedByDefault(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.start()
	const size = 72 << 20
	head := tarOf(t, h.appspec(""), entry{tar.Header{Name: "content/a", Mode: 0o644}, ""})
	head = head[:len(head)-1024-512] // without the end and the entry's own header, which follows with the size
	var last bytes.Buffer
	if err := tar.NewWriter(&last).WriteHeader(&tar.Header{Name: "content/a", Mode: 0o644, Size: size, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	d := h.bundled("tar", zstdOfZeros(append(head, last.Bytes()...), size+1024)) // a tar may be compressed in any way
	if r := h.command("DownloadBundle", d); r.Status != "Failed" || r.ErrorCode != 5 || !strings.Contains(r.Message, "bomb") {
		t.Errorf("%+v, want Failed with code 5, saying that it is a bomb", r)
	}
	entries, err := os.ReadDir(h.path("root/" + group + "/" + d.DeploymentID))
	if err != nil || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != "bundle.tar" && e.Name() != "deployment-archive" }) {
		t.Errorf("left: %v %v", entries, err)
	}
	h.deploy(h.stopping("one"), rehearsal.Succeeded)
	h.deploy(h.stopping("two"), rehearsal.Succeeded)
}

// Files with names of one or two letters, retained, overwritten and cleaned up, in directories that stay from one revision to the next.
func TestShortNamesInDirectoriesThatStay(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.write("srv/s/a", "stranger")
	h.start()
	for i, behavior := range []string{"RETAIN", "RETAIN", "OVERWRITE", "OVERWRITE", "RETAIN", "DISALLOW"} {
		label := fmt.Sprint(i)
		spec := h.spec([]file{h.appspec(""), {"content/s/b", label, 0o644}, {"content/s/ab", label, 0o644}, {"content/d/hash" + label, label, 0o644}, {"content/e", label, 0o644}})
		if behavior == "RETAIN" {
			spec = h.spec([]file{h.appspec(""), {"content/s/a", label, 0o644}, {"content/s/b", label, 0o644}, {"content/s/ab", label, 0o644},
				{"content/d/hash" + label, label, 0o644}, {"content/e", label, 0o644}})
		}
		spec.FileExistsBehavior = behavior
		h.wantInstalled(spec)
		h.wantTree(". drwxr-xr-x", "d drwxr-xr-x", "d/hash"+label+" -rw-r--r-- "+label, "e -rw-r--r-- "+label,
			"s drwxr-xr-x", "s/a -rw-r--r-- stranger", "s/ab -rw-r--r-- "+label, "s/b -rw-r--r-- "+label)
	}
}
