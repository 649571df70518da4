package store

import "testing"

// TestPackedSinceTheLastLook packs a bucket after its parts were looked up.
func TestPackedSinceTheLastLook(t *testing.T) {
	f := newFixture(t, Config{})
	f.step = 0
	f.series("a", "gauge", 1, nil, "job", "x")
	f.series("b", "gauge", 2, nil, "job", "x")
	f.samples("a", "x", 1, 0, []int64{0}, []float64{1})
	f.samples("b", "x", 2, 0, []int64{0}, []float64{2})
	f.want(f.query(0, 100, "__name__=a"), `{__name__="a", job="x"} 1@0`)
	f.compact(base)
	f.want(f.query(0, 100, "__name__=b"), `{__name__="b", job="x"} 2@0`)
}

func TestUnstable(t *testing.T) {
	f := newFixture(t, Config{})
	f.series("g", "gauge", 1, nil, "job", "x")
	f.series("c", "counter", 2, nil, "job", "x")
	f.series("d", "delta", 3, nil, "job", "x")
	f.series("h", "histogram", 4, []float64{1}, "job", "x")
	check := func(selector string, want bool) {
		t.Helper()
		if got := f.store.Unstable(t.Context(), matchers(t, selector)); got != want {
			t.Errorf("%s: %v", selector, got)
		}
	}
	check("__name__=g", false)
	check("__name__=c job=x", false)
	check("__name__=d", true)
	check("__name__=h", true)
	check("__name__=h_count", true)
	check("__name__=~g", true)
	check("__name__=nothing", true)
	check("__name__=target_info", true)
	check("job=x", true)
}
