// Package leaf finds the parts of a PromQL expression that kernels can compute, and puts selectors in their place. Such a
// selector has the matchers of the original and one more that says what to compute. All above it stays as it is, and so
// do the positions in the query.
package leaf

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/storage"
)

// label is the name in the matcher that carries a leaf. Queries that use it themselves have no leaves.
const label = "__loadline_leaf__"

// Leaf is what to compute in place of a selector: an aggregation of a function of the samples in a range, or one of both
// alone.
type Leaf struct {
	Func  string        `json:",omitempty"` // of a range; "" for an instant selector
	Range time.Duration `json:",omitempty"`

	Agg      parser.ItemType `json:",omitempty"` // 0 for none
	Without  bool            `json:",omitempty"`
	Grouping []string        `json:",omitempty"` // as written

	Subquery bool                   `json:",omitempty"` // the steps are those of a subquery
	Fixed    bool                   `json:",omitempty"` // the selector has an @, so that it is evaluated once
	Offset   time.Duration          `json:",omitempty"` // of the selector
	Arg      posrange.PositionRange // of the function's argument
}

// Of returns the leaf that is in the matchers of a selector, and the matchers without it.
func Of(matchers []*labels.Matcher) (*Leaf, []*labels.Matcher, bool) {
	i := slices.IndexFunc(matchers, isLeaf)
	if i < 0 {
		return nil, matchers, false
	}
	l := new(Leaf)
	if err := json.Unmarshal([]byte(matchers[i].Value), l); err != nil {
		panic("BUG: a leaf cannot be read: " + err.Error())
	}
	return l, slices.Delete(slices.Clone(matchers), i, i+1), true
}

func isLeaf(m *labels.Matcher) bool { return m.Name == label }

// selector returns the selector that stands for the leaf: a copy of the original at the place of the expression.
func (l *Leaf) selector(of *parser.VectorSelector, at posrange.PositionRange) *parser.VectorSelector {
	encoded, err := json.Marshal(l)
	if err != nil {
		panic("BUG: a leaf cannot be written: " + err.Error())
	}
	s := *of
	s.PosRange = at
	s.LabelMatchers = append(slices.Clone(of.LabelMatchers), labels.MustNewMatcher(labels.MatchEqual, label, string(encoded)))
	return &s
}

// Hints returns what the engine would pass to Select for the original selector, given what it passes for the leaf.
func (l *Leaf) Hints(given *storage.SelectHints, lookback time.Duration) *storage.SelectHints {
	h := *given
	if l.Func != "" {
		h.Start = given.Start + lookback.Milliseconds() - l.Range.Milliseconds()
		h.Range = l.Range.Milliseconds()
		h.Func, h.By, h.Grouping = l.Func, false, nil
	} else if l.Agg != 0 {
		h.Func, h.By, h.Grouping = l.Agg.String(), !l.Without, l.Grouping
	}
	return &h
}

// DropsName tells whether the metric's name is no label of the function's result.
func (l *Leaf) DropsName() bool { return l.Func != "" && l.Func != "last_over_time" }

// Subject returns what a selector is about: the metric that it selects by name, or else all its matchers.
func Subject(matchers []*labels.Matcher) string {
	if metric := Metric(matchers); metric != "" {
		return metric
	}
	var text strings.Builder
	for _, m := range matchers {
		text.WriteString(m.String())
		text.WriteByte(',')
	}
	return text.String()
}

// Metric returns the metric that matchers select by name, or "".
func Metric(matchers []*labels.Matcher) string {
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}
