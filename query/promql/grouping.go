package promql

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"

	"loadline/query/promql/leaf"
)

// grouping finds the group of a series in an aggregation.
type grouping struct {
	without bool
	names   []string // sorted
	builder *labels.Builder
	buffer  []byte
}

func newGrouping(l *leaf.Leaf) *grouping {
	g := &grouping{without: l.Without, names: slices.Clone(l.Grouping), builder: labels.NewBuilder(labels.EmptyLabels())}
	switch {
	case l.Without:
		g.names = append(g.names, model.MetricNameLabel, model.MetricTypeLabel, model.MetricUnitLabel)
	case l.DropsName():
		g.names = slices.DeleteFunc(g.names, schema.IsMetadataLabel)
	}
	slices.Sort(g.names)
	return g
}

// key returns what tells groups apart, the same as in the upstream engine.
func (g *grouping) key(ls labels.Labels) uint64 {
	var key uint64
	switch {
	case g.without:
		key, g.buffer = ls.HashWithoutLabels(g.buffer, g.names...)
	case len(g.names) > 0:
		key, g.buffer = ls.HashForLabels(g.buffer, g.names...)
	}
	return key
}

// labels returns the labels of the group that a series is in.
func (g *grouping) labels(ls labels.Labels) labels.Labels {
	switch {
	case g.without:
		g.builder.Reset(ls)
		g.builder.Del(g.names...)
		return g.builder.Labels()
	case len(g.names) > 0:
		g.builder.Reset(ls)
		g.builder.Keep(g.names...)
		return g.builder.Labels()
	}
	return labels.EmptyLabels()
}
