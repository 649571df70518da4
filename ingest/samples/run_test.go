package samples

import "testing"

func TestSendersHints(t *testing.T) {
	var run Run
	f := func(want Hint, h Histogram) {
		t.Helper()
		if got := run.Hint(&h); got != want {
			t.Errorf("%+v: hint %d, want %d", h, got, want)
		}
	}
	above := func(index int32, count float64) []Bucket { return []Bucket{{Index: index, Count: count}} }
	f(UnknownReset, Histogram{Time: 1, Count: 1, Above: above(1, 1)})
	f(NotReset, Histogram{Time: 2, Count: 1, Above: above(1, 1)})
	f(NotReset, Histogram{Time: 3, Count: 3, Above: []Bucket{{Index: 0, Count: 1}, {Index: 1, Count: 2}}, Hint: NotReset})
	f(UnknownReset, Histogram{Time: 2, Count: 9, Above: above(1, 9)}) // late, and it is forgotten
	f(NotReset, Histogram{Time: 4, Count: 3, Above: []Bucket{{Index: 0, Count: 1}, {Index: 1, Count: 2}}})
	f(UnknownReset, Histogram{Time: 5, Count: 9, Above: above(1, 9)}) // without bucket 0
	f(UnknownReset, Histogram{Time: 6, Count: 9, Above: above(1, 9), Hint: Reset})
	f(UnknownReset, Histogram{Time: 7, Count: 9, Above: above(1, 8), ZeroCount: 1})
	f(UnknownReset, Histogram{Time: 8, Count: 8, Above: above(1, 8)})
	f(NotReset, Histogram{Time: 9, Count: 9, Above: above(1, 8), Below: above(1, 1)})
	f(UnknownReset, Histogram{Time: 10, Count: 9, Above: above(1, 9)})
	f(UnknownReset, Histogram{Time: 11, Count: 10, Above: above(1, 10), Schema: 1})
	f(UnknownReset, Histogram{Time: 12, Count: 10, Above: above(1, 10), Schema: 1, ZeroThreshold: 1})
	f(UnknownReset, Histogram{Time: 13, Count: 10, Above: above(1, 10)})
	f(UnknownReset, Histogram{Time: 16, Stale: true})
	f(UnknownReset, Histogram{Time: 17, Count: 10})
	f(NotReset, Histogram{Time: 18, Count: 10})
	f(GaugeHint, Histogram{Time: 19, Count: 1, Hint: GaugeHint})
	f(UnknownReset, Histogram{Time: 20, Count: 2})
	f(NotReset, Histogram{Time: 21, Count: 2})
	f(GaugeHint, Histogram{Time: 20, Count: 2, Hint: GaugeHint})
	f(NotReset, Histogram{Time: 22, Count: 2})
}
