package explorer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"loadline/query/promql/store"
	"loadline/web/view"
)

// Bounds of the list of metrics and of what is told about one.
const (
	maxListed     = 200
	maxPrefixes   = 30
	maxNames      = 40_000
	maxLabels     = 25
	maxValues     = 12
	maxCountedVal = 1000
)

// browse lists the metrics whose name has the text of parameter metrics in it, and describes the one of that very name.
func (e *Explorer) browse(ctx context.Context, p view.Page, out *view.Explorer) {
	b := &out.Browser
	b.Filter = strings.TrimSpace(p.Query.Get("metrics"))
	q, err := e.config.Source.Querier(p.Range.From.UnixMilli(), p.Range.To.UnixMilli())
	if err != nil {
		b.Error = &view.Failure{What: "The metrics could not be listed", Detail: err.Error()}
		return
	}
	defer q.Close()
	names, _, err := q.LabelValues(ctx, model.MetricNameLabel, &storage.LabelHints{Limit: maxNames})
	var known map[string][]store.Metadata
	if err == nil {
		known, err = e.config.Source.Metadata(ctx, "", 0, 1)
	}
	if err != nil {
		b.Error = &view.Failure{What: "The metrics could not be listed", Detail: err.Error()}
		return
	}
	b.Total = len(names)
	var matching []string
	for _, n := range names {
		if strings.Contains(n, b.Filter) || strings.Contains(describe(known, n).OTelName, b.Filter) {
			matching = append(matching, n)
		}
	}
	b.Prefixes = prefixes(p, matching, b.Filter)
	for _, n := range matching[:min(len(matching), maxListed)] {
		b.Metrics = append(b.Metrics, metricRow(p, n, describe(known, n)))
	}
	if len(matching) > maxListed {
		b.More = fmt.Sprintf("%d more; write a part of the name to see them", len(matching)-maxListed)
	}
	if slices.Contains(names, b.Filter) {
		b.One = e.one(ctx, p, q, b.Filter)
	}
}

// describe finds what is known about a metric, or about the family that it belongs to.
func describe(known map[string][]store.Metadata, metric string) store.Metadata {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count", "_total"} {
		if base, ok := strings.CutSuffix(metric, suffix); ok && len(known[base]) > 0 {
			return known[base][0]
		}
	}
	return store.Metadata{}
}

func metricRow(p view.Page, name string, m store.Metadata) view.MetricRow {
	return view.MetricRow{
		Name: name, Type: m.Type, Unit: m.Unit, Help: m.Help, OTelName: m.OTelName,
		Href:   p.With("q", suggestion(name, m), "metrics", name, "view", "", "all", ""),
		Detail: p.With("metrics", name),
	}
}

// suggestion is the expression that one most likely wants to see of a metric.
func suggestion(name string, m store.Metadata) string {
	selector := name
	if !plainName(name) {
		selector = "{" + strconv.Quote(name) + "}"
	}
	switch {
	case m.Type == "histogram" && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") && !strings.HasSuffix(name, "_bucket"):
		return "histogram_quantile(0.95, sum by (job) (rate(" + selector + "[5m])))"
	case strings.HasSuffix(name, "_bucket"):
		return "histogram_quantile(0.95, sum by (job, le) (rate(" + selector + "[5m])))"
	case m.Type == "counter" || strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count"):
		return "sum by (job) (rate(" + selector + "[5m]))"
	}
	return selector
}

func plainName(name string) bool {
	for i, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != ':' && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// prefixes counts the metrics by the next part of their name.
func prefixes(p view.Page, names []string, filter string) []view.FacetValue {
	counts := map[string]int{}
	for _, n := range names {
		rest, ok := strings.CutPrefix(n, filter)
		if !ok {
			continue
		}
		part, _, more := strings.Cut(strings.TrimLeft(rest, "_"), "_")
		if more {
			counts[filter+rest[:len(rest)-len(strings.TrimLeft(rest, "_"))]+part+"_"]++
		}
	}
	var out []view.FacetValue
	for prefix, n := range counts {
		out = append(out, view.FacetValue{Value: prefix, Count: strconv.Itoa(n), Href: p.With("metrics", prefix), Share: 100 * float64(n) / float64(len(names))})
	}
	slices.SortFunc(out, func(a, b view.FacetValue) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), strings.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), maxPrefixes)]
}

// one lists the labels of a metric with their values. Each value leads to the expression that selects it.
func (e *Explorer) one(ctx context.Context, p view.Page, q storage.Querier, metric string) *view.Plain {
	t := &view.Plain{Title: metric, Sub: "labels and their values", Empty: "No labels", Heads: []view.Column{{Label: "Label"}, {Label: "Values", Numeric: true}, {Label: "Examples"}}}
	matcher := labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, metric)
	names, _, err := q.LabelNames(ctx, nil, matcher)
	if err != nil {
		t.Error = &view.Failure{What: "The labels could not be listed", Detail: err.Error()}
		return t
	}
	for _, name := range names[:min(len(names), maxLabels)] {
		if name == model.MetricNameLabel {
			continue
		}
		values, _, err := q.LabelValues(ctx, name, &storage.LabelHints{Limit: maxCountedVal}, matcher)
		if err != nil {
			t.Error = &view.Failure{What: "The values of label " + name + " could not be listed", Detail: err.Error()}
			return t
		}
		n := strconv.Itoa(len(values))
		if len(values) >= maxCountedVal {
			n = "≥ " + n
		}
		t.Rows = append(t.Rows, []view.Cell{
			{Text: name, Mono: true, Href: p.With("q", "count by ("+quoteName(name)+") ({"+strconv.Quote(metric)+"})", "view", "table")},
			{Text: n},
			{Text: strings.Join(values[:min(len(values), maxValues)], ", "), Dim: true},
		})
	}
	return t
}

func quoteName(name string) string {
	if plainName(name) {
		return name
	}
	return strconv.Quote(name)
}
