package points

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/otlptranslator"

	"loadline/ingest/wire"
)

// maxNames bounds the attribute keys whose label names are remembered.
const maxNames = 20_000

// Label is a Prometheus label.
type Label struct{ Name, Value string }

// Labeler builds the labels of series. It belongs to one goroutine.
type Labeler struct {
	names      map[string]string // label names by attribute key
	attributes []wire.Attribute
	Labels     []Label // what Build made, sorted by name; valid until the next Build
	digest     *xxhash.Digest
}

// NewLabeler returns a labeler that remembers the label names it made.
func NewLabeler() *Labeler { return &Labeler{names: map[string]string{}, digest: xxhash.New()} }

// Build replaces l.Labels by those of a point. Of equal attribute keys the last wins; different keys with the same
// label name share the label, their values joined by ";". The resource and the scope have the last word, as in
// Prometheus. It reports ErrTooDeep where an attribute is nested too deep.
func (l *Labeler) Build(attributes [][]byte, r *wire.Resource, scope []byte) error {
	l.attributes, l.Labels = l.attributes[:0], l.Labels[:0]
	for _, message := range attributes {
		a, err := wire.DecodeAttribute(message)
		if err != nil {
			return err
		}
		l.attributes = append(l.attributes, a)
	}
	l.translate("")
	l.set("job", r.Job)
	l.set("instance", r.Instance)
	return l.setScope(scope)
}

// translate adds the labels for l.attributes, their names behind a prefix.
func (l *Labeler) translate(prefix string) {
	// A stable sort keeps the order of equal keys, of which the last is taken.
	slices.SortStableFunc(l.attributes, func(a, b wire.Attribute) int { return bytes.Compare(a.Key, b.Key) })
	for i, a := range l.attributes {
		if i+1 < len(l.attributes) && bytes.Equal(a.Key, l.attributes[i+1].Key) {
			continue
		}
		text, _, _ := a.Value.Text(nil)
		if len(a.Key) > 0 && len(text) > 0 { // to Prometheus an empty label is none
			l.Labels = append(l.Labels, Label{prefix + l.name(a.Key), string(text)})
		}
	}
	slices.SortStableFunc(l.Labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	unique := l.Labels[:0]
	for _, next := range l.Labels {
		if last := len(unique) - 1; last >= 0 && unique[last].Name == next.Name {
			unique[last].Value += ";" + next.Value
			continue
		}
		unique = append(unique, next)
	}
	l.Labels = unique
}

// setScope adds what identifies an encoded InstrumentationScope.
func (l *Labeler) setScope(scope []byte) error {
	if len(scope) == 0 {
		return nil
	}
	name, _, err := easyproto.GetBytes(scope, 1)
	if err != nil {
		return fmt.Errorf("read scope name: %w", err)
	}
	version, _, err := easyproto.GetBytes(scope, 2)
	if err != nil {
		return fmt.Errorf("read scope version: %w", err)
	}
	l.attributes, err = wire.Attributes(l.attributes[:0], scope, 3)
	if err != nil && !errors.Is(err, wire.ErrTooDeep) {
		return err
	}
	l.translate("otel_scope_")
	l.set("otel_scope_name", string(wire.Name(name)))
	l.set("otel_scope_version", string(wire.Name(version)))
	return nil
}

// set sets a label, unless the value is empty.
func (l *Labeler) set(name, value string) {
	if value == "" {
		return
	}
	i, ok := slices.BinarySearchFunc(l.Labels, name, func(x Label, name string) int { return strings.Compare(x.Name, name) })
	if !ok {
		l.Labels = slices.Insert(l.Labels, i, Label{})
	}
	l.Labels[i] = Label{name, value}
}

// name is the label name for an attribute key: escaped as otlptranslator does. A key that it cannot escape, because it
// has no ASCII letter or digit, stays as it is: UTF-8 label names exist, and without the label two series would be one.
// Names that Prometheus reserves lose that meaning.
func (l *Labeler) name(key []byte) string {
	if name, ok := l.names[string(key)]; ok {
		return name
	}
	namer := otlptranslator.LabelNamer{}
	name, err := namer.Build(string(wire.Name(key)))
	if err != nil {
		name = string(wire.Name(key))
	}
	if strings.HasPrefix(name, "__") {
		name = "key" + name
	}
	if len(l.names) >= maxNames {
		clear(l.names)
	}
	l.names[string(key)] = name
	return name
}

// SetQuantile adds the label of a summary's quantile.
func (l *Labeler) SetQuantile(q float64) { l.set("quantile", strconv.FormatFloat(q, 'f', -1, 64)) }

// ID is the series id: a hash of the label pairs and, where values of different meaning would share a series, of the
// meaning.
func (l *Labeler) ID(kind int8, bounds []float64) uint64 {
	d := l.digest
	d.Reset()
	for _, x := range l.Labels {
		_, _ = d.WriteString(x.Name)
		_, _ = d.Write([]byte{0xff})
		_, _ = d.WriteString(x.Value)
		_, _ = d.Write([]byte{0xff})
	}
	if kind == KindDelta || kind == KindDeltaHistogram {
		_, _ = d.Write([]byte{0xff, byte(kind)})
	}
	for _, bound := range bounds {
		_, _ = d.Write(binary.LittleEndian.AppendUint64([]byte{0xfe}, math.Float64bits(bound)))
	}
	return d.Sum64()
}
