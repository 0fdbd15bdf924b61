package revision

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// zipFile is a zip as package zip reads it, and what that package does not tell: how many entries the directory at its end has,
// before there is memory for all of them, and where each entry's own header is.
type zipFile struct {
	io.ReaderAt
	size int64

	most    int64 // entries; 0: they are not counted (any more)
	entries int64
	at      int64  // of the last read
	header  []byte // of one entry, used again for the next
}

// zipMarks is how many entries the directory may seem to have beyond the limit: its end is read more than once.
const zipMarks = 4096

var directoryMark = []byte("PK\x01\x02") // of each entry of the directory

func (z *zipFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := z.ReaderAt.ReadAt(p, at)
	z.at = at
	if z.most > 0 {
		z.entries += int64(bytes.Count(p[:n], directoryMark))
		if z.entries > z.most+zipMarks {
			return 0, &entriesError{}
		}
	}
	return n, err
}

// entriesError ends the reading of a directory that is too long.
type entriesError struct{}

func (*entriesError) Error() string { return "it has too many entries" }

// check compares the directory at the end of the zip with the entries, which only bundles that are made to deceive do not pass: an
// entry's own header must have the name that the directory has, so that nobody who looked at the bundle saw another one, and no
// two entries may share bytes, as those of a bomb do that is small because each byte is unpacked many times.
func (z *zipFile) check(files []*zip.File) error {
	type place struct {
		span
		entry int
	}
	places := make([]place, 0, len(files))
	for i, f := range files {
		s, err := z.place(f)
		if err != nil {
			return ofEntry(f.Name, err)
		}
		places = append(places, place{s, i})
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(places); i++ {
		if a, b := places[i-1], places[i]; b.from < a.to {
			return fmt.Errorf("its entries %s and %s overlap, as only those of a decompression bomb do", shown(files[a.entry].Name), shown(files[b.entry].Name))
		}
	}
	return nil
}

// place finds out where an entry is: from its own header to the end of its data.
func (z *zipFile) place(f *zip.File) (span, error) {
	const fixed, nameSize, extraSize = 30, 26, 28 // of a local header: its length without name and extra field, and where their sizes are
	body, err := f.DataOffset()                   // reads the header; that is how it is found
	if err != nil {
		return span{}, damaged(err)
	}
	from := z.at
	z.header = slices.Grow(z.header[:0], fixed+len(f.Name))[:fixed+len(f.Name)]
	header := z.header
	if _, err := z.ReadAt(header, from); err != nil {
		return span{}, damaged(err)
	}
	name, extra := int64(binary.LittleEndian.Uint16(header[nameSize:])), int64(binary.LittleEndian.Uint16(header[extraSize:]))
	if from+fixed+name+extra != body {
		return span{}, errors.New("its own header cannot be found")
	}
	if own := header[fixed:]; name != int64(len(f.Name)) || string(own) != f.Name {
		return span{}, errors.New("its own header has another name than the zip's directory; the bundle was tampered with, or made by a broken program")
	}
	if f.CompressedSize64 > math.MaxInt64 || int64(f.CompressedSize64) > z.size-body {
		return span{}, errors.New("its data does not end within the bundle; it is damaged or cut short")
	}
	return span{from, body + int64(f.CompressedSize64)}, nil
}
