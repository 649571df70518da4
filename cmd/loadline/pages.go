package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"loadline/ingest"
	"loadline/ingest/otlp"
	"loadline/query"
)

// rate is the rate of a counter over the last few looks at it. The zero value is ready to use.
type rate struct {
	mu    sync.Mutex
	looks []look
}

type look struct {
	at    time.Time
	value uint64
}

// rateWindow is how far back a rate looks.
const rateWindow = 10 * time.Second

func (r *rate) observe(at time.Time, value uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks = append(r.looks, look{at, value})
	for len(r.looks) > 2 && at.Sub(r.looks[1].at) >= rateWindow {
		r.looks = r.looks[1:]
	}
}

func (r *rate) perSecond() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.looks) < 2 {
		return 0
	}
	first, last := r.looks[0], r.looks[len(r.looks)-1]
	return float64(last.value-first.value) / last.at.Sub(first.at).Seconds()
}

// spans is the number of spans that the receivers have accepted.
func spans(stats []otlp.Stat) (n uint64) {
	for _, st := range stats {
		if st.Signal == ingest.Traces {
			n += st.Items
		}
	}
	return n
}

// measureStorage updates the metrics of what is stored.
func measureStorage(ctx context.Context, store *query.Store) error {
	stats, err := store.Storage(ctx)
	if err != nil {
		return err
	}
	for _, t := range stats.Tables {
		gauge := func(name string, v float64) {
			metrics.GetOrCreateGauge(fmt.Sprintf(`loadline_storage_%s{table=%q}`, name, t.Name), nil).Set(v)
		}
		gauge("bytes", float64(t.Bytes))
		gauge("rows", float64(t.Rows))
		gauge("parts", float64(t.Parts))
		if !t.Oldest.IsZero() {
			gauge("oldest_timestamp_seconds", float64(t.Oldest.Unix()))
		}
	}
	return nil
}
