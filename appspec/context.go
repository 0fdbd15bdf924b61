package appspec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Context is an SELinux context. User and Range are empty when the entry leaves them to the policy.
type Context struct {
	User, Type, Range string
}

// maxCategory is the highest category of the usual policies (official agents).
const maxCategory = 1023

var errRange = errors.New(`it is not of the form s0, s0-s3 or s0:c1.c3,c7`)

// parseRange reads a range, "sL[-sH][:categories]", and returns it with its categories in order and runs of them joined by a dot.
func parseRange(text string) (string, error) {
	levels, categories, some := strings.Cut(text, ":")
	low, high, span := strings.Cut(levels, "-")
	l, err := numbered(low, 's')
	if err != nil {
		return "", err
	}
	out := "s" + strconv.Itoa(l)
	if span {
		h, err := numbered(high, 's')
		if err != nil {
			return "", err
		}
		if h < l {
			return "", fmt.Errorf("its sensitivity s%d is lower than s%d", h, l)
		}
		if h > l {
			out += "-s" + strconv.Itoa(h)
		}
	}
	if !some {
		return out, nil
	}
	var set []int
	for _, part := range strings.Split(strings.TrimRight(categories, ","), ",") { // official agent 1.8 forgives commas at the end
		first, last, run := strings.Cut(part, ".")
		from, err := numbered(first, 'c')
		if err != nil {
			return "", err
		}
		to := from
		if run {
			if to, err = numbered(last, 'c'); err != nil {
				return "", err
			}
		}
		if from > to || to > maxCategory {
			return "", fmt.Errorf("%q is not within c0 to c%d from low to high", part, maxCategory)
		}
		for c := from; c <= to; c++ {
			if slices.Contains(set, c) {
				return "", fmt.Errorf("it has the category c%d twice", c)
			}
			set = append(set, c)
		}
	}
	slices.Sort(set)
	return out + ":" + joinCategories(set), nil
}

func numbered(text string, letter byte) (int, error) {
	if len(text) < 2 || text[0] != letter {
		return 0, errRange
	}
	n, err := strconv.ParseUint(text[1:], 10, 31)
	if err != nil {
		return 0, errRange
	}
	return int(n), nil
}

func joinCategories(sorted []int) string {
	var parts []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		part := "c" + strconv.Itoa(sorted[i])
		if j > i {
			part += ".c" + strconv.Itoa(sorted[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}
