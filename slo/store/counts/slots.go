package counts

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
)

// Slots returns the counts of one indicator and group that start in [from, to), in order of time, without empty ones. A
// step adds up the tier's slots to longer ones, aligned to the epoch; 0 does not.
func (s *Store) Slots(ctx context.Context, tier Tier, indicator uint64, group string, from, to, step int64) ([]Slot, error) {
	var w sql.Where
	w.Add("indicator = " + w.Bind("UInt64", indicator))
	w.Add("grp = " + w.Text(group))
	w.SliceRange(time.Unix(from, 0), time.Unix(to, 0))
	start := w.Bind("UInt32", uint32(max(step, int64(tier))))
	var out []Slot
	err := sql.Scan(ctx, s.db, "slots of an indicator", `SELECT toInt64(intDiv(toUInt32(slice), `+start+`)) * `+start+` AS start, sum(bad) AS b, sum(total) AS t
FROM `+tier.table()+`
WHERE `+w.String()+`
GROUP BY start
HAVING b != 0 OR t != 0
ORDER BY start`, w.Args, func(row driver.Rows) error {
		var slot Slot
		err := row.Scan(&slot.Start, &slot.Bad, &slot.Total)
		out = append(out, slot)
		return err
	})
	return out, err
}

// GroupSum is the counts of a group over a stretch of time.
type GroupSum struct {
	Indicator  uint64
	Group      string
	Bad, Total int64
}

// maxGroups bounds an answer.
const maxGroups = 1_000_000

// Groups returns the groups of the indicators, or of all with nil, that have events in the hours of [from, to), with their
// counts, by indicator and group. What is not in a group is not among them.
func (s *Store) Groups(ctx context.Context, indicators []uint64, from, to int64) ([]GroupSum, error) {
	var w sql.Where
	if indicators != nil {
		w.Add("indicator IN " + w.Bind("Array(UInt64)", indicators))
	}
	w.Add("grp != ''")
	w.SliceRange(time.Unix(Tier1h.floor(from), 0), time.Unix(to, 0))
	var out []GroupSum
	err := sql.Scan(ctx, s.db, "groups of indicators", `SELECT indicator, grp, sum(bad) AS b, sum(total) AS t
FROM slo_slots_1h
WHERE `+w.String()+`
GROUP BY indicator, grp
HAVING t != 0
ORDER BY indicator, grp
LIMIT `+w.Bind("UInt64", uint64(maxGroups)), w.Args, func(row driver.Rows) error {
		var g GroupSum
		err := row.Scan(&g.Indicator, &g.Group, &g.Bad, &g.Total)
		out = append(out, g)
		return err
	})
	return out, err
}
