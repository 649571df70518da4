package budget

import "math"

// Interval are the events of a histogram at or below a threshold. Between two bounds of the histogram only an interval is
// known; Linear supposes that events are spread evenly between them.
type Interval struct {
	Min, Max uint64
	Linear   float64
}

// HistogramInterval says how many events are at or below a threshold. counts has one more element than bounds, which rise:
// the events above the last bound.
func HistogramInterval(bounds []float64, counts []uint64, threshold float64) Interval {
	var in Interval
	lower := 0.0
	for i, n := range counts {
		upper := math.Inf(1)
		if i < len(bounds) {
			upper = bounds[i]
		}
		if threshold < upper {
			in.Max = in.Min
			in.Linear = float64(in.Min)
			if threshold > lower {
				in.Max += n
				if !math.IsInf(upper, 1) {
					in.Linear += float64(n) * (threshold - lower) / (upper - lower)
				}
			}
			return in
		}
		in.Min += n
		lower = upper
	}
	return Interval{Min: in.Min, Max: in.Min, Linear: float64(in.Min)}
}
