package tracker

import (
	"math"
	"time"
)

// DefaultDelay is waited for while there are no events to measure by.
const DefaultDelay = 15 * time.Second

// Bounds of the measured delay.
const (
	minDelay    = 2 * time.Second
	maxDelay    = 2 * time.Minute
	delayMemory = 10 * time.Minute // half of what is known is younger
	delayShare  = 0.99
)

// Delay measures for how long after its end a slot is still being filled. It belongs to one goroutine.
type Delay struct {
	weight [maxDelay / time.Second]float64 // of events that came so many seconds after the end of their slot
	at     time.Time
}

// Observe notes events that are seen at now in the slot that ended at end. Those that are later than maxDelay are late, and
// do not count.
func (d *Delay) Observe(now time.Time, end int64, events int64) {
	if events <= 0 {
		return
	}
	late := max(int64(math.Ceil(now.Sub(time.Unix(end, 0)).Seconds())), 0)
	if int(late) < len(d.weight) {
		d.weight[late] += float64(events)
	}
}

// Measure returns the time after which a share of delayShare of the events was there, and forgets a little.
func (d *Delay) Measure(now time.Time) time.Duration {
	keep := 1.0
	if !d.at.IsZero() {
		keep = math.Exp2(-max(now.Sub(d.at), 0).Seconds() / delayMemory.Seconds())
	}
	d.at = now
	sum := 0.0
	for i := range d.weight {
		d.weight[i] *= keep
		sum += d.weight[i]
	}
	if sum < 1 {
		return DefaultDelay
	}
	seen := 0.0
	for i, w := range d.weight {
		if seen += w; seen >= sum*delayShare {
			return max(time.Duration(i)*time.Second, minDelay)
		}
	}
	return maxDelay
}
