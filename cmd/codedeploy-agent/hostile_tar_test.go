//go:build unix

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// packed is one entry of a bundle. The kind is that of a tar: '0' or 0 a file, '5' a directory, '2' a symbolic and '1' a hard link, '3', '4' and '6'
// devices and a FIFO; 's' is a socket, which only a zip can say.
type packed struct {
	name, content, link string
	kind                byte
	mode                int64 // 0: 0644, of directories 0755
	uid, gid            int
	pax                 []string // further PAX records
	size                string   // the size field, if it is not to be the content's
}

func filed(name, content string) packed   { return packed{name: name, content: content} }
func folder(name string) packed           { return packed{name: name, kind: '5'} }
func symlink(name, target string) packed  { return packed{name: name, kind: '2', link: target} }
func hardlink(name, target string) packed { return packed{name: name, kind: '1', link: target} }
func node(name string, kind byte) packed  { return packed{name: name, kind: kind} }
func moded(name string, mode int64) packed {
	return packed{name: name, content: "moded", mode: mode}
}

// tarForm is a dialect of tar.
type tarForm string

const (
	v7  tarForm = "tar V7"  // names of at most 100 bytes, nothing else
	gnu tarForm = "tar GNU" // long names in entries of their own
	pax tarForm = "tar PAX" // every name in a PAX record, a harmless one in the header
)

// tarball is a tar of these entries, byte for byte.
func tarball(form tarForm, entries ...packed) []byte {
	var out []byte
	for _, e := range entries {
		out = append(out, e.tar(form)...)
	}
	return append(out, make([]byte, 1024)...)
}

func (e packed) tar(form tarForm) []byte {
	var out []byte
	switch form {
	case gnu:
		if len(e.name) > 100 {
			out = append(out, block("././@LongLink", 'L', 0o644, 0, 0, "", "", e.name+"\x00", form)...)
		}
		if len(e.link) > 100 {
			out = append(out, block("././@LongLink", 'K', 0o644, 0, 0, "", "", e.link+"\x00", form)...)
		}
	case pax:
		records := append([]string{"path=" + e.name}, e.pax...)
		if e.link != "" {
			records = append(records, "linkpath="+e.link)
		}
		out = append(out, paxRecords('x', records...)...)
		e.name, e.link = "harmless", "harmless"
	}
	if e.kind == 0 {
		e.kind = '0'
	}
	if e.mode == 0 {
		e.mode = 0o644
		if e.kind == '5' {
			e.mode = 0o755
		}
	}
	return append(out, block(e.name, e.kind, e.mode, e.uid, e.gid, e.size, e.link, e.content, form)...)
}

// paxRecords is a header of PAX records, of kind x for the next entry or g for all that follow.
func paxRecords(kind byte, records ...string) []byte {
	var b strings.Builder
	for _, r := range records {
		n := len(r) + 3
		for len(strconv.Itoa(n))+len(r)+2 != n {
			n++
		}
		fmt.Fprintf(&b, "%d %s\n", n, r)
	}
	return block("records", kind, 0o644, 0, 0, "", "", b.String(), pax)
}

// block is one header with its content.
func block(name string, kind byte, mode int64, uid, gid int, size, link, content string, form tarForm) []byte {
	h := make([]byte, 512)
	copy(h[:100], name)
	copy(h[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00", mode, uid, gid))
	if size == "" {
		size = fmt.Sprintf("%011o\x00", len(content))
	}
	copy(h[124:136], size)
	copy(h[136:], fmt.Sprintf("%011o\x00", 1_700_000_000))
	copy(h[148:], "        ")
	h[156] = kind
	copy(h[157:257], link)
	switch form {
	case gnu:
		copy(h[257:], "ustar  \x00")
	case pax:
		copy(h[257:], "ustar\x0000")
	}
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	h = append(h, content...)
	return append(h, make([]byte, (512-len(content)%512)%512)...)
}
