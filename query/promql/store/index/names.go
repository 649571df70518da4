package index

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/prometheus/model/labels"

	"loadline/query/sql"
)

// namesAge is for how long names are believed.
const namesAge = 10 * time.Second

// memo remembers an answer for a while. Those who ask for it while it is read wait.
type memo[T any] struct {
	mu    sync.Mutex
	at    time.Time
	value T
}

// get returns the answer, which read finds when it is too old.
func (m *memo[T]) get(now time.Time, age time.Duration, read func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.at.IsZero() && now.Sub(m.at) < age && now.Sub(m.at) >= 0 {
		return m.value, nil
	}
	value, err := read()
	if err == nil {
		m.value, m.at = value, now
	}
	return value, err
}

// Sizes returns about how many series each metric has, up to ten seconds late. The map is not to be changed.
func (x *Index) Sizes(ctx context.Context) (map[string]int, error) {
	return x.names.get(x.cfg.Now(), namesAge, func() (map[string]int, error) {
		sizes := map[string]int{}
		err := sql.Scan(ctx, x.db, "metrics", `
SELECT toString(metric), count()
FROM series
GROUP BY metric
LIMIT 1000000`, nil, func(rows driver.Rows) error {
			var name string
			var n uint64
			if err := rows.Scan(&name, &n); err != nil {
				return err
			}
			sizes[name] = int(n)
			return nil
		})
		return sizes, err
	})
}

// Names returns the sorted names of the stored metrics, up to ten seconds late.
func (x *Index) Names(ctx context.Context) ([]string, error) {
	sizes, err := x.Sizes(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(sizes)), nil
}

// Any returns the series that match, whatever their metrics, sorted by labels.
func (x *Index) Any(ctx context.Context, matchers []*labels.Matcher) ([]*Entry, error) {
	var names []string
	for _, m := range matchers {
		if m.Name != labels.MetricName {
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
	return x.labels.get(x.cfg.Now(), namesAge, func() ([]string, error) {
		names := []string{labels.MetricName}
		err := x.strings(ctx, "label names", `
SELECT toString(name)
FROM postings
GROUP BY name
LIMIT 1000000`, nil, &names)
		slices.Sort(names)
		return slices.Compact(names), err
	})
}

// LabelValues returns the sorted values of a label in all stored series.
func (x *Index) LabelValues(ctx context.Context, name string) ([]string, error) {
	w := &sql.Where{}
	w.Add("name = " + w.Text(name))
	var values []string
	err := x.strings(ctx, "label values", `
SELECT DISTINCT value
FROM postings
WHERE `+w.String()+`
LIMIT 1000000`, w.Args, &values)
	slices.Sort(values)
	return values, err
}

// strings appends the rows of a statement with one column.
func (x *Index) strings(ctx context.Context, what, statement string, args []any, dst *[]string) error {
	return sql.Scan(ctx, x.db, what, statement, args, func(rows driver.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		*dst = append(*dst, text)
		return nil
	})
}
