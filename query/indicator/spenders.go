package indicator

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/indicator/events"
	"loadline/query/sql"
	"loadline/query/trace"
)

// Spenders says what bad events have in common that good ones have not.
type Spenders struct {
	From, To   time.Time
	Bad, Total int64 // of the events that were read
	// Covered is the share of the range's bad events that were read, 1 for all. Where it is less, the times with the most bad
	// events were read, so that bad and good ones are of the same times.
	Covered    float64
	Dimensions []Dimension
}

// Dimension is a way to tell events apart: operation, version, instance, status, the key that the indicator groups by,
// dependency, or client.
type Dimension struct {
	Name   string
	Values []Spender // those with the most bad events, at most ten
	Others Spender   // the rest together; Value is empty
	// Sampled is how many events the numbers are from, where not all that were read were looked at; 0 means all.
	Sampled int
	// Telling is how well the dimension tells bad events from good ones, from 0, when each value has the same share of both,
	// to 1, when no value has both.
	Telling float64
}

// Spender is a value of a dimension.
type Spender struct {
	Value     string // "unknown" where events have none
	Bad, Good int64
	ShareBad  float64 // of all bad events
	ShareGood float64 // of all good events
	// Lift is how much more often a bad event has the value than a good one: ShareBad / ShareGood. It is 0 when no good event
	// has it.
	Lift float64
}

// Unknown is the value of events that have none.
const Unknown = "unknown"

// maxSpenders is the most values of a dimension that are told.
const maxSpenders = 10

// spendersTime is how long reading events for [WhoSpent] may take.
const spendersTime = 300 * time.Millisecond

// WhoSpent returns the spenders of [from, to).
func WhoSpent(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time) (Spenders, error) {
	out := Spenders{From: from, To: to, Covered: 1}
	ind, err := ind.Canonical()
	if err != nil {
		return out, err
	}
	times, err := events.Find(ctx, db, ind, from, to)
	if err != nil {
		return out, err
	}
	part, ok := times.Next(from, to, spendersTime)
	if !ok {
		return out, nil
	}
	out.Covered = part.Covered
	var dims, sampled []breakdown
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if dims, err = countDimensions(ctx, db, ind, part); err != nil {
			return err
		}
		return nameInstances(ctx, db, dims)
	})
	g.Go(func() (err error) {
		sampled, err = sampleCauses(ctx, db, ind, part)
		return err
	})
	if err := g.Wait(); err != nil {
		return out, err
	}
	whole := dims[0].sum()
	out.Bad, out.Total = int64(math.Round(whole[0])), int64(math.Round(whole[0]+whole[1]))
	for _, d := range append(dims[1:], sampled...) {
		out.Dimensions = append(out.Dimensions, d.dimension())
	}
	return out, nil
}

// breakdown counts the bad and the good events of a dimension by value.
type breakdown struct {
	name    string
	values  map[string][2]float64
	sampled int
}

func (t breakdown) sum() (sum [2]float64) {
	for _, n := range t.values {
		sum[0], sum[1] = sum[0]+n[0], sum[1]+n[1]
	}
	return sum
}

// dimension orders the values by their bad events.
func (t breakdown) dimension() Dimension {
	d := Dimension{Name: t.name, Sampled: t.sampled}
	sum := t.sum()
	var all []Spender
	for value, n := range t.values {
		s := newSpender(value, n, sum)
		d.Telling += max(s.ShareBad-s.ShareGood, 0)
		all = append(all, s)
	}
	if sum[0] == 0 || sum[1] == 0 {
		d.Telling = 0
	}
	slices.SortFunc(all, func(a, b Spender) int {
		return cmp.Or(cmp.Compare(b.Bad, a.Bad), cmp.Compare(b.Good, a.Good), cmp.Compare(a.Value, b.Value))
	})
	d.Values = all[:min(len(all), maxSpenders)]
	var rest [2]float64
	for _, s := range all[len(d.Values):] {
		n := t.values[s.Value]
		rest[0], rest[1] = rest[0]+n[0], rest[1]+n[1]
	}
	d.Others = newSpender("", rest, sum)
	return d
}

