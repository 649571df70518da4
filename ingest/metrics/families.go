package metrics

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"loadline/ingest/native"
	"loadline/ingest/points"
	"loadline/ingest/wire"
)

// maxFamilies bounds the metrics that are remembered between batches.
const maxFamilies = 100_000

// family is a metric as one scope describes it.
type family struct {
	key  uint64 // hash of the description
	name string // in Prometheus' spelling

	stored  bool
	written int64 // when the stored row was written, in Unix seconds
}

// families remembers descriptions and builds the rows of the table metadata for those that are new or whose last_seen
// is old.
type families struct {
	cache  map[uint64]*family
	digest *xxhash.Digest

	block                       native.Block
	metric, otelName, typ, unit *native.LowCardinality
	help                        *native.Strings
	temporality, scope          *native.LowCardinality
	lastSeen                    *native.Numbers[uint32]
	order                       []int32
}

func newFamilies() *families {
	f := &families{
		cache:       map[uint64]*family{},
		digest:      xxhash.New(),
		metric:      native.NewLowCardinality(),
		otelName:    native.NewLowCardinality(),
		typ:         native.NewLowCardinality(),
		unit:        native.NewLowCardinality(),
		help:        native.NewStrings(),
		temporality: native.NewLowCardinality(),
		scope:       native.NewLowCardinality(),
		lastSeen:    native.NewNumbers[uint32]("DateTime('UTC')"),
	}
	f.block = native.Block{
		{Name: "metric", Column: f.metric},
		{Name: "otel_name", Column: f.otelName},
		{Name: "type", Column: f.typ},
		{Name: "unit", Column: f.unit},
		{Name: "help", Column: f.help},
		{Name: "temporality", Column: f.temporality},
		{Name: "scope", Column: f.scope},
		{Name: "last_seen", Column: f.lastSeen},
	}
	return f
}

// find returns the family that m describes in a scope.
func (f *families) find(m *points.Metric, scope string) *family {
	key := points.Mix(m.Hash(f.digest), xxhash.Sum64String(scope))
	known := f.cache[key]
	if known == nil {
		if len(f.cache) >= maxFamilies {
			clear(f.cache)
		}
		known = &family{key: key, name: m.PrometheusName()}
		f.cache[key] = known
	}
	return known
}

// observe notes that a point of the family that m describes was received at the given Unix second.
func (f *families) observe(known *family, m *points.Metric, scope string, at int64) {
	if known.stored && at < known.written+refreshSeconds {
		return
	}
	known.stored, known.written = true, at
	f.append(known.name, string(wire.Name(m.Name)), m.Type(), m.Unit, m.Help, m.Temporality(), scope, at)
}

// append adds a row for a family that was described at the given Unix second.
func (f *families) append(name, otelName, typ string, unit, help []byte, temporality, scope string, at int64) {
	f.metric.Append([]byte(name))
	f.otelName.Append([]byte(otelName))
	f.typ.Append([]byte(typ))
	f.unit.Append(wire.Name(unit))
	f.help.Append(wire.Text(help))
	f.temporality.Append([]byte(temporality))
	f.scope.Append([]byte(scope))
	f.lastSeen.Append(uint32(at))
}

// sort orders the rows by primary key (metric, otel_name, scope, type, unit, temporality).
func (f *families) sort() {
	columns := []*native.LowCardinality{f.metric, f.otelName, f.scope, f.typ, f.unit, f.temporality}
	ranks := make([][]uint32, len(columns))
	for i, c := range columns {
		ranks[i] = c.Ranks()
	}
	f.order = f.order[:0]
	for i := range f.lastSeen.Values {
		f.order = append(f.order, int32(i))
	}
	slices.SortStableFunc(f.order, func(x, y int32) int {
		for i, c := range columns {
			if d := cmp.Compare(ranks[i][c.Indexes[x]], ranks[i][c.Indexes[y]]); d != 0 {
				return d
			}
		}
		return 0
	})
}
