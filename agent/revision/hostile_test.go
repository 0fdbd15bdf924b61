package revision

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"codedeploy-agent/agent/config"
	"codedeploy-agent/agent/disk"
)

// TestUnpackRefuses unpacks hostile bundles into a directory that is surrounded by what they are after. Nothing around may change
// and nothing may be left, and an older archive has to be as it was.
func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	outside := t.TempDir() // absolute, known to the bundle
	if err := os.WriteFile(filepath.Join(outside, "precious"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	honest := file("appspec.yml", "x", 0o644)
	strict := UnpackOptions{RejectSymlinks: true, RejectTraversal: true, RejectSetID: true}
	both := []Format{Tar, Zip}
	only := []Format{Tar}
	for _, test := range []struct {
		name    string
		formats []Format
		options UnpackOptions
		want    string
		entries []entry
	}{
		{"climbs", both, UnpackOptions{}, `climbs with ".."`, []entry{file("../climbed", "evil", 0o644)}},
		{"climbs far", both, UnpackOptions{}, `climbs with ".."`, []entry{file("../../../../../../etc/climbed", "evil", 0o644)}},
		{"climbs from below", both, UnpackOptions{}, `climbs with ".."`, []entry{file("a/b/../../../climbed", "evil", 0o644)}},
		{"climbs and comes back", both, UnpackOptions{}, `climbs with ".."`, []entry{file("a/../b", "evil", 0o644)}},
		{"climbs absolutely", both, UnpackOptions{}, `climbs with ".."`, []entry{file("/../climbed", "evil", 0o644)}},
		{"directory climbs", both, UnpackOptions{}, `climbs with ".."`, []entry{dir("..", 0o777)}},
		{"link climbs", both, UnpackOptions{}, `climbs with ".."`, []entry{link("../climbed", "x")}},
		{"through a link out", both, UnpackOptions{}, `which is a link`, []entry{link("out", outside), file("out/through", "evil", 0o644)}},
		{"through a link up", both, UnpackOptions{}, `which is a link`, []entry{link("up", ".."), file("up/climbed", "evil", 0o644)}},
		{"through a link inside", both, UnpackOptions{}, `which is a link`, []entry{dir("d", 0o755), link("in", "d"), file("in/x", "evil", 0o644)}},
		{"through two links", both, UnpackOptions{}, `which is a link`, []entry{link("a", ".."), link("b", "a/.."), file("b/climbed", "evil", 0o644)}},
		{"through a loop", both, UnpackOptions{}, `which is a link`, []entry{link("a", "b"), link("b", "a"), file("a/x", "evil", 0o644)}},
		{"through three links", both, UnpackOptions{}, `which is a link`,
			[]entry{dir("d", 0o755), link("c", outside), link("d/b", "../c"), link("a", "d/b"), file("d/b/through", "evil", 0o644)}},
		{"through a link that cleaning shows", both, UnpackOptions{}, `which is a link`, []entry{link("out", outside), file("./out//./through", "evil", 0o644)}},
		{"through a link that an absolute name shows", both, UnpackOptions{}, `which is a link`, []entry{link("out", outside), file("/out/through", "evil", 0o644)}},
		{"through a link that replaced a file", both, UnpackOptions{}, `which is a link`,
			[]entry{file("out", "x", 0o644), link("out", outside), file("out/through", "evil", 0o644)}},
		{"climbs in the directory that is lifted", both, UnpackOptions{}, `climbs with ".."`, []entry{file("r/appspec.yml", "", 0o644), file("r/../../climbed", "evil", 0o644)}},
		{"a name that cleaning empties", both, UnpackOptions{}, `without a name`, []entry{file("/./.", "evil", 0o644)}},
		{"link through a link", both, UnpackOptions{}, `which is a link`, []entry{link("out", outside), link("out/l", "x")}},
		{"directory through a link", both, UnpackOptions{}, `which is a link`, []entry{link("out", outside), dir("out/sub", 0o777)}},
		{"link by another spelling", only, UnpackOptions{}, `which is a link`, []entry{link("./out/", outside), file(".//out/./through", "evil", 0o644)}},
		{"directory replaced by a link", both, UnpackOptions{}, `a directory has that name`, []entry{dir("d", 0o755), link("d", outside), file("d/x", "evil", 0o644)}},
		{"directory replaced by a file", both, UnpackOptions{}, `a directory has that name`, []entry{dir("d", 0o755), file("d", "evil", 0o644)}},
		{"below a file", both, UnpackOptions{}, `it is not a directory`, []entry{file("f", "x", 0o644), file("f/x", "evil", 0o644)}},
		{"link in the place of the archive", both, UnpackOptions{}, `in the place of the archive`, []entry{link(".", outside)}},
		{"link without a target", both, UnpackOptions{}, `is no path`, []entry{link("l", "")}},
		{"another volume", only, UnpackOptions{}, `another volume`, []entry{{name: "p", kind: 'M', mode: 0o644}}},
		{"hard link out", only, UnpackOptions{}, `no "etc/passwd" before it`, []entry{hard("h", "/etc/passwd")}},
		{"hard link up", only, UnpackOptions{}, `target's name climbs`, []entry{hard("h", "../bundle.tar")}},
		{"hard link through a link", only, UnpackOptions{}, `no "out/precious" before it`, []entry{link("out", outside), hard("h", "out/precious")}},
		{"hard link to a link, then through it", only, UnpackOptions{}, `which is a link`,
			[]entry{link("out", outside), hard("h", "out"), file("h/through", "evil", 0o644)}},
		{"hard link to a directory", only, UnpackOptions{}, `hard link to the directory`, []entry{dir("d", 0o755), hard("h", "d")}},
		{"hard link forward", only, UnpackOptions{}, `no "later" before it`, []entry{hard("h", "later"), file("later", "", 0o644)}},
		{"too deep", both, UnpackOptions{MaxDepth: 512}, `archive_max_depth`, []entry{file(strings.Repeat("d/", 600)+"f", "", 0o644)}},
		{"too long", both, UnpackOptions{}, `4095 is the most`, []entry{file(strings.Repeat(strings.Repeat("d", 200)+"/", 30)+"f", "", 0o644)}},
		{"more entries than allowed", both, UnpackOptions{MaxEntries: 2}, `more than 2 entries, the limit set by archive_max_entries`, []entry{file("1", "", 0o644), file("2", "", 0o644)}},
		{"more bytes than allowed", both, UnpackOptions{MaxBytes: 10}, `archive_max_extraction_size`, []entry{file("1", "12345", 0o644), file("2", "12345", 0o644)}},
		{"links switched off", both, strict, `reject_symlinks_in_bundle`, []entry{link("l", "appspec.yml")}},
		{"hard links switched off", only, strict, `reject_symlinks_in_bundle`, []entry{hard("h", "appspec.yml")}},
		{"absolute names switched off", both, strict, `reject_path_traversal_in_bundle`, []entry{file("/etc/x", "evil", 0o644)}},
		{"drives switched off", both, strict, `reject_path_traversal_in_bundle`, []entry{file("C:/x", "evil", 0o644)}},
		{"set-id switched off", only, strict, `reject_unsafe_permissions_in_bundle`, []entry{file("x", "evil", 0o4755)}},
	} {
		for _, format := range test.formats {
			entries := append([]entry{honest}, test.entries...)
			data := map[Format]func() []byte{
				Tar: func() []byte { return packTar(t, tar.FormatGNU, entries...) }, Zip: func() []byte { return packZip(t, entries...) },
			}[format]()
			bundle, archive := store(t, data)
			if err := os.MkdirAll(filepath.Join(archive, "older"), 0o755); err != nil {
				t.Fatal(err)
			}
			around, far := snapshot(t, filepath.Dir(archive)), snapshot(t, outside)
			wantRefusedByIndex(t, format, bundle, test.options, test.want)
			err := Unpack(context.Background(), format, bundle, archive, test.options)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Unpack(%s, %s) = %v, want an error with %q", format, test.name, err, test.want)
			}
			if d := cmp.Diff(around, snapshot(t, filepath.Dir(archive))); d != "" {
				t.Errorf("Unpack(%s, %s) changes what is around the archive (-before +after):\n%s", format, test.name, d)
			}
			if d := cmp.Diff(far, snapshot(t, outside)); d != "" {
				t.Errorf("Unpack(%s, %s) changes another directory (-before +after):\n%s", format, test.name, d)
			}
		}
	}
}

