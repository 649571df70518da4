package metrics

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"loadline/ingest/wire"
)

// TestHints sends one histogram after the other and reads the last one's hint.
func TestHints(t *testing.T) {
	const unknown, notReset = int64(0), int64(2)
	f := func(name string, want int64, points ...func(*fixture)) {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder(wire.NewResources())
			for _, p := range points {
				b.Reset()
				f := newFixture()
				p(f)
				add(t, b, f.body(t))
			}
			rows := tables(t, b)["histograms"]
			if got := rows[len(rows)-1]["hint"]; got != want {
				t.Errorf("hint %v, want %v", got, want)
			}
		})
	}
	at := func(p interface {
		SetTimestamp(pcommon.Timestamp)
		SetStartTimestamp(pcommon.Timestamp)
	}, second int,
	) {
		p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(time.Duration(second) * time.Second)))
	}
	explicit := func(second int, counts ...uint64) func(*fixture) {
		return func(f *fixture) { at(f.histogram("h", []float64{1, 2}, counts), second) }
	}
	f("first", unknown, explicit(0, 1, 2, 3))
	f("goes on", notReset, explicit(0, 1, 0, 3), explicit(15, 1, 2, 3))
	f("goes on twice", notReset, explicit(0, 1, 0, 3), explicit(15, 1, 2, 3), explicit(30, 1, 2, 3))
	f("bucket fell", unknown, explicit(0, 1, 2, 3), explicit(15, 0, 9, 3))
	f("after a fall", notReset, explicit(0, 1, 2, 3), explicit(15, 0, 9, 3), explicit(30, 0, 9, 3))
	f("late", unknown, explicit(0, 1, 2, 3), explicit(-15, 1, 2, 3))
	f("after late", notReset, explicit(0, 1, 2, 3), explicit(-15, 1, 2, 3), explicit(15, 1, 2, 3))
	f("another start", unknown, explicit(0, 1, 2, 3), func(f *fixture) {
		p := f.histogram("h", []float64{1, 2}, []uint64{1, 2, 3})
		at(p, 15)
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Minute)))
	})
	f("after stale", unknown, explicit(0, 1, 2, 3), func(f *fixture) {
		p := f.histogram("h", nil, nil)
		at(p, 15)
		p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	}, explicit(30, 1, 2, 3))
	f("delta", unknown, func(f *fixture) {
		h := f.metric("h", "s").SetEmptyHistogram()
		h.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		for i := range 3 {
			p := dated(h.DataPoints().AppendEmpty())
			at(p, i)
			p.SetCount(uint64(i))
			p.BucketCounts().FromRaw([]uint64{uint64(i)})
		}
	})
	exponential := func(second int, scale, offset int32, counts ...uint64) func(*fixture) {
		return func(f *fixture) { at(f.exponential("e", scale, offset, counts...), second) }
	}
	f("exponential", notReset, exponential(0, 2, 0, 1, 1), exponential(15, 2, -1, 4, 1, 1))
	f("exponential bucket gone", unknown, exponential(0, 2, 0, 1, 1), exponential(15, 2, 1, 9, 9))
	f("another scale", unknown, exponential(0, 2, 0, 1, 1), exponential(15, 1, 0, 9, 9))
}
