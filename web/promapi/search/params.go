package search

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"loadline/web/promapi/failure"
	"loadline/web/promapi/param"
)

// The algorithms of fuzzy search.
const (
	subsequence = "subsequence"
	jaroWinkler = "jarowinkler"
)

const (
	maxTerms     = 32
	defaultLimit = 100
	defaultBatch = 100
	maxBatch     = 1000
	since        = time.Hour // that is searched when no start is given
)

// params are the parameters of a search.
type params struct {
	selectors     [][]*labels.Matcher
	terms         []string
	threshold     float64 // 0 to 1
	algorithm     string
	caseSensitive bool
	order         storage.Ordering
	withScore     bool
	start, end    time.Time
	limit, batch  int
}

// bad returns the error for a request that cannot be understood.
func bad(format string, args ...any) *failure.Error {
	return failure.New(failure.BadData, format, args...)
}

// parse parses the parameters that all searches have. Limits above most are refused.
func parse(form url.Values, p parser.Parser, now time.Time, most int, endpoint string) (s params, f *failure.Error) {
	if s.start, f = param.Time(form, "start", now.Add(-since)); f != nil {
		return s, f
	}
	if s.end, f = param.Time(form, "end", now); f != nil {
		return s, f
	}
	if s.end.Before(s.start) {
		return s, bad("end timestamp must not be before start timestamp")
	}
	var err error
	if s.selectors, err = param.Matchers(p, form["match[]"]); err != nil {
		return s, &failure.Error{Kind: failure.BadData, Err: err}
	}
	if s.terms = form["search[]"]; len(s.terms) > maxTerms {
		return s, bad("too many search[] terms: got %d, maximum is %d", len(s.terms), maxTerms)
	}
	for _, parse := range []func(url.Values) *failure.Error{s.parseMatching, s.parseOrder} {
		if f = parse(form); f != nil {
			return s, f
		}
	}
	if by := form.Get("sort_by"); by != "" && by != "alpha" && by != "score" {
		return s, bad("invalid sort_by %q for %s: must be \"alpha\" or \"score\"", by, endpoint)
	}
	return s, s.parseSizes(form, most)
}

// parseMatching parses how terms match.
func (s *params) parseMatching(form url.Values) *failure.Error {
	if v := form.Get("fuzz_threshold"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 100 {
			return bad("invalid fuzz_threshold %q: must be 0-100", v)
		}
		s.threshold = float64(n) / 100
	}
	s.algorithm = cmp.Or(form.Get("fuzz_alg"), subsequence)
	if known := []string{subsequence, jaroWinkler}; !slices.Contains(known, s.algorithm) {
		return bad("unsupported fuzz_alg %q: must be one of %v", s.algorithm, known)
	}
	var f *failure.Error
	if s.caseSensitive, f = boolean(form, "case_sensitive", true); f != nil {
		return f
	}
	s.withScore, f = boolean(form, "include_score", false)
	return f
}

// parseOrder parses the order of results.
func (s *params) parseOrder(form url.Values) *failure.Error {
	by, dir := form.Get("sort_by"), form.Get("sort_dir")
	switch {
	case dir != "" && by == "":
		return bad("sort_dir is only valid when sort_by is set")
	case dir != "" && by == "score":
		return bad("sort_dir is not supported for sort_by=score")
	case dir != "" && dir != "asc" && dir != "dsc":
		return bad("invalid sort_dir %q: must be \"asc\" or \"dsc\"", dir)
	case by == "score" && len(s.terms) == 0:
		return bad("sort_by=score requires search[] to be set")
	case by == "score":
		s.order = storage.OrderByScoreDesc
	case by == "alpha" && dir == "dsc":
		s.order = storage.OrderByValueDesc
	}
	return nil
}

// parseSizes parses how many results there may be, in all and in a line.
func (s *params) parseSizes(form url.Values, most int) *failure.Error {
	s.limit, s.batch = min(defaultLimit, most), defaultBatch
	if v := form.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 {
			return bad("invalid limit %q: must be a positive integer", v)
		}
		if n > most {
			return bad("limit %d exceeds the configured maximum (%d)", n, most)
		}
		s.limit = n
	}
	if v := form.Get("batch_size"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 {
			return bad("invalid batch_size %q: must be a positive integer", v)
		}
		s.batch = n
	}
	s.batch = min(s.batch, s.limit, maxBatch)
	return nil
}

// probe is how many results to look for: one more than are returned shows that there are more.
func (s *params) probe() int {
	return min(s.limit, math.MaxInt-1) + 1
}

var errNotBoolean = errors.New("must be boolean")

func boolean(form url.Values, name string, otherwise bool) (bool, *failure.Error) {
	b, err := param.Bool(form, name, otherwise)
	if err != nil {
		return false, &failure.Error{Kind: failure.BadData, Err: fmt.Errorf("invalid %s %q: %w", name, form.Get(name), errNotBoolean)}
	}
	return b, nil
}
