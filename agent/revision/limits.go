package revision

import (
	"fmt"
	"math"
)

const (
	defaultMaxEntries = 1_000_000
	defaultMaxRatio   = 1000
	ratioGrace        = 64 << 20 // a ratio says nothing before this many bytes
	spaceStep         = 32 << 20 // how much may be written between two looks at the free space
)

// limits counts what an archive really unpacks to and stops what cannot be meant. Declared sizes are only used to refuse early.
type limits struct {
	maxBytes, maxEntries, maxRatio int64 // <= 0: none
	packed                         int64 // size of the bundle
	dir                            string

	written, streamed, entries, checked int64
}

func newLimits(o UnpackOptions, packed int64, dir string) *limits {
	l := &limits{maxBytes: o.MaxBytes, maxEntries: o.MaxEntries, maxRatio: o.MaxRatio, packed: max(packed, 1), dir: dir}
	if l.maxEntries == 0 {
		l.maxEntries = defaultMaxEntries
	}
	if l.maxRatio == 0 {
		l.maxRatio = defaultMaxRatio
	}
	return l
}

// declared refuses a size that is known before anything is written.
func (l *limits) declared(n int64) error {
	if l.maxBytes > 0 && n > l.maxBytes-l.written {
		return l.tooBig(n)
	}
	return l.space(n)
}

// space refuses what the disk has no room for.
func (l *limits) space(n int64) error {
	if free, ok := freeSpace(l.dir); ok && n > free {
		return fmt.Errorf("not enough disk space at %s: %d bytes are needed, %d are available; free some, or keep fewer revisions (max_revisions)",
			l.dir, n, free)
	}
	return nil
}

func (l *limits) tooBig(n int64) error {
	return fmt.Errorf("it unpacks to more than %d bytes (%d so far, %d to come), the limit set by archive_max_extraction_size", l.maxBytes, l.written, n)
}

// entry counts one entry of the archive.
func (l *limits) entry() error {
	l.entries++
	if l.maxEntries > 0 && l.entries > l.maxEntries {
		return fmt.Errorf("it has more than %d entries, the limit of this agent", l.maxEntries)
	}
	return nil
}

// content counts bytes about to be written to a file.
func (l *limits) content(n int64) error {
	if l.maxBytes > 0 && n > l.maxBytes-l.written {
		return l.tooBig(n)
	}
	l.written += n
	if l.written-l.checked >= spaceStep {
		l.checked = l.written
		if free, ok := freeSpace(l.dir); ok && free < spaceStep {
			return fmt.Errorf("the disk at %s is all but full: %d bytes are written, %d are left; free some, or keep fewer revisions (max_revisions)",
				l.dir, l.written, free)
		}
	}
	return l.ratio(l.written)
}

// stream counts bytes that came out of the decompressor, whether or not they end in a file.
func (l *limits) stream(n int64) error {
	l.streamed += n
	return l.ratio(l.streamed)
}

func (l *limits) ratio(n int64) error {
	if l.maxRatio <= 0 || n <= ratioGrace || l.packed > math.MaxInt64/l.maxRatio || n <= l.packed*l.maxRatio {
		return nil
	}
	return fmt.Errorf("it unpacks to more than %d times its %d bytes, as only a decompression bomb does", l.maxRatio, l.packed)
}