func newSpender(value string, n, sum [2]float64) Spender {
	s := Spender{Value: value, Bad: int64(math.Round(n[0])), Good: int64(math.Round(n[1]))}
	if sum[0] > 0 {
		s.ShareBad = n[0] / sum[0]
	}
	if sum[1] > 0 {
		s.ShareGood = n[1] / sum[1]
	}
	if s.ShareGood > 0 {
		s.Lift = s.ShareBad / s.ShareGood
	}
	return s
}

// dimensions are the names and the texts of what every event of the part is told apart by. The first is all events.
func dimensions(c *events.Conditions, ind sli.Indicator) (names, texts []string) {
	status := "multiIf(http_status > 0, toString(http_status), error_type != '', error_type, toString(status))"
	if ind.Bad.Slower > 0 {
		status = "concat(" + status + ", if(duration > " + c.Bind("UInt64", uint64(ind.Bad.Slower)) + ", ' slow', ''))"
	}
	names = []string{"", "operation", "version", instanceDimension, "status"}
	texts = []string{"''", "toString(operation)", "toString(version)", "toString(resource_id)", status}
	if ind.GroupBy != "" && !slices.Contains(names, ind.GroupBy) {
		names, texts = append(names, ind.GroupBy), append(texts, "toString("+c.Value(ind.GroupBy)+")")
	}
	return names, texts
}

const instanceDimension = "instance"

// countDimensions reads all events of a part once: they are added up by all dimensions together, and these sums by each.
func countDimensions(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, p events.Part) ([]breakdown, error) {
	c, err := p.Conditions(ind)
	if err != nil {
		return nil, err
	}
	names, texts := dimensions(c, ind)
	out := make([]breakdown, len(names))
	columns, inner := make([]string, len(names)), make([]string, len(names))
	for i := range names {
		out[i] = breakdown{name: names[i], values: map[string][2]float64{}}
		columns[i] = "v" + strconv.Itoa(i)
		inner[i] = texts[i] + " AS " + columns[i]
	}
	list := strings.Join(columns, ", ")
	statement := `
SELECT number, value, sum(b) AS bad, sum(n) - bad
FROM
(
  SELECT ` + strings.Join(inner, ", ") + `, sumIf(weight, ` + c.Bad + `) AS b, sum(weight) AS n
  FROM ` + c.From() + `
  WHERE ` + c.String() + `
  GROUP BY ` + list + `
)
ARRAY JOIN [` + list + `] AS value, arrayEnumerate([` + list + `]) AS number
GROUP BY number, value
ORDER BY number, bad DESC, value
LIMIT 100000`
	err = sql.Scan(ctx, db, "spenders", statement, c.Args, func(rows driver.Rows) error {
		var number uint32
		var value string
		var n [2]float64
		if err := rows.Scan(&number, &value, &n[0], &n[1]); err != nil {
			return err
		}
		if value == "" && number > 1 {
			value = Unknown
		}
		out[number-1].values[value] = n
		return nil
	})
	return out, err
}

// nameInstances replaces the numbers of resources by the names of instances.
func nameInstances(ctx context.Context, db *clickhouse.DB, dims []breakdown) error {
	i := slices.IndexFunc(dims, func(t breakdown) bool { return t.name == instanceDimension })
	var ids []uint64
	for text := range dims[i].values {
		if id, err := strconv.ParseUint(text, 10, 64); err == nil {
			ids = append(ids, id)
		}
	}
	names, err := instances(ctx, db, ids)
	if err != nil {
		return err
	}
	named := map[string][2]float64{}
	for text, n := range dims[i].values {
		id, _ := strconv.ParseUint(text, 10, 64)
		name := cmp.Or(names[id], Unknown)
		sum := named[name]
		named[name] = [2]float64{sum[0] + n[0], sum[1] + n[1]}
	}
	dims[i].values = named
	return nil
}

// instances returns the names of the processes behind resources.
func instances(ctx context.Context, db *clickhouse.DB, ids []uint64) (map[uint64]string, error) {
	resources, err := trace.ReadResources(ctx, db, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[uint64]string, len(resources))
	for id, r := range resources {
		out[id] = cmp.Or(r.Instance, r.Attribute([]string{"k8s.pod.name", "host.name"}))
	}
	return out, nil
}
