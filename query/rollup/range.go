// Package rollup reads the RED rollups (red_10s, red_5m, red_1h): requests, errors and latency of what a selector
// names, for a range as a whole or step by step. It picks the rows to read; what is made of them is up to who asks.
//
// Reading order: range.go (time, steps and which rollup has them), query.go (the SQL), totals.go (the numbers),
// histogram.go (percentiles).
package rollup

import "time"

// A Range is the half-open interval [From, To) cut into steps of Step. From and To are multiples of Step since the
// Unix epoch, so equal questions asked seconds apart read the same rows and draw the same buckets.
type Range struct {
	From, To time.Time
	Step     time.Duration

	// Until is the end that was asked for, at most To. Rates over the whole range and of its last step divide by
	// the time up to here, because later rows cannot exist yet. Zero means To.
	Until time.Time
}

// steps that a chart may have: each divides the next, and from 5 minutes on each is a multiple of a rollup's slice.
var steps = [...]time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 3 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
}

// NewRange returns the range from from to to with the smallest step that makes at most maxPoints of it, its ends
// moved outwards to whole steps, which can add one point. An empty or reversed interval becomes one step long.
func NewRange(from, to time.Time, maxPoints int) Range {
	maxPoints = max(maxPoints, 2)
	if !from.Before(to) {
		from = to.Add(-steps[0])
	}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if to.Sub(from) <= time.Duration(maxPoints)*s {
			step = s
			break
		}
	}
	return alignRange(from, to, step)
}

func alignRange(from, to time.Time, step time.Duration) Range {
	r := Range{From: Floor(from, step), To: Floor(to, step), Step: step, Until: to.UTC()}
	if r.To.Before(to) {
		r.To = r.To.Add(step)
	}
	return r
}

// Floor cuts t to a multiple of d since the Unix epoch; time.Truncate counts from year 1, which differs for weeks.
func Floor(t time.Time, d time.Duration) time.Time {
	ns := t.UnixNano()
	rest := ns % int64(d)
	if rest < 0 {
		rest += int64(d)
	}
	return time.Unix(0, ns-rest).UTC()
}

// Len is the number of steps.
func (r Range) Len() int {
	if r.Step <= 0 {
		return 0
	}
	return int(r.To.Sub(r.From) / r.Step)
}

// Times returns the start of every step.
func (r Range) Times() []time.Time {
	times := make([]time.Time, r.Len())
	for i := range times {
		times[i] = r.From.Add(time.Duration(i) * r.Step)
	}
	return times
}

// Index returns the step that t falls into, or -1 when t is outside of the range.
func (r Range) Index(t time.Time) int {
	if t.Before(r.From) || !t.Before(r.To) {
		return -1
	}
	return int(t.Sub(r.From) / r.Step)
}

// Covered is how much time the range really covers: From up to Until.
func (r Range) Covered() time.Duration {
	if r.Until.IsZero() || r.Until.After(r.To) || !r.Until.After(r.From) {
		return r.To.Sub(r.From)
	}
	return r.Until.Sub(r.From)
}

// StepCovered is how much of a step lies before Until; rates of the last step divide by it.
func (r Range) StepCovered(step int) time.Duration {
	start := r.From.Add(time.Duration(step) * r.Step)
	if r.Until.IsZero() || !r.Until.After(start) {
		return r.Step
	}
	return min(r.Step, max(r.Until.Sub(start), time.Second))
}

// Shift returns the range moved by d, for example -time.Hour to compare with the hour before. Its step is unchanged
// and its ends stay aligned, so d is rounded to whole steps.
func (r Range) Shift(d time.Duration) Range {
	d = d.Round(r.Step)
	r.From, r.To = r.From.Add(d), r.To.Add(d)
	if !r.Until.IsZero() {
		r.Until = r.Until.Add(d)
	}
	return r
}

// LastMinute is the last minute of a range, in whole slices. What sent spans in it counts as running.
func (r Range) LastMinute() Range {
	until := r.To
	if !r.Until.IsZero() && r.Until.Before(until) {
		until = r.Until
	}
	from := until.Add(-time.Minute)
	if from.Before(r.From) {
		from = r.From
	}
	return alignRange(from, until, Tier10s.Slice)
}

// Spark is the range of sparklines: at most about maxPoints, and for longer ranges steps that the coarser rollups have.
func (r Range) Spark(maxPoints int) Range {
	step := r.Step * time.Duration((r.Len()+maxPoints-1)/maxPoints)
	if r.To.Sub(r.From) < time.Duration(maxPoints/2)*Tier5m.Slice {
		return Range{From: r.From, To: r.To, Step: step, Until: r.Until}
	}
	for _, s := range steps {
		if s >= Tier5m.Slice && r.To.Sub(r.From) <= time.Duration(maxPoints)*s {
			step = s
			break
		}
	}
	return alignRange(r.From, r.From.Add(r.Covered()), step)
}

// A Tier is one of the RED rollups.
type Tier struct {
	Table string
	Slice time.Duration // width of its slices
}

// The rollups, which have the same columns.
var (
	Tier10s = Tier{"red_10s", 10 * time.Second}
	Tier5m  = Tier{"red_5m", 5 * time.Minute}
	Tier1h  = Tier{"red_1h", time.Hour}
)

// Tier returns the coarsest rollup whose slices add up to the steps of r.
func (r Range) Tier() Tier {
	switch {
	case r.Step < Tier5m.Slice:
		return Tier10s
	case r.Step < Tier1h.Slice:
		return Tier5m
	default:
		return Tier1h
	}
}
