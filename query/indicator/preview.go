package indicator

import (
	"context"
	"time"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/indicator/events"
)

// Source is where the numbers of a preview come from.
type Source string

// The sources of previews.
const (
	FromRollups Source = "rollups"
	FromSpans   Source = "spans"
)

// Quality says how far the numbers of a preview can be trusted.
type Quality struct {
	Source Source
	// From is how far back the preview reaches. It is later than asked for where spans had to be read and were too many.
	From time.Time
	// Resolution is how fine bad events are known. Where it is wider than a slot, counts are spread evenly over its slots.
	Resolution time.Duration
	// Approximate says that durations were compared by buckets of a histogram. The number of bad events then is between
	// BadLow and BadHigh; otherwise both are that number.
	Approximate     bool
	BadLow, BadHigh int64
	// Full estimates how long counting the whole range from spans takes. It is 0 where the rollups knew enough.
	Full time.Duration
	// Spans is how many spans were read, of all services; 0 for rollups.
	Spans uint64
}

// previewTime is what a preview may take. Of a preview from spans it is what reading them may take.
const previewTime = 250 * time.Millisecond

// Preview counts the events of [from, to) in the fastest way that there is: from rollups where they know all that the
// indicator asks, else from spans, as many of the newest as can be read in some 300 ms. Groups are left out.
func Preview(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) ([]Slot, Quality, error) {
	if events.RolledUp(ind) {
		return previewRollups(ctx, db, ind, from, to)
	}
	first, err := events.Oldest(ctx, db, "spans")
	if err != nil {
		return nil, Quality{}, err
	}
	from = later(from, first)
	blocks, err := events.Survey(ctx, db, ind, events.SurveyRange(from, to))
	if err != nil {
		return nil, Quality{}, err
	}
	quality := Quality{Source: FromSpans, From: from, Resolution: sli.Slot}
	for _, b := range blocks {
		quality.Full += b.Cost
	}
	if n := events.Affordable(blocks, previewTime); n < len(blocks) {
		quality.From = later(from, time.Unix(blocks[n-1].Start, 0).UTC())
		blocks = blocks[:n]
	}
	ind.GroupBy = ""
	list, err := Count(ctx, db, ind, quality.From, to)
	for _, b := range blocks {
		quality.Spans += uint64(b.Spans)
	}
	for _, s := range list {
		quality.BadLow += s.Bad
	}
	quality.BadHigh = quality.BadLow
	return list, quality, err
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
