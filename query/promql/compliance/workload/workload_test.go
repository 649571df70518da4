package workload

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
)

func TestScrapes(t *testing.T) {
	from := time.Unix(1_700_000_000, 0)
	to := from.Add(time.Hour)
	all := New(from, to)
	last := make([]int64, Series)
	var samples, stale, stretches, reset int
	values := make([]float64, Series)
	for batch := all.Next(time.Minute); batch != nil; batch = all.Next(time.Minute) {
		stretches++
		for i, s := range batch {
			for j, at := range s.Column.T {
				if at <= last[i] || at < from.UnixMilli() || at > to.UnixMilli()+20 {
					t.Fatalf("%s: %d after %d", s.Name, at, last[i])
				}
				last[i] = at
				samples++
				v := s.Column.V[j]
				if math.Float64bits(v) == value.StaleNaN {
					stale++
					continue
				}
				if v < values[i] {
					reset++
				}
				values[i] = v
			}
		}
	}
	want := Series * 240
	if stretches != 60 || samples > want || samples < want*98/100 || stale < 50 || stale > 150 || reset < 50 || reset > 150 {
		t.Errorf("%d stretches, %d samples of %d, %d stale markers, %d resets", stretches, samples, want, stale, reset)
	}
}

func TestInventory(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Inventory(100_000, time.Unix(0, 0)) {
		names[s.Name.String()] = true
	}
	if len(names) != 100_000 {
		t.Errorf("%d different series", len(names))
	}
}