// TestUnpackKeepsWithin has bundles that succeed and seem to reach outside. Nothing around the archive may change, and nothing in it
// that an entry did not name.
func TestUnpackKeepsWithin(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := file("appspec.yml", "x", 0o644)
	both, only := []Format{Tar, Zip}, []Format{Tar}
	for _, test := range []struct {
		name    string
		formats []Format
		entries []entry
		want    map[string]string // name: content, or target of a link
	}{
		{"file in the place of a link", both, []entry{spec, link("x", outside+"/precious"), file("x", "new", 0o777)}, map[string]string{"x": "new"}},
		{"directory in the place of a link", both, []entry{spec, link("x", outside), dir("x", 0o777), file("x/precious", "new", 0o777)}, map[string]string{"x/precious": "new"}},
		{"file in the place of a hard link", only, []entry{file("a", "kept", 0o600), hard("b", "a"), file("b", "new", 0o777)}, map[string]string{"a": "kept", "b": "new"}},
		{"file in the place of a hard link to a link", only, []entry{link("a", outside+"/precious"), hard("b", "a"), file("b", "new", 0o777)},
			map[string]string{"a": outside + "/precious", "b": "new"}},
		{"a file, then a directory, then a file in it", both, []entry{spec, file("x", "1", 0o644), dir("x", 0o755), file("x/y", "2", 0o644)}, map[string]string{"x/y": "2"}},
		{"the same name in many spellings", only, []entry{spec, file("d/x", "1", 0o644), file("./d/x", "2", 0o644), file("/d//x", "3", 0o644), file("d/./x", "4", 0o644)},
			map[string]string{"d/x": "4"}},
		// On a file system without upper and lower case the second of a pair is refused or replaces the first, and here both are there.
		{"names that differ in case", both, []entry{spec, file("readme", "1", 0o644), file("README", "2", 0o644)}, map[string]string{"README": "2"}},
		{"the only directory is a link", both, []entry{link("r", outside)}, map[string]string{"r": outside}},
		{"a link out of the directory that is lifted", both, []entry{file("r/appspec.yml", "x", 0o644), link("r/l", "../../bundle.tar")}, map[string]string{"l": "../../bundle.tar"}},
		{"an AppSpec that is a link out", both, []entry{link("r/appspec.yml", outside+"/precious")}, map[string]string{"appspec.yml": outside + "/precious"}},
	} {
		for _, format := range test.formats {
			data := map[Format]func() []byte{
				Tar: func() []byte { return packTar(t, tar.FormatGNU, test.entries...) }, Zip: func() []byte { return packZip(t, test.entries...) },
			}[format]()
			bundle, archive := store(t, data)
			far := snapshot(t, outside)
			if err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{}); err != nil {
				t.Errorf("Unpack(%s, %s) = %v, want no error", format, test.name, err)
				continue
			}
			wantIndexLike(t, format, bundle, archive)
			for name, want := range test.want {
				path := filepath.Join(archive, name)
				got, err := os.Readlink(path)
				if err != nil {
					content, e := os.ReadFile(path)
					got, err = string(content), e
				}
				if err != nil || got != want {
					t.Errorf("Unpack(%s, %s): %s is %q, %v, want %q", format, test.name, name, got, err, want)
				}
			}
			if d := cmp.Diff(far, snapshot(t, outside)); d != "" {
				t.Errorf("Unpack(%s, %s) changes another directory (-before +after):\n%s", format, test.name, d)
			}
			wantAlone(t, archive)
		}
	}
}

