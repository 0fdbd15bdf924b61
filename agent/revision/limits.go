package revision

import (
	"fmt"
	"math"

	"codedeploy-agent/agent/disk"
)

// ratioGrace is how many bytes a bundle may unpack to before its ratio says anything.
const ratioGrace = 64 << 20

// limits counts what an archive really unpacks to and stops what cannot be meant. Declared sizes are only used to refuse early
// and in errors.
type limits struct {
	maxBytes, maxEntries, maxRatio int64 // <= 0: none
	packed                         int64 // size of the bundle
	dir                            string
	gauge                          disk.Gauge

	written, streamed, entries int64
	bytesToCome, filesToCome   int64 // as far as they are known
}

func newLimits(o UnpackOptions, packed int64, dir string) *limits {
	return &limits{maxBytes: o.MaxBytes, maxEntries: o.MaxEntries, maxRatio: o.MaxRatio, packed: max(packed, 1), dir: dir,
		gauge: disk.Gauge{Dir: dir}}
}

// declared refuses what the archive says of itself before anything is written.
func (l *limits) declared(bytes, files int64) error {
	l.bytesToCome, l.filesToCome = bytes, files
	if l.maxEntries > 0 && files > l.maxEntries {
		return l.tooMany()
	}
	if l.maxBytes > 0 && bytes > l.maxBytes {
		return l.tooBig(bytes)
	}
	return disk.Need(l.dir, bytes, files)
}

// coming refuses what an entry says of itself before any of it is written.
func (l *limits) coming(bytes int64) error {
	l.bytesToCome = bytes
	if l.maxBytes > 0 && bytes > l.maxBytes-l.written {
		return l.tooBig(bytes)
	}
	return l.gauge.Expect(bytes)
}

func (l *limits) tooBig(n int64) error {
	return fmt.Errorf("it unpacks to more than %d bytes (%d so far, %d to come), the limit set by archive_max_extraction_size", l.maxBytes, l.written, n)
}

func (l *limits) tooMany() error {
	return fmt.Errorf("it has more than %d entries, the limit set by archive_max_entries", l.maxEntries)
}

// entry counts one entry of the archive, or a directory that an entry lies in and that has none itself.
func (l *limits) entry() error {
	l.entries++
	if l.maxEntries > 0 && l.entries > l.maxEntries {
		return l.tooMany()
	}
	return nil
}

// file counts a file, directory or link about to be made.
func (l *limits) file() error {
	err := l.gauge.Made(l.filesToCome)
	l.filesToCome = max(l.filesToCome-1, 0)
	return err
}

// content counts bytes about to be written to a file.
func (l *limits) content(n int64) error {
	if l.maxBytes > 0 && n > l.maxBytes-l.written {
		return l.tooBig(n)
	}
	if err := l.gauge.Wrote(n, l.bytesToCome); err != nil {
		return err
	}
	l.written += n
	l.bytesToCome = max(l.bytesToCome-n, 0)
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
	return fmt.Errorf("it unpacks to more than %d times its %d bytes, as only a decompression bomb does (archive_max_ratio)", l.maxRatio, l.packed)
}
