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
