package request

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/cespare/xxhash/v2"

	"loadline/ingest/points"
	"loadline/ingest/wire"
)

// Series is a TimeSeries of either version; all bytes view the request body.
type Series struct {
	// Hash identifies the labels as the sender wrote them. Equal labels have different hashes in the two versions.
	Hash     uint64
	Metadata Metadata // of 2.0

	version Version
	symbols []symbol
	labels  [][]byte // encoded Labels of 1.0
	refs    []uint32 // of 2.0
	broken  error    // why the labels or the metadata cannot be read
	items   []byte   // the message from the first field on that is no label
}

// Sample is a float sample, its times in Unix milliseconds.
type Sample struct {
	Time, Start int64 // Start is 0 when the sender does not know it
	Value       float64
}

// Label is a label of a series or of an exemplar.
type Label struct{ Name, Value []byte }

// nameLabel is the label that has the metric's name.
const nameLabel = "__name__"

// decode reads all of a series but its items.
func (s *Series) decode(message []byte) error {
	s.Hash, s.Metadata, s.broken = uint64(s.version), Metadata{}, nil
	s.labels, s.refs, s.items = s.labels[:0], s.refs[:0], nil
	var fc easyproto.FieldContext
	var err error
	var start, end int // of a run of label fields, one behind the other
	for data := message; len(data) > 0; {
		field := data
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read series: %w", err)
		}
		ok := true
		switch {
		case fc.FieldNum != 1:
			if s.items == nil {
				s.items = field
			}
			if s.version == V2 && fc.FieldNum == 5 {
				err = s.readMetadata(&fc)
			}
		case s.version == V2:
			s.refs, ok = references(s.refs, &fc, 2*wire.MaxAttributes)
		default:
			s.labels, ok = s.appendLabel(s.labels, &fc)
			if at := len(message) - len(field); at != end {
				s.Hash = points.Mix(s.Hash, xxhash.Sum64(message[start:end]))
				start = at
			}
			end = len(message) - len(data)
		}
		if !ok {
			return fmt.Errorf("read series: field %d has the wrong wire type", fc.FieldNum)
		}
		if err != nil {
			return err
		}
	}
	if s.version == V1 {
		s.Hash = points.Mix(s.Hash, xxhash.Sum64(message[start:end]))
		return nil
	}
	for _, ref := range s.refs {
		if int(ref) >= len(s.symbols) {
			s.broken = invalid("label reference %d is beyond the %d symbols", ref, len(s.symbols))
			return nil
		}
		s.Hash = points.Mix(s.Hash, s.symbols[ref].hash)
	}
	return nil
}

func (s *Series) appendLabel(dst [][]byte, fc *easyproto.FieldContext) ([][]byte, bool) {
	label, ok := fc.MessageData()
	if ok && len(dst) <= wire.MaxAttributes {
		dst = append(dst, label)
	}
	return dst, ok
}

// readMetadata reads the Metadata message of a series of 2.0.
func (s *Series) readMetadata(fc *easyproto.FieldContext) error {
	data, ok := fc.MessageData()
	if !ok {
		return fmt.Errorf("read metadata: wrong wire type")
	}
	m := &s.Metadata
	var help, unit uint32
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read metadata: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			m.typ, ok = fc.Uint64()
		case 3:
			help, ok = fc.Uint32()
		case 4:
			unit, ok = fc.Uint32()
		}
		if !ok {
			return fmt.Errorf("read metadata: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	if help == 0 && unit == 0 && m.typ == 0 {
		return nil
	}
	if last := max(help, unit); int(last) >= len(s.symbols) {
		s.broken = invalid("metadata reference %d is beyond the %d symbols", last, len(s.symbols))
		return nil
	}
	m.Help, m.Unit = s.symbols[help].text, s.symbols[unit].text
	m.Hash = points.Mix(points.Mix(s.symbols[help].hash, s.symbols[unit].hash), m.typ)
	return nil
}

