package shop

import (
	"slices"
	"time"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

// release is a version and how long before the start of live traffic it was rolled out.
type release struct {
	version string
	age     time.Duration
}

const (
	// nPlusOneVersion of checkout-api loads line items one by one.
	nPlusOneVersion = "2.14.0"
	// canaryVersion of catalog-api fails on products.
	canaryVersion = "5.4.0"

	nPlusOneAge = 12 * time.Minute
	rollout     = 90 * time.Second // how long a release takes to reach every pod
	homeTTL     = time.Minute      // of the key catalog:home
	homeRebuild = 2200 * time.Millisecond
)

// window is a stretch of time that comes back: it begins at an offset from the start of live traffic.
type window struct{ first, length, every time.Duration }

// since is how long ago the current stretch began, and whether there is one.
func (w window) since(elapsed time.Duration) (time.Duration, bool) {
	d := elapsed - w.first
	if d < 0 {
		return 0, false
	}
	d %= w.every
	return d, d < w.length
}

// schedule says when an incident is under way. Each is when live traffic starts, so that the first page shows it.
func schedule(name string) window {
	switch name {
	case "n+1":
		return window{-nPlusOneAge, 1000 * day, 1000 * day}
	case "stampede":
		return window{-40 * time.Minute, 1000 * day, 1000 * day}
	case "slow":
		return window{-50 * time.Minute, 8 * time.Minute, 25 * time.Minute}
	case "queue":
		return window{-96 * time.Minute, 30 * time.Minute, 45 * time.Minute}
	case "deploy":
		return window{-20 * time.Minute, 35 * time.Minute, 2 * hour}
	}
	panic("BUG: no schedule for incident " + name)
}

// Incidents lists the names that Config.Incident takes: n+1 (a release of checkout-api queries in a loop), stampede
// (catalog:home expires and everybody rebuilds it), slow (the payment provider), queue (the orders topic piles up),
// deploy (a canary of catalog-api fails), none, all.
func Incidents() []string {
	return []string{"n+1", "stampede", "slow", "queue", "deploy", "none", "all"}
}

func knownIncident(name string) bool { return slices.Contains(Incidents(), name) }

// incidents is what is wrong at one moment.
type incidents struct {
	at       time.Time
	nPlusOne bool
	rollout  float64       // share of the pods of checkout-api that run the release with the bug
	rebuild  time.Time     // until when a stampede on catalog:home lasts, else zero
	slow     float64       // 0 to 1, how slow the payment provider is
	backlog  time.Duration // age of the oldest message of the orders topic
	queued   float64       // messages waiting there
	canary   bool
}

// phase is how far the schedule of incidents has come.
func (m *Model) phase(at time.Time) time.Duration {
	d := at.Sub(m.cfg.Start)
	if d > 0 {
		d = time.Duration(float64(d) * m.cfg.Speed)
	}
	return d
}

func (m *Model) under(name string, phase time.Duration) (time.Duration, bool) {
	if m.cfg.Incident != "all" && m.cfg.Incident != name {
		return 0, false
	}
	return schedule(name).since(phase)
}

func (m *Model) incidents(at time.Time) incidents {
	phase := m.phase(at)
	now := incidents{at: at}
	if d, on := m.under("n+1", phase); on {
		now.nPlusOne = true
		now.rollout = min(1, float64(d)/float64(rollout))
	}
	if _, on := m.under("stampede", phase); on {
		// The key expires on the minute; the first requests afterwards all rebuild it.
		expiry := at.Truncate(homeTTL)
		if end := expiry.Add(homeRebuild); at.Before(end) {
			now.rebuild = end
		}
	}
	if d, on := m.under("slow", phase); on {
		now.slow = min(1, float64(d)/float64(30*time.Second))
	}
	_, now.canary = m.under("deploy", phase)
	now.queued, now.backlog = m.queue(phase)
	return now
}

// queue is the number of orders that wait and the age of the oldest. During the incident consumers keep up with
// three quarters of what comes in; afterwards they drain the rest within ten minutes.
func (m *Model) queue(phase time.Duration) (queued float64, oldest time.Duration) {
	const kept, drain = 0.75, 10 * time.Minute
	in := m.ordersRate()
	if m.cfg.Incident != "all" && m.cfg.Incident != "queue" {
		return in * 0.05, 0
	}
	w := schedule("queue")
	d, on := w.since(phase)
	switch {
	case on:
		queued = (1 - kept) * in * d.Seconds()
	case d > 0 && d < w.length+drain:
		queued = (1 - kept) * in * w.length.Seconds() * (1 - float64(d-w.length)/float64(drain))
	default:
		return in * 0.05, 0
	}
	return queued, time.Duration(queued / (kept * in) * 1e9)
}

// ordersRate is the mean number of messages a second to the orders topic.
func (m *Model) ordersRate() float64 {
	share := 0.0
	for _, e := range m.entries {
		if e.Endpoint == "POST /v1/checkout" || e.Endpoint == "POST /v1/orders" {
			share += e.Share
		}
	}
	return max(share, 0.001) * m.cfg.Rate
}
