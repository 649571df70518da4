// Package forecast says how a budget is likely to go on.
package forecast

import (
	"fmt"
	"math"
	"time"

	"loadline/slo/budget"
)

// Spend are the events of an hour, or of the beginning of one.
type Spend struct {
	Start      int64 // Unix seconds, a multiple of an hour
	Bad, Total uint64
}

// Forecast says how a budget goes on.
type Forecast struct {
	Points []Point `json:"points"` // at most 300, the first one is now; none without a forecast
	// Exhausted is when no budget is left; it is expected between Earliest and Latest in four of five cases. Each is zero
	// where the forecast ends before.
	Exhausted time.Time `json:"exhausted,omitzero"`
	Earliest  time.Time `json:"earliest,omitzero"`
	Latest    time.Time `json:"latest,omitzero"`
	Reason    string    `json:"reason"` // one sentence: what it is made from, or why there is none
}

// Point is the share of the budget that is left at a time, of a calendar's period that of the whole period's budget. It is
// between Low and High in four of five cases.
type Point struct {
	At   int64   `json:"at"` // Unix seconds
	Left float64 `json:"left"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// The parts of a forecast's model. Days weigh half as much every halfLife; z is the normal quantile of four cases of five.
const (
	hour      = int64(3600)
	weekHours = 168
	halfLife  = 3.0
	z80       = 1.2815515655446004
	maxPoints = 300
	// trafficWeeks is how much of the past says how much traffic there will be.
	trafficWeeks = 4
)

// Predict forecasts a budget from the hours before now, in order; hours without events may be left out. Traffic is taken
// to be that of the same hours of the last four weeks, or, with less than two weeks, of the same hours of the last days.
// The share of bad events is taken to be that of the past days, each of which weighs half as much as one three days
// later. Its bounds come from how much the days differ. A rolling window is forecast for its length, but at most 31 days;
// a calendar's period to its end. Times in which the past leaves a rolling window are part of it.
func Predict(hours []Spend, now int64, target budget.Target, window budget.Window) Forecast {
	if len(hours) == 0 || now-hours[0].Start < 24*hour {
		return Forecast{Reason: "There is no forecast: events are known of less than a day."}
	}
	expected, days := trafficOf(hours, now), sharesOf(hours, now)
	if days.weight == 0 {
		return Forecast{Reason: "There is no forecast: there were no events in the last four weeks."}
	}
	from, to := window.Period(now)
	end := to
	if window.Rolling() {
		end = now + int64(min(window.Length, 31*budget.Day)/time.Second)
	}
	p := projection{hours: hours, from: from, target: target, days: days}
	for len(p.hours) > 0 && p.hours[0].Start < from {
		p.hours = p.hours[1:]
	}
	for _, h := range p.hours {
		p.bad += float64(h.Bad)
		p.total += float64(h.Total)
	}
	f := Forecast{Reason: fmt.Sprintf("Taken from %s: traffic as in the same hours, and %.3g%% of events bad as lately.",
		budget.FormatDuration(time.Duration(min(now-hours[0].Start, trafficWeeks*weekHours*hour))*time.Second), days.mean*100)}
	if !window.Rolling() {
		p.whole = p.total + expected.between(now, end)
	}
	every := (end-now)/hour/(maxPoints-2) + 1
	f.add(p.point(now), true)
	for at, n := now, int64(1); at < end; n++ {
		next := min((at/hour+1)*hour, end)
		p.coming += expected.between(at, next)
		p.elapsed += next - at
		at = next
		if window.Rolling() {
			p.forget(budget.Start(at, window.Length))
		}
		f.add(p.point(at), n%every == 0 || at == end)
	}
	return f
}

// add notes when a point is the first without budget, and keeps it if asked.
func (f *Forecast) add(p Point, keep bool) {
	mark := func(t *time.Time, left float64) {
		if t.IsZero() && left <= 0 {
			*t = time.Unix(p.At, 0).UTC()
		}
	}
	mark(&f.Exhausted, p.Left)
	mark(&f.Earliest, p.Low)
	mark(&f.Latest, p.High)
	if keep {
		f.Points = append(f.Points, p)
	}
}

// projection is a budget at a moment to come.
type projection struct {
	hours      []Spend // of the past, that still count
	from       int64
	bad, total float64 // of hours
	coming     float64 // events since
	whole      float64 // events of a calendar's period; 0 in a rolling window
	elapsed    int64   // seconds since
	target     budget.Target
	days       shares
}

// forget leaves out the hours before a second.
func (p *projection) forget(from int64) {
	for len(p.hours) > 0 && p.hours[0].Start < from {
		p.bad -= float64(p.hours[0].Bad)
		p.total -= float64(p.hours[0].Total)
		p.hours = p.hours[1:]
	}
}

// point is the budget at a time with the expected share of bad events, and with one that is greater or less by as much as
// means of that many days differ.
func (p *projection) point(at int64) Point {
	days := math.Max(float64(p.elapsed)/86_400, 1)
	reach := z80 * p.days.spread * math.Sqrt(1/days+1/p.days.days)
	left := func(share float64) float64 {
		total := max(p.total+p.coming, p.whole)
		if total <= 0 {
			return 1
		}
		bad := p.bad + p.coming*min(max(share, 0), 1)
		return 1 - bad/total/p.target.Budget().Float()
	}
	return Point{
		At:   at,
		Left: left(p.days.mean),
		Low:  left(p.days.mean + reach),
		High: left(p.days.mean - reach),
	}
}

// traffic are the events to expect in each hour of a week, counted from the Unix epoch.
type traffic [weekHours]float64

// between adds what is expected from a second to another.
func (t *traffic) between(from, to int64) float64 {
	var sum float64
	for from < to {
		next := min((from/hour+1)*hour, to)
		sum += t[from/hour%weekHours] * float64(next-from) / float64(hour)
		from = next
	}
	return sum
}

// trafficOf learns from the hours before now.
func trafficOf(hours []Spend, now int64) *traffic {
	cycle := int64(weekHours)
	if now-hours[0].Start < 2*weekHours*hour {
		cycle = 24
	}
	// Whole cycles back from the current hour, of which only a part is known.
	current := now / hour
	cycles := min((current-hours[0].Start/hour)/cycle, trafficWeeks*weekHours/cycle)
	first := current - cycles*cycle
	var sums traffic
	for _, h := range hours {
		if at := h.Start / hour; at >= first && at < current {
			sums[at%cycle] += float64(h.Total)
		}
	}
	for i := range sums {
		sums[i] = sums[int64(i)%cycle]
	}
	for i := range sums {
		sums[i] /= float64(max(cycles, 1))
	}
	return &sums
}

// shares are the shares of bad events of the past days.
type shares struct {
	mean, spread float64 // weighted mean and standard deviation
	days         float64 // how many days as good as equal ones make the mean
	weight       float64
}

// sharesOf looks at the days before now, four weeks back. A day weighs by its events, and the less the older it is.
func sharesOf(hours []Spend, now int64) shares {
	const most = trafficWeeks * 7
	var bad, total [most]float64
	for _, h := range hours {
		if age := (now - h.Start) / (24 * hour); age >= 0 && age < most {
			bad[age] += float64(h.Bad)
			total[age] += float64(h.Total)
		}
	}
	var s shares
	var squares float64
	for age := range most {
		w := total[age] * math.Exp2(-float64(age)/halfLife)
		s.weight += w
		squares += w * w
		if total[age] > 0 {
			s.mean += w * bad[age] / total[age]
		}
	}
	if s.weight == 0 {
		return s
	}
	s.mean /= s.weight
	s.days = s.weight * s.weight / squares
	for age := range most {
		if total[age] > 0 {
			d := bad[age]/total[age] - s.mean
			s.spread += total[age] * math.Exp2(-float64(age)/halfLife) * d * d
		}
	}
	s.spread = math.Sqrt(s.spread / s.weight)
	return s
}
