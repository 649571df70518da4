// Package search finds traces that have a matching span. It reads as little as it can: the rollups tell in which slices
// a match can be, those are read newest first in growing portions, and reading ends when the page is full or its time is
// up.
//
// Reading order: query.go (what is asked and answered), search.go (the loop), plan.go (which slices), summary.go (what
// is shown of each trace found).
package search

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/rollup"
	"loadline/query/sql"
	"loadline/query/trace"
)

// Traces returns a page of traces that match.
func Traces(ctx context.Context, db *clickhouse.DB, q Query) (*List, error) {
	if q.Limit <= 0 {
		q.Limit = defaultTraceLimit
	}
	q.Limit = min(q.Limit, maxTraceLimit)
	if q.Budget <= 0 {
		q.Budget = defaultSearchBudget
	}
	before, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	p, err := newSearch(db, q, before)
	if err != nil {
		return nil, err
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	found := len(p.list.Traces)
	if err := p.summarize(ctx); err != nil {
		return nil, err
	}
	p.list.Matching = p.estimate(found)
	p.list.Scanned.Elapsed = time.Since(p.started)
	if len(p.list.Traces) < found && p.list.Cursor != "" && p.list.SearchedTo.IsZero() && p.list.Scanned.Elapsed < q.Budget {
		return searchOn(ctx, db, q, p.list)
	}
	return p.list, nil
}

// searchOn fills up a page of which some traces stood on an earlier page.
func searchOn(ctx context.Context, db *clickhouse.DB, q Query, list *List) (*List, error) {
	q.Limit -= len(list.Traces)
	q.Budget -= list.Scanned.Elapsed
	q.Cursor = list.Cursor
	more, err := Traces(ctx, db, q)
	if err != nil {
		return nil, err
	}
	list.Traces = append(list.Traces, more.Traces...)
	list.Cursor, list.SearchedTo = more.Cursor, more.SearchedTo
	list.Scanned.Rows += more.Scanned.Rows
	list.Scanned.Elapsed += more.Scanned.Elapsed
	return list, nil
}

// A searchCursor is the last match of a page. Matches are ordered by (at, id), both descending.
type searchCursor struct {
	at int64 // start of the matching span in nanoseconds
	id trace.ID
}

func (c searchCursor) String() string {
	var raw [24]byte
	binary.BigEndian.PutUint64(raw[:], uint64(c.at))
	copy(raw[8:], c.id[:])
	return hex.EncodeToString(raw[:])
}

// second is the start of the slices that have nothing older than the cursor.
func (c searchCursor) second() uint32 {
	second := uint32(max(c.at, 0) / int64(time.Second))
	if c.at%int64(time.Second) != 0 || !c.id.IsZero() {
		second++
	}
	return second
}

func parseCursor(text string) (*searchCursor, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 24 {
		return nil, fmt.Errorf("cursor %q is not one of a trace list: leave it out to start at the newest", text)
	}
	c := &searchCursor{at: int64(binary.BigEndian.Uint64(raw))}
	copy(c.id[:], raw[8:])
	return c, nil
}

// A search is the state of one [Traces].
type search struct {
	db      *clickhouse.DB
	q       Query
	before  *searchCursor // matches must be older
	plan    *Plan
	started time.Time

	seen   map[trace.ID]bool
	expect float64 // matches that the plan promised for what was searched
	list   *List
}

func newSearch(db *clickhouse.DB, q Query, before *searchCursor) (*search, error) {
	plan, err := NewPlan(db, q)
	if err != nil {
		return nil, err
	}
	if before != nil {
		plan.before = before.second()
	}
	// Whether the conditions are sound shows now, not after the plan.
	if _, err := q.within(nil, nil); err != nil {
		return nil, err
	}
	return &search{db: db, q: q, before: before, plan: plan, started: time.Now(), seen: map[trace.ID]bool{}, list: &List{}}, nil
}

// Portions of a search, in spans. When the rollup cannot tell how many matches to expect, the first is small, because
// most pages are full after it. Later ones take about a third of the budget that is left.
const (
	firstPortion = 100_000
	minPortion   = 50_000
	maxPortion   = 2_000_000
)

// run fills the list with matches until it is full, the range is searched or the budget is spent.
func (p *search) run(ctx context.Context) error {
	portion := float64(firstPortion)
	if p.plan.sure {
		portion = maxPortion / 2
	}
	for {
		want := p.q.Limit - len(p.list.Traces)
		part, err := p.plan.next(ctx, float64(want), portion)
		if err != nil || len(part) == 0 {
			return err
		}
		began := time.Now()
		full, err := p.read(ctx, part, want)
		if err != nil {
			return err
		}
		oldest := part[len(part)-1].at
		if full {
			last := p.list.Traces[len(p.list.Traces)-1]
			p.list.Cursor = searchCursor{last.MatchTime.UnixNano(), last.TraceID}.String()
			p.expectUpTo(part, last.MatchTime)
			return nil
		}
		p.expectUpTo(part, time.Time{})
		if left := p.q.Budget - time.Since(p.started); left <= 0 {
			if p.plan.more() {
				p.list.SearchedTo = time.Unix(int64(oldest), 0).UTC()
				p.list.Cursor = searchCursor{at: p.list.SearchedTo.UnixNano()}.String()
			}
			return nil
		} else if took := time.Since(began).Seconds(); took > 0 {
			portion = min(max(spansOf(part)/took*left.Seconds()/3, minPortion), maxPortion)
		}
	}
}

// expectUpTo counts what the plan promised for the part that was read, down to the moment of the last match; a zero
// moment means all of it.
func (p *search) expectUpTo(part []slicePart, last time.Time) {
	for _, s := range part {
		start := time.Unix(int64(s.at), 0)
		past := start.Add(rollup.Tier10s.Slice).Sub(last) // how much of the slice was gone through
		p.expect += s.matching * min(max(past.Seconds()/rollup.Tier10s.Slice.Seconds(), 0), 1)
	}
}

func spansOf(part []slicePart) float64 {
	var n float64
	for _, s := range part {
		n += s.spans
	}
	return n
}

// read appends the matches of one portion and reports whether the list is full.
func (p *search) read(ctx context.Context, part []slicePart, want int) (full bool, err error) {
	w, err := p.q.within(part, p.before)
	if err != nil {
		return false, err
	}
	found := 0
	err = sql.Scan(ctx, p.db, "matching spans", `
SELECT ts, trace_id, span_id, service, operation, version, duration, error, http_status
FROM spans
WHERE `+w.String()+`
ORDER BY ts DESC, trace_id DESC
LIMIT 1 BY trace_id
LIMIT `+strconv.Itoa(want+len(p.seen)), w.Args, func(rows driver.Rows) error {
		t, err := scanMatch(rows)
		if err == nil && !p.seen[t.TraceID] && found < want {
			found++
			p.seen[t.TraceID] = true
			p.list.Traces = append(p.list.Traces, t)
		}
		return err
	})
	p.list.Scanned.Rows += uint64(spansOf(part))
	return found == want, err
}

func scanMatch(rows driver.Rows) (Summary, error) {
	var t Summary
	var trace, span string
	var duration uint64
	var status uint16
	err := rows.Scan(&t.MatchTime, &trace, &span, &t.MatchService, &t.MatchOperation, &t.MatchVersion, &duration, &t.MatchError, &status)
	copy(t.TraceID[:], trace)
	copy(t.MatchSpan[:], span)
	t.MatchTime, t.MatchDuration, t.MatchHTTPStatus = t.MatchTime.UTC(), time.Duration(duration), int(status)
	return t, err
}

// estimate is how many spans match in the whole range. The plan knows exactly what the rollup knows; for the rest it
// is scaled by how many of its promises turned out true in what was searched.
func (p *search) estimate(traces int) Estimate {
	found := float64(traces)
	switch {
	case p.plan.Exact():
		return Estimate{p.plan.total, true}
	case p.list.Cursor == "" && p.before == nil:
		return Estimate{found, true}
	case p.expect > 0:
		return Estimate{max(p.plan.total*min(found/p.expect, 1), found), false}
	default:
		return Estimate{found, false}
	}
}
