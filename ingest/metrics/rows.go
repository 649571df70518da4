package metrics

import (
	"errors"

	"loadline/ingest/points"
	"loadline/ingest/samples"
	"loadline/ingest/wire"
)

// addHistogram stores a histogram of a series.
func (b *Builder) addHistogram(s *series, p *points.Point, schema int8, st int64) {
	h := &b.histogram
	*h = samples.Histogram{
		Metric: s.metric, Service: s.service, ID: s.id, ST: st, Time: int64(p.Time / 1e6), Schema: schema,
		ZeroThreshold: p.ZeroThreshold, ZeroCount: float64(p.ZeroCount), Count: float64(p.Count),
		Sum: p.Sum, Min: p.Min, Max: p.Max, Stale: p.Stale(),
		Above: appendBuckets(h.Above[:0], p.Above), Below: appendBuckets(h.Below[:0], p.Below),
	}
	if s.kind == points.KindHistogram {
		if s.run == nil {
			s.run = &samples.Run{}
		}
		h.Hint = s.run.Hint(h)
	}
	b.histograms.Add(h)
}

func appendBuckets(dst []samples.Bucket, buckets []points.Bucket) []samples.Bucket {
	for _, b := range buckets {
		dst = append(dst, samples.Bucket{Index: b.Index, Count: float64(b.Count)})
	}
	return dst
}

// addExemplars stores the exemplars of a point. One without a time has the point's; one without a value or from outside
// the window tells nothing and is left out.
func (b *Builder) addExemplars(s *series, p *points.Point) error {
	for _, message := range p.Exemplars {
		var e points.Exemplar
		if err := e.Decode(message); err != nil {
			return err
		}
		if e.Time == 0 {
			e.Time = p.Time
		}
		if !e.HasValue || b.window.Check(e.Time) != wire.Accepted {
			continue
		}
		var err error
		b.attributes, err = wire.Attributes(b.attributes[:0], message, 7)
		if err != nil && !errors.Is(err, wire.ErrTooDeep) {
			return err
		}
		b.exemplars.Add(&samples.Exemplar{
			Metric: s.metric, Service: s.service, ID: s.id, Time: int64(e.Time / 1e6), Value: e.Value,
			TraceID: wire.ValidID(e.TraceID, 16), SpanID: wire.ValidID(e.SpanID, 8), Attributes: b.attributes,
		})
	}
	return nil
}
