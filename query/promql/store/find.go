package store

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/query/promql/series"
	"loadline/query/promql/store/histograms"
	"loadline/query/promql/store/index"
	"loadline/query/promql/store/targets"
)

// found is what a selector selects.
type found struct {
	matchers []*labels.Matcher // with the names that Prometheus knows
	entries  []*index.Entry    // stored series, sorted by labels
	classic  *classic          // nil when the metric is no classic series
	virtual  []string          // metrics that are computed, sorted
	targets  bool              // target_info is among them
}

// classic is histograms with explicit bounds that are shown as classic series.
type classic struct {
	view    *histograms.View
	entries []*index.Entry
}

// find looks up what matchers select. Classic series of histograms are found by their exact name alone: a selector that
// means all metrics does not mean two views of one.
func (s *Store) find(ctx context.Context, matchers []*labels.Matcher) (found, error) {
	matchers, err := s.prometheusLabels(ctx, matchers)
	if err != nil {
		return found{}, err
	}
	name, ok := exactName(matchers)
	if !ok {
		return s.findAny(ctx, matchers)
	}
	if name == "" {
		return found{}, nil
	}
	f, err := s.findMetric(ctx, name, matchers)
	if err != nil || len(f.entries) > 0 || f.classic != nil || len(f.virtual) > 0 {
		return f, err
	}
	return s.findOTel(ctx, name, f)
}

// findAny looks up series of metrics that are not named.
func (s *Store) findAny(ctx context.Context, matchers []*labels.Matcher) (found, error) {
	entries, err := s.index.Any(ctx, matchers)
	f := found{matchers: matchers, entries: entries, targets: nameMatches(targets.Metric, matchers)}
	for _, name := range slices.Sorted(maps.Keys(s.virtual)) {
		if nameMatches(name, matchers) {
			f.virtual = append(f.virtual, name)
		}
	}
	return f, err
}

// findMetric looks up series of one metric.
func (s *Store) findMetric(ctx context.Context, name string, matchers []*labels.Matcher) (found, error) {
	f := found{matchers: matchers, targets: name == targets.Metric}
	var err error
	if f.entries, err = s.index.Metric(ctx, name, matchers); err != nil {
		return f, err
	}
	if _, ok := s.virtual[name]; ok {
		f.virtual = []string{name}
	}
	if view, base, of := histograms.NewView(name, matchers); view != nil {
		entries, err := s.index.Metric(ctx, base, of)
		if err != nil {
			return f, err
		}
		entries = slices.DeleteFunc(entries, func(e *index.Entry) bool {
			return !slices.ContainsFunc(e.Rows, func(r index.Row) bool { return r.Kind.IsHistogram() })
		})
		if entries, err = s.withoutClassic(ctx, name, of, entries); err != nil {
			return f, err
		}
		if len(entries) > 0 {
			f.classic = &classic{view, entries}
		}
	}
	return f, nil
}

// withoutClassic removes the histograms that are stored as classic series too, with all labels equal but the bound: one
// spells its bounds otherwise than the view, and both together would count twice.
func (s *Store) withoutClassic(ctx context.Context, name string, matchers []*labels.Matcher, entries []*index.Entry) ([]*index.Entry, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	stored, err := s.index.Metric(ctx, name, matchers)
	if err != nil || len(stored) == 0 {
		return entries, err
	}
	key := func(e *index.Entry) uint64 {
		return e.Labels.MatchLabels(false, model.MetricNameLabel, labels.BucketLabel).Hash()
	}
	classic := map[uint64]bool{}
	for _, e := range stored {
		classic[key(e)] = true
	}
	return slices.DeleteFunc(entries, func(e *index.Entry) bool { return classic[key(e)] }), nil
}

// findOTel looks up series of the metrics that OpenTelemetry knows by a name, which may end as that of a classic series.
func (s *Store) findOTel(ctx context.Context, name string, none found) (found, error) {
	names, err := s.catalog.Names(ctx, name)
	if err != nil {
		return none, err
	}
	names = slices.Clone(names)
	if base, suffix, ok := histograms.Base(name); ok && len(names) == 0 {
		if names, err = s.catalog.Names(ctx, base); err != nil {
			return none, err
		}
		names = slices.Clone(names)
		for i := range names {
			names[i] += suffix
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == name })
	if len(names) == 0 {
		return none, nil
	}
	all := none
	for _, n := range names {
		f, err := s.findMetric(ctx, n, renamed(none.matchers, n))
		if err != nil {
			return none, err
		}
		all.entries = append(all.entries, f.entries...)
		if f.classic != nil {
			all.classic = f.classic
		}
	}
	slices.SortStableFunc(all.entries, func(a, b *index.Entry) int { return labels.Compare(a.Labels, b.Labels) })
	return all, nil
}

// renamed returns matchers that ask for another metric.
func renamed(matchers []*labels.Matcher, name string) []*labels.Matcher {
	out := []*labels.Matcher{{Type: labels.MatchEqual, Name: model.MetricNameLabel, Value: name}}
	for _, m := range matchers {
		if m.Name != model.MetricNameLabel {
			out = append(out, m)
		}
	}
	return out
}

// prometheusLabels writes the names of labels as Prometheus does where they are attributes as OpenTelemetry writes them:
// those with a dot that no stored label has.
func (s *Store) prometheusLabels(ctx context.Context, matchers []*labels.Matcher) ([]*labels.Matcher, error) {
	dotted := func(m *labels.Matcher) bool { return strings.Contains(m.Name, ".") }
	if !slices.ContainsFunc(matchers, dotted) {
		return matchers, nil
	}
	stored, err := s.index.LabelNames(ctx)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(matchers)
	for i, m := range out {
		if _, ok := slices.BinarySearch(stored, m.Name); ok || !dotted(m) {
			continue
		}
		namer := otlptranslator.LabelNamer{}
		name, err := namer.Build(m.Name)
		if err != nil {
			continue // it has no letter that could stay
		}
		if out[i], err = labels.NewMatcher(m.Type, name, m.Value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nameMatches reports whether matchers, as far as they look at the name, select a metric.
func nameMatches(name string, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && !m.Matches(name) {
			return false
		}
	}
	return true
}

// exactName returns the metric that matchers ask for, if they ask for one. It is "" if they contradict each other.
func exactName(matchers []*labels.Matcher) (string, bool) {
	i := slices.IndexFunc(matchers, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual })
	if i < 0 {
		return "", false
	}
	if name := matchers[i].Value; nameMatches(name, matchers) {
		return name, true
	}
	return "", true
}

// compute returns the series of a virtual metric. Those of which only labels are wanted have no samples.
func (s *Store) compute(ctx context.Context, metric string, mint, maxt int64, hints *storage.SelectHints, matchers []*labels.Matcher) ([]storage.Series, annotations.Annotations, error) {
	var out []storage.Series
	if hints != nil && hints.Func == "series" {
		all, err := s.virtual[metric].Labels(ctx, metric, mint, maxt, matchers)
		for _, l := range all {
			out = append(out, &series.Series{Name: l})
		}
		return out, nil, err
	}
	all, warnings, err := s.virtual[metric].Select(ctx, metric, mint, maxt, hints, matchers)
	for _, x := range all {
		out = append(out, x)
	}
	return out, warnings, err
}
