package metrics

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"loadline/ingest/points"
	"loadline/ingest/remotewrite/request"
	"loadline/ingest/samples"
	"loadline/ingest/wire"
)

// Remote collects the requests of Prometheus remote write in a builder. Names and labels are stored as they come. It
// belongs to the builder's goroutine.
type Remote struct {
	b         *Builder
	reader    request.Reader
	items     request.Items // all but the exemplars, which it counts
	exemplars request.Items // nothing but these
	labels    []request.Label
	histogram request.Histogram
	exemplar  request.Exemplar

	// of the request and the series that are being read
	window   wire.Window
	at       int64 // in Unix seconds
	from     *request.Series
	series   *series // that an item was stored of, or nil
	awaiting int     // exemplars
}

// NewRemote returns a collector into b.
func NewRemote(b *Builder) *Remote {
	r := &Remote{b: b}
	r.items = request.Items{
		Sample:    r.addSample,
		Histogram: r.addHistogram,
		Exemplar:  func([]byte) error { r.awaiting++; return nil },
	}
	r.exemplars = request.Items{
		Sample:    func(request.Sample) error { return nil },
		Histogram: func([]byte) error { return nil },
		Exemplar:  r.addExemplar,
	}
	return r
}

// Add reads a request that request.Checker accepted, skips what that rejected and collects the rest. The request was
// received at the given time.
func (r *Remote) Add(version request.Version, body []byte, at time.Time, window wire.Window) error {
	r.reader.Version, r.window, r.at = version, window, at.Unix()
	return r.reader.Walk(body, r.addSeries, func(m *request.Metadata) error {
		if len(m.Name) > 0 {
			r.describe(string(wire.Name(m.Name)), m)
		}
		return nil
	})
}

func (r *Remote) addSeries(s *request.Series) error {
	if !s.Readable() {
		return nil
	}
	r.from, r.series, r.awaiting = s, nil, 0
	err := s.Items(&r.items)
	if err == nil && r.awaiting > 0 {
		err = s.Items(&r.exemplars)
	}
	if err != nil && !isInvalid(err) {
		return err
	}
	if r.series != nil && s.Metadata.Hash != 0 {
		r.describe(s.Metadata.Family(r.series.metric), &s.Metadata)
	}
	return nil
}

// isInvalid says whether an error is about what the check rejected.
func isInvalid(err error) bool {
	if err == nil {
		return false
	}
	var invalid *request.Invalid
	return errors.As(err, &invalid)
}

func (r *Remote) addSample(sample request.Sample) error {
	if request.CheckTime(r.window, sample.Time) != wire.Accepted {
		return nil
	}
	if ended := r.endOfHistograms(sample.Value); ended != nil {
		r.histogram = request.Histogram{Time: sample.Time, Start: sample.Start, Sum: sample.Value}
		r.storeHistogram(ended, &r.histogram)
		return nil
	}
	s, err := r.find(r.from.Hash, sample.Time, false, nil)
	if err != nil {
		return err
	}
	r.b.samples.add(s, uint64(sample.Time)*1_000_000, sample.Start, sample.Value)
	r.stored(s)
	return nil
}

// endOfHistograms returns the series that a value ends as a stale marker when only histograms are known with its labels.
// Agents end histograms so, and as a float the marker would be the beginning of another series.
func (r *Remote) endOfHistograms(value float64) *series {
	if math.Float64bits(value) != math.Float64bits(points.StaleNaN()) || r.b.cache.encodings[r.from.Hash] != nil {
		return nil
	}
	return r.b.cache.encodings[points.Mix(r.from.Hash, math.MaxUint64)]
}

func (r *Remote) stored(s *series) {
	r.series = s
	r.b.rows++
}

func (r *Remote) addHistogram(message []byte) error {
	h := &r.histogram
	if err := h.Decode(message); isInvalid(err) {
		return nil
	} else if err != nil {
		return err
	}
	if request.CheckTime(r.window, h.Time) != wire.Accepted {
		return nil
	}
	encoding, latest := points.Mix(r.from.Hash, 1), points.Mix(r.from.Hash, math.MaxUint64)
	if h.Schema == points.CustomSchema {
		encoding = points.Mix(encoding, h.BoundsHash)
	}
	// A stale histogram comes without bounds, though they are part of the series that it ends.
	s := r.b.cache.encodings[latest]
	if s == nil || !h.Stale() {
		var err error
		if s, err = r.find(encoding, h.Time, true, h.Bounds); err != nil {
			return err
		}
		if r.b.cache.encodings[latest] != s {
			// The series with these labels went on elsewhere meanwhile, with other bounds.
			r.b.cache.encodings[latest], s.run = s, nil
		}
	}
	r.storeHistogram(s, h)
	return nil
}

