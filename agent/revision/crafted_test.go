package revision

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rawTar is a tar that package tar would not write. Each element is an entry made by rawEntry or paxEntry.
func rawTar(entries ...[]byte) []byte {
	return append(bytes.Join(entries, nil), make([]byte, 1024)...)
}

// rawEntry is a header and its content. An empty size is that of the content.
func rawEntry(name string, kind byte, size, linked, content string) []byte {
	h := make([]byte, 512)
	copy(h[:100], name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	if size == "" {
		size = fmt.Sprintf("%011o\x00", len(content))
	}
	copy(h[124:136], size)
	copy(h[136:], "14524760000\x00")
	copy(h[148:], "        ")
	h[156] = kind
	copy(h[157:257], linked)
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	h = append(h, content...)
	return append(h, make([]byte, (512-len(content)%512)%512)...)
}

// paxEntry is a header of key=value records, for the entry that follows.
func paxEntry(records ...string) []byte {
	var b strings.Builder
	for _, r := range records {
		n := len(r) + 3
		for len(strconv.Itoa(n))+len(r)+2 != n {
			n++
		}
		fmt.Fprintf(&b, "%d %s\n", n, r)
	}
	return rawEntry("pax", 'x', "", "", b.String())
}

// rawZip is a zip with the parts that it is told, each made by zipPart, and a directory of its own.
type rawZip struct {
	bytes.Buffer
	directory bytes.Buffer
	entries   int
}

// local writes the header and content of a stored entry and returns where it begins.
func (z *rawZip) local(name, content string) int64 {
	at := int64(z.Len())
	z.Write([]byte("PK\x03\x04"))
	z.fields(&z.Buffer, uint16(20), uint16(0), uint16(zip.Store), uint32(0), crc32.ChecksumIEEE([]byte(content)), uint32(len(content)), uint32(len(content)), uint16(len(name)), uint16(0))
	z.WriteString(name + content)
	return at
}

// listed adds an entry to the directory.
func (z *rawZip) listed(name, content string, at int64) {
	z.entries++
	z.directory.WriteString("PK\x01\x02")
	z.fields(&z.directory, uint16(3<<8|20), uint16(20), uint16(0), uint16(zip.Store), uint32(0), crc32.ChecksumIEEE([]byte(content)),
		uint32(len(content)), uint32(len(content)), uint16(len(name)), uint16(0), uint16(0), uint16(0), uint16(0), uint32(0o100644<<16), uint32(at))
	z.directory.WriteString(name)
}

// finish returns the zip.
func (z *rawZip) finish() []byte {
	at := z.Len()
	z.Write(z.directory.Bytes())
	z.WriteString("PK\x05\x06")
	z.fields(&z.Buffer, uint16(0), uint16(0), uint16(z.entries), uint16(z.entries), uint32(z.directory.Len()), uint32(at), uint16(0))
	return z.Bytes()
}

func (z *rawZip) fields(to *bytes.Buffer, values ...any) {
	for _, v := range values {
		binary.Write(to, binary.LittleEndian, v)
	}
}

// honestZip shows that the crafted zips below are refused for what is wrong with them only.
func honestZip() []byte {
	z := &rawZip{}
	z.listed("a", "content a", z.local("a", "content a"))
	z.listed("b", "content b", z.local("b", "content b"))
	return z.finish()
}

func TestCraftedZipIsReadable(t *testing.T) {
	t.Parallel()
	bundle, archive := store(t, honestZip())
	if err := Unpack(t.Context(), Zip, bundle, archive, UnpackOptions{}); err != nil {
		t.Fatalf("Unpack = %v, want no error", err)
	}
	if got := snapshot(t, archive); len(got) != 3 {
		t.Errorf("the archive has %v, want a and b", got)
	}
	// the same after a program that unpacks itself
	bundle, archive = store(t, append([]byte("#!/bin/sh\nexec unzip \"$0\"\n"), honestZip()...))
	if err := Unpack(t.Context(), Zip, bundle, archive, UnpackOptions{}); err != nil {
		t.Errorf("Unpack(self-extracting) = %v, want no error", err)
	}
	bundle, archive = store(t, rawTar(rawEntry("a", '0', "", "", "content"), paxEntry("path=b"), rawEntry("c", '0', "", "", "content")))
	if err := Unpack(t.Context(), Tar, bundle, archive, UnpackOptions{}); err != nil {
		t.Errorf("Unpack(tar) = %v, want no error", err)
	}
	if got := snapshot(t, archive); len(got) != 3 || got["b"] == "" {
		t.Errorf("the archive has %v, want a and b", got)
	}
}

func TestUnpackCrafted(t *testing.T) {
	t.Parallel()
	negative := "\xff" + strings.Repeat("\xff", 10) + "\x00"
	petabyte := "\x80\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00"
	sparse := func(realsize string) []byte {
		return append(paxEntry("GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=sparse", "GNU.sparse.realsize="+realsize),
			rawEntry("s", '0', "", "", "1\n0\n0\n"+strings.Repeat("\x00", 506))...)
	}
	long := strings.Repeat("n", 65535)
	inner := compressed(t, packTar(t, 0, file("appspec.yml", "x", 0o644)))

	// An entry whose content is another entry, which the directory lists too.
	quoted := &rawZip{}
	hidden := &rawZip{}
	hidden.local("b", strings.Repeat("0", 1000))
	at := quoted.local("a", hidden.String())
	quoted.listed("a", hidden.String(), at)
	quoted.listed("b", strings.Repeat("0", 1000), at+30+1)

	twice := &rawZip{}
	at = twice.local("a", "content")
	twice.listed("a", "content", at)
	twice.listed("a", "content", at)

	deceiving := &rawZip{}
	deceiving.listed("../climbed", "content", deceiving.local("harmless/x", "content"))
	renamed := &rawZip{}
	renamed.listed("hooks/run", "content", renamed.local("hooks/xyz", "content"))
	shortened := &rawZip{}
	shortened.listed("hooks/run.sh", "content", shortened.local("hooks/run", "content"))

	lengthened := &rawZip{}
	lengthened.listed("hooks/run", "content", lengthened.local("hooks/run.sh", "content"))

	beyond := &rawZip{}
	beyond.listed("a", strings.Repeat("x", 1000), beyond.local("a", "content"))
	nowhere := &rawZip{}
	nowhere.local("a", "content")
	nowhere.listed("a", "content", 1<<31)

	var many rawZip
	for range 6000 {
		many.listed("a", "", 0)
	}

	for _, test := range []struct {
		name    string
		format  Format
		data    []byte
		options UnpackOptions
		want    string
	}{
		{"negative size", Tar, rawTar(rawEntry("a", '0', negative, "", "")), UnpackOptions{}, "no tar entry can be read"},
		{"negative size of a PAX record", Tar, rawTar(paxEntry("size=-1"), rawEntry("a", '0', "", "", "x")), UnpackOptions{}, "no tar entry can be read"},
		{"a petabyte", Tar, rawTar(rawEntry("a", '0', petabyte, "", "")), UnpackOptions{}, `entry "a": not enough disk space`},
		{"a sparse petabyte", Tar, rawTar(sparse("1125899906842624")), UnpackOptions{MaxRatio: 1000}, `entry "sparse": not enough disk space`},
		{"a sparse file over the limit", Tar, rawTar(sparse("5000")), UnpackOptions{MaxBytes: 4999}, "archive_max_extraction_size"},
		{"a sparse file of negative size", Tar, rawTar(sparse("-5000")), UnpackOptions{}, "no tar entry can be read"},
		{"PAX name climbs", Tar, rawTar(paxEntry("path=../climbed"), rawEntry("harmless", '0', "", "", "x")), UnpackOptions{}, `climbs with ".."`},
		{"GNU long name climbs", Tar, rawTar(rawEntry("././@LongLink", 'L', "", "", "../climbed\x00"), rawEntry("harmless", '0', "", "", "x")), UnpackOptions{}, `climbs with ".."`},
		{"PAX and GNU long names", Tar, rawTar(rawEntry("././@LongLink", 'L', "", "", "../climbed\x00"), paxEntry("path=harmless"), rawEntry("a", '0', "", "", "x")),
			UnpackOptions{}, `climbs with ".."`},
		{"PAX link climbs", Tar, rawTar(paxEntry("linkpath=../bundle.tar"), rawEntry("h", '1', "", "harmless", "")), UnpackOptions{}, "target's name climbs"},
		{"GNU long link is absolute", Tar, rawTar(rawEntry("././@LongLink", 'K', "", "", "/etc/passwd\x00"), rawEntry("h", '1', "", "harmless", "")),
			UnpackOptions{}, `no "etc/passwd" before it`},
		{"PAX name with NUL", Tar, rawTar(paxEntry("path=a\x00b"), rawEntry("a", '0', "", "", "x")), UnpackOptions{}, "no tar entry can be read"},
		{"PAX name of 65,535 bytes", Tar, rawTar(paxEntry("path="+long), rawEntry("a", '0', "", "", "x")), UnpackOptions{}, "its name has 65535 bytes"},
		{"PAX name that cleaning empties", Tar, rawTar(paxEntry("path=/./"), rawEntry("a", '0', "", "", "x")), UnpackOptions{}, "without a name"},
		{"a compressed bundle in a compressed bundle", TGZ, compressed(t, inner), UnpackOptions{}, "ends too early"},
		{"zip name of 65,535 bytes", Zip, packZip(t, file(long, "x", 0o644)), UnpackOptions{}, "its name has 65535 bytes"},
		{"zip with backslashes that climb", Zip, dosZip(t, `..\..\climbed`), UnpackOptions{}, `climbs with ".."`},
		{"zip link with NUL", Zip, packZip(t, link("l", "a\x00b")), UnpackOptions{}, "is no path"},
		{"zip link that is too long", Zip, packZip(t, link("l", strings.Repeat("x", 5000))), UnpackOptions{}, "target is too long"},
		{"zip entries in each other", Zip, quoted.finish(), UnpackOptions{}, `its entries "a" and "b" overlap`},
		{"zip entry twice in the directory", Zip, twice.finish(), UnpackOptions{}, `its entries "a" and "a" overlap`},
		{"zip that hides a name that climbs", Zip, deceiving.finish(), UnpackOptions{}, "has another name"},
		{"zip of two names of a length", Zip, renamed.finish(), UnpackOptions{}, "has another name"},
		{"zip of two names", Zip, shortened.finish(), UnpackOptions{}, "has another name"},
		{"zip of two names, one the head of the other", Zip, lengthened.finish(), UnpackOptions{}, "has another name"},
		{"zip entry that ends beyond the bundle", Zip, beyond.finish(), UnpackOptions{}, "does not end within the bundle"},
		{"zip entry that is nowhere", Zip, nowhere.finish(), UnpackOptions{}, `entry "a"`},
		{"zip with a long directory", Zip, many.finish(), UnpackOptions{MaxEntries: 1000}, "more than 1000 entries"},
		{"zip with more content than it says", Zip, understated(t), UnpackOptions{}, `entry "zeros"`},
		{"directories without entries", Tar, packTar(t, 0, file(strings.Repeat("d/", 20)+"f", "", 0o644)), UnpackOptions{MaxEntries: 20}, "archive_max_entries"},
		{"too deep for the setting", Zip, packZip(t, file("a/b/c/d", "", 0o644)), UnpackOptions{MaxDepth: 3}, "3 is the most, the limit set by archive_max_depth"},
	} {
		bundle, archive := store(t, test.data)
		wantRefusedByIndex(t, test.format, bundle, test.options, test.want)
		err := Unpack(t.Context(), test.format, bundle, archive, test.options)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Unpack(%s) = %.500v, want an error with %q", test.name, err, test.want)
		} else if len(err.Error()) > 1000 {
			t.Errorf("Unpack(%s) has an error of %d bytes: it is to be shown on a screen", test.name, len(err.Error()))
		}
		if got := names(t, filepath.Dir(archive)); len(got) != 1 {
			t.Errorf("Unpack(%s) leaves %v", test.name, got)
		}
	}
}

