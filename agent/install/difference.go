package install

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"path/filepath"
	"unicode/utf8"

	"codedeploy-agent/agent/disk"
)

// Explain makes Changes say how the content of a file differs from what stands at its place. That reads both.
func (p *Plan) Explain() { p.explain = true }

// comparable is the size up to which the lines of two files are compared.
const comparable = 1 << 20

// difference says how the file of the revision differs from the one at its place.
func (f *fileStep) difference(from reader) string {
	if f.was.kind != regular || f.info.kind != regular {
		return ""
	}
	before, after := filepath.Join(f.dir, f.name()), filepath.Join(f.origin.from, f.name())
	if f.was.size <= comparable && f.info.size <= comparable {
		old, err1 := content(unpacked{}, before, f.was.size)
		new, err2 := content(from, after, f.info.size)
		switch {
		case err1 != nil || err2 != nil:
		case bytes.Equal(old, new):
			return "same content"
		case utf8.Valid(old) && utf8.Valid(new):
			added, removed := lineCounts(old, new)
			return fmt.Sprintf("+%d -%d lines", added, removed)
		}
	} else if f.was.size == f.info.size && from.same(after, before) {
		return "same content"
	}
	return fmt.Sprintf("%s before", disk.Size(f.was.size))
}

// content reads as much of a file as it had when it was looked at.
func content(from reader, path string, size int64) ([]byte, error) {
	f, err := from.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, size)
	n, err := io.ReadFull(f, data)
	if err == io.EOF || err == io.ErrUnexpectedEOF { // it is shorter by now
		err = nil
	}
	return data[:n], err
}

var lineSeed = maphash.MakeSeed()

// lineCounts is how many lines of new are not in old and the other way round, whatever their order.
func lineCounts(old, new []byte) (added, removed int) {
	count := map[uint64]int{}
	for line := range bytes.Lines(old) {
		count[maphash.Bytes(lineSeed, line)]++
	}
	for line := range bytes.Lines(new) {
		count[maphash.Bytes(lineSeed, line)]--
	}
	for _, n := range count {
		if n > 0 {
			removed += n
		} else {
			added -= n
		}
	}
	return added, removed
}