// find returns a series of r.from and sees to it that a row of the table series covers the time, in Unix milliseconds.
func (r *Remote) find(encoding uint64, ms int64, histogram bool, bounds []float64) (*series, error) {
	b := r.b
	s := b.cache.encodings[encoding]
	labeled := s == nil
	if labeled {
		metric, service, err := r.label()
		if err != nil {
			return nil, err
		}
		kind := int8(points.KindHistogram)
		if !histogram {
			kind = r.from.Metadata.Kind(metric)
		}
		s = b.cache.identify(encoding, metric, service, b.labeler.ID(kind, bounds), kind)
	}
	second := uint32(ms / 1000)
	if b.covered(s, second) {
		return s, nil
	}
	if !labeled {
		if _, _, err := r.label(); err != nil {
			return nil, err
		}
	}
	b.series.append(s, b.labeler.Labels, bounds, second)
	return s, nil
}

// label brings the labels of r.from into the builder's labeler.
func (r *Remote) label() (metric, service string, err error) {
	var name []byte
	if r.labels, name, err = r.from.Labels(r.labels); err != nil {
		return "", "", err
	}
	l := r.b.labeler
	l.Labels = l.Labels[:0]
	for _, label := range r.labels {
		l.Labels = append(l.Labels, points.Label{Name: string(label.Name), Value: string(label.Value)})
		if string(label.Name) == "job" {
			service = string(label.Value)
		}
	}
	return string(name), service, nil
}

// addExemplar collects an exemplar. It belongs to the series that the samples of the same message are of, or that the
// last ones were of.
func (r *Remote) addExemplar(message []byte) error {
	e := &r.exemplar
	if err := e.Decode(r.from, message); isInvalid(err) {
		return nil
	} else if err != nil {
		return err
	}
	if request.CheckTime(r.window, e.Time) != wire.Accepted {
		return nil
	}
	s := r.series
	if s == nil {
		s = r.b.cache.encodings[points.Mix(r.from.Hash, math.MaxUint64)]
	}
	if s == nil {
		var err error
		if s, err = r.find(r.from.Hash, e.Time, false, nil); err != nil {
			return err
		}
	}
	r.storeExemplar(s, e)
	r.stored(s)
	return nil
}

// describe notes that the family with the given name was described at the request's time.
func (r *Remote) describe(name string, m *request.Metadata) {
	f := r.b.families
	key := points.Mix(m.Hash, xxhash.Sum64String(name))
	known := f.cache[key]
	if known == nil {
		if len(f.cache) >= maxFamilies {
			clear(f.cache)
		}
		known = &family{key: key, name: strings.Clone(name)}
		f.cache[key] = known
	}
	if known.stored && r.at < known.written+refreshSeconds {
		return
	}
	known.stored, known.written = true, r.at
	f.append(known.name, "", m.MetricType(), m.Unit, m.Help, "", "", r.at)
}

// storeHistogram stores a histogram of a series.
func (r *Remote) storeHistogram(s *series, h *request.Histogram) {
	row := samples.Histogram{
		Metric: s.metric, Service: s.service, ID: s.id, ST: h.Start, Time: h.Time, Schema: int8(h.Schema),
		ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount, Count: h.Count, Sum: h.Sum, Min: math.NaN(), Max: math.NaN(),
		Stale: h.Stale(), Above: h.Above, Below: h.Below, Hint: h.Hint,
	}
	if s.run == nil {
		s.run = &samples.Run{}
	}
	row.Hint = s.run.Hint(&row)
	r.b.histograms.Add(&row)
	r.stored(s)
}

// storeExemplar stores an exemplar of a series. Its trace and span are in labels by the names of OpenMetrics' examples;
// what is no id of OpenTelemetry's stays a label.
func (r *Remote) storeExemplar(s *series, e *request.Exemplar) {
	var traceID [16]byte
	var spanID [8]byte
	b := r.b
	b.attributes = b.attributes[:0]
	for _, l := range e.Labels {
		switch {
		case string(l.Name) == "trace_id" && decodeID(traceID[:], l.Value):
		case string(l.Name) == "span_id" && decodeID(spanID[:], l.Value):
		default:
			b.attributes = append(b.attributes, wire.Attribute{Key: l.Name, Value: wire.StringValue(l.Value)})
		}
	}
	b.exemplars.Add(&samples.Exemplar{
		Metric: s.metric, Service: s.service, ID: s.id, Time: e.Time, Value: e.Value, TraceID: traceID[:], SpanID: spanID[:],
		Attributes: b.attributes,
	})
}

// decodeID reads a trace or span id in hexadecimal digits, and says whether text is one.
func decodeID(id, text []byte) bool {
	if hex.DecodedLen(len(text)) != len(id) || len(text)%2 != 0 {
		return false
	}
	if _, err := hex.Decode(id, text); err != nil {
		clear(id)
		return false
	}
	return bytes.ContainsFunc(id, func(r rune) bool { return r != 0 }) // zeros are no id
}