// dosZip has one entry as a program of Windows writes it.
func dosZip(t testing.TB, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if _, err := w.CreateRaw(&zip.FileHeader{Name: name}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// understated is a zip of 1 MiB of zeros whose directory says that they are ten.
func understated(t *testing.T) []byte {
	t.Helper()
	data := packZip(t, file("zeros", strings.Repeat("\x00", 1<<20), 0o644))
	at := bytes.LastIndex(data, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(data[at+24:], 10)
	return data
}

// TestLongZipDirectory is stopped before there is memory for each of its entries.
func TestLongZipDirectory(t *testing.T) {
	t.Parallel()
	var many rawZip
	for range 6000 {
		many.listed("a", "", 0)
	}
	data := many.finish()
	for _, most := range []int64{1000, 0, 6000} {
		z := &zipFile{ReaderAt: bytes.NewReader(data), size: int64(len(data)), most: most}
		var stopped *entriesError
		if _, err := zip.NewReader(z, z.size); errors.As(err, &stopped) != (most == 1000) {
			t.Errorf("zip.NewReader with %d entries at most = %v", most, err)
		}
	}
	made := func(step, name string) error { t.Errorf("%s of %s: nothing may be made", step, name); return nil }
	bundle, archive := store(t, packZip(t, file("1", "", 0o644), file("2", "", 0o644), file("3", "", 0o644)))
	if err := Unpack(t.Context(), Zip, bundle, archive, UnpackOptions{MaxEntries: 2, fault: made}); err == nil || !strings.Contains(err.Error(), "more than 2 entries") {
		t.Errorf("Unpack = %v, want an error about entries", err)
	}
}

// TestUnpackNests has bundles in bundles: they are files.
func TestUnpackNests(t *testing.T) {
	t.Parallel()
	inner := packZip(t, file("inner", "x", 0o644))
	for format, data := range map[Format][]byte{Zip: packZip(t, file("inner.zip", string(inner), 0o644)), Tar: packTar(t, 0, file("inner.zip", string(inner), 0o644))} {
		bundle, archive := store(t, data)
		if err := Unpack(t.Context(), format, bundle, archive, UnpackOptions{}); err != nil {
			t.Errorf("Unpack(%s) = %v, want no error", format, err)
		}
		if got := names(t, archive); len(got) != 1 || got[0] != "inner.zip" {
			t.Errorf("Unpack(%s) made %v, want the inner bundle as it is", format, got)
		}
	}
}

// hungryXZ is the beginning of an xz that needs four gigabytes.
func hungryXZ() []byte {
	checked := func(b ...byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }
	flags := checked(0, 1) // CRC32
	const lzma2, largest = 0x21, 40
	block := checked(2, 0, lzma2, 1, largest, 0, 0, 0)
	return slices.Concat([]byte("\xfd7zXZ\x00"), flags, block, make([]byte, 100))
}

// TestHungryXZ must not make xz take the memory that the bundle asks for.
func TestHungryXZ(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("this host has no xz program")
	}
	bundle, archive := store(t, hungryXZ())
	if err := Unpack(t.Context(), Tar, bundle, archive, UnpackOptions{}); err == nil || !strings.Contains(err.Error(), "imit") {
		t.Errorf("Unpack = %v, want an error about the limit of memory", err)
	}
}
