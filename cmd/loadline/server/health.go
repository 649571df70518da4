package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sys/unix"

	"loadline/cmd/loadline/config"
	"loadline/ingest"
	"loadline/ingest/otlp"
	"loadline/internal/selfmon"
	"loadline/query"
	"loadline/web"
)

// openPages makes the pages of a server that is otherwise open.
func (s *Server) openPages() (*web.Server, error) {
	return web.New(web.Config{
		Store:    s.store,
		Metrics:  s.metrics.explorer,
		SLOs:     s.objectives,
		Health:   s.webHealth,
		Version:  selfmon.BuildInfo().Version,
		Logger:   s.log.With("component", "web"),
		HTTPAddr: s.receivers.HTTPAddr().String(),
		GRPCAddr: s.receivers.GRPCAddr().String(),
	})
}

// webHealth is what the pages say about ingest and storage. It may be called concurrently.
func (s *Server) webHealth() web.Health {
	status := s.pipeline.Status()
	stats := s.receivers.Stats()
	h := web.Health{
		Listeners: []web.Listener{
			{Protocol: "OTLP/gRPC", Addr: s.receivers.GRPCAddr().String(), Requests: requests(stats, "grpc")},
			{Protocol: "OTLP/HTTP", Addr: s.receivers.HTTPAddr().String(), Requests: requests(stats, "http")},
		},
		Refusals:       refusals(s.receivers.Refusals()),
		SpansPerSecond: s.rate.perSecond(),
		Storage:        web.Storage{Engine: s.storage.name, Where: s.storage.where, Free: free(s.cfg.Storage.Path)},
		Facts: []web.Fact{
			{Label: "Waiting to be stored", Value: fmt.Sprintf("%d items", status.Log.Items)},
			{Label: "Write-ahead log", Value: fmt.Sprintf("%.1fMiB of %s", float64(status.Log.Bytes)/(1<<20), config.FormatSize(status.Log.MaxBytes))},
			{Label: "Last sync of the log", Value: status.Log.LastSync.Round(100 * time.Microsecond).String()},
			{Label: "Connections since the start", Value: fmt.Sprint(s.receivers.Connections())},
		},
	}
	// Every item waits for its block to fill, up to a second. That is not lag.
	if status.Log.OldestAge > visibleWithin {
		h.Lag = status.Log.OldestAge
	}
	if state, message := ingestHealth(status); state == selfmon.Down {
		h.Storage.Err = message
	}
	if s.storage.engine != nil {
		h.Facts = append(h.Facts, web.Fact{Label: "Restarts of the engine", Value: fmt.Sprint(s.storage.engine.Restarts())})
		if err := s.storage.engine.Err(); err != nil {
			h.Storage.Err = err.Error()
		}
	}
	return h
}

// visibleWithin is how soon a span is on a page when nothing is wrong.
const visibleWithin = 2 * time.Second

func requests(stats []otlp.Stat, transport string) (n uint64) {
	for _, st := range stats {
		if st.Transport == transport {
			n += st.Requests
		}
	}
	return n
}

// refusals groups what the receivers remember by what the sender was told, latest first.
func refusals(all []otlp.Refusal) []web.Refusal {
	var out []web.Refusal
	for _, r := range all {
		i := slices.IndexFunc(out, func(o web.Refusal) bool { return o.Reason == r.Message && o.Code == r.Reason })
		if i < 0 {
			out = append(out, web.Refusal{Reason: r.Message, Code: r.Reason, Peer: r.Peer, Last: r.Time})
			i = len(out) - 1
		}
		out[i].Count++
	}
	slices.SortStableFunc(out, func(a, b web.Refusal) int { return cmp.Compare(b.Last.UnixNano(), a.Last.UnixNano()) })
	return out
}

// free returns the free bytes of the disk below path, 0 when unknown.
func free(path string) uint64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return 0
	}
	return fs.Bavail * uint64(fs.Bsize)
}

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
