// Package facet counts how spans divide by the values of a key, and suggests keys and values to who types a filter.
package facet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/attribute"
	"loadline/internal/clickhouse"
	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/query/search"
	"loadline/query/sql"
	"loadline/query/trace"
)

// A Facet is how the selected spans divide by one key.
type Facet struct {
	Key    string
	Values []Value // most frequent first, at most 20
	Others float64 // share of spans with other values or without the key
}

// A Value is one value of a facet.
type Value struct {
	Value      string
	Count      float64 // estimated for the whole range when the facets are sampled
	Share      float64 // of all selected spans, 0 to 1
	ErrorShare float64 // of the spans with this value
}

// Facets are the divisions by several keys.
type Facets struct {
	Facets  []Facet
	Total   float64 // selected spans
	Sampled bool    // some are counted on a sample and scaled up
}

// The limits of facets.
const (
	maxFacetValues = 20
	maxFacetKeys   = 30
	facetSample    = 10_000  // matching spans that are looked at
	facetSpans     = 150_000 // spans that are read to find them
)

// Count counts the spans of q by each key. Keys are those of a [filter.Matcher]. What the rollup knows is counted exactly;
// other keys are counted on the newest matching spans, at most 10,000, and scaled.
func Count(ctx context.Context, db *clickhouse.DB, q search.Query, keys []string) (*Facets, error) {
	if len(keys) > maxFacetKeys {
		return nil, fmt.Errorf("facets: %d keys are more than %d", len(keys), maxFacetKeys)
	}
	plan, err := search.NewPlan(db, q)
	if err != nil {
		return nil, err
	}
	var exact, sampled []facetKey
	for _, key := range keys {
		k := newFacetKey(key)
		if plan.Exact() && k.rollup != "" {
			exact = append(exact, k)
		} else {
			sampled = append(sampled, k)
		}
	}
	out := &Facets{Sampled: len(sampled) > 0}
	byKey := map[string]Facet{}
	if len(exact) > 0 {
		if err := exactFacets(ctx, db, q, exact, byKey, out); err != nil {
			return nil, err
		}
	}
	if len(sampled) > 0 {
		if err := sampledFacets(ctx, db, plan, sampled, byKey, out); err != nil {
			return nil, err
		}
	}
	for _, key := range keys {
		out.Facets = append(out.Facets, byKey[key])
	}
	return out, nil
}

// A facetKey is a key with its value as SQL text.
type facetKey struct {
	key    string
	rollup string // over the rollups, "" when they do not have it
	span   func(w *sql.Where) string
	attr   attribute.Key // of keys that are no column
	column bool
}

func newFacetKey(key string) facetKey {
	f, ok := filter.FieldOf(key)
	if !ok {
		attr := attribute.Of(key)
		return facetKey{key: key, attr: attr, span: func(w *sql.Where) string { return attributeValue(w, attr) }}
	}
	text := func(column string) string {
		switch {
		case column == "":
			return ""
		case f.Type == filter.TextField:
			return "toString(" + column + ")"
		case f.Type == filter.OutcomeField:
			return "if(" + column + ", 'error', 'ok')"
		case f.Type == filter.FlagField:
			return "if(" + column + ", 'true', 'false')"
		case f.Type == filter.ClassField:
			return "if(" + column + " = 0, '', toString(" + column + "))"
		case f.Type == filter.IDField:
			return "lower(hex(" + column + "))"
		default:
			return "toString(" + column + ")"
		}
	}
	return facetKey{key: key, column: true, rollup: text(f.Rollup), span: func(*sql.Where) string { return text(f.Span) }}
}

// The first letter of an attribute's value says where it is from: of the span, or of the resource with this number.
const (
	fromSpan     = 's'
	fromResource = 'r'
)

// attributeValue is the SQL text of an attribute's value behind its letter, "" for a span that does not have it.
func attributeValue(w *sql.Where, a attribute.Key) string {
	otherwise := "''"
	if a.OfResource {
		otherwise = "concat('" + string(fromResource) + "', toString(resource_id))"
	}
	if !a.OfSpan {
		return otherwise
	}
	var b strings.Builder
	b.WriteString("multiIf(")
	for _, name := range a.Names {
		p := w.Text(name)
		fmt.Fprintf(&b, "mapContains(attributes, %s), concat('%c', attributes[%s]), ", p, fromSpan, p)
	}
	return b.String() + otherwise + ")"
}

func exactFacets(ctx context.Context, db *clickhouse.DB, q search.Query, keys []facetKey, byKey map[string]Facet, out *Facets) error {
	exact, err := rollup.AllKinds(q.Selector, q.Range)
	if err != nil {
		return err
	}
	q.OnRollup(&exact.Where)
	columns := make([]string, len(keys))
	for i, k := range keys {
		columns[i] = k.rollup
	}
	counts, err := countFacets(ctx, db, columns, "toFloat64(sum(spans)) AS n, toFloat64(sumIf(spans, error)) AS e", "FROM "+exact.Rows(), true, &exact.Where)
	if err != nil {
		return err
	}
	for i, k := range keys {
		facet, total := counts[i].facet(k.key, 1)
		byKey[k.key], out.Total = facet, max(out.Total, total)
	}
	return nil
}

