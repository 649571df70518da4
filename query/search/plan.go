package search

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// A Plan knows from the rollups in which slices spans can match a query, newest first. Over long ranges it looks
// at a coarse rollup first and refines only what the search reaches.
type Plan struct {
	db     *clickhouse.DB
	q      Query
	known  filter.Selector // the part of the selector that rollups can answer
	low    time.Duration
	high   time.Duration // matching durations, 0 for no bound
	before uint32        // only slices that start before this second

	sure    bool // the rollups know all conditions
	aligned bool // the range is whole slices of its rollup
	loaded  bool
	coarse  []slicePart // not refined yet
	tier    rollup.Tier // of coarse
	fine    []slicePart // next to be searched
	total   float64     // matching spans of the whole range
	refined bool        // coarse are 10 s slices already
}

// A slicePart is one slice with the number of its spans and how many of them match as far as the rollup can tell.
type slicePart struct {
	at              uint32
	matching, spans float64
}

// NewPlan makes a plan without asking anything yet. It refuses conditions that make no sense.
func NewPlan(db *clickhouse.DB, q Query) (*Plan, error) {
	p := &Plan{db: db, q: q, sure: true, before: math.MaxUint32, low: q.MinDuration, high: q.MaxDuration}
	p.known = filter.Selector{Env: q.Env, Service: q.Service, Operation: q.Operation}
	for _, m := range q.Matchers {
		if err := p.learn(m); err != nil {
			return nil, err
		}
	}
	p.tier, p.refined = rollup.Tier10s, true
	for _, t := range []rollup.Tier{rollup.Tier5m, rollup.Tier1h} {
		if q.Range.To.Sub(q.Range.From) > 12*t.Slice || q.Range.Tier().Slice >= t.Slice {
			p.tier, p.refined = t, false
		}
	}
	p.aligned = q.Range.From.UnixNano()%int64(q.Range.Tier().Slice) == 0 && q.Range.To.UnixNano()%int64(q.Range.Tier().Slice) == 0
	return p, nil
}

// Exact reports whether Total is exactly the number of matching spans.
func (p *Plan) Exact() bool { return p.sure && p.aligned && p.low == 0 && p.high == 0 }

// Total is the number of matching spans of the whole range, as far as the rollups know. It is known after the first
// [Plan.Sample].
func (p *Plan) Total() float64 { return p.total }

// Sample selects the newest spans that match: enough slices for want of them, with not much more than the given number
// of spans in all. It also returns how many matches the rollups promise there. The next call continues behind them.
func (p *Plan) Sample(ctx context.Context, want, spans float64) (w *sql.Where, matching float64, err error) {
	part, err := p.next(ctx, want, spans)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range part {
		matching += s.matching
	}
	w, err = p.q.within(part, nil)
	return w, matching, err
}

// learn takes from a matcher what the rollups know. What it leaves out only makes the plan wider.
func (p *Plan) learn(m filter.Matcher) error {
	f, ok := filter.FieldOf(m.Key)
	if ok && f.Rollup != "" {
		p.known.Matchers = append(p.known.Matchers, m)
		return nil
	}
	if !ok {
		p.sure = false
		return nil
	}
	switch f.Type {
	case filter.DurationField:
		d, err := filter.ParseDuration(m.Value)
		if err != nil {
			return fmt.Errorf("filter %q: %w", m.Key, err)
		}
		switch m.Op {
		case filter.Greater, filter.GreaterEqual:
			p.low = max(p.low, d)
		case filter.Less, filter.LessEqual:
			if p.high == 0 || d < p.high {
				p.high = max(d, 1)
			}
		default:
			p.sure = false
		}
	case filter.ClassField:
		p.sure = false
		class, ok := filter.StatusClass(m.Value)
		if code, err := strconv.Atoi(m.Value); err == nil {
			class, ok = code/100, code >= 100 && code < 600
		}
		if ok && m.Op == filter.Equal {
			p.known = p.known.With("status", filter.Equal, strconv.Itoa(class)+"xx")
		}
	default:
		p.sure = false
	}
	return nil
}

