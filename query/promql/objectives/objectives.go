package objectives

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"loadline/internal/clickhouse"
	"loadline/internal/schema"
	"loadline/query/promql/red/grid"
	"loadline/query/promql/series"
	"loadline/query/promql/store"
	"loadline/query/promql/store/index"
)

// The names of the metrics.
const (
	Target     = "loadline_slo_objective"
	Budget     = "loadline_slo_error_budget_remaining_ratio"
	BurnRate   = "loadline_slo_burn_rate"
	Events     = "loadline_slo_events_total"
	BadEvents  = "loadline_slo_bad_events_total"
	AlertState = "loadline_slo_alert_state"
)

// What an answer may hold.
const (
	maxValues    = 10_000_000
	maxHistories = 500 // objectives whose past is asked for; each costs a statement
	maxPoints    = 11_000
)

var errTooMany = errors.New("too many samples: select fewer objectives, a shorter range or a wider step")

// Objective is an objective, or a group of one, at the last evaluation.
type Objective struct {
	SLO, Name, Group, Service, Owner string

	Target float64 // the promised share of good events, 0 to 1
	Left   float64 // share of the budget; NaN when unknown
	Burns  []Burn  // one for each window that its rules look at, the shortest first
	Rules  []Rule

	// Indicator names its counts in the tables of slots, under the group's name when there is one. 0 means that it has none.
	Indicator uint64
}

// Burn is the burn rate over a window; NaN when unknown.
type Burn struct {
	Window time.Duration
	Rate   float64
}

// Rule is a tier of the objective's policy.
type Rule struct {
	Tier, Severity string
	State          State
}

// State is the state of a rule as the metric has it.
type State float64

// The states of a rule.
const (
	Inactive State = 0
	Pending  State = 1
	Firing   State = 2
)

// Moments are N times from From on, Step apart.
type Moments struct {
	From time.Time
	Step time.Duration
	N    int
}

// Config says where the metrics come from. Its functions have to be there and are called concurrently.
type Config struct {
	// Objectives returns all objectives and their groups, and the time in which they were evaluated last. The caller does
	// not change them.
	Objectives func() ([]Objective, time.Time)
	// Left returns the share of the budget that was left at moments, NaN where it is not known.
	Left func(ctx context.Context, o *Objective, at Moments) ([]float64, error)
	// Burn returns the burn rates over a window that ended at moments, NaN where they are not known.
	Burn func(ctx context.Context, o *Objective, window time.Duration, at Moments) ([]float64, error)
}

// Metrics are the metrics of service level objectives. It is safe for concurrent use.
type Metrics struct {
	db  *clickhouse.DB
	cfg Config
}

var _ store.Virtual = (*Metrics)(nil)

// New returns the metrics of the objectives whose counts and events are in a database.
func New(db *clickhouse.DB, cfg Config) *Metrics { return &Metrics{db: db, cfg: cfg} }

// Metadata implements store.Virtual.
func (m *Metrics) Metadata() map[string]store.Metadata {
	return map[string]store.Metadata{
		Target:     {Type: "gauge", Help: "The promised share of good events, 0 to 1."},
		Budget:     {Type: "gauge", Help: "The share of the error budget that is left; below 0 when more than all of it was spent."},
		BurnRate:   {Type: "gauge", Help: "How many times as fast as the objective allows its budget burns, by window of its rules."},
		Events:     {Type: "counter", Help: "Events of an objective's indicator."},
		BadEvents:  {Type: "counter", Help: "Bad events of an objective's indicator."},
		AlertState: {Type: "gauge", Help: "State of a rule of an objective: 0 inactive, 1 pending, 2 firing."},
	}
}

// one is a series to be: what is told of an objective.
type one struct {
	*Objective
	name labels.Labels
	burn Burn // of BurnRate
	rule Rule // of AlertState
}

