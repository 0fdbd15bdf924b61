// Package progress says how far a piece of work is, to people who wait for it.
package progress

import "sync/atomic"

// Work counts what has been done of a piece of work, for those who look at it meanwhile. A nil Work counts nothing; all methods may be
// called by several goroutines.
type Work struct {
	files, allFiles, bytes, allBytes, read, size atomic.Int64
}

// Expect says how many files and bytes there are altogether; 0 is unknown.
func (w *Work) Expect(files, bytes int64) {
	if w != nil {
		w.allFiles.Store(files)
		w.allBytes.Store(bytes)
	}
}

// Did adds files and bytes that are done.
func (w *Work) Did(files, bytes int64) {
	if w != nil {
		w.files.Add(files)
		w.bytes.Add(bytes)
	}
}

// Done is how many files and bytes are done.
func (w *Work) Done() (files, bytes int64) {
	if w == nil {
		return 0, 0
	}
	return w.files.Load(), w.bytes.Load()
}

// Has says how many bytes are done altogether, for work that may lose some of them again.
func (w *Work) Has(bytes int64) {
	if w != nil {
		w.bytes.Store(bytes)
	}
}

// Read adds bytes read of an input of the given size, for work whose files are not known before.
func (w *Work) Read(bytes, size int64) {
	if w != nil {
		w.read.Add(bytes)
		w.size.Store(size)
	}
}

// fileWeight is how many bytes of content a file is worth in time.
const fileWeight = 16 << 10

// state is how far a Work is at a moment.
type state struct {
	files, allFiles, bytes, allBytes int64
	share                            float64 // of the whole, 0 to 1; less than 0 if nobody knows
}

func (w *Work) state() state {
	s := state{files: w.files.Load(), allFiles: w.allFiles.Load(), bytes: w.bytes.Load(), allBytes: w.allBytes.Load(), share: -1}
	if all := s.allBytes + s.allFiles*fileWeight; all > 0 {
		s.share = float64(s.bytes+min(s.files, s.allFiles)*fileWeight) / float64(all)
	} else if size := w.size.Load(); size > 0 {
		s.share = float64(w.read.Load()) / float64(size)
	}
	s.share = min(s.share, 1)
	return s
}
