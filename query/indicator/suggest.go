package indicator

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/indicator/events"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// Operation is an operation of an indicator's service.
type Operation struct {
	Name     string
	Requests float64
	Errors   float64
	Matches  bool // the indicator's operations name it
}

// maxOperations is the most operations of an answer.
const maxOperations = 500

// Operations returns the operations that the service of an indicator had in [from, to), of its environment and kinds:
// those that match first, each with the most requests first; at most 500. Ends of the range are moved outwards to whole
// steps of a chart.
func Operations(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) ([]Operation, error) {
	c, err := events.New(sli.Indicator{Service: ind.Service, Env: ind.Env, Kinds: ind.Kinds}, filter.OnRollup)
	if err != nil {
		return nil, err
	}
	patterns := make([]*regexp.Regexp, len(ind.Operations))
	for i, pattern := range ind.Operations {
		if patterns[i], err = regexp.Compile(sli.Glob(pattern)); err != nil {
			return nil, fmt.Errorf("operation %q: %w", pattern, err)
		}
	}
	r := rollup.NewRange(from, to, steps)
	c.SliceRange(r.From, r.To)
	statement := `
SELECT toString(operation) AS name, sum(requests) AS n, sumIf(requests, error)
FROM ` + rollup.Rows(&c.Where, r, rollup.Tier1h) + `
GROUP BY name
ORDER BY n DESC, name
LIMIT 10000`
	var list []Operation
	err = sql.Scan(ctx, db, "operations", statement, c.Args, func(rows driver.Rows) error {
		var o Operation
		err := rows.Scan(&o.Name, &o.Requests, &o.Errors)
		o.Matches = len(patterns) == 0 || slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool { return re.MatchString(o.Name) })
		list = append(list, o)
		return err
	})
	slices.SortStableFunc(list, func(a, b Operation) int {
		if a.Matches == b.Matches {
			return 0
		}
		return map[bool]int{true: -1, false: 1}[a.Matches]
	})
	return list[:min(len(list), maxOperations)], err
}

// steps is how finely ranges are cut that are only added up: the more steps, the less the ends are moved.
const steps = 600

// Suggestion is an endpoint with the objectives that suit it. Targets are percentages such as "99.9", empty when none of
// the usual ones is met.
type Suggestion struct {
	Env, Service, Operation string
	Requests                float64
	P50, P95, P99           time.Duration

	Availability       float64 // share of requests without error
	AvailabilityTarget string

	Threshold     time.Duration // a round number
	Fast          float64       // share of requests that were not slower than Threshold
	LatencyTarget string
}

// maxSuggestions is the most suggestions of an answer.
const maxSuggestions = 50

// Suggest returns suggestions for the busiest endpoints of servers and consumers in [from, to), at most 50.
func Suggest(ctx context.Context, db *clickhouse.DB, from, to time.Time) ([]Suggestion, error) {
	r := rollup.NewRange(from, to, steps)
	q, err := rollup.Inbound(filter.Selector{}, r)
	if err != nil {
		return nil, err
	}
	q.Where.Add("kind IN ('server', 'consumer')")
	q.Keys = []string{"toString(env)", "toString(service)", "toString(operation)"}
	var s Suggestion
	var list []Suggestion
	month := (30 * 24 * time.Hour).Seconds() / r.Covered().Seconds()
	err = q.Scan(ctx, db, "endpoints", []any{&s.Env, &s.Service, &s.Operation}, func(m rollup.Measure) {
		list = append(list, s.with(m, month))
	})
	slices.SortFunc(list, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Env, b.Env))
	})
	return list[:min(len(list), maxSuggestions)], err
}

// with fills in what an endpoint measured; a month has that many times its requests.
func (s Suggestion) with(m rollup.Measure, month float64) Suggestion {
	s.Requests = m.Requests
	if m.Requests <= 0 {
		return s
	}
	h := m.Latency
	s.P50, s.P95, s.P99 = h.Quantile(0.5), h.Quantile(0.95), h.Quantile(0.99)
	s.Availability = 1 - m.Errors/m.Requests
	s.AvailabilityTarget = Target(m.Errors, m.Requests, month)
	s.Threshold = RoundDuration(time.Duration(1.2 * float64(s.P99)))
	slow := slower(h, s.Threshold)
	s.Fast = 1 - slow/m.Requests
	s.LatencyTarget = Target(slow, m.Requests, month)
	return s
}

// slower is how many requests took longer than a duration, the bucket that it cuts in proportion.
func slower(h rollup.Histogram, d time.Duration) float64 {
	limit, n := events.NewBound(d), 0.0
	for i, index := range h.Index {
		switch {
		case int(index) > limit.Bucket:
			n += h.Count[i]
		case int(index) == limit.Bucket:
			n += limit.Share * h.Count[i]
		}
	}
	return n
}

// targets are those that people promise, in percent, the highest first, with the bad events that each allows of 10,000.
var targets = []struct {
	percent string
	bad     float64
}{{"99.99", 1}, {"99.95", 5}, {"99.9", 10}, {"99.5", 50}, {"99", 100}, {"98", 200}, {"95", 500}, {"90", 1000}}

// What a suggested target leaves: so much of the error budget unspent, and at least so many bad events a month for it to be
// a budget at all.
const (
	spareBudget = 0.25
	leastBudget = 5
)

// Target suggests the highest of the usual targets, in percent, that was met with a quarter of the budget to spare, and
// that is not too high for the traffic: a month, which has that many times the total, is to allow five bad events. It is
// empty when there is none.
func Target(bad, total, month float64) string {
	for _, t := range targets {
		budget := total * t.bad / 10_000
		if bad <= budget*(1-spareBudget) && budget*month >= leastBudget {
			return t.percent
		}
	}
	return ""
}

// RoundDuration returns the shortest duration of a few digits that is not below d: 10, 15, 20, 25, 30, 40, 50 or 75 of
// some power of ten of microseconds. It is at least a millisecond.
func RoundDuration(d time.Duration) time.Duration {
	digits := []int64{100, 150, 200, 250, 300, 400, 500, 750}
	for unit := int64(time.Millisecond) / 100; ; unit *= 10 {
		for _, n := range digits {
			if n*unit >= int64(d) || unit > math.MaxInt64/10_000 {
				return time.Duration(n * unit)
			}
		}
	}
}
