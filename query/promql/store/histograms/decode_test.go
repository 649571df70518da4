package histograms

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"

	"loadline/query/promql/series"
)

func TestMergeForgetsHintsOfAnotherSeries(t *testing.T) {
	h := func(ms int64, hint histogram.CounterResetHint) series.Histogram {
		return series.Histogram{T: ms, H: &histogram.FloatHistogram{CounterResetHint: hint}}
	}
	a := []series.Histogram{h(1, histogram.UnknownCounterReset), h(2, histogram.NotCounterReset), h(4, histogram.NotCounterReset), h(6, histogram.GaugeType)}
	b := []series.Histogram{h(3, histogram.NotCounterReset), h(4, histogram.CounterReset), h(5, histogram.NotCounterReset), h(7, histogram.GaugeType)}
	type got struct {
		T    int64
		Hint histogram.CounterResetHint
	}
	var all []got
	for _, x := range Merge(a, b) {
		all = append(all, got{x.T, x.H.CounterResetHint})
	}
	want := []got{
		{1, histogram.UnknownCounterReset},
		{2, histogram.NotCounterReset},
		{3, histogram.UnknownCounterReset},
		{4, histogram.UnknownCounterReset},
		{5, histogram.UnknownCounterReset},
		{6, histogram.GaugeType},
		{7, histogram.GaugeType},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
}
