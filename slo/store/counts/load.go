package counts

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/sql"
)

// Span says which counts fill a ring: hours in [From, Middle), 5 minutes in [Middle, Fine), 10 seconds from Fine on. From
// and Middle are whole hours, Fine whole 5 minutes.
type Span struct{ From, Middle, Fine int64 }

// Part is a stretch of time [From, To) that is read from a tier in slots of Step seconds, a multiple of the tier's.
// From and To are multiples of Step.
type Part struct {
	Tier     Tier
	Step     int64
	From, To int64
}

// always is the end of a part that has none: there are events of clocks that are ahead.
const always = math.MaxUint32

// Parts divides the span of a ring whose time is at. Where the ring's buckets are longer than the tier's slots, because no
// window of that age is told apart more finely, longer slots are read: minutes before the last hour, 15 minutes before the
// last day. Edges are times that no slot may reach over, such as the beginnings of periods.
func (s Span) Parts(at int64, edges ...int64) []Part {
	var out []Part
	add := func(tier Tier, step, from, to int64) {
		// What cannot be read in longer slots is read in the tier's own.
		if slices.ContainsFunc(edges, func(e int64) bool { return e > from && e < to && e%step != 0 }) {
			step = int64(tier)
		}
		if from < to {
			out = append(out, Part{tier, step, from, to})
		}
	}
	hour, day := at-3600, at-86400
	hour, day = max(hour-hour%60, s.Fine), min(max(day-day%900, s.Middle), s.Fine)
	add(Tier1h, int64(Tier1h), s.From, s.Middle)
	add(Tier5m, 900, s.Middle, day)
	add(Tier5m, int64(Tier5m), day, s.Fine)
	add(Tier10s, 60, s.Fine, hour)
	add(Tier10s, int64(Tier10s), hour, at)
	add(Tier10s, int64(Tier10s), max(at, hour), always)
	return out
}

// LoadFunc takes the slots of an indicator and group in a part. They are valid during the call only.
type LoadFunc func(indicator uint64, group string, p Part, slots []Slot) error

