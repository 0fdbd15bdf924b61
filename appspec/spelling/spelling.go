// Package spelling finds the word that somebody meant.
package spelling

import "strings"

// Nearest returns the known word that is closest to the given one, or "" if none is close. Case and the difference between "-" and "_" do
// not count; otherwise every third letter may be wrong, missing, surplus or swapped with its neighbour.
func Nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, distance := "", len(word)/3+1
	for _, k := range known {
		if d := edits(fold(word), fold(k)); d < distance || d == distance && best == "" && d <= 2 {
			best, distance = k, d
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// edits counts the single-letter changes, and swaps of two neighbours, that turn a into b.
func edits(a, b string) int {
	var older []int
	old := make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old = old, row
	}
	return old[len(b)]
}
