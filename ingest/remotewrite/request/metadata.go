package request

import (
	"slices"
	"strings"

	"loadline/ingest/points"
)

// Metadata is what a sender tells about a metric family; all bytes view the request body.
type Metadata struct {
	Name       []byte // of the family; empty in 2.0, where the series has it
	Help, Unit []byte
	Hash       uint64 // of all but the name; 0 when there is nothing

	typ uint64 // an index into types
}

// Types of metric families, which both versions number alike.
const (
	typeUnknown = iota
	typeCounter
	typeGauge
	typeHistogram
	typeGaugeHistogram
	typeSummary
	typeInfo
	typeStateset
)

// types has for each type its name in Prometheus, and the suffixes of its series that the family's name does not have.
var types = [...]struct {
	name     string
	suffixes []string
}{
	typeUnknown:        {"unknown", nil},
	typeCounter:        {"counter", nil},
	typeGauge:          {"gauge", nil},
	typeHistogram:      {"histogram", []string{"_bucket", "_count", "_sum"}},
	typeGaugeHistogram: {"gaugehistogram", []string{"_bucket", "_gcount", "_gsum"}},
	typeSummary:        {"summary", []string{"_count", "_sum"}},
	typeInfo:           {"info", nil},
	typeStateset:       {"stateset", nil},
}

// index is the type as an index into types; a number that is none is that of no type.
func (m *Metadata) index() uint64 {
	if m.typ >= uint64(len(types)) {
		return typeUnknown
	}
	return m.typ
}

// MetricType is the type of the family as Prometheus names it in metadata.
func (m *Metadata) MetricType() string { return types[m.index()].name }

// Family is the name of the family that a series with the given metric name is of.
func (m *Metadata) Family(metric string) string {
	for _, suffix := range types[m.index()].suffixes {
		if family, ok := strings.CutSuffix(metric, suffix); ok && family != "" {
			return family
		}
	}
	return metric
}

// counterSuffixes end the names of counters of which nothing else is known.
var counterSuffixes = []string{"_total", "_count", "_sum", "_bucket"}

// Kind is the kind of a series of floats, by the type of its family and otherwise by its name. Metadata of 1.0 has no say:
// it comes some time after the first samples of a series, which would then be stored as two.
func (m *Metadata) Kind(metric string) int8 {
	switch m.index() {
	case typeCounter, typeHistogram:
		return points.KindCounter
	case typeSummary:
		return points.KindSummary
	case typeUnknown:
		if slices.ContainsFunc(counterSuffixes, func(suffix string) bool { return strings.HasSuffix(metric, suffix) }) {
			return points.KindCounter
		}
	}
	return points.KindGauge
}
