package query

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A slicePlan knows from the rollups in which slices spans can match a query, newest first. Over long ranges it looks
// at a coarse rollup first and refines only what the search reaches.
type slicePlan struct {
	store  *Store
	q      TraceQuery
	known  Selector // the part of the selector that rollups can answer
	low    time.Duration
	high   time.Duration // matching durations, 0 for no bound
	before uint32        // only slices that start before this second

	sure    bool // the rollups know all conditions
	aligned bool // the range is whole slices of its rollup
	loaded  bool
	coarse  []slicePart // not refined yet
	tier    tier        // of coarse
	fine    []slicePart // next to be searched
	total   float64     // matching spans of the whole range
	refined bool        // coarse are 10 s slices already
}

// A slicePart is one slice with the number of its spans and how many of them match as far as the rollup can tell.
type slicePart struct {
	at              uint32
	matching, spans float64
}

func newSlicePlan(s *Store, q TraceQuery) (*slicePlan, error) {
	p := &slicePlan{store: s, q: q, sure: true, before: math.MaxUint32, low: q.MinDuration, high: q.MaxDuration}
	p.known = Selector{Env: q.Env, Service: q.Service, Operation: q.Operation}
	for _, m := range q.Matchers {
		if err := p.learn(m); err != nil {
			return nil, err
		}
	}
	p.tier, p.refined = tier10s, true
	for _, t := range []tier{tier5m, tier1h} {
		if q.Range.To.Sub(q.Range.From) > 12*t.slice || q.Range.tier().slice >= t.slice {
			p.tier, p.refined = t, false
		}
	}
	p.aligned = q.Range.From.UnixNano()%int64(q.Range.tier().slice) == 0 && q.Range.To.UnixNano()%int64(q.Range.tier().slice) == 0
	return p, nil
}

// exact reports whether total is exactly the number of matching spans.
func (p *slicePlan) exact() bool { return p.sure && p.aligned && p.low == 0 && p.high == 0 }

// learn takes from a matcher what the rollups know. What it leaves out only makes the plan wider.
func (p *slicePlan) learn(m Matcher) error {
	f, ok := fieldOf(m.Key)
	if ok && f.rollup != "" {
		p.known.Matchers = append(p.known.Matchers, m)
		return nil
	}
	if !ok {
		p.sure = false
		return nil
	}
	switch f.typ {
	case durationField:
		d, err := ParseDuration(m.Value)
		if err != nil {
			return fmt.Errorf("filter %q: %w", m.Key, err)
		}
		switch m.Op {
		case Greater, GreaterEqual:
			p.low = max(p.low, d)
		case Less, LessEqual:
			if p.high == 0 || d < p.high {
				p.high = max(d, 1)
			}
		default:
			p.sure = false
		}
	case classField:
		p.sure = false
		class, ok := statusClass(m.Value)
		if code, err := strconv.Atoi(m.Value); err == nil {
			class, ok = code/100, code >= 100 && code < 600
		}
		if ok && m.Op == Equal {
			p.known = p.known.With("status", Equal, strconv.Itoa(class)+"xx")
		}
	default:
		p.sure = false
	}
	return nil
}

// next returns the next slices to search: enough for want matches if the plan is right, but not much more than the
// given number of spans. It returns none at the end of the range.
func (p *slicePlan) next(ctx context.Context, want, spans float64) ([]slicePart, error) {
	if !p.loaded {
		var err error
		if p.coarse, err = p.load(ctx, p.tier, p.q.Range); err != nil {
			return nil, err
		}
		p.loaded = true
		for _, s := range p.coarse {
			p.total += s.matching
		}
		p.coarse = p.older(p.coarse)
	}
	for len(p.fine) == 0 && len(p.coarse) > 0 {
		if err := p.refine(ctx, want); err != nil {
			return nil, err
		}
	}
	// A little more than wanted: several matches may be of one trace.
	want = want*1.2 + 5
	n := 0
	for ; n < len(p.fine) && (n == 0 || spans > 0 && (want > 0 || !p.sure)); n++ {
		want -= p.fine[n].matching
		spans -= p.fine[n].spans
	}
	part := p.fine[:n]
	p.fine = p.fine[n:]
	return part, nil
}

