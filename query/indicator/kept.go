package indicator

import (
	"context"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/indicator/events"
)

// Kept is since when there is something to count by. A zero time means that there is nothing.
type Kept struct {
	Spans   time.Time
	Rollups time.Time // mostly longer
}

// FindKept reads the starts of the oldest slices. The tables are ordered by slice within a partition, so little is read.
func FindKept(ctx context.Context, db *clickhouse.DB) (Kept, error) {
	var k Kept
	var err error
	if k.Spans, err = events.Oldest(ctx, db, "spans"); err != nil {
		return k, err
	}
	for _, table := range []string{"red_10s", "red_5m", "red_1h"} {
		at, err := events.Oldest(ctx, db, table)
		if err != nil {
			return k, err
		}
		k.Rollups = earlier(k.Rollups, at)
	}
	return k, nil
}

// earlier is the earlier of two times, of which a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Of is since when the events of an indicator can be counted; the zero time when they cannot. What is before is not known,
// which is not the same as that there was nothing.
func (k Kept) Of(ind sli.Indicator) time.Time {
	if exactlyRolledUp(ind) {
		return earlier(k.Spans, k.Rollups)
	}
	return k.Spans
}

// exactlyRolledUp reports whether the rollups know all that an indicator asks, durations included.
func exactlyRolledUp(ind sli.Indicator) bool {
	return events.RolledUp(ind) && events.NewBound(ind.Bad.Slower).Share == 0
}

// CountKept is [Count] for a range that may begin before the first span that is kept. Of that time it returns what the
// rollups say, if they know exactly what the indicator asks: without groups, and, where their finest tier is not kept,
// spread over the slots of five minutes or of an hour.
func CountKept(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, kept Kept, from, to time.Time, known ...string) ([]Slot, error) {
	change := to
	if !kept.Spans.IsZero() && kept.Spans.Before(to) {
		change = later(from, kept.Spans)
	}
	var list []Slot
	if from.Before(change) && exactlyRolledUp(ind) {
		var err error
		if list, _, err = previewRollups(ctx, db, ind, from, change); err != nil {
			return nil, err
		}
	}
	if !change.Before(to) {
		return list, nil
	}
	counted, err := Count(ctx, db, ind, change, to, known...)
	return append(list, counted...), err
}
