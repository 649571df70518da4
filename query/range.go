package query

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
	r := Range{From: floorTime(from, step), To: floorTime(to, step), Step: step, Until: to.UTC()}
	if r.To.Before(to) {
		r.To = r.To.Add(step)
	}
	return r
}

// floorTime cuts t to a multiple of d since the Unix epoch; time.Truncate counts from year 1, which differs for weeks.
func floorTime(t time.Time, d time.Duration) time.Time {
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

// A tier is one of the RED rollups.
type tier struct {
	table string
	slice time.Duration
}

var (
	tier10s = tier{"red_10s", 10 * time.Second}
	tier5m  = tier{"red_5m", 5 * time.Minute}
	tier1h  = tier{"red_1h", time.Hour}
)

// tier returns the coarsest rollup whose slices add up to the steps of r.
func (r Range) tier() tier {
	switch {
	case r.Step < tier5m.slice:
		return tier10s
	case r.Step < tier1h.slice:
		return tier5m
	default:
		return tier1h
	}
}