// more reports whether next has more.
func (p *slicePlan) more() bool { return len(p.fine) > 0 || len(p.coarse) > 0 }

// older drops slices that start after the cursor.
func (p *slicePlan) older(list []slicePart) []slicePart {
	for len(list) > 0 && list[0].at >= p.before {
		list = list[1:]
	}
	return list
}

// maxRefined is how much time is refined at once.
const maxRefined = 3 * time.Hour

// refine turns the next coarse slices, with at least want matches, into 10 s slices.
func (p *slicePlan) refine(ctx context.Context, want float64) error {
	if p.refined {
		p.fine, p.coarse = p.coarse, nil
		return nil
	}
	newest := time.Unix(int64(p.coarse[0].at), 0).Add(p.tier.slice)
	n := 0
	for ; n < len(p.coarse) && (n == 0 || want > 0); n++ {
		if newest.Sub(time.Unix(int64(p.coarse[n].at), 0)) > maxRefined && n > 0 {
			break
		}
		want -= p.coarse[n].matching
	}
	part := p.coarse[:n]
	p.coarse = p.coarse[n:]
	oldest := time.Unix(int64(part[n-1].at), 0)
	fine, err := p.load(ctx, tier10s, Range{From: later(oldest, p.q.Range.From), To: earlier(newest, p.q.Range.To), Step: tier10s.slice})
	if err != nil {
		return err
	}
	if len(fine) == 0 {
		fine = spread(part, p.tier)
	}
	p.fine = p.older(fine)
	return nil
}

// spread stands in for 10 s slices that are past their retention: any of a coarse slice may have matches.
func spread(part []slicePart, t tier) []slicePart {
	n := uint32(t.slice / tier10s.slice)
	var fine []slicePart
	for _, s := range part {
		for i := n; i > 0; i-- {
			at := s.at + (i-1)*uint32(tier10s.slice/time.Second)
			fine = append(fine, slicePart{at, s.matching / float64(n), s.spans / float64(n)})
		}
	}
	return fine
}

// load asks the rollups for slices with matches, newest first, of the width of t.
func (p *slicePlan) load(ctx context.Context, t tier, r Range) ([]slicePart, error) {
	var w where
	w.sliceRange(r)
	rows := w.rollupRows(r, t)
	match := where{args: w.args}
	if err := match.selector(p.known, onRollup); err != nil {
		return nil, err
	}
	match.searched(p.q)
	count := "toFloat64(spans)"
	if p.low > 0 {
		match.add("slowest.1 >= " + match.bind("UInt64", uint64(p.low)))
	}
	if p.low > 0 || p.high > 0 {
		count = "spans * " + p.durationShare(&match)
	}
	width := strconv.Itoa(int(t.slice / time.Second))
	// Slices whose matches are only a fraction of a bucket stay in: the bound may cut that bucket anywhere.
	sql := `
SELECT toUInt32(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, sumIf(` + count + `, matches) AS matching, toFloat64(sum(spans))
FROM (SELECT *, ` + match.String() + ` AS matches FROM ` + rows + `)
GROUP BY at
HAVING max(matches)
ORDER BY at DESC
LIMIT 10000`
	var list []slicePart
	err := p.store.scan(ctx, "slices with matches", sql, match.args, func(rows driver.Rows) error {
		var s slicePart
		err := rows.Scan(&s.at, &s.matching, &s.spans)
		list = append(list, s)
		return err
	})
	return list, err
}

// durationShare is the share of a row's requests whose duration is within the bounds. Of the bucket that a bound cuts
// it takes the part beyond the bound, on the logarithmic scale.
func (p *slicePlan) durationShare(w *where) string {
	position := func(d time.Duration) string {
		return w.bind("Float64", math.Log2(math.Max(float64(d), 1))*bucketsPerOctave)
	}
	above, below := "0", "1000000"
	if p.low > 0 {
		above = position(p.low)
	}
	if p.high > 0 {
		below = position(p.high)
	}
	return "arraySum((i, n) -> n * greatest(0, least(i, " + below + ") - greatest(i - 1, " + above + ")), latency.1, latency.2) / requests"
}
