package command

import "errors"

// maxDepth is how deep structures in a signed message may be nested. An honest one, certificates included, needs about
// a dozen levels.
const maxDepth = 48

var (
	errTruncated = errors.New("it is truncated")
	errNested    = errors.New("its parts do not lie inside each other")
	errDeep      = errors.New("it is nested too deeply")
)

// checkBER walks through the tags and lengths of a BER value before the PKCS #7 parser does. That parser (smallstep/pkcs7
// 0.2.3) recurses without a limit and copies the content once for each level; and where a part is longer than the whole
// it belongs to it reads the rest again, at each level, so that its time doubles with every four bytes: a hundred bytes
// keep it busy for minutes.
func checkBER(b []byte) error {
	// limit is where a construct ends at the latest; indefinite means that it ends with two zero bytes.
	type construct struct {
		limit      int
		indefinite bool
	}
	open := []construct{{limit: len(b)}}
	pos := 0
	for {
		in := open[len(open)-1]
		constructed, indefinite, start, length, err := berHeader(b[:in.limit], pos)
		if err != nil {
			return err
		}
		switch {
		case indefinite:
			open = append(open, construct{in.limit, true})
			pos = start
		case length > in.limit-start:
			return errNested
		case constructed && length > 0:
			open = append(open, construct{start + length, false})
			pos = start
		default:
			pos = start + length
		}
		if len(open) > maxDepth {
			return errDeep
		}
		if indefinite {
			continue // at least one part comes before the end of such a construct
		}
		for len(open) > 1 {
			top := open[len(open)-1]
			if top.indefinite {
				if top.limit-pos < 2 {
					return errTruncated
				}
				if b[pos] != 0 || b[pos+1] != 0 {
					break
				}
				pos += 2
			} else if pos < top.limit {
				break
			}
			open = open[:len(open)-1]
		}
		if len(open) == 1 {
			return nil
		}
	}
}

// berHeader reads a tag and a length at pos.
func berHeader(b []byte, pos int) (constructed, indefinite bool, start, length int, err error) {
	next := func() byte {
		if pos >= len(b) {
			err = errTruncated
			return 0
		}
		pos++
		return b[pos-1]
	}
	tag := next()
	constructed = tag&0x20 != 0
	if tag&0x1f == 0x1f {
		for next()&0x80 != 0 {
		}
	}
	size := next()
	switch {
	case size == 0x80:
		indefinite = true
		if !constructed {
			err = errNested
		}
	case size > 0x84:
		err = errNested
	case size > 0x80:
		for range size & 0x7f {
			length = length<<8 | int(next())
		}
	default:
		length = int(size)
	}
	if length < 0 {
		err = errNested
	}
	return constructed, indefinite, pos, length, err
}
