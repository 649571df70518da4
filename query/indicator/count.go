// Package indicator answers in SQL what the events of a service level indicator were and which of them were bad: exactly
// from spans, as the write path counts them, and fast from the RED rollups for previews. It also says who spent an error
// budget, shows bad events, and suggests objectives.
//
// Reading order: package events (an indicator in SQL, and where its bad events are), count.go (exactly), preview.go and
// rollup.go (fast), kept.go (what is left to count by), spenders.go, sample.go, package calls and examples.go (what bad
// events are), suggest.go.
package indicator

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/filter"
	"loadline/query/indicator/events"
	"loadline/query/sql"
)

// Slot is the counts of an indicator in one slot of [sli.Slot], or of one of its groups.
type Slot struct {
	Start int64  // Unix seconds
	Group string // empty for all events
	Bad   int64
	Total int64
}

// maxRows is the most rows of an answer of [Count].
const maxRows = 1_000_000

// Count counts the events whose spans started in [from, to), exactly as the write path does, in order of slot and group.
// Slots without events are left out. An indicator with groups also gets a row for each: for those that are known, and as
// far as MaxGroups allows for those with the most events. It reads all spans of the range, so callers ask for long ranges
// in parts: an answer of more than a million rows is refused.
func Count(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time, known ...string) ([]Slot, error) {
	var groups []string
	if ind.GroupBy != "" {
		var err error
		if groups, err = groupsOf(ctx, db, ind, from, to, known); err != nil {
			return nil, err
		}
	}
	c, err := events.New(ind, filter.OnSpans)
	if err != nil {
		return nil, err
	}
	c.Between(from, to)
	group := "''"
	if len(groups) > 0 {
		value := c.Value(ind.GroupBy)
		group = "if(" + value + " IN " + c.Texts(groups) + ", " + value + ", '')"
	}
	return countSlots(ctx, db, c, group)
}

// countSlots adds up events by slot, and those of each group apart, which is a text of theirs and empty for those in none.
func countSlots(ctx context.Context, db *clickhouse.DB, c *events.Conditions, group string) ([]Slot, error) {
	statement := `
SELECT toInt64(toUnixTimestamp(slice)) AS at, toString(` + group + `) AS grp, sumIf(weight, ` + c.Bad + `), sum(weight)
FROM ` + c.From() + `
WHERE ` + c.String() + `
GROUP BY at, grp
ORDER BY at, grp
LIMIT ` + strconv.Itoa(maxRows+1)
	var list []sum
	err := sql.Scan(ctx, db, "events", statement, c.Args, func(rows driver.Rows) error {
		var s sum
		err := rows.Scan(&s.start, &s.group, &s.bad, &s.total)
		list = append(list, s)
		return err
	})
	if len(list) > maxRows {
		return nil, fmt.Errorf("events of an indicator: more than %d counts, ask for less time at once", maxRows)
	}
	return fold(list), err
}

// sum is the weights of the events of a group in a slot, or of those in no group.
type sum struct {
	start      int64
	group      string
	bad, total float64
}

// fold makes counts of sums, which are in order: of all events of a slot, and then of its groups.
func fold(list []sum) []Slot {
	var out []Slot
	for len(list) > 0 {
		all := sum{start: list[0].start}
		n := 0
		for ; n < len(list) && list[n].start == all.start; n++ {
			all.bad, all.total = all.bad+list[n].bad, all.total+list[n].total
		}
		for i, s := range append([]sum{all}, list[:n]...) {
			if i == 0 || s.group != "" {
				out = append(out, Slot{s.start, s.group, whole(s.start, s.bad), whole(s.start, s.total)})
			}
		}
		list = list[n:]
	}
	return out
}

// groupsOf returns the known groups, and others as long as there are places.
func groupsOf(ctx context.Context, db *clickhouse.DB, ind sli.Indicator, from, to time.Time, known []string) ([]string, error) {
	places := ind.Groups()
	if len(known) >= places {
		return known, nil
	}
	c, err := events.New(ind, filter.OnSpans)
	if err != nil {
		return nil, err
	}
	c.Between(from, to)
	c.Add("length(grp) BETWEEN 1 AND " + strconv.Itoa(sli.MaxGroupBytes))
	group := c.Value(ind.GroupBy)
	statement := `
SELECT toString(` + group + `) AS grp
FROM ` + c.From() + `
WHERE ` + c.String() + `
GROUP BY grp
ORDER BY count() DESC, grp
LIMIT ` + strconv.Itoa(places)
	groups := slices.Clone(known)
	err = sql.Scan(ctx, db, "groups", statement, c.Args, func(rows driver.Rows) error {
		var name string
		err := rows.Scan(&name)
		if len(groups) < places && !slices.Contains(known, name) {
			groups = append(groups, name)
		}
		return err
	})
	return groups, err
}

// whole makes a sum of weights a count. What is not whole, because spans stand for others that were not sampled, is rounded
// up as often as its fraction says, by the slot: rounding to the nearest would lose what is rare in every slot. The sums
// of a slot are rounded alike, so that bad events stay at most all events.
func whole(slot int64, sum float64) int64 { return int64(math.Floor(sum + uniform(slot))) }

// uniform is a number in [0, 1) by the finalizer of splitmix64.
func uniform(seed int64) float64 {
	h := uint64(seed) + 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return float64(h>>11) / (1 << 53)
}