func sampledFacets(ctx context.Context, db *clickhouse.DB, plan *search.Plan, keys []facetKey, byKey map[string]Facet, out *Facets) error {
	w, expected, err := plan.Sample(ctx, facetSample, facetSpans)
	if err != nil {
		return err
	}
	columns := make([]string, len(keys))
	for i, k := range keys {
		columns[i] = k.span(w)
	}
	counts, err := countFacets(ctx, db, columns, "toFloat64(1) AS n, toFloat64(error) AS e", "FROM spans\n  WHERE "+w.String()+"\n  LIMIT "+strconv.Itoa(facetSample), false, w)
	if err != nil {
		return err
	}
	for i, k := range keys {
		if !k.column {
			if err := nameResources(ctx, db, k.attr, &counts[i]); err != nil {
				return err
			}
		}
		scale := 1.0
		if n := counts[i].total; n >= facetSample {
			scale = plan.Total() / n
		} else if n > 0 && expected > 0 {
			scale = max(plan.Total()/expected, 1)
		}
		facet, total := counts[i].facet(k.key, scale)
		byKey[k.key], out.Total = facet, max(out.Total, total)
	}
	return nil
}

// facetCounts are the counts of one key by value.
type facetCounts struct {
	values map[string][2]float64 // spans, failed spans
	total  float64
}

// countFacets runs one query for several keys: the rows of from are reduced to the text of every key, and those are
// counted key by key.
func countFacets(ctx context.Context, db *clickhouse.DB, columns []string, counts, from string, group bool, w *sql.Where) ([]facetCounts, error) {
	names := make([]string, len(columns))
	inner := make([]string, len(columns))
	for i, column := range columns {
		names[i] = "v" + strconv.Itoa(i)
		inner[i] = column + " AS " + names[i]
	}
	byKeys := ""
	if group {
		byKeys = "\n  GROUP BY " + strings.Join(names, ", ")
	}
	statement := `
SELECT key, value, sum(n) AS total, sum(e)
FROM
(
  SELECT ` + strings.Join(inner, ", ") + ", " + counts + `
  ` + from + byKeys + `
)
ARRAY JOIN [` + strings.Join(names, ", ") + `] AS value, arrayEnumerate([` + strings.Join(names, ", ") + `]) AS key
GROUP BY key, value
ORDER BY key, total DESC, value
LIMIT 1000 BY key`
	out := make([]facetCounts, len(columns))
	for i := range out {
		out[i].values = map[string][2]float64{}
	}
	err := sql.Scan(ctx, db, "facets", statement, w.Args, func(rows driver.Rows) error {
		var key uint32
		var value string
		var n, failed float64
		if err := rows.Scan(&key, &value, &n, &failed); err != nil {
			return err
		}
		out[key-1].values[value] = [2]float64{n, failed}
		out[key-1].total += n
		return nil
	})
	return out, err
}

// nameResources replaces letters and numbers of resources by the values of the attribute.
func nameResources(ctx context.Context, db *clickhouse.DB, attr attribute.Key, counts *facetCounts) error {
	named := map[string][2]float64{}
	add := func(value string, n [2]float64) {
		sum := named[value]
		named[value] = [2]float64{sum[0] + n[0], sum[1] + n[1]}
	}
	byID := map[string][2]float64{}
	var ids []uint64
	for value, n := range counts.values {
		switch {
		case value == "":
			add("", n)
		case value[0] == fromResource:
			byID[value[1:]] = n
			id, err := strconv.ParseUint(value[1:], 10, 64)
			if err != nil {
				return fmt.Errorf("facet: resource %q: %w", value[1:], err)
			}
			ids = append(ids, id)
		default:
			add(value[1:], n)
		}
	}
	if len(ids) > 0 {
		resources, err := trace.ReadResources(ctx, db, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			add(resources[id].Attribute(attr.Names), byID[strconv.FormatUint(id, 10)])
		}
	}
	counts.values = named
	return nil
}

// facet orders the values; scale makes a sample stand for the whole. It also returns the scaled total.
func (c facetCounts) facet(key string, scale float64) (Facet, float64) {
	f := Facet{Key: key}
	if c.total == 0 {
		return f, 0
	}
	for value, n := range c.values {
		if value != "" {
			f.Values = append(f.Values, Value{Value: value, Count: n[0] * scale, Share: n[0] / c.total, ErrorShare: n[1] / n[0]})
		}
	}
	slices.SortFunc(f.Values, func(a, b Value) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	f.Values = f.Values[:min(len(f.Values), maxFacetValues)]
	f.Others = 1
	for _, v := range f.Values {
		f.Others -= v.Share
	}
	f.Others = max(f.Others, 0)
	return f, c.total * scale
}
