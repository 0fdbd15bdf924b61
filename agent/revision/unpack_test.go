package revision

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

var revisionEntries = []entry{
	file("appspec.yml", "version: 0.0\nos: linux\n", 0o644),
	dir("d", 0o755),
	file("d/run.sh", "#!/bin/sh\n", 0o755),
	file("d/none", "3", 0),
	file("d/all", "4", 0o777),
	dir("d/ro", 0o555),
	file("d/ro/x", "5", 0o400),
	dir("d/closed", 0),
	file("d/closed/y", strings.Repeat("long ", 100_000), 0o600),
	dir("d/empty", 0o700),
	link("d/to-file", "run.sh"),
	link("d/abs", "/etc/hostname"),
	link("d/dangling", "../../../nowhere"),
	file("late/parent/z", "a directory without an entry", 0o640),
	file("d/ünï\ncode \xff", "odd name", 0o644),
	file("d/"+strings.Repeat("n", 200), "long name", 0o644),
	file(strings.Repeat("deep/", 60)+"f", "long path", 0o644),
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

func TestUnpackFormats(t *testing.T) {
	t.Parallel()
	plainTar := packTar(t, tar.FormatGNU, revisionEntries...)
	var z bytes.Buffer
	w, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(plainTar)
	w.Close()
	var reference map[string]string
	for _, test := range []struct {
		name   string
		format Format
		data   []byte
	}{
		{"tar", Tar, plainTar},
		{"tgz", TGZ, compressed(t, plainTar)},
		{"tgz as tar", Tar, compressed(t, plainTar)},
		{"zstd as tar", Tar, z.Bytes()},
		{"two gzip members", TGZ, append(compressed(t, plainTar[:5000]), compressed(t, plainTar[5000:])...)},
		{"bytes after gzip", TGZ, append(compressed(t, plainTar), "junk that gzip ignores"...)},
		{"zip", Zip, packZip(t, revisionEntries...)},
	} {
		bundle, archive := store(t, test.data)
		if err := Unpack(context.Background(), test.format, bundle, archive, UnpackOptions{}); err != nil {
			t.Errorf("Unpack(%s) = %v, want no error", test.name, err)
			continue
		}
		wantIndexLike(t, test.format, bundle, archive)
		got := snapshot(t, archive)
		for _, name := range []string{".", "late", "late/parent", "deep"} { // no entry says their time
			got[name] = strings.TrimSuffix(got[name], " packed")
		}
		if reference == nil {
			reference = got
			if len(got) != len(revisionEntries)+1+2+60 {
				t.Errorf("Unpack(%s) made %d entries, want %d", test.name, len(got), len(revisionEntries)+63)
			}
			if !strings.Contains(got["d/ro/x"], "-r--------") || !strings.Contains(got["d/ro/x"], "packed") {
				t.Errorf("Unpack(%s): d/ro/x is %q, want mode 0400 and the time of the archive", test.name, got["d/ro/x"])
			}
			if !strings.Contains(got["d/closed"], "d---------") || !strings.Contains(got["d/closed"], "packed") {
				t.Errorf("Unpack(%s): d/closed is %q, want mode 0000 and the time of the archive", test.name, got["d/closed"])
			}
			if !strings.HasPrefix(got["late"], "drwxr-xr-x") || !strings.HasPrefix(got["."], "drwxr-xr-x") {
				t.Errorf("Unpack(%s): late is %q, . is %q, want mode 0755", test.name, got["late"], got["."])
			}
			continue
		}
		if d := cmp.Diff(reference, got); d != "" {
			t.Errorf("Unpack(%s) differs from the plain tar (-tar +this):\n%s", test.name, d)
		}
	}
}

// TestUnpackLikeTar compares with the tar of this host, which the official agent 1.8 runs.
func TestUnpackLikeTar(t *testing.T) {
	t.Parallel()
	if out, err := exec.Command("tar", "--version").Output(); err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("needs GNU tar")
	}
	entries := append([]entry{
		{name: "./", mode: 0o700, kind: tar.TypeDir, uid: 77, gid: 78},
		{name: "d/suid", data: "1", mode: 0o4755, uid: 1234, gid: 5678},
		{name: "d/sgid", data: "2", mode: 0o2755},
		{name: "d/sticky", mode: 0o1777, kind: tar.TypeDir, uid: 1234, gid: 5678},
		{name: "d/named", data: "3", mode: 0o644, uid: 4242, gid: 4242, uname: "daemon", gname: "daemon"},
		{name: "d/unknown", data: "4", mode: 0o644, uid: 4242, gid: 4243, uname: "no-such-user", gname: "no-such-group"},
		{name: "d/owned-link", mode: 0o777, kind: tar.TypeSymlink, link: "x", uid: 9, gid: 9},
		hard("d/hard", "d/suid"), hard("d/hard-link-to-link", "d/owned-link"),
		file("/absolute/x", "made relative", 0o644),
		file("twice", "first", 0o600), file("twice", "second", 0o644),
		file("./twice", "third", 0o640),
		file("becomes-dir", "x", 0o644), dir("becomes-dir", 0o750),
		link("link-becomes-dir", "d"), file("other", "", 0o644), dir("link-becomes-dir", 0o750), file("link-becomes-dir/in", "i", 0o644),
		file("file-becomes-link", "x", 0o644), link("file-becomes-link", "d"),
	}, revisionEntries...)
	for name, format := range map[string]tar.Format{"GNU": tar.FormatGNU, "PAX": tar.FormatPAX} {
		list := entries
		if name == "PAX" {
			list = nil
			for _, e := range entries { // PAX has no place for a name that is not UTF-8
				if !strings.Contains(e.name, "\xff") {
					list = append(list, e)
				}
			}
		}
		bundle, archive := store(t, packTar(t, format, list...))
		if err := Unpack(context.Background(), Tar, bundle, archive, UnpackOptions{}); err != nil {
			t.Fatalf("Unpack(%s) = %v, want no error", name, err)
		}
		reference := filepath.Join(filepath.Dir(archive), "tar")
		if err := os.Mkdir(reference, 0o755); err != nil {
			t.Fatal(err)
		}
		script := `umask 022; exec tar -xpsf "$1" -C "$2"`
		if out, err := exec.Command("sh", "-c", script, "sh", bundle, reference).CombinedOutput(); err != nil {
			t.Fatalf("tar: %v: %s", err, out)
		}
		if err := os.Chmod(reference, 0o755); err != nil { // the official agent sets it too
			t.Fatal(err)
		}
		if d := cmp.Diff(snapshot(t, reference), snapshot(t, archive)); d != "" {
			t.Errorf("Unpack(%s) differs from tar (-tar +ours):\n%s", name, d)
		}
	}
}