// next returns the next slices to search: enough for want matches if the plan is right, but not much more than the
// given number of spans. It returns none at the end of the range.
func (p *Plan) next(ctx context.Context, want, spans float64) ([]slicePart, error) {
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
func (p *Plan) more() bool { return len(p.fine) > 0 || len(p.coarse) > 0 }

// older drops slices that start after the cursor.
func (p *Plan) older(list []slicePart) []slicePart {
	for len(list) > 0 && list[0].at >= p.before {
		list = list[1:]
	}
	return list
}

// maxRefined is how much time is refined at once.
const maxRefined = 3 * time.Hour

// refine turns the next coarse slices, with at least want matches, into 10 s slices.
func (p *Plan) refine(ctx context.Context, want float64) error {
	if p.refined {
		p.fine, p.coarse = p.coarse, nil
		return nil
	}
	newest := time.Unix(int64(p.coarse[0].at), 0).Add(p.tier.Slice)
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
	if oldest.Before(p.q.Range.From) {
		oldest = p.q.Range.From
	}
	if newest.After(p.q.Range.To) {
		newest = p.q.Range.To
	}
	fine, err := p.load(ctx, rollup.Tier10s, rollup.Range{From: oldest, To: newest, Step: rollup.Tier10s.Slice})
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
func spread(part []slicePart, t rollup.Tier) []slicePart {
	n := uint32(t.Slice / rollup.Tier10s.Slice)
	var fine []slicePart
	for _, s := range part {
		for i := n; i > 0; i-- {
			at := s.at + (i-1)*uint32(rollup.Tier10s.Slice/time.Second)
			fine = append(fine, slicePart{at, s.matching / float64(n), s.spans / float64(n)})
		}
	}
	return fine
}

// load asks the rollups for slices with matches, newest first, of the width of t.
func (p *Plan) load(ctx context.Context, t rollup.Tier, r rollup.Range) ([]slicePart, error) {
	var w sql.Where
	w.SliceRange(r.From, r.To)
	rows := rollup.Rows(&w, r, t)
	match := sql.Where{Args: w.Args}
	if err := p.known.AddTo(&match, filter.OnRollup); err != nil {
		return nil, err
	}
	p.q.OnRollup(&match)
	count := "toFloat64(spans)"
	if p.low > 0 {
		match.Add("slowest.1 >= " + match.Bind("UInt64", uint64(p.low)))
	}
	if p.low > 0 || p.high > 0 {
		count = "spans * " + p.durationShare(&match)
	}
	width := strconv.Itoa(int(t.Slice / time.Second))
	// Slices whose matches are only a fraction of a bucket stay in: the bound may cut that bucket anywhere.
	statement := `
SELECT toUInt32(intDiv(toUnixTimestamp(slice), ` + width + `) * ` + width + `) AS at, sumIf(` + count + `, matches) AS matching, toFloat64(sum(spans))
FROM (SELECT *, ` + match.String() + ` AS matches FROM ` + rows + `)
GROUP BY at
HAVING max(matches)
ORDER BY at DESC
LIMIT 10000`
	var list []slicePart
	err := sql.Scan(ctx, p.db, "slices with matches", statement, match.Args, func(rows driver.Rows) error {
		var s slicePart
		err := rows.Scan(&s.at, &s.matching, &s.spans)
		list = append(list, s)
		return err
	})
	return list, err
}

// durationShare is the share of a row's requests whose duration is within the bounds. Of the bucket that a bound cuts
// it takes the part beyond the bound, on the logarithmic scale.
func (p *Plan) durationShare(w *sql.Where) string {
	position := func(d time.Duration) string {
		return w.Bind("Float64", math.Log2(math.Max(float64(d), 1))*rollup.BucketsPerOctave)
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