// Readable says whether the references of the series lead to symbols. Hash identifies nothing otherwise.
func (s *Series) Readable() bool { return s.broken == nil }

// Labels replaces dst by the labels of the series, sorted by name, and returns the metric's name, which is not among
// them. The error is an *Invalid where they cannot be those of a series. Labels in another order are sorted, and labels
// without a value are left out: to Prometheus an empty label is none.
func (s *Series) Labels(dst []Label) (labels []Label, metric []byte, err error) {
	if s.broken != nil {
		return dst[:0], nil, s.broken
	}
	dst, err = s.resolve(dst[:0], s.labels, s.refs)
	if err != nil {
		return dst, nil, err
	}
	i := slices.IndexFunc(dst, func(l Label) bool { return string(l.Name) == nameLabel })
	if i < 0 {
		return dst, nil, invalid("the label %s is missing", nameLabel)
	}
	if metric = dst[i].Value; len(metric) > wire.MaxNameBytes {
		return dst, nil, invalid("the metric's name has more than %d bytes", wire.MaxNameBytes)
	}
	return slices.Delete(dst, i, i+1), metric, nil
}

// resolve appends labels in the form of the series' version, in the order of their names.
func (s *Series) resolve(dst []Label, encoded [][]byte, refs []uint32) ([]Label, error) {
	if len(encoded) > wire.MaxAttributes || len(refs) > 2*wire.MaxAttributes {
		return dst, invalid("more than %d labels", wire.MaxAttributes)
	}
	if len(refs)%2 != 0 {
		return dst, invalid("%d label references: the last name has no value", len(refs))
	}
	sorted := true
	add := func(name, value []byte, valid bool) error {
		switch {
		case len(name) == 0:
			return invalid("a label has no name")
		case !valid:
			return invalid("the label %q is not UTF-8", name)
		case len(name) > wire.MaxNameBytes:
			return invalid("a label's name has more than %d bytes", wire.MaxNameBytes)
		case len(value) > wire.MaxValueBytes:
			return invalid("the value of label %q has more than %d bytes", name, wire.MaxValueBytes)
		}
		if len(value) > 0 {
			sorted = sorted && (len(dst) == 0 || bytes.Compare(dst[len(dst)-1].Name, name) < 0)
			dst = append(dst, Label{name, value})
		}
		return nil
	}
	for _, message := range encoded {
		name, value, err := decodeLabel(message)
		if err != nil {
			return dst, err
		}
		if err := add(name, value, utf8.Valid(name) && utf8.Valid(value)); err != nil {
			return dst, err
		}
	}
	for i := 0; i < len(refs); i += 2 {
		name, value := &s.symbols[refs[i]], &s.symbols[refs[i+1]]
		if err := add(name.text, value.text, name.valid && value.valid); err != nil {
			return dst, err
		}
	}
	if sorted {
		return dst, nil
	}
	slices.SortFunc(dst, func(a, b Label) int { return bytes.Compare(a.Name, b.Name) })
	for i := 1; i < len(dst); i++ {
		if bytes.Equal(dst[i-1].Name, dst[i].Name) {
			return dst, invalid("the label %q is there twice", dst[i].Name)
		}
	}
	return dst, nil
}