// TestUnpackLikeUnzip compares with the unzip of this host, which the official agents run.
func TestUnpackLikeUnzip(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("unzip"); err != nil {
		t.Skip("needs unzip")
	}
	var entries []entry
	for _, e := range revisionEntries {
		if !strings.Contains(e.name, "\n") { // unzip writes such names in its own way
			entries = append(entries, e)
		}
	}
	entries = append(entries, file("suid", "1", 0o4755), dir("sticky", 0o1777), file("twice", "1", 0o600), file("twice", "2", 0o644))
	bundle, archive := store(t, packZip(t, entries...))
	if err := Unpack(context.Background(), Zip, bundle, archive, UnpackOptions{}); err != nil {
		t.Fatalf("Unpack = %v, want no error", err)
	}
	reference := filepath.Join(filepath.Dir(archive), "unzip")
	script := `umask 022; mkdir "$2" && exec unzip -qo "$1" -d "$2"`
	if out, err := exec.Command("sh", "-c", script, "sh", bundle, reference).CombinedOutput(); err != nil {
		t.Skipf("unzip cannot unpack it: %v: %s", err, out)
	}
	if d := cmp.Diff(snapshot(t, reference), snapshot(t, archive)); d != "" {
		t.Errorf("Unpack differs from unzip (-unzip +ours):\n%s", d)
	}
}

