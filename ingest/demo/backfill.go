package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"loadline/ingest/demo/generator"
	"loadline/ingest/demo/sender"
	"loadline/ingest/demo/shop"
)

const (
	// maxHistory is how far back receivers take spans; margin keeps clear of it while the sending takes its time.
	maxHistory = 30 * 24 * time.Hour
	margin     = 10 * time.Minute
	// requestSpans is how many spans one request of history has at least, but for the last.
	requestSpans = 1000
	// metricHistory and metricStep are the past of gauges: as far as short ranges look, and dense enough that no query
	// sees a gap.
	metricHistory = 6 * time.Hour
	metricStep    = 2 * time.Minute
)

// Progress is how far Backfill has come.
type Progress struct {
	// Reached is how far back history is complete.
	Reached time.Time
	// Done of Total slices of time are sent; the newest come first.
	Done, Total int
	// Spans, Logs and Points are how many were taken, Rejected how many were not.
	Spans, Logs, Points, Rejected int
}

// slice is a stretch of history that is sampled at once.
type slice struct {
	from   time.Time
	length time.Duration
	// depth multiplies the number of traces.
	depth float64
	// boost makes failures more likely, so that rare ones are seen; their traces count for less.
	boost float64
	logs  bool
}

// cutHistory cuts history up, newest first: dense for the last hours, where incidents are, and sparse before.
func cutHistory(start time.Time, history time.Duration) (all []slice) {
	end := start.Add(-min(history, maxHistory-margin))
	for _, part := range [...]struct {
		until  time.Duration
		length time.Duration
		depth  float64
		boost  float64
	}{
		{3 * time.Hour, 10 * time.Second, 1, 10},
		{24 * time.Hour, 5 * time.Minute, 1, 40},
		{7 * 24 * time.Hour, time.Hour, 4, 100},
		{maxHistory, time.Hour, 2, 100},
	} {
		for at := start; ; {
			if len(all) > 0 {
				at = all[len(all)-1].from
			}
			from := at.Add(-1).Truncate(part.length)
			if from.Before(start.Add(-part.until)) || from.Before(end) {
				break
			}
			all = append(all, slice{from, at.Sub(from), part.depth, part.boost, part.length < time.Minute})
		}
	}
	return all
}

// depth is how many traces a slice has of the requests that end at each service: more where more happens.
func depth(target string) int {
	switch target {
	case "checkout-api":
		return 4
	case "catalog-api":
		return 3
	case "search-api":
		return 2
	}
	return 1
}

// Backfill sends the history of the shop: sampled traces whose weights add up to true rates, and the last hours of
// metrics and logs. It goes backwards in time, so that what a page shows first is there first, and returns when all is
// acknowledged or ctx ends. Progress may be nil.
func Backfill(ctx context.Context, cfg Config, progress func(Progress)) error {
	to, err := sender.ParseDestination(cfg.Endpoint, cfg.Transport, cfg.Headers)
	if err != nil {
		return err
	}
	m, err := cfg.model(time.Now())
	if err != nil {
		return err
	}
	if cfg.History == 0 {
		cfg.History = maxHistory
	}
	if cfg.History < 0 {
		return fmt.Errorf("history %v is negative", cfg.History)
	}
	c, err := sender.New(to, "")
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	h := &historian{cfg: cfg, model: m, out: make(chan parcel, 4)}
	// One goroutine makes requests while this one waits for answers.
	made := make(chan error, 1)
	go func() {
		defer close(h.out)
		made <- h.make(ctx)
	}()
	err = deliverAll(ctx, c, h.out, progress)
	cancel()
	for range h.out { // lets the maker see that ctx has ended
	}
	if making := <-made; err == nil {
		err = making
	}
	return err
}

// parcel is a request on its way.
type parcel struct {
	signal   generator.Signal
	body     []byte
	progress Progress // when it is delivered
	items    int
}

func deliverAll(ctx context.Context, c *sender.Client, parcels <-chan parcel, progress func(Progress)) error {
	var total Progress
	for p := range parcels {
		rejected, err := c.Deliver(ctx, p.signal, p.body, true, func(error) {})
		if err != nil {
			var r *sender.Refusal
			if errors.As(err, &r) {
				return fmt.Errorf("history of %s: %w", p.signal, err)
			}
			return err
		}
		total.Reached, total.Done, total.Total = p.progress.Reached, p.progress.Done, p.progress.Total
		total.Rejected += rejected
		switch p.signal {
		case generator.Traces:
			total.Spans += p.items - rejected
		case generator.Metrics:
			total.Points += p.items - rejected
		case generator.Logs:
			total.Logs += p.items - rejected
		}
		if progress != nil {
			progress(total)
		}
	}
	return ctx.Err()
}

// historian makes the requests of history.
type historian struct {
	cfg   Config
	model *shop.Model
	out   chan parcel
	done  Progress
	n     uint64 // traces so far
	spans []weighted
	logs  []shop.Log
}

// weighted is a span with the tracestate that says what it stands for.
type weighted struct {
	shop.Span
	state string
}

