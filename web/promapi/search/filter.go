package search

import (
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/strutil"
)

// filter accepts values and scores them: 1 is a perfect match. It implements storage.Filter.
type filter func(value string) (accepted bool, score float64)

// Accept implements storage.Filter.
func (f filter) Accept(value string) (bool, float64) { return f(value) }

// newFilter returns the filter for search terms, of which one has to match. It is nil when there is no term.
func newFilter(p *params) storage.Filter {
	var terms []filter
	for _, term := range p.terms {
		if term == "" {
			continue
		}
		if !p.caseSensitive {
			term = strings.ToLower(term)
		}
		if p.algorithm == subsequence {
			terms = append(terms, subsequenceFilter(term, p.threshold))
		} else {
			terms = append(terms, similarFilter(term, p.threshold))
		}
	}
	if len(terms) == 0 {
		return nil
	}
	return filter(func(value string) (accepted bool, best float64) {
		if !p.caseSensitive {
			value = strings.ToLower(value)
		}
		for _, f := range terms {
			if ok, score := f(value); ok {
				accepted, best = true, max(best, score)
			}
			if best >= 1 {
				break
			}
		}
		return accepted, best
	})
}

// subsequenceFilter accepts values that have the characters of the term in its order.
func subsequenceFilter(term string, threshold float64) filter {
	matcher := strutil.NewSubsequenceMatcher(term)
	return func(value string) (bool, float64) {
		if strings.HasPrefix(value, term) {
			return true, 1
		}
		score := matcher.Score(value)
		return score > 0 && score >= threshold, score
	}
}

// similarFilter accepts values that contain the term and, when there is a threshold, those that are similar to it by
// the measure of Jaro and Winkler.
func similarFilter(term string, threshold float64) filter {
	matcher := strutil.NewJaroWinklerMatcher(term)
	return func(value string) (bool, float64) {
		if ok, score := contains(value, term); ok || threshold == 0 {
			return ok, score
		}
		score := matcher.Score(value)
		return score >= threshold, score
	}
}

// contains reports whether value contains term, and a score from 1 at its start down to 0.1 at its end.
func contains(value, term string) (bool, float64) {
	i := strings.Index(value, term)
	if i <= 0 {
		return i == 0, float64(i + 1)
	}
	last := utf8.RuneCountInString(value) - utf8.RuneCountInString(term)
	if last <= 0 {
		return true, 1
	}
	return true, 1 - 0.9*float64(utf8.RuneCountInString(value[:i]))/float64(last)
}
