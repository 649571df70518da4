// Package spelling finds the word that a misspelled one is meant for.
package spelling

import "strings"

// Nearest returns the word that a misspelled one is probably meant for, or "" when none is near.
func Nearest(name string, words []string) string {
	best, distance := "", 1+len(name)/3
	plain := squeeze(name)
	for _, word := range words {
		if squeeze(word) == plain {
			return word
		}
		if d := edits(plain, squeeze(word), distance); d <= distance && (best == "" || d < distance) {
			best, distance = word, d
		}
	}
	return best
}

// squeeze removes what people spell differently.
func squeeze(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}

// edits returns how many insertions, deletions and substitutions turn a into b, or more than limit.
func edits(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 100 || len(b) > 100 {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