// decodeLabel reads a Label message of 1.0.
func decodeLabel(data []byte) (name, value []byte, err error) {
	var fc easyproto.FieldContext
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return nil, nil, fmt.Errorf("read label: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			name, ok = fc.Bytes()
		case 2:
			value, ok = fc.Bytes()
		}
		if !ok {
			return nil, nil, fmt.Errorf("read label: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return name, value, nil
}

// Text is the series as PromQL writes it, cut where it is long, and for invalid labels as much as can be said.
func (s *Series) Text() string {
	labels := make([]Label, 0, 16)
	for _, message := range s.labels {
		if name, value, err := decodeLabel(message); err == nil {
			labels = append(labels, Label{name, value})
		}
	}
	for i := 0; i+1 < len(s.refs) && int(max(s.refs[i], s.refs[i+1])) < len(s.symbols); i += 2 {
		labels = append(labels, Label{s.symbols[s.refs[i]].text, s.symbols[s.refs[i+1]].text})
	}
	var metric string
	text := []byte("{")
	for _, l := range labels {
		if string(l.Name) == nameLabel && metric == "" {
			metric = strings.ToValidUTF8(string(l.Value), "�")
			continue
		}
		if len(text) > maxText {
			return metric + strings.ToValidUTF8(string(text[:maxText]), "") + "…}"
		}
		if len(text) > 1 {
			text = append(text, ',', ' ')
		}
		text = fmt.Appendf(text, "%s=%.100q", strings.ToValidUTF8(string(l.Name), "�"), l.Value)
	}
	return metric + string(append(text, '}'))
}

// maxText is where the text of a series is cut, in bytes.
const maxText = 200

// Items is who wants the items of a series. Histograms and exemplars are still encoded, for Histogram.Decode and
// Exemplar.Decode.
type Items struct {
	Sample    func(Sample) error
	Histogram func(message []byte) error
	Exemplar  func(message []byte) error
}

// Items hands out the samples, histograms and exemplars of the series.
func (s *Series) Items(to *Items) error {
	var fc easyproto.FieldContext
	var err error
	for data := s.items; len(data) > 0; {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read series: %w", err)
		}
		field := fc.FieldNum
		if s.version == V1 && (field == 3 || field == 4) {
			field = 7 - field // they have changed places
		}
		if field < 2 || field > 4 {
			continue
		}
		message, ok := fc.MessageData()
		if !ok {
			return fmt.Errorf("read series: field %d has the wrong wire type", fc.FieldNum)
		}
		switch field {
		case 2:
			var sample Sample
			if sample, err = readSample(message); err == nil {
				err = to.Sample(sample)
			}
		case 3:
			err = to.Histogram(message)
		case 4:
			err = to.Exemplar(message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readSample(data []byte) (s Sample, err error) {
	var fc easyproto.FieldContext
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return s, fmt.Errorf("read sample: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			s.Value, ok = fc.Double()
		case 2:
			s.Time, ok = fc.Int64()
		case 3:
			s.Start, ok = fc.Int64()
		}
		if !ok {
			return s, fmt.Errorf("read sample: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return s, nil
}

// Exemplar is a decoded Exemplar; all bytes view the request body.
type Exemplar struct {
	Time   int64 // in Unix milliseconds
	Value  float64
	Labels []Label // sorted by name

	encoded [][]byte
	refs    []uint32
}

// Decode reads an exemplar of s into e, whose slices are reused. The error is an *Invalid where it cannot be stored.
func (e *Exemplar) Decode(s *Series, data []byte) error {
	*e = Exemplar{Labels: e.Labels[:0], encoded: e.encoded[:0], refs: e.refs[:0]}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read exemplar: %w", err)
		}
		ok := true
		switch {
		case fc.FieldNum == 1 && s.version == V1:
			e.encoded, ok = s.appendLabel(e.encoded, &fc)
		case fc.FieldNum == 1:
			e.refs, ok = references(e.refs, &fc, 2*wire.MaxAttributes)
		case fc.FieldNum == 2:
			e.Value, ok = fc.Double()
		case fc.FieldNum == 3:
			e.Time, ok = fc.Int64()
		}
		if !ok {
			return fmt.Errorf("read exemplar: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	for _, ref := range e.refs {
		if int(ref) >= len(s.symbols) {
			return invalid("exemplar reference %d is beyond the %d symbols", ref, len(s.symbols))
		}
	}
	e.Labels, err = s.resolve(e.Labels, e.encoded, e.refs)
	return err
}
