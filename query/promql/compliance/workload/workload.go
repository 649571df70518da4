// Package workload makes the samples that systems are compared on: a counter in as many series as a service of 500
// instances has, with the irregularities of real scrapes.
package workload

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"loadline/query/promql/series"
)

// What there is of each label of http_requests_total.
const (
	Jobs      = 10
	Instances = 500
	Paths     = 5
	Codes     = 4
	Series    = Instances * Paths * Codes
)

// Interval is the time between two scrapes.
const Interval = 15 * time.Second

// Scrapes makes the samples of all series, a stretch of time after the other.
type Scrapes struct {
	series   []*series.Series // cleared for each stretch
	counters []counter
	from, to int64 // of all that there is, in Unix milliseconds
	at       int64 // up to where stretches were made
}

// counter is the state of one series.
type counter struct {
	random       *rand.Rand
	mean         float64 // of what is added between two scrapes
	value        float64
	next         int64 // scrape without jitter
	ends, starts int64 // the series has no samples outside
	resets       int64 // it begins at 0 again, once
}

// New returns the samples from from on, up to to. They are the same for the same times.
func New(from, to time.Time) *Scrapes {
	s := &Scrapes{from: from.UnixMilli(), to: to.UnixMilli(), at: from.UnixMilli()}
	codes := []string{"200", "301", "404", "500"}
	for i := range Instances {
		phase := rand.New(rand.NewPCG(7, uint64(i))).Int64N(Interval.Milliseconds())
		for p := range Paths {
			for c := range Codes {
				s.series = append(s.series, &series.Series{Name: labels.FromStrings(
					"__name__", "http_requests_total", "job", "job-"+strconv.Itoa(i%Jobs), "instance", "10.0."+strconv.Itoa(i/100)+"."+strconv.Itoa(i%100)+":9090",
					"path", "/api/"+strconv.Itoa(p), "code", codes[c])})
				s.counters = append(s.counters, s.counter(uint64(len(s.counters)), phase, c))
			}
		}
	}
	return s
}

func (s *Scrapes) counter(n uint64, phase int64, code int) counter {
	random := rand.New(rand.NewPCG(11, n))
	c := counter{random: random, mean: []float64{60, 6, 2, 0.4}[code] * random.ExpFloat64(), next: s.from + phase, starts: s.from, ends: math.MaxInt64, resets: -1}
	c.value = math.Floor(random.Float64() * 1e6)
	sometime := func() int64 { return s.from + random.Int64N(s.to-s.from) }
	switch random.IntN(100) {
	case 0:
		c.ends = sometime()
	case 1:
		c.starts, c.value = sometime(), 0
	case 2:
		c.resets = sometime()
	}
	return c
}

// Next returns the samples of the next stretch of time, at most d long. Series that have none are there without. Nothing
// is left when it returns nil. What it returned is valid until it is called again.
func (s *Scrapes) Next(d time.Duration) []*series.Series {
	if s.at >= s.to {
		return nil
	}
	s.at = min(s.to, s.at+d.Milliseconds())
	for i, one := range s.series {
		one.Column.Reset()
		s.counters[i].fill(&one.Column, s.at)
	}
	return s.series
}

// fill appends the samples of scrapes before a time.
func (c *counter) fill(column *series.Column, before int64) {
	for ; c.next < before; c.next += Interval.Milliseconds() {
		at := c.next
		if c.random.IntN(20) == 0 {
			at += c.random.Int64N(21)
		}
		missed := c.random.IntN(400) == 0
		if c.resets >= 0 && at >= c.resets {
			c.value, c.resets = 0, -1
		}
		c.value += poisson(c.random, c.mean)
		switch {
		case missed || at < c.starts || c.ends < 0:
		case at >= c.ends:
			column.Append(at, math.Float64frombits(value.StaleNaN))
			c.ends = -1
		default:
			column.Append(at, c.value)
		}
	}
}

// poisson draws a number of events, in the simple way, and in a good approximation when there are many.
func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	limit, n := math.Exp(-mean), 0.0
	for p := r.Float64(); p > limit; p *= r.Float64() {
		n++
	}
	return n
}

// Inventory returns one sample at a time for each of n series in 50 metrics.
func Inventory(n int, at time.Time) []*series.Series {
	all := make([]*series.Series, 0, n)
	for i := range n {
		k := i / Metrics
		all = append(all, &series.Series{
			Name: labels.FromStrings("__name__", "inventory_"+strconv.Itoa(i%Metrics), "job", "job-"+strconv.Itoa(k%20), "instance", "host-"+strconv.Itoa(k%1000),
				"shard", "shard-"+strconv.Itoa(k/1000), "zone", "zone-"+strconv.Itoa(k%3)),
			Column: series.Column{T: []int64{at.UnixMilli()}, V: []float64{float64(k)}},
		})
	}
	return all
}

// Metrics is how many metrics the series of Inventory are in.
const Metrics = 50
