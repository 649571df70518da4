package backtest

import (
	"slices"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
)

// Incident is a stretch of time in which unusually many events were bad.
type Incident struct {
	From, To   int64
	Bad, Total uint64
	Caught     bool          // a page fired
	Delay      time.Duration // from its beginning to the page
}

// The rule of [Incidents].
const (
	leastBad     = 5    // bad events in a window
	timesUsual   = 5    // as many as usual
	leastUsual   = 1e-4 // what is usual at least, as a share of bad events
	apart        = 600  // seconds without bad events between two incidents
	maxIncidents = 100  // the largest are kept
)

// Incidents finds stretches of time with unusually many bad events, without regard to any objective.
//
// Usual is the share of bad events in the median hour, at least 0.01 %. A window of 5 or of 30 minutes is unusual if at
// least 5 of its events are bad and so many would hardly be a coincidence, see [budget.Significant], if 5 times as many as
// usual were bad. An incident is from the first to the last slot of such windows whose own share is above that; what is ten
// minutes apart is two. Of more than a hundred, those with the most bad events are returned, in order of time.
func Incidents(slots []ring.Slot) []Incident {
	limit := timesUsual * max(usual(slots), leastUsual)
	p := budget.NewRatio(uint64(min(limit, 1)*1e9), 1e9)
	var marked []span
	for _, length := range []time.Duration{5 * time.Minute, 30 * time.Minute} {
		marked = append(marked, unusual(slots, int64(length/time.Second), limit, p)...)
	}
	slices.SortFunc(marked, func(a, b span) int { return int(a.from - b.from) })
	var found []Incident
	for _, m := range marked {
		if n := len(found); n > 0 && m.from-found[n-1].To < apart {
			found[n-1].To = max(found[n-1].To, m.to)
			continue
		}
		found = append(found, Incident{From: m.from, To: m.to})
	}
	count(found, slots)
	if len(found) > maxIncidents {
		slices.SortFunc(found, func(a, b Incident) int { return int(b.Bad) - int(a.Bad) })
		found = found[:maxIncidents]
		slices.SortFunc(found, func(a, b Incident) int { return int(a.From - b.From) })
	}
	return found
}

// usual is the share of bad events in the median hour that has events.
func usual(slots []ring.Slot) float64 {
	const hour = 3600
	var shares []float64
	var bad, total int64
	for i, s := range slots {
		bad, total = bad+max(s.Bad, 0), total+max(s.Total, 0)
		if i+1 < len(slots) && slots[i+1].Start/hour == s.Start/hour {
			continue
		}
		if total > 0 {
			shares = append(shares, float64(bad)/float64(total))
		}
		bad, total = 0, 0
	}
	if len(shares) == 0 {
		return 0
	}
	slices.Sort(shares)
	return shares[(len(shares)-1)/2]
}

// unusual marks from the first to the last conspicuous slot of each unusual window.
func unusual(slots []ring.Slot, length int64, limit float64, p budget.Ratio) []span {
	var marked []span
	var bad, total int64
	oldest := 0
	var conspicuous []int64 // starts of such slots in the window, not far from one another
	for _, s := range slots {
		bad, total = bad+max(s.Bad, 0), total+max(s.Total, 0)
		for ; slots[oldest].Start <= s.Start-length; oldest++ {
			bad, total = bad-max(slots[oldest].Bad, 0), total-max(slots[oldest].Total, 0)
		}
		for len(conspicuous) > 0 && conspicuous[0] <= s.Start-length {
			conspicuous = conspicuous[1:]
		}
		if s.Bad <= 0 || float64(s.Bad) <= limit*float64(s.Total) {
			continue
		}
		if n := len(conspicuous); n > 0 && s.Start-conspicuous[n-1] > apart {
			conspicuous = conspicuous[:0]
		}
		conspicuous = append(conspicuous, s.Start)
		if bad < leastBad || float64(bad) <= limit*float64(total) || !budget.Significant(uint64(bad), uint64(total), p) {
			continue
		}
		if n := len(marked); n > 0 && conspicuous[0] <= marked[n-1].to {
			marked[n-1].to = s.Start + slot
			continue
		}
		marked = append(marked, span{from: conspicuous[0], to: s.Start + slot})
	}
	return marked
}

// count adds up the events of incidents, which are in order of time as slots are.
func count(found []Incident, slots []ring.Slot) {
	for _, s := range slots {
		for len(found) > 0 && s.Start >= found[0].To {
			found = found[1:]
		}
		if len(found) == 0 {
			return
		}
		if s.Start >= found[0].From {
			found[0].Bad += uint64(max(s.Bad, 0))
			found[0].Total += uint64(max(s.Total, 0))
		}
	}
}
