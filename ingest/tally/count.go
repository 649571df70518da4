package tally

import (
	"loadline/ingest/spans"
	"loadline/internal/sli"
)

// Counter counts the spans of one segment after another. Spans that no indicator tells apart are one class, which is
// judged once; a span itself costs finding its class and one addition, however many indicators there are. It belongs to
// one goroutine.
type Counter struct {
	view     spans.View
	services []*serviceSpans // by dictionary number, nil for those of which nothing is counted
	numbers  map[class]int32
	classes  []judged    // by number
	answers  []judgement // of the classes
	places   map[place]int32
	cells    []cell    // by place
	counts   []float64 // of the cells
	pairs    map[[2]uint64]uint64
	groups   map[string]uint64
	sums     sums
}

// class is what spans have in common that are judged the same. Columns that no indicator of the service uses are 0.
type class struct {
	service, env, version, operation, name, errorType, peer, peerType, scope uint32
	tests, groups                                                            uint64
	httpStatus                                                               uint16
	kind, status, failed                                                     uint8
	root                                                                     bool
}

// judged is what indicators make of a class.
type judged struct {
	service *service
	by      []judgement
	slot    uint32
	cell    int32 // of that slot; -1 before the first
}

// judgement is what one indicator makes of it.
type judgement struct {
	indicator *indicator
	bad       bool   // whatever the duration
	group     string // that is counted apart, or empty
}

type place struct {
	class int32
	slot  uint32
}

// cell counts the spans of a class in a slot by how many of the service's durations they are above: from its first
// number on, one for each.
type cell struct {
	place
	first int
}

// NewCounter returns a counter.
func NewCounter() *Counter {
	return &Counter{
		numbers: map[class]int32{}, places: map[place]int32{}, pairs: map[[2]uint64]uint64{}, groups: map[string]uint64{},
		sums: newSums(),
	}
}

// Count appends what the spans of a segment add up to, in the form that [Batch.Add] reads, and returns how many rows that
// is. Without rows dst is returned as it is.
func (c *Counter) Count(set *Set, view spans.View, dst []byte) (record []byte, rows int) {
	c.reset(set, view)
	for row, number := range view.Service.Indexes {
		s := c.services[number]
		if s == nil {
			continue
		}
		kind := uint8(view.Kind[row])
		if s.kinds[kind] || s.roots && view.Root(row) {
			c.count(s, row)
		}
	}
	c.sum()
	return c.sums.append(dst), c.sums.rows()
}

// reset forgets the segment before and finds the services that are counted in this one.
func (c *Counter) reset(set *Set, view spans.View) {
	c.view = view
	clear(c.numbers)
	clear(c.places)
	clear(c.pairs)
	clear(c.groups)
	clear(c.classes)
	clear(c.answers)
	c.classes, c.answers, c.cells, c.counts = c.classes[:0], c.answers[:0], c.cells[:0], c.counts[:0]
	c.services = c.services[:0]
	for number := range view.Service.Len() {
		var s *serviceSpans
		if counted := set.services[view.Service.Value(uint32(number))]; counted != nil {
			s = newServiceSpans(counted, &view)
		}
		c.services = append(c.services, s)
	}
	c.sums.reset()
}

func (c *Counter) count(s *serviceSpans, row int) {
	key := s.classOf(c, row)
	number, ok := c.numbers[key]
	if !ok {
		number = c.judge(s, row)
		c.numbers[key] = number
	}
	j := &c.classes[number]
	if len(j.by) == 0 {
		return
	}
	if slot := c.view.Slice[row]; j.cell < 0 || j.slot != slot {
		j.slot, j.cell = slot, c.cellOf(place{number, slot}, len(s.slower)+1)
	}
	above := 0
	for _, slower := range s.slower {
		if c.view.Duration[row] <= slower {
			break
		}
		above++
	}
	c.counts[c.cells[j.cell].first+above] += c.view.Weight[row]
}

func (c *Counter) cellOf(at place, counts int) int32 {
	n, ok := c.places[at]
	if !ok {
		n = int32(len(c.cells))
		c.places[at] = n
		c.cells = append(c.cells, cell{at, len(c.counts)})
		for range counts {
			c.counts = append(c.counts, 0)
		}
	}
	return n
}

// judge asks the indicators about the class of a span.
func (c *Counter) judge(s *serviceSpans, row int) int32 {
	j := judged{service: s.service, cell: -1}
	span, first := spanOf(&c.view, row), len(c.answers)
	for _, i := range s.indicators {
		event, bad := i.predicate.Judge(span)
		if !event {
			continue
		}
		group := i.predicate.Group(span)
		if !i.place(group) {
			group = ""
		}
		c.answers = append(c.answers, judgement{i, bad, group})
	}
	j.by = c.answers[first:]
	c.classes = append(c.classes, j)
	return int32(len(c.classes) - 1)
}

// spanOf is a row as predicates look at it.
func spanOf(v *spans.View, row int) *sli.Span {
	return &sli.Span{
		Env: v.Env.Value(v.Env.Indexes[row]), Service: v.Service.Value(v.Service.Indexes[row]),
		Version: v.Version.Value(v.Version.Indexes[row]), Operation: v.Operation.Value(v.Operation.Indexes[row]),
		Name: v.Name.Value(v.Name.Indexes[row]), ErrorType: v.ErrorType.Value(v.ErrorType.Indexes[row]),
		Peer: v.Peer.Value(v.Peer.Indexes[row]), PeerType: v.PeerType.Value(v.PeerType.Indexes[row]),
		Scope: v.Scope.Value(v.Scope.Indexes[row]), Kind: uint8(v.Kind[row]), Status: uint8(v.Status[row]),
		Root: v.Root(row), Failed: v.Failed[row] != 0, HTTPStatus: v.HTTPStatus[row], Duration: v.Duration[row],
		Attribute: func(name string, ofResource bool) (string, bool) { return v.Attribute(row, name, ofResource) },
	}
}

// sum adds what the cells hold to the rows of the indicators.
func (c *Counter) sum() {
	for _, cell := range c.cells {
		j := &c.classes[cell.class]
		counts := c.counts[cell.first : cell.first+len(j.service.slower)+1]
		var all float64
		for _, n := range counts {
			all += n
		}
		for _, by := range j.by {
			i := by.indicator
			if cell.slot < i.since {
				c.sums.mark(i.id, cell.slot)
				continue
			}
			bad := all
			if !by.bad {
				bad = 0
				for _, n := range counts[min(i.slower+1, len(counts)):] {
					bad += n
				}
			}
			c.sums.add(key{i.id, "", cell.slot}, bad, all)
			if by.group != "" {
				c.sums.add(key{i.id, by.group, cell.slot}, bad, all)
			}
		}
	}
}