func TestUnpackZipWithoutUnixModes(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, h := range []zip.FileHeader{{Name: `sub\dir\file.txt`}, {Name: "folder/"}, {Name: "folder/read-only", ExternalAttrs: 1}} {
		//lint:ignore SA1019 Modified would add the zone, which these archives do not have
		h.ModifiedDate, h.ModifiedTime = 22<<0|11<<5|(2023-1980)<<9, 13<<5|22<<11 // 2023-11-22 22:13 nowhere in particular
		if _, err := w.CreateRaw(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	bundle, archive := store(t, b.Bytes())
	if err := Unpack(context.Background(), Zip, bundle, archive, UnpackOptions{}); err != nil {
		t.Fatalf("Unpack = %v, want no error", err)
	}
	for name, want := range map[string]fs.FileMode{"sub/dir/file.txt": 0o644, "folder": fs.ModeDir | 0o755, "folder/read-only": 0o444, "sub": fs.ModeDir | 0o755} {
		if got := mode(t, filepath.Join(archive, name)); got != want {
			t.Errorf("mode of %s = %v, want %v", name, got, want)
		}
	}
	info, err := os.Stat(filepath.Join(archive, "folder/read-only"))
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2023, 11, 22, 22, 13, 0, 0, time.Local); !info.ModTime().Equal(want) {
		t.Errorf("time = %v, want %v (the host's local time)", info.ModTime(), want)
	}
}

func TestUnpackLeadingDirectory(t *testing.T) {
	t.Parallel()
	spec := file("repo-abc/AppSpec.YML", "x", 0o644)
	for _, test := range []struct {
		name    string
		entries []entry
		want    string // a file of the archive
	}{
		{"lifted", []entry{dir("repo-abc", 0o500), spec, file("repo-abc/d/x", "x", 0o644)}, "d/x"},
		{"lifted below a dot", []entry{dir("./", 0o755), dir("./repo-abc", 0o755), spec, file("repo-abc/d/x", "x", 0o644)}, "d/x"},
		{"directory of the same name", []entry{spec, file("repo-abc/repo-abc/x", "x", 0o644)}, "repo-abc/x"},
		{"GitHub's comment", []entry{{name: "pax_global_header", kind: tar.TypeXGlobalHeader}, spec, file("repo-abc/d/x", "", 0o644)}, "d/x"},
		{"no AppSpec", []entry{file("repo-abc/d/x", "x", 0o644)}, "repo-abc/d/x"},
		{"two entries", []entry{spec, file("README", "x", 0o644)}, "repo-abc/AppSpec.YML"},
		{"a hidden one beside it", []entry{spec, file(".gitignore", "x", 0o644)}, "repo-abc/AppSpec.YML"},
		{"AppSpec deeper", []entry{file("repo-abc/d/appspec.yml", "x", 0o644)}, "repo-abc/d/appspec.yml"},
		{"a name with appspec in it", []entry{file("r/my-appspec-old.txt", "x", 0o644)}, "my-appspec-old.txt"},
	} {
		for i := range test.entries {
			if test.entries[i].kind == tar.TypeXGlobalHeader {
				test.entries[i] = entry{} // written below
			}
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		var rest []entry
		for _, e := range test.entries {
			if e.name != "" {
				rest = append(rest, e)
			} else if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "abc"}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		b.Write(packTar(t, tar.FormatGNU, rest...))
		bundle, archive := store(t, b.Bytes())
		if err := Unpack(context.Background(), Tar, bundle, archive, UnpackOptions{}); err != nil {
			t.Errorf("Unpack(%s) = %v, want no error", test.name, err)
			continue
		}
		if _, err := os.Stat(filepath.Join(archive, test.want)); err != nil {
			t.Errorf("Unpack(%s): %v; archive has %v", test.name, err, snapshot(t, archive))
		}
		if got := mode(t, archive); got != fs.ModeDir|0o755 {
			t.Errorf("Unpack(%s): the archive's mode is %v, want 0755", test.name, got)
		}
		wantAlone(t, archive)
	}
}

// wantAlone checks that nothing but bundle and archive is left in their directory.
func wantAlone(t *testing.T, archive string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(archive))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "bundle.tar" && e.Name() != filepath.Base(archive) {
			t.Errorf("%s is left beside the archive", e.Name())
		}
	}
}