// TestUnpackCaseGames has a link and an entry below it in another case: the link is never followed, whether or not the file system
// takes the two for one.
func TestUnpackCaseGames(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	for format, data := range map[Format][]byte{
		Tar: packTar(t, tar.FormatGNU, link("Out", outside), file("out/through", "evil", 0o644), link("up", ".."), file("UP/climbed", "evil", 0o644)),
		Zip: packZip(t, link("Out", outside), file("out/through", "evil", 0o644), link("up", ".."), file("UP/climbed", "evil", 0o644)),
	} {
		bundle, archive := store(t, data)
		err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{})
		if err != nil && !strings.Contains(err.Error(), "which is a link") {
			t.Errorf("Unpack(%s) = %v, want no error or one about the link", format, err)
		}
		if n := names(t, outside); len(n) > 0 {
			t.Errorf("Unpack(%s) writes %v through the link", format, n)
		}
		wantAlone(t, archive)
	}
}

// TestUnpackDefaultsPassRealRevisions has the counts of a revision of four gigabytes, larger than most.
func TestUnpackDefaultsPassRealRevisions(t *testing.T) {
	t.Parallel()
	c := config.Default()
	o := UnpackOptions{MaxBytes: c.ArchiveMaxExtractionSize, MaxEntries: int64(c.ArchiveMaxEntries), MaxRatio: int64(c.ArchiveMaxRatio), MaxDepth: c.ArchiveMaxDepth}
	l := newLimits(o, 40<<20, t.TempDir()) // logs and dumps may shrink to a hundredth
	l.gauge = disk.Gauge{Dir: "/nowhere"}
	for range 300_000 { // three big dependency trees
		if err := errors.Join(l.entry(), l.file(), l.stream(14<<10), l.content(14<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if l.written < 4e9 {
		t.Errorf("%d bytes were written, want four gigabytes", l.written)
	}
	if _, err := cleanName(strings.Repeat("node_modules/dependency/", 50)+"index.js", true, o.MaxDepth); err != nil {
		t.Error(err)
	}
}

// TestUnpackLeavesSpecialFilesOut has what no revision needs and what is never made.
func TestUnpackLeavesSpecialFilesOut(t *testing.T) {
	t.Parallel()
	entries := []entry{file("before", "1", 0o644), {name: "pipe", kind: tar.TypeFifo, mode: 0o644}, {name: "d/null", kind: tar.TypeChar, mode: 0o666},
		file("d/after", "2", 0o644)}
	for format, data := range map[Format][]byte{
		Tar: packTar(t, tar.FormatGNU, append(entries, entry{name: "disk", kind: tar.TypeBlock, mode: 0o600})...),
		Zip: packZip(t, append(entries, entry{name: "socket", kind: 's', mode: 0o644}, entry{name: "disk", kind: 'b', mode: 0o600})...),
	} {
		bundle, archive := store(t, data)
		core, logs := observer.New(zap.WarnLevel)
		if err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{Log: zap.New(core)}); err != nil {
			t.Fatalf("Unpack(%s) = %v, want no error", format, err)
		}
		if got, want := names(t, archive), []string{"before", "d"}; !cmp.Equal(got, want) {
			t.Errorf("Unpack(%s) makes %v, want %v", format, got, want)
		}
		if got, want := names(t, filepath.Join(archive, "d")), []string{"after"}; !cmp.Equal(got, want) {
			t.Errorf("Unpack(%s) makes %v in d, want %v", format, got, want)
		}
		if got := logs.FilterField(zap.String("entry", "pipe")).Len(); got != 1 {
			t.Errorf("Unpack(%s): %d warnings about the named pipe, want one", format, got)
		}
	}
}

// TestUnpackLiteralNames has names that only look dangerous.
func TestUnpackLiteralNames(t *testing.T) {
	t.Parallel()
	odd := []string{"..%2F..%2Fetc", "%2e%2e%2f", `..\..\x`, "...", "..x/y", "-rf", "a\nb", "$(id)", "~", "C:x"}
	for format, pack := range map[Format]func(...entry) []byte{
		Tar: func(e ...entry) []byte { return packTar(t, tar.FormatGNU, e...) },
		Zip: func(e ...entry) []byte { return packZip(t, e...) },
	} {
		entries := []entry{file("appspec.yml", "x", 0o644), file("/etc/absolute", "x", 0o644)}
		for _, name := range odd {
			entries = append(entries, file(name, "x", 0o644))
		}
		bundle, archive := store(t, pack(entries...))
		if err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{}); err != nil {
			t.Errorf("Unpack(%s, odd names) = %v, want no error", format, err)
			continue
		}
		got := snapshot(t, archive)
		for _, name := range append(odd, "etc/absolute") {
			if got[name] == "" {
				t.Errorf("Unpack(%s): %q is missing", format, name)
			}
		}
	}
}

// TestUnpackNUL has a name that tar's own field cannot hold but a PAX record can.
func TestUnpackNUL(t *testing.T) {
	t.Parallel()
	if _, err := cleanName("a\x00b", false, 0); err == nil {
		t.Error("cleanName with NUL = nil, want an error")
	}
	data := packZip(t, file("aXb", "x", 0o644))
	bundle, archive := store(t, bytes.ReplaceAll(data, []byte("aXb"), []byte("a\x00b")))
	if err := Unpack(context.Background(), Zip, bundle, archive, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "NUL") {
		t.Errorf("Unpack(NUL) = %v, want an error about NUL", err)
	}
}

// TestUnpackBomb unpacks 200 MiB of zeros that are a few hundred KiB in a bundle.
func TestUnpackBomb(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 80<<20)
	plain := packTar(t, tar.FormatGNU, file("appspec.yml", "x", 0o644), file("zeros", zeros, 0o644))
	for format, data := range map[Format][]byte{TGZ: compressed(t, plain), Zip: packZip(t, file("zeros", zeros, 0o644))} {
		bundle, archive := store(t, data)
		err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{MaxRatio: 100})
		if err == nil || !strings.Contains(err.Error(), "bomb") {
			t.Errorf("Unpack(%s bomb) = %v, want an error about a bomb", format, err)
		}
		wantAlone(t, archive)
		if err := Unpack(context.Background(), format, bundle, archive, UnpackOptions{MaxRatio: -1}); err != nil {
			t.Errorf("Unpack(%s, no ratio) = %v, want no error", format, err)
		}
	}
	// a tar that hides the bytes in what is skipped
	var hidden bytes.Buffer
	w := tar.NewWriter(&hidden)
	if err := w.WriteHeader(&tar.Header{Name: "volume", Typeflag: tar.TypeReg, Size: int64(len(zeros))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(zeros)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	bundle, archive := store(t, compressed(t, append(packTar(t, tar.FormatGNU), hidden.Bytes()...)))
	if err := Unpack(context.Background(), TGZ, bundle, archive, UnpackOptions{MaxRatio: 100}); err == nil || !strings.Contains(err.Error(), "bomb") {
		t.Errorf("Unpack(bomb after the tar's end) = %v, want an error about a bomb", err)
	}
}

// TestUnpackSpace has entries that say they are bigger than any disk.
func TestUnpackSpace(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "huge", Size: 1 << 55, Mode: 0o644, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, 4096)) // and no more: the size alone is reason enough
	bundle, archive := store(t, b.Bytes())
	err := Unpack(context.Background(), Tar, bundle, archive, UnpackOptions{})
	if err == nil || !strings.Contains(err.Error(), "36028797018963968 bytes are needed") || !strings.Contains(err.Error(), "available") {
		t.Errorf("Unpack(huge) = %v, want an error with the bytes needed and available", err)
	}
	wantAlone(t, archive)
}