func (h *historian) make(ctx context.Context) error {
	all := cutHistory(h.cfg.Start, h.cfg.History)
	h.done.Total = len(all)
	for i := range all {
		if i > 0 && all[i-1].logs && !all[i].logs {
			// The recent past is complete but for its metrics.
			if err := h.metrics(ctx); err != nil {
				return err
			}
		}
		if err := h.sample(&all[i]); err != nil {
			return err
		}
		h.done.Reached, h.done.Done = all[i].from, i+1
		if len(h.spans) >= requestSpans || i == len(all)-1 {
			if err := h.flush(ctx); err != nil {
				return err
			}
		}
	}
	if len(all) > 0 && all[len(all)-1].logs {
		return h.metrics(ctx)
	}
	return nil
}

// sample adds the traces of a slice. Those without failures are drawn by stratum, each as many as its depth; failing
// ones are drawn apart with boosted chances and weigh less in turn, so that error rates are smooth where a trace stands
// for thousands.
func (h *historian) sample(s *slice) error {
	rng := rand.New(rand.NewPCG(h.cfg.Seed, uint64(s.from.UnixNano())))
	requests := h.model.Rate(s.from.Add(s.length/2)) * s.length.Seconds()
	entries := h.model.Entries()
	drawn := 0
	for first := 0; first < len(entries); {
		last, share := first, 0.0
		for ; last < len(entries) && entries[last].Target == entries[first].Target; last++ {
			share += entries[last].Share
		}
		n := int(float64(depth(entries[first].Target)) * s.depth)
		weight := max(1, requests*share/float64(n))
		offset := rng.Float64()
		for j := range n {
			e := pick(entries[first:last], share*(float64(j)+offset)/float64(n))
			if _, err := h.trace(s, rng, e, shop.Sampling{Weight: weight, Boost: -1}); err != nil {
				return err
			}
		}
		drawn += n
		first = last
	}
	return h.failures(s, rng, requests, (drawn+1)/2)
}

func (h *historian) failures(s *slice, rng *rand.Rand, requests float64, draws int) error {
	weight := requests / float64(draws) / s.boost
	if weight < 1 {
		return nil // so little traffic that failures need no sampling
	}
	for j := range draws {
		e := h.model.Pick((float64(j) + rng.Float64()) / float64(draws))
		if _, err := h.trace(s, rng, e, shop.Sampling{Weight: weight, Boost: s.boost}); err != nil {
			return err
		}
	}
	return nil
}

// pick is the entry at u on the scale of shares of a few entries.
func pick(entries []shop.Entry, u float64) shop.Entry {
	for _, e := range entries {
		if u < e.Share {
			return e
		}
		u -= e.Share
	}
	return entries[len(entries)-1]
}

// trace adds one request of a slice, if it is of the kind that the sampling is for.
func (h *historian) trace(s *slice, rng *rand.Rand, e shop.Entry, sampling shop.Sampling) (kept bool, err error) {
	at := s.from.Add(time.Duration(rng.Int64N(int64(s.length))))
	h.n++
	tr, err := h.model.Trace(at, h.n, e.Service, e.Endpoint, sampling)
	if err != nil || sampling.Boost > 0 && !tr.Broken {
		return false, err
	}
	state := sampling.State()
	for i := range tr.Spans {
		// What has not ended when live traffic starts would lie in the future.
		if !tr.Spans[i].End.After(h.cfg.Start) {
			h.spans = append(h.spans, weighted{tr.Spans[i], state})
		}
	}
	if s.logs {
		for i := range tr.Logs {
			if !tr.Logs[i].At.After(h.cfg.Start) {
				h.logs = append(h.logs, tr.Logs[i])
			}
		}
	}
	return true, nil
}

// flush sends what has gathered.
func (h *historian) flush(ctx context.Context) error {
	for len(h.spans) > 0 {
		n := min(len(h.spans), 2*requestSpans)
		body, err := ptraceotlp.NewExportRequestFromTraces(tracesOf(h.spans[:n])).MarshalProto()
		if err != nil {
			return fmt.Errorf("encode spans: %w", err)
		}
		if err := h.ship(ctx, parcel{signal: generator.Traces, body: body, items: n}); err != nil {
			return err
		}
		h.spans = h.spans[n:]
	}
	h.spans = nil
	if len(h.logs) == 0 {
		return nil
	}
	body, err := plogotlp.NewExportRequestFromLogs(logsOf(h.logs)).MarshalProto()
	if err != nil {
		return fmt.Errorf("encode logs: %w", err)
	}
	n := len(h.logs)
	h.logs = nil
	return h.ship(ctx, parcel{signal: generator.Logs, body: body, items: n})
}

// metrics sends the last hours of what pods and the platform measured, oldest first because counters add up.
func (h *historian) metrics(ctx context.Context) error {
	from := h.cfg.Start.Add(-min(metricHistory, h.cfg.History)).Truncate(metricStep).Add(metricStep)
	gauges := newMeter(from.Add(-metricStep))
	const steps = 5
	for from.Before(h.cfg.Start) {
		data, points := metricsOf(h.model, gauges, from, h.cfg.Start, steps)
		body, err := pmetricotlp.NewExportRequestFromMetrics(data).MarshalProto()
		if err != nil {
			return fmt.Errorf("encode metrics: %w", err)
		}
		if err := h.ship(ctx, parcel{signal: generator.Metrics, body: body, items: points}); err != nil {
			return err
		}
		from = from.Add(steps * metricStep)
	}
	return nil
}

func (h *historian) ship(ctx context.Context, p parcel) error {
	p.progress = h.done
	select {
	case h.out <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
