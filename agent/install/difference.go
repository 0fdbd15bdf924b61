package install

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"unicode/utf8"

	"codedeploy-agent/agent/disk"
)

// Explain makes Changes say how the content of a file differs from what stands at its place. That reads both.
func (p *Plan) Explain() { p.explain = true }

// comparable is the size up to which the lines of two files are compared.
const comparable = 1 << 20

// difference says how the file of the revision differs from the one at its place.
func (f *fileStep) difference() string {
	if f.was.kind != regular || f.info.kind != regular {
		return ""
	}
	before, after := filepath.Join(f.dir, f.name), filepath.Join(f.from, f.base)
	if f.was.size <= comparable && f.info.size <= comparable {
		old, err1 := os.ReadFile(before)
		new, err2 := os.ReadFile(after)
		switch {
		case err1 != nil || err2 != nil:
		case bytes.Equal(old, new):
			return "same content"
		case utf8.Valid(old) && utf8.Valid(new):
			added, removed := lineCounts(old, new)
			return fmt.Sprintf("+%d -%d lines", added, removed)
		}
	}
	return fmt.Sprintf("%s before", disk.Size(f.was.size))
}

// lineCounts is how many lines of new are not in old and the other way round, whatever their order.
func lineCounts(old, new []byte) (added, removed int) {
	count := map[string]int{}
	for line := range bytes.Lines(old) {
		count[string(line)]++
	}
	for line := range bytes.Lines(new) {
		count[string(line)]--
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
