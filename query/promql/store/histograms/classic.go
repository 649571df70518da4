package histograms

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
	"loadline/query/promql/store/samples"
	"loadline/query/sql"
)

// View shows histograms with explicit bounds as one of the three kinds of series that a classic histogram has.
type View struct {
	name, suffix string
	le           []*labels.Matcher // on the bucket
}

// The suffixes of classic series.
const (
	bucketSuffix = "_bucket"
	sumSuffix    = "_sum"
	countSuffix  = "_count"
)

// suffixes are those of the classic series that a histogram with explicit bounds is shown as.
var suffixes = [...]string{bucketSuffix, countSuffix, sumSuffix}

// Base splits the name of a classic series into the name of the histogram and the suffix.
func Base(name string) (base, suffix string, ok bool) {
	for _, suffix := range suffixes {
		if base, ok := strings.CutSuffix(name, suffix); ok && base != "" {
			return base, suffix, true
		}
	}
	return "", "", false
}

// Classic returns the names of the classic series of a histogram.
func Classic(name string) []string {
	return []string{name + bucketSuffix, name + countSuffix, name + sumSuffix}
}

// NewView returns the view that a selector of a metric asks for, with the name and the matchers of the histograms that
// it shows. It is nil when no classic series has such a name.
func NewView(name string, matchers []*labels.Matcher) (v *View, base string, of []*labels.Matcher) {
	base, suffix, ok := Base(name)
	if !ok {
		return nil, "", nil
	}
	v = &View{name: name, suffix: suffix}
	for _, m := range matchers {
		switch {
		case m.Name == model.MetricNameLabel:
		case m.Name == labels.BucketLabel && suffix == bucketSuffix:
			v.le = append(v.le, m)
		default:
			of = append(of, m)
		}
	}
	return v, base, of
}

// Series is a classic series: its labels and, of a bucket, the upper bound.
type Series struct {
	Labels labels.Labels
	bound  float64
}

// Series returns the classic series of an entry that match.
func (v *View) Series(e *index.Entry) []Series {
	if !slices.ContainsFunc(e.Rows, func(r index.Row) bool { return r.Kind.IsHistogram() }) {
		return nil
	}
	if v.suffix != bucketSuffix {
		return []Series{{v.labels(e.Labels, ""), 0}}
	}
	bounds := []float64{math.Inf(1)}
	for i := range e.Rows {
		bounds = append(bounds, e.Rows[i].Bounds...)
	}
	slices.Sort(bounds)
	var out []Series
	for _, bound := range slices.Compact(bounds) {
		if le := FormatBound(bound); v.matches(le) {
			out = append(out, Series{v.labels(e.Labels, le), bound})
		}
	}
	return out
}

// Of returns the labels of the classic series that a value observed in a histogram with these bounds is counted in, if
// it matches.
func (v *View) Of(of labels.Labels, bounds []float64, observed float64) (labels.Labels, bool) {
	if v.suffix != bucketSuffix {
		return v.labels(of, ""), true
	}
	bound := math.Inf(1)
	if i, _ := slices.BinarySearch(bounds, observed); i < len(bounds) {
		bound = bounds[i]
	}
	le := FormatBound(bound)
	return v.labels(of, le), v.matches(le)
}

func (v *View) matches(le string) bool {
	return !slices.ContainsFunc(v.le, func(m *labels.Matcher) bool { return !m.Matches(le) })
}

func (v *View) labels(of labels.Labels, le string) labels.Labels {
	b := labels.NewBuilder(of)
	b.Set(model.MetricNameLabel, v.name)
	if le != "" {
		b.Set(labels.BucketLabel, le)
	}
	return b.Labels()
}

// FormatBound writes a bound as Prometheus does for histograms of OpenTelemetry.
func FormatBound(bound float64) string {
	return strconv.FormatFloat(bound, 'f', -1, 64)
}

// Fill makes c the samples of a classic series that a series row has. Rows without its bound, and histograms with
// exponential buckets, have none.
func (v *View) Fill(c *series.Column, s Series, rows []Row, of *index.Row) error {
	c.Reset()
	buckets := len(of.Bounds) + 1
	if v.suffix == bucketSuffix && !math.IsInf(s.bound, 1) {
		i, ok := slices.BinarySearch(of.Bounds, s.bound)
		if !ok {
			return nil
		}
		buckets = i + 1
	}
	starts := slices.ContainsFunc(rows, func(r Row) bool { return r.st != 0 })
	for i := range rows {
		r := &rows[i]
		if r.schema != customSchema {
			continue
		}
		x, ok, err := v.value(r, buckets, len(of.Bounds)+1)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		c.T, c.V = append(c.T, r.t), append(c.V, x)
		if starts {
			c.ST = append(c.ST, r.st)
		}
	}
	if of.Kind.IsDelta() {
		samples.Accumulate(c)
	}
	return nil
}

// value is what a histogram gives to a series of the view, which counts the first of all buckets. A histogram whose
// sender knows no sum has none.
func (v *View) value(r *Row, first, all int) (x float64, ok bool, err error) {
	switch {
	case r.stale:
		return math.Float64frombits(value.StaleNaN), true, nil
	case v.suffix == sumSuffix:
		return r.sum, !math.IsNaN(r.sum), nil
	case v.suffix == countSuffix || first == all:
		return r.count, true, nil
	}
	b := sql.NewBinary(r.buckets)
	indexes := b.Take(4 * b.Size(4))
	counts := b.Take(8 * b.Size(8))
	for i := 0; i < len(indexes)/4 && i < len(counts)/8; i++ {
		if int32(binary.LittleEndian.Uint32([]byte(indexes[4*i:4*i+4]))) >= int32(first) {
			break
		}
		x += math.Float64frombits(binary.LittleEndian.Uint64([]byte(counts[8*i : 8*i+8])))
	}
	return x, true, b.Err()
}
