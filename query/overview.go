package query

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// An Overview is the state of the whole in a few numbers.
type Overview struct {
	Services, Endpoints, Instances int
	Envs                           []string
	Spans                          uint64        // stored spans of the range
	SpanRate                       float64       // stored spans per second in the last minute of the range
	LastEvent                      time.Time     // start of the newest 10 s slice up to the end of the range; zero when nothing was ever stored
	Lag                            time.Duration // from the newest span, if it is younger than a minute, else from LastEvent; at least 0
}

// Overview counts what is there. A zero LastEvent means that no span was ever stored.
func (s *Store) Overview(ctx context.Context, sel filter.Selector, r rollup.Range) (*Overview, error) {
	out := &Overview{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.overviewCounts(ctx, sel, r, out) })
	g.Go(func() error { return s.overviewLive(ctx, sel, r, out) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Store) overviewCounts(ctx context.Context, sel filter.Selector, r rollup.Range, out *Overview) error {
	q, err := rollup.AllKinds(sel, r)
	if err != nil {
		return err
	}
	statement := q.Sums("uniqExact(service)", "uniqExactIf((service, operation), "+filter.RollupInbound+")", "arraySort(groupUniqArray(env))", "sum(spans)")
	return sql.Scan(ctx, s.db, "overview", statement, q.Where.Args, func(rows driver.Rows) error {
		var services, endpoints uint64
		var envs []string
		if err := rows.Scan(&services, &endpoints, &envs, &out.Spans); err != nil {
			return err
		}
		out.Services, out.Endpoints = int(services), int(endpoints)
		for _, env := range envs {
			if env != "" {
				out.Envs = append(out.Envs, env)
			}
		}
		return nil
	})
}

// overviewLive looks at the last minute of the range and, when that is empty, for the newest slice of all.
func (s *Store) overviewLive(ctx context.Context, sel filter.Selector, r rollup.Range, out *Overview) error {
	live := r.LastMinute()
	var w sql.Where
	w.SliceRange(live.From, live.To)
	if err := (filter.Selector{Env: sel.Env}).AddTo(&w, filter.OnSpans); err != nil {
		return err
	}
	var newest time.Time
	err := sql.Scan(ctx, s.db, "newest spans", `
SELECT count(), uniqExact(resource_id), max(slice), max(ts)
FROM spans
WHERE `+w.String(), w.Args, func(rows driver.Rows) error {
		var n, instances uint64
		if err := rows.Scan(&n, &instances, &out.LastEvent, &newest); err != nil {
			return err
		}
		out.SpanRate, out.Instances = float64(n)/live.Covered().Seconds(), int(instances)
		return nil
	})
	if err != nil {
		return err
	}
	if out.LastEvent = out.LastEvent.UTC(); out.LastEvent.Unix() <= 0 {
		if out.LastEvent, err = s.LastEvent(ctx); err != nil || out.LastEvent.IsZero() {
			return err
		}
		newest = out.LastEvent
	}
	out.Lag = max(r.From.Add(r.Covered()).Sub(newest), 0)
	return nil
}

// LastEvent returns the start of the newest slice that holds spans, zero when no span was ever stored. It is answered
// from the index.
func (s *Store) LastEvent(ctx context.Context) (time.Time, error) {
	var last time.Time
	err := sql.Scan(ctx, s.db, "newest slice", `
SELECT max(slice)
FROM spans
LIMIT 1`, nil, func(rows driver.Rows) error { return rows.Scan(&last) })
	if last.Unix() <= 0 {
		return time.Time{}, err
	}
	return last.UTC(), err
}
