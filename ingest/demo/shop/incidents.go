package shop

import (
	"time"

	"loadline/ingest/demo/shop/blueprint"
)

// Incidents lists the names that Config.Incident takes.
func Incidents() []string { return blueprint.Incidents() }

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
	return blueprint.Schedule(name).Since(phase)
}

func (m *Model) incidents(at time.Time) incidents {
	phase := m.phase(at)
	now := incidents{at: at}
	if d, on := m.under("n+1", phase); on {
		now.nPlusOne = true
		now.rollout = min(1, float64(d)/float64(blueprint.Rollout))
	}
	if _, on := m.under("stampede", phase); on {
		// The key expires on the minute; the first requests afterwards all rebuild it.
		expiry := at.Truncate(blueprint.HomeTTL)
		if end := expiry.Add(blueprint.HomeRebuild); at.Before(end) {
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
	w := blueprint.Schedule("queue")
	d, on := w.Since(phase)
	switch {
	case on:
		queued = (1 - kept) * in * d.Seconds()
	case d > 0 && d < w.Length+drain:
		queued = (1 - kept) * in * w.Length.Seconds() * (1 - float64(d-w.Length)/float64(drain))
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
