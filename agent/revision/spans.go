package revision

import (
	"errors"
	"slices"
)

// span is a range of bytes, from the first one, inclusive, to the last one, exclusive.
type span struct{ from, to int64 }

// spans are ranges of an object's bytes in order, which neither overlap nor touch.
type spans []span

// add puts a range in, and joins it with those that it overlaps or touches.
func (s *spans) add(n span) {
	if n.from >= n.to {
		return
	}
	all := *s
	first, _ := slices.BinarySearchFunc(all, n.from, func(x span, from int64) int {
		if x.to < from {
			return -1
		}
		return 1
	})
	last := first
	for ; last < len(all) && all[last].from <= n.to; last++ {
		n.from, n.to = min(n.from, all[last].from), max(n.to, all[last].to)
	}
	if last == first+1 { // nearly always: one that has grown
		all[first] = n
		return
	}
	*s = slices.Replace(all, first, last, n)
}

// bytes is how many bytes the ranges have.
func (s spans) bytes() (n int64) {
	for _, x := range s {
		n += x.to - x.from
	}
	return n
}

// missing returns the ranges that s lacks of an object, in pieces of most bytes at most.
func (s spans) missing(size, most int64) (gaps []span) {
	at := int64(0)
	for _, x := range append(slices.Clone(s), span{size, size}) {
		for at < x.from {
			to := min(at+most, x.from)
			gaps = append(gaps, span{at, to})
			at = to
		}
		at = x.to
	}
	return gaps
}

// check refuses ranges that no download can have brought: what is read from a file may be anything.
func (s spans) check(size int64) error {
	at := int64(-1)
	for _, x := range s {
		if x.from <= at || x.to <= x.from || x.to > size {
			return errors.New("its ranges are out of order or out of bounds")
		}
		at = x.to
	}
	return nil
}
