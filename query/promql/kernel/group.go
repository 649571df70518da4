package kernel

import (
	"math"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/kahansum"
)

// Aggregates tells whether Group implements an aggregation.
func Aggregates(op parser.ItemType) bool {
	switch op {
	case parser.SUM, parser.AVG, parser.MIN, parser.MAX, parser.COUNT, parser.GROUP:
		return true
	}
	return false
}

// Group aggregates the values of series at each step, in the order in which they are added.
type Group struct {
	op          parser.ItemType
	value, rest []float64
	count, mean []float64
	incremental []bool
}

// NewGroup returns an empty group.
func NewGroup(op parser.ItemType, steps int) *Group {
	g := &Group{op: op, value: make([]float64, steps)}
	for i := range g.value {
		g.value[i] = Absent()
	}
	switch op {
	case parser.AVG:
		g.count, g.mean, g.incremental = make([]float64, steps), make([]float64, steps), make([]bool, steps)
		fallthrough
	case parser.SUM:
		g.rest = make([]float64, steps)
	}
	return g
}

// Add takes in the values of a series.
func (g *Group) Add(values []float64) {
	switch g.op {
	case parser.SUM:
		g.sum(values)
	case parser.AVG:
		g.avg(values)
	default:
		g.simple(values)
	}
}

func (g *Group) sum(values []float64) {
	value, rest := g.value[:len(values)], g.rest[:len(values)]
	for i, v := range values {
		switch {
		case IsAbsent(v):
		case IsAbsent(value[i]):
			value[i] = v
		default:
			value[i], rest[i] = kahansum.Inc(v, value[i], rest[i])
		}
	}
}

func (g *Group) avg(values []float64) {
	for i, v := range values {
		if IsAbsent(v) {
			continue
		}
		g.count[i]++
		if IsAbsent(g.value[i]) {
			g.value[i] = v
			continue
		}
		count := g.count[i]
		if !g.incremental[i] {
			sum, rest := kahansum.Inc(v, g.value[i], g.rest[i])
			if !math.IsInf(sum, 0) {
				g.value[i], g.rest[i] = sum, rest
				continue
			}
			g.incremental[i] = true
			g.mean[i] = g.value[i] / (count - 1)
			g.rest[i] /= count - 1
		}
		q := (count - 1) / count
		g.mean[i], g.rest[i] = kahansum.Inc(v/count, q*g.mean[i], q*g.rest[i])
	}
}

func (g *Group) simple(values []float64) {
	for i, v := range values {
		if IsAbsent(v) {
			continue
		}
		first, value := IsAbsent(g.value[i]), &g.value[i]
		switch g.op {
		case parser.GROUP:
			*value = 1
		case parser.COUNT:
			if first {
				*value = 0
			}
			*value++
		case parser.MAX:
			if first || *value < v || math.IsNaN(*value) {
				*value = v
			}
		case parser.MIN:
			if first || *value > v || math.IsNaN(*value) {
				*value = v
			}
		}
	}
}

// Finish returns the value of each step, or Absent. The group is not to be used after that.
func (g *Group) Finish() []float64 {
	for i, v := range g.value {
		switch {
		case IsAbsent(v):
		case g.op == parser.SUM:
			g.value[i] = v + g.rest[i]
		case g.op == parser.AVG && g.incremental[i]:
			g.value[i] = g.mean[i] + g.rest[i]
		case g.op == parser.AVG:
			g.value[i] = v/g.count[i] + g.rest[i]/g.count[i]
		}
	}
	return g.value
}