// Select implements store.Virtual.
func (m *Metrics) Select(ctx context.Context, metric string, mint, maxt int64, hints *storage.SelectHints, matchers []*labels.Matcher) ([]*series.Series, annotations.Annotations, error) {
	all, evaluated := m.cfg.Objectives()
	list := find(all, metric, matchers)
	q := ask(mint, maxt, hints, metric)
	g := grid.New(q, unit(metric, q, evaluated), evaluated.UnixMilli())
	if len(list) == 0 || g.Cells == 0 {
		return nil, nil, nil
	}
	if len(list)*(g.Cells+1) > maxValues {
		return nil, nil, fmt.Errorf("compute %q: %w", metric, errTooMany)
	}
	var out []*series.Series
	var err error
	switch metric {
	case Events, BadEvents:
		out, err = m.counters(ctx, metric, list, g)
	case AlertState:
		out, err = m.states(ctx, list, g, evaluated.UnixMilli())
	default:
		out, err = m.gauges(ctx, metric, list, g, evaluated.UnixMilli())
	}
	if err != nil {
		return nil, nil, fmt.Errorf("compute %q: %w", metric, err)
	}
	return out, nil, nil
}

// ask is the question that the engine's hints put. Only counters have rates.
func ask(mint, maxt int64, hints *storage.SelectHints, metric string) grid.Question {
	q := grid.Ask(mint, maxt, hints)
	if metric != Events && metric != BadEvents {
		q.Function = ""
	}
	return q
}

// unit is the width of the finest slots that are kept since the start of a question, unless windows are too narrow for it.
func unit(metric string, q grid.Question, now time.Time) int64 {
	const coarse = 5 * grid.Minute
	counter := metric == Events || metric == BadEvents
	if counter && q.Start < now.Add(-schema.KeepSlots10).UnixMilli() && q.Window >= 2*coarse {
		return coarse
	}
	return 10 * grid.Second
}

// Labels implements store.Virtual. Which objectives there were in the past is not known: these are the present ones.
func (m *Metrics) Labels(_ context.Context, metric string, _, _ int64, matchers []*labels.Matcher) ([]labels.Labels, error) {
	all, _ := m.cfg.Objectives()
	list := find(all, metric, matchers)
	out := make([]labels.Labels, len(list))
	for i, o := range list {
		out[i] = o.name
	}
	return out, nil
}

// find lists the series of a metric that match, in the order of their labels.
func find(all []Objective, metric string, matchers []*labels.Matcher) []one {
	var list []one
	b := labels.NewScratchBuilder(8)
	add := func(o one, extra ...string) {
		b.Reset()
		b.Add(model.MetricNameLabel, metric)
		pairs := append([]string{"slo", o.SLO, "objective", o.Name, "group", o.Group, "service", o.Service, "owner", o.Owner}, extra...)
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] != "" {
				b.Add(pairs[i], pairs[i+1])
			}
		}
		b.Sort()
		o.name = b.Labels()
		if index.Matches(o.name, matchers) {
			list = append(list, o)
		}
	}
	for i := range all {
		o := &all[i]
		switch {
		case metric == BurnRate:
			for _, burn := range o.Burns {
				add(one{Objective: o, burn: burn}, "window", Window(burn.Window))
			}
		case metric == AlertState:
			for _, rule := range o.Rules {
				add(one{Objective: o, rule: rule}, "rule", rule.Tier, "severity", rule.Severity)
			}
		case metric != Events && metric != BadEvents || o.Indicator != 0:
			add(one{Objective: o})
		}
	}
	slices.SortFunc(list, func(a, b one) int { return labels.Compare(a.name, b.name) })
	return list
}

// Window spells the length of a window as the label has it: in the largest unit that divides it, such as 90s, 5m, 6h or
// 3d.
func Window(d time.Duration) string {
	for _, u := range []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if d >= u.length && d%u.length == 0 {
			return strconv.FormatInt(int64(d/u.length), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// shown are the points of a grid that samples are asked of.
func shown(g grid.Grid) (first, last int) {
	first = int(max(0, (g.Start-g.Base+g.Cell-1)/g.Cell))
	return first, g.Cells
}

func byKey(a, b key) int {
	return cmp.Or(cmp.Compare(a.indicator, b.indicator), cmp.Compare(a.group, b.group))
}
