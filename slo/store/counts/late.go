package counts

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
	"loadline/slo/store/block"
)

// Late is a slot before its indicator's first one for which spans came after it was counted.
type Late struct {
	Indicator uint64
	Slot      int64
	Marks     uint64 // how often that was noted
}

// maxLate is how many slots are counted again at once.
const maxLate = 10_000

// Late returns the slots from a time on that have to be counted again, by indicator and slot: the newest 10,000.
func (s *Store) Late(ctx context.Context, from time.Time) ([]Late, error) {
	var w sql.Where
	w.Add("slice >= " + w.Seconds(from))
	var out []Late
	err := sql.Scan(ctx, s.db, "late slots", `SELECT indicator, slice, marks
FROM (
  SELECT indicator, slice, countIf(seen = 0) AS marks
  FROM slo_late
  WHERE `+w.String()+`
  GROUP BY indicator, slice
  HAVING marks > max(seen)
  ORDER BY slice DESC
  LIMIT `+w.Bind("UInt64", uint64(maxLate))+`
)
ORDER BY indicator, slice`, w.Args, func(row driver.Rows) error {
		var l Late
		var slot time.Time
		err := row.Scan(&l.Indicator, &slot, &l.Marks)
		l.Slot = slot.Unix()
		out = append(out, l)
		return err
	})
	return out, err
}

// Settle says that late slots have been counted again, with all the marks that they had when [Store.Late] returned them.
// Marks that came meanwhile stand.
func (s *Store) Settle(ctx context.Context, now time.Time, late []Late) error {
	return block.Insert(ctx, s.db, "slo_late", "", len(late),
		block.UInt64("indicator", late, func(l *Late) uint64 { return l.Indicator }),
		block.Seconds("slice", late, func(l *Late) int64 { return l.Slot }),
		block.Seconds("at", late, func(*Late) int64 { return now.Unix() }),
		block.UInt64("seen", late, func(l *Late) uint64 { return l.Marks }),
	)
}
