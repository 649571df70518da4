// Package points reads OTLP metrics and their data points from protobuf bytes and says what they are to Prometheus: their
// names, labels, kinds and buckets. Tables are the business of package metrics.
//
// Source: opentelemetry-proto 1.x, metrics/v1/metrics.proto, and the translation rules of Prometheus' OTLP receiver.
package points

import (
	"fmt"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/otlptranslator"

	"loadline/ingest/wire"
)

// Shape is the form of a metric's data points.
type Shape uint8

// The shapes of data points.
const (
	Number Shape = iota
	Histogram
	Exponential
	Summary
	shapes
)

// Kinds of series, as in the table series.
const (
	KindGauge          = 1
	KindCounter        = 2
	KindDelta          = 3
	KindHistogram      = 4
	KindDeltaHistogram = 5
	KindSummary        = 6
)

// Aggregation temporalities of OTLP.
const (
	temporalityDelta      = 1
	temporalityCumulative = 2
)

// Metric is a decoded Metric without its data points; all bytes view the request body.
type Metric struct {
	Name, Help, Unit []byte
	Data             []byte // the encoded Gauge, Sum, …; nil when there is none
	Shape            Shape
	sum              bool
	monotonic        bool
	temporality      uint64
}

// Decode reads a Metric message. Where the sender broke the oneof, the last field wins.
func (m *Metric) Decode(data []byte) error {
	*m = Metric{}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read metric: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			m.Name, ok = fc.Bytes()
		case 2:
			m.Help, ok = fc.Bytes()
		case 3:
			m.Unit, ok = fc.Bytes()
		case 5, 7, 9, 10, 11:
			m.Data, ok = fc.MessageData()
			m.sum = fc.FieldNum == 7
			m.Shape = [12]Shape{9: Histogram, 10: Exponential, 11: Summary}[fc.FieldNum]
		}
		if !ok {
			return fmt.Errorf("read metric: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	if m.sum || m.Shape == Histogram || m.Shape == Exponential {
		return m.decodeTemporality()
	}
	return nil
}

// decodeTemporality reads what stands beside the data points, which may be behind them on the wire.
func (m *Metric) decodeTemporality() error {
	var fc easyproto.FieldContext
	var err error
	for data := m.Data; len(data) > 0; {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read metric data: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 2:
			m.temporality, ok = fc.Uint64()
		case 3:
			if m.sum {
				m.monotonic, ok = fc.Bool()
			}
		}
		if !ok {
			return fmt.Errorf("read metric data: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return nil
}

// Check says whether the metric's data points can be stored, as far as it is not for them to say.
func (m *Metric) Check() wire.Reason {
	named := false
	for _, c := range m.Name {
		named = named || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
	temporal := m.sum || m.Shape == Histogram || m.Shape == Exponential
	switch {
	case !named || len(m.Name) > wire.MaxNameBytes:
		return wire.BadName
	case temporal && m.temporality != temporalityDelta && m.temporality != temporalityCumulative:
		return wire.BadTemporality
	}
	return wire.Accepted
}

// Hash identifies what the metric tells about itself.
func (m *Metric) Hash(digest *xxhash.Digest) uint64 {
	digest.Reset()
	for _, part := range [][]byte{m.Name, m.Unit, m.Help} {
		_, _ = digest.Write(part)
		_, _ = digest.Write([]byte{0xff})
	}
	sum := uint64(0)
	switch {
	case m.sum && m.monotonic:
		sum = 2
	case m.sum:
		sum = 1
	}
	return Mix(digest.Sum64(), uint64(m.Shape)|sum<<8|m.temporality<<16)
}

// Kind is the kind of the metric's series. A delta sum is kept as it comes and added up when it is read, also one that
// may fall: an accumulator here would start again from zero with the process, and count twice when a log segment is
// replayed.
func (m *Metric) Kind() int8 {
	delta := m.temporality == temporalityDelta
	switch {
	case m.Shape == Summary:
		return KindSummary
	case m.Shape != Number && delta:
		return KindDeltaHistogram
	case m.Shape != Number:
		return KindHistogram
	case m.sum && delta:
		return KindDelta
	case m.sum && m.monotonic:
		return KindCounter
	}
	return KindGauge
}

// Type is the metric's type as Prometheus names it in metadata.
func (m *Metric) Type() string {
	switch {
	case m.Shape == Summary:
		return "summary"
	case m.Shape != Number:
		return "histogram"
	case m.monotonic:
		return "counter"
	}
	return "gauge"
}

// Temporality is the metric's aggregation temporality as the table metadata has it.
func (m *Metric) Temporality() string {
	return map[uint64]string{temporalityDelta: "delta", temporalityCumulative: "cumulative"}[m.temporality]
}

// PrometheusName is the metric's name in Prometheus' spelling: escaped, with the suffixes of its unit and type.
func (m *Metric) PrometheusName() string {
	typ := otlptranslator.MetricType(otlptranslator.MetricTypeGauge)
	switch {
	case m.Shape == Summary:
		typ = otlptranslator.MetricTypeSummary
	case m.Shape == Exponential:
		typ = otlptranslator.MetricTypeExponentialHistogram
	case m.Shape == Histogram:
		typ = otlptranslator.MetricTypeHistogram
	case m.monotonic:
		typ = otlptranslator.MetricTypeMonotonicCounter
	case m.sum:
		typ = otlptranslator.MetricTypeNonMonotonicCounter
	}
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	name, err := namer.Build(otlptranslator.Metric{Name: string(m.Name), Unit: string(m.Unit), Type: typ})
	if err != nil {
		panic("BUG: check lets only names through that can be translated: " + err.Error())
	}
	return name
}
