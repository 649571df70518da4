package panel

import (
	"context"
	"net"
	"strings"
	"time"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/web/live"
	"loadline/web/view"
)

// Arrived returns the name of a service that has sent spans, "" when none has.
func (b *Board) Arrived(ctx context.Context) (string, error) {
	return cached(ctx, b.cache, "arrived", 900*time.Millisecond, 0, func(ctx context.Context) (string, error) {
		last, err := b.config.Store.LastEvent(ctx)
		if err != nil || last.IsZero() {
			return "", err
		}
		now := b.config.Now()
		services, err := b.config.Store.Services(ctx, filter.Selector{}, rollup.NewRange(last.Add(-time.Minute), later(last.Add(time.Minute), now), 60))
		if err != nil || len(services) == 0 {
			return "", err
		}
		return services[0].Service, nil
	})
}

func later(a, b time.Time) time.Time {
	if b.Sub(a) > time.Hour {
		return a
	}
	return b
}

func (b *Board) arrivalFrame(ctx context.Context) (live.Frame, error) {
	name, err := b.Arrived(ctx)
	if err != nil {
		return live.Frame{}, err
	}
	if name == "" {
		return live.Frame{Cells: map[string]string{}}, nil
	}
	html, err := Markup(ctx, view.Arrival(view.Page{}, view.Welcome{Arrived: name}))
	return live.Frame{HTML: html, Shape: "a" + name}, err
}

func (b *Board) checksFrame(ctx context.Context) (live.Frame, error) {
	html, err := Markup(ctx, view.Checks(b.Checks(view.Page{Now: b.config.Now()})))
	return live.Frame{HTML: html, Shape: "c" + html}, err
}

// Checks are what to look at when nothing arrives.
func (b *Board) Checks(p view.Page) []view.Item {
	h := b.config.Health()
	var out []view.Item
	for _, l := range h.Listeners {
		_, port, _ := net.SplitHostPort(l.Addr)
		it := view.Item{State: "ok", Text: l.Protocol + " is listening", Right: ":" + port, Sub: view.Plural(int(l.Requests), "request", "requests") + " so far", Title: l.Addr}
		if l.Err != "" {
			it.State, it.Text, it.Sub = "crit", l.Protocol+" is not listening", l.Err
		}
		out = append(out, it)
	}
	out = append(out, refusals(p, h)...)
	st := view.Item{State: "ok", Text: "Storage is writable", Sub: strings.Trim(h.Storage.Where+", "+h.Storage.Engine, ", ")}
	if h.Storage.Free > 0 {
		st.Right = view.Bytes(h.Storage.Free) + " free"
	}
	if h.Storage.Err != "" {
		st.State, st.Text, st.Sub = "crit", "Storage is not writable", h.Storage.Err
	}
	// Spans with times far from this clock are outside of the range of every page.
	clock := view.Item{State: "ok", Text: "Clock", Right: p.Now.UTC().Format("15:04:05") + " UTC", Sub: "Spans far from this time do not show. Compare with your machine."}
	return append(out, st, clock)
}

func refusals(p view.Page, h Health) []view.Item {
	if len(h.Refusals) == 0 {
		return []view.Item{{State: "ok", Text: "No request was refused", Sub: "wrong paths, bad bodies and overload would show here"}}
	}
	const most = 4
	var out []view.Item
	for _, r := range h.Refusals[:min(len(h.Refusals), most)] {
		it := view.Item{State: "warn", Text: view.Plural(int(r.Count), "request", "requests") + " refused, last " + ago(p.Now, r.Last), Right: r.Code, Sub: r.Reason, Title: r.Reason}
		if r.Peer != "" {
			it.Sub += ", from " + r.Peer
		}
		out = append(out, it)
	}
	return out
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "some time ago"
	}
	return view.Ago(now.Sub(t).Truncate(time.Second))
}
