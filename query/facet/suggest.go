package facet

import (
	"cmp"
	"context"
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
)

// A Suggestion is a key or value to complete what a user types.
type Suggestion struct {
	Text  string
	Count uint64 // in the sample; only good for order
}

// The limits of suggestions.
const (
	maxSuggestions   = 50
	suggestSample    = 5_000
	suggestSpans     = 100_000
	suggestResources = 5_000
)

// SuggestKeys returns keys that contain prefix and occur on recent selected spans or on resources: well-known keys
// first, then those that start with it, then by frequency, at most 50.
func SuggestKeys(ctx context.Context, db *clickhouse.DB, sel filter.Selector, r rollup.Range, prefix string) ([]Suggestion, error) {
	counts := map[string]uint64{}
	add := func(rows driver.Rows) error {
		var key string
		var n uint64
		err := rows.Scan(&key, &n)
		counts[key] += n
		return err
	}
	w, err := recentSpans(ctx, db, sel, r)
	if err != nil {
		return nil, err
	}
	err = sql.Scan(ctx, db, "keys of spans", `
SELECT key, count() AS n
FROM (SELECT attributes FROM spans WHERE `+w.String()+` LIMIT `+strconv.Itoa(suggestSample)+`)
ARRAY JOIN mapKeys(attributes) AS key
GROUP BY key
ORDER BY n DESC
LIMIT 5000`, w.Args, add)
	if err != nil {
		return nil, err
	}
	err = sql.Scan(ctx, db, "keys of resources", `
SELECT key, count() AS n
FROM (SELECT attributes FROM resources LIMIT `+strconv.Itoa(suggestResources)+`)
ARRAY JOIN mapKeys(attributes) AS key
GROUP BY key
ORDER BY n DESC
LIMIT 5000`, nil, add)
	if err != nil {
		return nil, err
	}
	var list []Suggestion
	for _, f := range filter.Fields() {
		if containsFold(f.Name, prefix) {
			list = append(list, Suggestion{Text: f.Name})
		}
	}
	list = append(list, bestSuggestions(counts, prefix)...)
	return list[:min(len(list), maxSuggestions)], nil
}

// SuggestValues returns values of key that contain prefix, those that start with it first, most frequent first, at
// most 50.
func SuggestValues(ctx context.Context, db *clickhouse.DB, sel filter.Selector, r rollup.Range, key, prefix string) ([]Suggestion, error) {
	f, column := filter.FieldOf(key)
	counts := map[string]uint64{}
	switch {
	case column && (f.Type == filter.DurationField || f.Type == filter.IDField):
		return nil, nil
	case column && f.Type == filter.FlagField:
		counts["true"], counts["false"] = 1, 1
	case column && f.Type == filter.OutcomeField:
		for i, value := range []string{"4xx", "5xx", "ok", "error"} {
			counts[value] = uint64(i)
		}
	default:
		k := newFacetKey(key)
		found, err := sampleValues(ctx, db, sel, r, k)
		if err != nil {
			return nil, err
		}
		for value, n := range found.values {
			if value != "" {
				counts[value] += uint64(n[0])
			}
		}
		if !column && k.attr.OfResource {
			if err := resourceValues(ctx, db, k.attr, counts); err != nil {
				return nil, err
			}
		}
	}
	list := bestSuggestions(counts, prefix)
	return list[:min(len(list), maxSuggestions)], nil
}

// sampleValues counts the values of a key: exactly where the rollup has it, else on recent spans.
func sampleValues(ctx context.Context, db *clickhouse.DB, sel filter.Selector, r rollup.Range, k facetKey) (facetCounts, error) {
	if k.rollup != "" {
		known, _ := sel.RolledUp()
		q, err := rollup.AllKinds(known, r)
		if err != nil {
			return facetCounts{}, err
		}
		counts, err := countFacets(ctx, db, []string{k.rollup}, "toFloat64(sum(spans)) AS n, toFloat64(0) AS e", "FROM "+q.Rows(), true, &q.Where)
		if err != nil {
			return facetCounts{}, err
		}
		return counts[0], nil
	}
	w, err := recentSpans(ctx, db, sel, r)
	if err != nil {
		return facetCounts{}, err
	}
	counts, err := countFacets(ctx, db, []string{k.span(w)}, "toFloat64(1) AS n, toFloat64(0) AS e", "FROM spans\n  WHERE "+w.String()+"\n  LIMIT "+strconv.Itoa(facetSample), false, w)
	if err != nil {
		return facetCounts{}, err
	}
	if !k.column {
		err = nameResources(ctx, db, k.attr, &counts[0])
	}
	return counts[0], err
}

func resourceValues(ctx context.Context, db *clickhouse.DB, attr attribute.Key, counts map[string]uint64) error {
	var w sql.Where
	names := w.Texts(attr.Names)
	return sql.Scan(ctx, db, "values of resources", `
SELECT attributes[name] AS value, count() AS n
FROM (SELECT attributes, name FROM resources ARRAY JOIN `+names+` AS name WHERE mapContains(attributes, name) LIMIT `+strconv.Itoa(suggestResources)+`)
GROUP BY value
ORDER BY n DESC
LIMIT 5000`, w.Args, func(rows driver.Rows) error {
		var value string
		var n uint64
		err := rows.Scan(&value, &n)
		if _, ok := counts[value]; !ok && value != "" {
			counts[value] = n
		}
		return err
	})
}

// recentSpans selects the newest slices that have spans of sel, of any kind.
func recentSpans(ctx context.Context, db *clickhouse.DB, sel filter.Selector, r rollup.Range) (*sql.Where, error) {
	q := search.Query{Selector: sel, Range: r, AnySpan: true}
	plan, err := search.NewPlan(db, q)
	if err != nil {
		return nil, err
	}
	w, _, err := plan.Sample(ctx, suggestSample, suggestSpans)
	return w, err
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// bestSuggestions orders what contains part: what starts with it first, then by count.
func bestSuggestions(counts map[string]uint64, part string) []Suggestion {
	var list []Suggestion
	for text, n := range counts {
		if containsFold(text, part) {
			list = append(list, Suggestion{text, n})
		}
	}
	starts := func(s Suggestion) int {
		if strings.HasPrefix(strings.ToLower(s.Text), strings.ToLower(part)) {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(starts(a), starts(b)), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return list
}
