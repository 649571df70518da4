package head

import "math"

// column is what floats collects for one call.
type column struct {
	t []int64
	v []float64
}

// floats calls fn for the metric's samples in [mint, maxt]: those of series with one of the ids, unless ids is nil, and
// late ones of all.
func (m *metric) floats(ids []uint64, mint, maxt int64, fn func(service string, id uint64, st int64, t []int64, v []float64)) {
	// Late rows first: they may move in among the others meanwhile.
	m.mu.RLock()
	late, services, list := m.late, m.services, m.list
	if ids != nil {
		list = m.some(ids)
	}
	var rows []lateRow
	for _, l := range late {
		base := int64(l.row.Bucket) * 1000
		if n := len(l.row.Offsets); base+int64(l.row.Offsets[n-1]) >= mint && base+int64(l.row.Offsets[0]) <= maxt {
			rows = append(rows, l)
		}
	}
	m.mu.RUnlock()
	var c column
	for _, l := range rows {
		c.t, c.v = c.t[:0], c.v[:0]
		for i, offset := range l.row.Offsets {
			if t := int64(l.row.Bucket)*1000 + int64(offset); t >= mint && t <= maxt {
				c.t, c.v = append(c.t, t), append(c.v, l.row.Values[i])
			}
		}
		if len(c.t) > 0 {
			fn(l.row.Service, l.row.ID, l.row.ST, c.t, c.v)
		}
	}
	var runs []run
	for _, s := range list {
		// The lock is free while fn works, and between any two series.
		m.mu.RLock()
		runs = c.fill(s, mint, maxt, runs[:0])
		m.mu.RUnlock()
		from := 0
		for _, r := range runs {
			fn(services[s.service], s.id, r.st, c.t[from:r.end], c.v[from:r.end])
			from = r.end
		}
	}
}

// some returns the series with the ids, whatever their service.
func (m *metric) some(ids []uint64) []*series {
	var list []*series
	for _, id := range ids {
		for n := range m.services {
			if s := m.series[key{id, uint32(n)}]; s != nil {
				list = append(list, s)
			}
		}
	}
	return list
}

// run is a stretch of a column with one start timestamp.
type run struct {
	st  int64
	end int
}

// fill replaces the column by a series' samples in [mint, maxt] and returns its runs.
func (c *column) fill(s *series, mint, maxt int64, runs []run) []run {
	c.t, c.v = c.t[:0], c.v[:0]
	for i := range s.chunks {
		chunk := &s.chunks[i]
		if chunk.base > maxt {
			break
		}
		if chunk.end() < mint {
			continue
		}
		w := chunk.width()
		for words := chunk.words; len(words) >= w; words = words[w:] {
			t := chunk.base + int64(words[0])
			if t < mint {
				continue
			}
			if t > maxt {
				break
			}
			st := chunk.st
			if w == wide {
				st = int64(uint64(words[3]) | uint64(words[4])<<32)
			}
			c.t = append(c.t, t)
			c.v = append(c.v, math.Float64frombits(uint64(words[1])|uint64(words[2])<<32))
			if n := len(runs); n == 0 || runs[n-1].st != st {
				runs = append(runs, run{st: st})
			}
			runs[len(runs)-1].end = len(c.t)
		}
	}
	return runs
}
