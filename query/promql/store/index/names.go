package index

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/sql"
)

// namesAge is for how long names are believed.
const namesAge = 10 * time.Second

// generation is what changes when a series of a metric becomes known, or of any metric when the name is "".
func (x *Index) generation(metric string) uint64 {
	if x.cfg.Generation == nil {
		return 0
	}
	return x.cfg.Generation(metric)
}

// Sizes returns about how many series each metric has, up to ten seconds late. The map is not to be changed.
func (x *Index) Sizes(ctx context.Context) (map[string]int, error) {
	return x.sizes.Get(x.cfg.Now(), namesAge, x.generation(""), func() (map[string]int, error) {
		sizes := map[string]int{}
		err := sql.Scan(ctx, x.db, "metrics", `
SELECT toString(metric), count()
FROM series
GROUP BY metric
LIMIT 1000000`, nil, func(rows driver.Rows) error {
			var name string
			var n uint64
			err := rows.Scan(&name, &n)
			sizes[name] = int(n)
			return err
		})
		return sizes, err
	})
}

// Classic returns the metrics of which some series are histograms with explicit bounds, up to ten seconds late.
func (x *Index) Classic(ctx context.Context) ([]string, error) {
	return x.classic.Get(x.cfg.Now(), namesAge, x.generation(""), func() ([]string, error) {
		var names []string
		err := x.strings(ctx, "histograms", `
SELECT DISTINCT toString(metric)
FROM series
WHERE kind IN ('histogram', 'delta_histogram')
  AND notEmpty(bounds)
LIMIT 1000000`, &sql.Where{}, &names)
		return names, err
	})
}

// Names returns the sorted names of the stored metrics, up to ten seconds late.
func (x *Index) Names(ctx context.Context) ([]string, error) {
	all, err := x.Sizes(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// Any returns the series that match, whatever their metrics, sorted by labels.
func (x *Index) Any(ctx context.Context, matchers []*labels.Matcher) ([]*Entry, error) {
	var names []string
	for _, m := range matchers {
		if m.Name != model.MetricNameLabel {
			continue
		}
		all := names
		if all == nil {
			var err error
			if all, err = x.Names(ctx); err != nil {
				return nil, err
			}
		}
		names = slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !m.Matches(name) })
		if len(names) == 0 {
			return nil, nil
		}
	}
	if len(names) == 1 {
		return x.Metric(ctx, names[0], matchers)
	}
	found, err := x.load(ctx, names, pushable(matchers))
	if err != nil {
		return nil, err
	}
	var out []*Entry
	for _, f := range found {
		if out, err = x.match(out, f, matchers); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b *Entry) int { return labels.Compare(a.Labels, b.Labels) })
	return out, nil
}

// LabelNames returns the sorted names of all labels of stored series, up to ten seconds late.
func (x *Index) LabelNames(ctx context.Context) ([]string, error) {
	return x.labels.Get(x.cfg.Now(), namesAge, x.generation(""), func() ([]string, error) {
		names := []string{model.MetricNameLabel}
		err := x.strings(ctx, "label names", `
SELECT DISTINCT toString(name)
FROM postings
LIMIT 1000000`, &sql.Where{}, &names)
		slices.Sort(names)
		return slices.Compact(names), err
	})
}

// Pushed returns the matchers as what LabelNamesOf and LabelValuesOf take, if they all are such: equalities of labels with
// values.
func Pushed(matchers []*labels.Matcher) ([]*labels.Matcher, bool) {
	pushed := pushable(matchers)
	return pushed, len(pushed) == len(matchers) && len(pushed) > 0
}

// LabelNamesOf returns the names of the labels of stored series that match.
func (x *Index) LabelNamesOf(ctx context.Context, pushed []*labels.Matcher) ([]string, error) {
	w := &sql.Where{}
	names := []string{model.MetricNameLabel}
	err := x.strings(ctx, "label names", `
SELECT DISTINCT toString(name)
FROM postings
WHERE `+postingsWhere(w, pushed).String()+`
LIMIT 1000000`, w, &names)
	if len(names) == 1 {
		return nil, err
	}
	return names, err
}

// LabelValuesOf returns the values of a label in the stored series that match: in all when there are no matchers.
func (x *Index) LabelValuesOf(ctx context.Context, name string, pushed []*labels.Matcher) ([]string, error) {
	w, value := &sql.Where{}, "toString(metric)"
	if name != model.MetricNameLabel {
		value = "value"
		w.Add("name = " + w.Text(name))
	}
	var values []string
	err := x.strings(ctx, "label values", `
SELECT DISTINCT `+value+`
FROM postings
WHERE `+postingsWhere(w, pushed).String()+`
LIMIT 1000000`, w, &values)
	return values, err
}

// postingsWhere says which postings belong to the series that match.
func postingsWhere(w *sql.Where, pushed []*labels.Matcher) *sql.Where {
	for _, m := range pushed {
		w.Add("(metric, series_id) IN (SELECT metric, series_id FROM postings WHERE name = " + w.Text(m.Name) + " AND value = " + w.Text(m.Value) + ")")
	}
	return w
}

// Bounds returns the bounds of all histograms that have explicit ones, in no order.
func (x *Index) Bounds(ctx context.Context) ([]float64, error) {
	var out []float64
	err := sql.Scan(ctx, x.db, "bounds", `
SELECT DISTINCT arrayJoin(bounds)
FROM series
WHERE kind IN ('histogram', 'delta_histogram')
LIMIT 1000000`, nil, func(rows driver.Rows) error {
		var bound float64
		err := rows.Scan(&bound)
		out = append(out, bound)
		return err
	})
	return out, err
}

// strings appends the rows of a statement with one column.
func (x *Index) strings(ctx context.Context, what, statement string, w *sql.Where, dst *[]string) error {
	return sql.Scan(ctx, x.db, what, statement, w.Args, func(rows driver.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		*dst = append(*dst, text)
		return nil
	})
}
