//go:build unix

package main

import (
	"bytes"
	"compress/flate"
	encoding "encoding/binary"
	"hash/crc32"
	"strings"
)

// zipFile is a zip that is put together record by record.
type zipFile struct {
	data, directory bytes.Buffer
	entries         uint16
	zip64           bool // sizes and places in the extra field, 0xffffffff in their own
}

// zipped is a zip of these entries.
func zipped(entries ...packed) []byte { return (&zipFile{}).pack(entries...) }

// zipped64 is a zip of these entries in the form for large files.
func zipped64(entries ...packed) []byte { return (&zipFile{zip64: true}).pack(entries...) }

func (z *zipFile) pack(entries ...packed) []byte {
	for _, e := range entries {
		z.list(e, e.name, z.local(e, e.name))
	}
	return z.finish()
}

// stored is the entry's name, content and Unix mode in a zip, where the content of a link is its target.
func (e packed) stored() (content string, mode uint32) {
	mode = uint32(e.mode)
	kinds := map[byte]uint32{0: 0o100000, '0': 0o100000, '5': 0o40000, '2': 0o120000, '3': 0o20000, '4': 0o60000, '6': 0o10000, 's': 0o140000}
	if mode == 0 {
		mode = 0o644
		if e.kind == '5' {
			mode = 0o755
		}
	}
	if e.kind == '2' {
		return e.link, kinds[e.kind] | 0o777
	}
	return e.content, kinds[e.kind] | mode
}

// local writes an entry's own header and content under a name and returns where it begins.
func (z *zipFile) local(e packed, name string) uint32 {
	at := uint32(z.data.Len())
	content, _ := e.stored()
	size, extra := uint32(len(content)), z.extra(content, 0)
	if z.zip64 {
		size = 0xffffffff
	}
	z.data.WriteString("PK\x03\x04")
	put(&z.data, uint16(45), uint16(0), uint16(0), uint16(0), uint16(0x5821), crc32.ChecksumIEEE([]byte(content)), size, size, uint16(len(name)), uint16(len(extra)))
	z.data.WriteString(name)
	z.data.Write(extra)
	z.data.WriteString(content)
	return at
}

// list adds an entry to the directory under a name.
func (z *zipFile) list(e packed, name string, at uint32) {
	content, mode := e.stored()
	size, extra := uint32(len(content)), z.extra(content, at)
	if z.zip64 {
		size, at = 0xffffffff, 0xffffffff
	}
	z.entries++
	z.directory.WriteString("PK\x01\x02")
	put(&z.directory, uint16(3<<8|45), uint16(45), uint16(0), uint16(0), uint16(0), uint16(0x5821), crc32.ChecksumIEEE([]byte(content)), size, size,
		uint16(len(name)), uint16(len(extra)), uint16(0), uint16(0), uint16(0), mode<<16, at)
	z.directory.WriteString(name)
	z.directory.Write(extra)
}

func (z *zipFile) extra(content string, at uint32) []byte {
	if !z.zip64 {
		return nil
	}
	var b bytes.Buffer
	put(&b, uint16(1), uint16(24), uint64(len(content)), uint64(len(content)), uint64(at))
	return b.Bytes()
}

func (z *zipFile) finish() []byte {
	at := uint32(z.data.Len())
	z.data.Write(z.directory.Bytes())
	z.data.WriteString("PK\x05\x06")
	put(&z.data, uint16(0), uint16(0), z.entries, z.entries, uint32(z.directory.Len()), at, uint16(0))
	return z.data.Bytes()
}

func put(to *bytes.Buffer, values ...any) {
	for _, v := range values {
		encoding.Write(to, encoding.LittleEndian, v) // a Buffer never fails
	}
}

// zipBomb is a zip with a file of zeros that are a thousandth of its size.
func zipBomb(spec packed, size int) []byte {
	z := &zipFile{}
	z.list(spec, spec.name, z.local(spec, spec.name))
	zeros := strings.Repeat("\x00", size)
	var small bytes.Buffer
	w, _ := flate.NewWriter(&small, flate.BestCompression) // the level is a valid one
	w.Write([]byte(zeros))
	w.Close()
	at, sum := uint32(z.data.Len()), crc32.ChecksumIEEE([]byte(zeros))
	z.data.WriteString("PK\x03\x04")
	put(&z.data, uint16(20), uint16(0), uint16(8), uint16(0), uint16(0x5821), sum, uint32(small.Len()), uint32(size), uint16(5), uint16(0))
	z.data.WriteString("zeros")
	z.data.Write(small.Bytes())
	z.entries++
	z.directory.WriteString("PK\x01\x02")
	put(&z.directory, uint16(3<<8|20), uint16(20), uint16(0), uint16(8), uint16(0), uint16(0x5821), sum, uint32(small.Len()), uint32(size),
		uint16(5), uint16(0), uint16(0), uint16(0), uint16(0), uint32(0o100644<<16), at)
	z.directory.WriteString("zeros")
	return z.finish()
}
