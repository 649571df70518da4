package metrics

import (
	"math"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"loadline/ingest/native/nativetest"
	"loadline/ingest/wire"
)

// FuzzCheckMetrics looks for bytes that make the decoder panic, or on which Check and Add disagree.
func FuzzCheckMetrics(f *testing.F) {
	all := newFixture()
	p := all.gauge("process.memory", "By")
	p.SetIntValue(-7)
	p.Attributes().PutStr("memory.type", "heap")
	nest(p.Attributes().PutEmpty("nested"), 3)
	all.sum("requests", pmetric.AggregationTemporalityDelta, true).SetDoubleValue(math.Inf(1))
	h := all.histogram("latency", []float64{0.1, 1}, []uint64{2, 0, 5})
	e := h.Exemplars().AppendEmpty()
	e.SetIntValue(1)
	e.FilteredAttributes().PutStr("k", "v")
	x := all.exponential("exp", 12, -3, 1, 2, 3)
	x.Negative().BucketCounts().FromRaw([]uint64{0, 0, 300})
	s := dated(all.metric("gc", "").SetEmptySummary().DataPoints().AppendEmpty())
	s.QuantileValues().AppendEmpty().SetQuantile(0.5)
	body := all.body(f)
	f.Add(body)
	for _, n := range []int{0, 1, len(body) / 3, len(body) / 2, len(body) - 1} {
		f.Add(body[:n])
	}
	wide := wire.NewWindow(now, 50*365*24*time.Hour)
	f.Fuzz(func(t *testing.T, body []byte) {
		tally, err := Check(body, wide)
		if err != nil {
			return
		}
		b := NewBuilder(wire.NewResources())
		for round := 1; round <= 2; round++ { // the second meets its own cache
			if err := b.Add(body, now, wide); err != nil {
				t.Fatalf("Check passed, Add did not: %v", err)
			}
			if want := round * tally.Items[wire.Accepted]; b.Rows() != want {
				t.Fatalf("Check accepted %d points, Add collected %d", want, b.Rows())
			}
		}
		for _, table := range b.Blocks() {
			if _, err := nativetest.Rows(table.Block, table.Order); err != nil {
				t.Fatalf("table %s: %v", table.Table, err)
			}
		}
	})
}