func TestUnpackReplacesOlderArchive(t *testing.T) {
	t.Parallel()
	for _, leading := range []string{"", "repo/"} {
		bundle, archive := store(t, packTar(t, tar.FormatGNU, file(leading+"appspec.yml", "new", 0o644)))
		if err := os.MkdirAll(filepath.Join(archive, "old/closed"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(archive, "old/closed/file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(archive, "old/closed"), 0)
		os.Chmod(filepath.Join(archive, "old"), 0o555)
		// what an interrupted attempt left
		if err := os.MkdirAll(filepath.Join(stagedName(archive), "rest"), 0o700); err != nil {
			t.Fatal(err)
		}
		os.Chmod(filepath.Join(stagedName(archive), "rest"), 0o555)
		if err := Unpack(context.Background(), Tar, bundle, archive, UnpackOptions{}); err != nil {
			t.Fatalf("Unpack = %v, want no error", err)
		}
		entries, err := os.ReadDir(archive)
		if err != nil || len(entries) != 1 || entries[0].Name() != "appspec.yml" {
			t.Errorf("archive = %v, %v, want appspec.yml only", entries, err)
		}
		wantAlone(t, archive)
	}
}

func TestReplaceByRenames(t *testing.T) {
	t.Parallel()
	d := t.TempDir()
	for _, name := range []string{"target/old", ".target.part/new", ".target.old/older"} {
		if err := os.MkdirAll(filepath.Join(d, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := replaceByRenames(filepath.Join(d, ".target.part"), filepath.Join(d, "target")); err != nil {
		t.Fatalf("replaceByRenames = %v, want no error", err)
	}
	if d := cmp.Diff([]string{"target"}, names(t, d)); d != "" {
		t.Errorf("replaceByRenames leaves (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"new"}, names(t, filepath.Join(d, "target"))); d != "" {
		t.Errorf("target holds (-want +got):\n%s", d)
	}
}

func TestUnpackXZ(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("this host has no xz program")
	}
	pack := exec.Command("xz", "--stdout")
	pack.Stdin = bytes.NewReader(packTar(t, tar.FormatGNU, file("appspec.yml", strings.Repeat("x", 1<<20), 0o644)))
	data, err := pack.Output()
	if err != nil {
		t.Fatal(err)
	}
	bundle, archive := store(t, data)
	for range 2 {
		if err := Unpack(context.Background(), Tar, bundle, archive, UnpackOptions{}); err != nil {
			t.Fatalf("Unpack = %v, want no error", err)
		}
	}
	wantContent(t, filepath.Join(archive, "appspec.yml"), bytes.Repeat([]byte("x"), 1<<20))
	for name, bad := range map[string][]byte{"cut short": data[:len(data)-20], "damaged": append(bytes.Clone(data[:len(data)-30]), make([]byte, 30)...)} {
		bundle, archive := store(t, bad)
		if err := Unpack(context.Background(), Tar, bundle, archive, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "xz cannot decompress it") {
			t.Errorf("Unpack(%s) = %v, want what xz says", name, err)
		}
	}
}

func names(t *testing.T, d string) []string {
	t.Helper()
	entries, err := os.ReadDir(d)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestUnpackOwners needs root: nobody else can give files away.
func TestUnpackOwners(t *testing.T) {
	t.Parallel()
	if !isRoot() {
		t.Skip("needs root")
	}
	bundle, archive := store(t, packTar(t, tar.FormatGNU, entry{name: "suid", mode: 0o6755, uid: 1234, gid: 5678}))
	for ignore, want := range map[bool]string{false: "1234:5678", true: "0:0"} {
		if err := Unpack(context.Background(), Tar, bundle, archive, UnpackOptions{IgnoreOwnership: ignore}); err != nil {
			t.Fatal(err)
		}
		if got := snapshot(t, archive)["suid"]; !strings.Contains(got, " "+want+" ") || !strings.HasPrefix(got, "ugrwxr-xr-x") {
			t.Errorf("Unpack(IgnoreOwnership: %v): suid is %q, want owner %s and both set-id bits", ignore, got, want)
		}
	}
	if owner, group := ownerOf(must(os.Lstat(archive))); owner != 0 || group != 0 {
		t.Errorf("the archive belongs to %d:%d, want 0:0", owner, group)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestUnpackDeclaredType has the verdicts of the official agent 1.8 on bundles that are not what they are said to be.
func TestUnpackDeclaredType(t *testing.T) {
	t.Parallel()
	honest := packTar(t, tar.FormatGNU, revisionEntries...)
	zipBundle := packZip(t, revisionEntries...)
	tgz := compressed(t, honest)
	v7 := packTar(t, tar.FormatUSTAR, file("appspec.yml", "x", 0o644))
	for _, test := range []struct {
		name   string
		format Format
		data   []byte
		want   string // in the error; empty: it succeeds
	}{
		{"empty tar", Tar, packTar(t, tar.FormatGNU), ""},
		{"ustar", Tar, v7, ""},
		{"tar without its end", Tar, v7[:1024], ""},
		{"tgz as tar", Tar, tgz, ""},
		{"tar as tgz", TGZ, honest, "not compressed with gzip"},
		{"tar as zip", Zip, honest, "no zip directory"},
		{"tgz as zip", Zip, tgz, "compressed with gzip, not a zip"},
		{"zip as tar", Tar, zipBundle, "a zip archive, not a tar"},
		{"zip as tgz", TGZ, zipBundle, "not compressed with gzip"},
		{"xz as tar", Tar, []byte("\xfd7zXZ\x00 and so on"), "xz"}, // with or without the program
		{"half a zip", Zip, zipBundle[:len(zipBundle)/2], "no zip directory"},
		{"half a tgz", TGZ, tgz[:len(tgz)/2], "ends too early"},
		{"tgz without its checksum", TGZ, tgz[:len(tgz)-4], "ends too early"},
		{"half a tar", Tar, honest[:len(honest)/2], "ends too early"},
		{"nothing as tgz", TGZ, nil, "empty (0 bytes)"},
		{"nothing as tar", Tar, nil, "empty (0 bytes)"},
		{"nothing as zip", Zip, nil, "empty (0 bytes)"},
		{"text as tar", Tar, []byte(strings.Repeat("this is not an archive\n", 20)), "ends too early"},
		{"long text as tar", Tar, []byte(strings.Repeat("this is not an archive\n", 200)), "no tar entry can be read"},
		{"text as tgz", TGZ, []byte("this is not an archive"), "not compressed with gzip"},
		{"text as zip", Zip, []byte("this is not an archive"), "no zip directory"},
		{"directory", Directory, honest, `"directory" is not a type of archive`},
		{"unknown type", "rar", honest, `"rar" is not a type of archive`},
	} {
		bundle, archive := store(t, test.data)
		err := Unpack(context.Background(), test.format, bundle, archive, UnpackOptions{})
		if test.want == "" {
			if err != nil {
				t.Errorf("Unpack(%s) = %v, want no error", test.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), bundle) {
			t.Errorf("Unpack(%s) = %v, want an error with the bundle's path and %q", test.name, err, test.want)
		}
		if _, err := os.Lstat(archive); err == nil {
			t.Errorf("Unpack(%s) leaves an archive", test.name)
		}
		wantAlone(t, archive)
	}
}

func TestUnpackDamagedChecksum(t *testing.T) {
	t.Parallel()
	tgz := compressed(t, packTar(t, tar.FormatGNU, revisionEntries...))
	tgz[len(tgz)-6] ^= 1
	bundle, archive := store(t, tgz)
	if err := Unpack(context.Background(), TGZ, bundle, archive, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), gzip.ErrChecksum.Error()) {
		t.Errorf("Unpack(damaged gzip) = %v, want %v", err, gzip.ErrChecksum)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f := must(w.Create("x"))
	f.Write(bytes.Repeat([]byte("stored"), 10))
	w.Close()
	stored := b.Bytes()
	stored[bytes.LastIndex(stored, []byte("PK\x01\x02"))+16] ^= 1 // the checksum in the directory
	bundle, archive = store(t, stored)
	if err := Unpack(context.Background(), Zip, bundle, archive, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), `entry "x"`) {
		t.Errorf("Unpack(damaged zip) = %v, want an error about entry x", err)
	}
}

func TestUnpackCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for format, data := range map[Format][]byte{Tar: packTar(t, tar.FormatGNU, revisionEntries...), Zip: packZip(t, revisionEntries...)} {
		bundle, archive := store(t, data)
		if err := Unpack(ctx, format, bundle, archive, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("Unpack(%s, canceled) = %v, want context canceled", format, err)
		}
		wantAlone(t, archive)
	}
}