// Load calls fn with the slots of every indicator and group, of the given indicators or of all with nil, for each part in
// which it has any, without empty ones, in order of time.
func (s *Store) Load(ctx context.Context, indicators []uint64, parts []Part, fn LoadFunc) error {
	grouped, err := s.grouped(ctx, indicators, parts)
	if err != nil {
		return err
	}
	for _, tier := range tiers {
		var few []Part
		for _, p := range parts {
			switch {
			case p.Tier != tier:
			case p.To < always:
				few = append(few, p)
			default:
				if err := s.loadRows(ctx, indicators, p, fn); err != nil {
					return err
				}
			}
		}
		if len(few) == 0 {
			continue
		}
		for _, w := range shares(indicators) {
			if err := s.loadDense(ctx, w, few, fn); err != nil {
				return err
			}
		}
		for _, w := range shares(grouped) {
			if err := s.loadSparse(ctx, w, few, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// grouped returns the indicators that have groups in a part. It is never nil.
func (s *Store) grouped(ctx context.Context, indicators []uint64, parts []Part) ([]uint64, error) {
	from := int64(always)
	for _, p := range parts {
		from = min(from, p.From)
	}
	out := []uint64{}
	for _, w := range shares(indicators) {
		w.Add("grp != ''")
		w.Add("slice >= " + w.Seconds(time.Unix(Tier1h.floor(from), 0)))
		err := sql.Scan(ctx, s.db, "indicators with groups", `SELECT DISTINCT indicator
FROM slo_slots_1h
WHERE `+w.String(), w.Args, func(row driver.Rows) error {
			var indicator uint64
			err := row.Scan(&indicator)
			out = append(out, indicator)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Indicators are read in shares, so that answers stay small.
const (
	shareSize = 1000 // of listed indicators
	shareBits = 4    // the highest ones of an id, which is a hash, when all are read
)

// shares returns the conditions of each share.
func shares(indicators []uint64) []sql.Where {
	var out []sql.Where
	if indicators == nil {
		for i := range uint64(1) << shareBits {
			var w sql.Where
			low := i << (64 - shareBits)
			w.Add("indicator BETWEEN " + w.Bind("UInt64", low) + " AND " + w.Bind("UInt64", low|math.MaxUint64>>shareBits))
			out = append(out, w)
		}
		return out
	}
	// One that is listed twice is still read once.
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(indicators))), shareSize) {
		var w sql.Where
		w.Add("indicator IN " + w.Bind("Array(UInt64)", part))
		out = append(out, w)
	}
	return out
}

// loadDense reads parts of one tier, of all events of the indicators. Slots are summed in arrays with a place for each,
// which costs two thirds of a group and a half of what arrays of pairs do, and adds up what is not merged yet.
func (s *Store) loadDense(ctx context.Context, w sql.Where, parts []Part, fn LoadFunc) error {
	var with, pieces []string
	for i, p := range parts {
		for _, column := range []string{"bad", "total"} {
			name := fmt.Sprintf("%s%d", column, i)
			with = append(with, fmt.Sprintf("sumResample(%d, %d, %d)(%s, toUInt32(slice)) AS %s", p.From, p.To, p.Step, column, name))
			pieces = append(pieces, packed(name))
		}
	}
	w.Add("grp = ''")
	bound(&w, parts)
	var slots []Slot
	return sql.Scan(ctx, s.db, "counts of "+parts[0].Tier.table(), `WITH `+strings.Join(with, ",\n  ")+`
SELECT indicator, grp, concat(`+strings.Join(pieces, ",\n  ")+`) AS counts
FROM `+parts[0].Tier.table()+`
WHERE `+w.String()+`
GROUP BY indicator, grp`, w.Args, func(row driver.Rows) error {
		var indicator uint64
		var group, counts string
		if err := row.Scan(&indicator, &group, &counts); err != nil {
			return err
		}
		answer := sql.NewBinary(counts)
		for _, p := range parts {
			slots = unpack(answer, p, slots[:0])
			if len(slots) == 0 {
				continue
			}
			if err := fn(indicator, group, p, slots); err != nil {
				return err
			}
		}
		return answer.Err()
	})
}

// bound restricts a query to the time of its parts.
func bound(w *sql.Where, parts []Part) {
	from, to := parts[0].From, parts[0].To
	for _, p := range parts {
		from, to = min(from, p.From), max(to, p.To)
	}
	w.SliceRange(time.Unix(from, 0), time.Unix(to, 0))
}

// loadSparse reads parts of one tier, of the groups of indicators: there are many, and most of their slots are empty.
func (s *Store) loadSparse(ctx context.Context, w sql.Where, parts []Part, fn LoadFunc) error {
	w.Add("grp != ''")
	bound(&w, parts)
	start := "multiIf("
	for _, p := range parts {
		start += fmt.Sprintf("second >= %d AND second < %d, intDiv(second, %d) * %d, ", p.From, p.To, p.Step, p.Step)
	}
	start += "0)"
	var slots []Slot
	return sql.Scan(ctx, s.db, "groups of "+parts[0].Tier.table(), `WITH toUInt32(slice) AS second
SELECT indicator, grp, formatRow('RowBinary', groupArray(toInt64(start)), groupArray(b), groupArray(t))
FROM (
  SELECT indicator, grp, `+start+` AS start, sum(bad) AS b, sum(total) AS t
  FROM `+parts[0].Tier.table()+`
  WHERE `+w.String()+`
  GROUP BY indicator, grp, start
  HAVING b != 0 OR t != 0
)
GROUP BY indicator, grp`, w.Args, func(row driver.Rows) error {
		var indicator uint64
		var group, counts string
		if err := row.Scan(&indicator, &group, &counts); err != nil {
			return err
		}
		answer := sql.NewBinary(counts)
		var columns [3]string
		for i := range columns {
			columns[i] = answer.Take(8 * answer.Size(8))
		}
		if err := answer.Err(); err != nil {
			return err
		}
		slots = slots[:0]
		for i := range len(columns[0]) / 8 {
			slots = append(slots, Slot{Start: number(columns[0], 8, i), Bad: number(columns[1], 8, i), Total: number(columns[2], 8, i)})
		}
		return deal(indicator, group, parts, slots, fn)
	})
}

// deal calls fn with the slots of each part.
func deal(indicator uint64, group string, parts []Part, slots []Slot, fn LoadFunc) error {
	slices.SortFunc(slots, func(a, b Slot) int { return cmp.Compare(a.Start, b.Start) })
	for _, p := range parts {
		first, _ := slices.BinarySearchFunc(slots, p.From, func(s Slot, at int64) int { return cmp.Compare(s.Start, at) })
		end, _ := slices.BinarySearchFunc(slots, p.To, func(s Slot, at int64) int { return cmp.Compare(s.Start, at) })
		if first == end {
			continue
		}
		if err := fn(indicator, group, p, slots[first:end]); err != nil {
			return err
		}
	}
	return nil
}

// packed is the text for an array as its width in bytes and its values in RowBinary, or a width of 0 if all are zero. To
// send them costs more than to add them up.
func packed(array string) string {
	as := func(width int, typ string) string {
		return fmt.Sprintf("formatRow('RowBinary', toUInt8(%d), CAST(%s AS Array(%s)))", width, array, typ)
	}
	return "multiIf(" + strings.Join([]string{
		"arrayMin(" + array + ") < 0 OR arrayMax(" + array + ") >= 4294967296", as(8, "Int64"),
		"arrayMax(" + array + ") >= 65536", as(4, "UInt32"),
		"arrayMax(" + array + ") >= 256", as(2, "UInt16"),
		"arrayMax(" + array + ") > 0", as(1, "UInt8"),
		"char(0)",
	}, ", ") + ")"
}

// unpack appends the slots of a part that are not empty.
func unpack(answer *sql.Binary, p Part, to []Slot) []Slot {
	bad, badWidth := unpackArray(answer)
	total, totalWidth := unpackArray(answer)
	for i, start := 0, p.From; start < p.To; i, start = i+1, start+p.Step {
		slot := Slot{Start: start, Bad: number(bad, badWidth, i), Total: number(total, totalWidth, i)}
		if slot.Bad != 0 || slot.Total != 0 {
			to = append(to, slot)
		}
	}
	return to
}

// unpackArray reads an array that packed has written: its values and their width.
func unpackArray(answer *sql.Binary) (string, int) {
	head := answer.Take(1)
	if head == "" || head[0] == 0 {
		return "", 0
	}
	width := int(head[0])
	return answer.Take(width * answer.Size(width)), width
}

// number is value i of an array.
func number(values string, width, i int) int64 {
	if len(values) < (i+1)*width {
		return 0
	}
	var b [8]byte
	copy(b[:], values[i*width:(i+1)*width])
	return int64(binary.LittleEndian.Uint64(b[:]))
}

// loadRows reads a part without an end, in which there is little.
func (s *Store) loadRows(ctx context.Context, indicators []uint64, p Part, fn LoadFunc) error {
	var w sql.Where
	if indicators != nil {
		w.Add("indicator IN " + w.Bind("Array(UInt64)", indicators))
	}
	w.SliceRange(time.Unix(p.From, 0), time.Unix(p.To, 0))
	return sql.Scan(ctx, s.db, "counts of "+p.Tier.table(), `SELECT indicator, grp, slice, sum(bad) AS b, sum(total) AS t
FROM `+p.Tier.table()+`
WHERE `+w.String()+`
GROUP BY indicator, grp, slice
HAVING b != 0 OR t != 0
ORDER BY indicator, grp, slice`, w.Args, func(row driver.Rows) error {
		var indicator uint64
		var group string
		var slot Slot
		var start time.Time
		if err := row.Scan(&indicator, &group, &start, &slot.Bad, &slot.Total); err != nil {
			return err
		}
		slot.Start = start.Unix() - start.Unix()%p.Step
		return fn(indicator, group, p, []Slot{slot})
	})
}
