package panel

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"loadline/query"
	"loadline/query/rollup"
	"loadline/web/live"
	"loadline/web/screen"
	"loadline/web/view"
)

// Resolve finds what is behind the name of a topic. The names come from pages, which is to say from anybody.
func (b *Board) Resolve(topic string) (live.Panel, bool) {
	switch topic {
	case "sys":
		return live.Panel{Every: time.Second, Compute: func(context.Context) (live.Frame, error) { return b.sysFrame(), nil }}, true
	case "checks":
		return live.Panel{Every: time.Second, Compute: b.checksFrame}, true
	case "arrival":
		return live.Panel{Every: time.Second, Compute: b.arrivalFrame}, true
	}
	name, sc, ok := parseScope(topic)
	if !ok {
		return live.Panel{}, false
	}
	frames := map[string]func(context.Context, Scope) (live.Frame, error){
		"red": b.redFrame, "services": b.servicesFrame, "headline": b.headlineFrame, "endpoints": b.endpointsFrame, "heat": b.heatFrame,
	}
	compute, ok := frames[name]
	if !ok {
		return live.Panel{}, false
	}
	every := sc.every()
	if name == "endpoints" || name == "heat" {
		every *= 3 // nobody watches these by the second
	}
	return live.Panel{Every: every, Compute: func(ctx context.Context) (live.Frame, error) { return compute(ctx, sc) }}, true
}

// The questions that pages and live panels share follow. Each is asked once however many ask it at the same moment. A
// zero patience waits for the answer.

// RED returns rate, errors and duration of the scope over time.
func (b *Board) RED(ctx context.Context, sc Scope, patience time.Duration) (*query.REDSeries, error) {
	return cached(ctx, b.cache, sc.Key("red"), sc.Keep(), patience, func(ctx context.Context) (*query.REDSeries, error) {
		return b.config.Store.RED(ctx, sc.Selector(), sc.Range(b.config.Now()))
	})
}

// Services returns every service with its RED numbers.
func (b *Board) Services(ctx context.Context, sc Scope, patience time.Duration) ([]query.ServiceRED, error) {
	sc.Sort, sc.Wide, sc.Zone = "", false, ""
	return cached(ctx, b.cache, sc.Key("services"), sc.Keep(), patience, func(ctx context.Context) ([]query.ServiceRED, error) {
		return b.config.Store.Services(ctx, sc.Selector(), sc.Range(b.config.Now()))
	})
}

// Endpoints returns the endpoints of the scope, those with the greatest impact first.
func (b *Board) Endpoints(ctx context.Context, sc Scope, patience time.Duration) ([]query.Endpoint, error) {
	sc.Sort, sc.Wide, sc.Zone = "", false, ""
	return cached(ctx, b.cache, sc.Key("endpoints"), sc.Keep(), patience, func(ctx context.Context) ([]query.Endpoint, error) {
		return b.config.Store.Endpoints(ctx, sc.Selector(), sc.Range(b.config.Now()))
	})
}

// Heat returns the distribution of durations over time.
func (b *Board) Heat(ctx context.Context, sc Scope, patience time.Duration) (*query.HeatmapSeries, error) {
	return cached(ctx, b.cache, sc.Key("heat"), sc.Keep(), patience, func(ctx context.Context) (*query.HeatmapSeries, error) {
		r := sc.Range(b.config.Now())
		return b.config.Store.Heatmap(ctx, sc.Selector(), rollup.NewRange(r.From, r.Until, 90))
	})
}

// Counts returns the whole in a few numbers.
func (b *Board) Counts(ctx context.Context, sc Scope, patience time.Duration) (*query.Overview, error) {
	sc.Sort, sc.Wide, sc.Zone = "", false, ""
	return cached(ctx, b.cache, sc.Key("counts"), max(sc.Keep(), 2*time.Second), patience, func(ctx context.Context) (*query.Overview, error) {
		return b.config.Store.Overview(ctx, sc.Selector(), sc.Range(b.config.Now()))
	})
}

// Shell returns what every page shows of the whole: how many services there are and in which environments. Only the
// first page waits for it; later ones show the last answer while a new one is computed.
func (b *Board) Shell(ctx context.Context) *query.Overview {
	const keep = 15 * time.Second
	b.mu.Lock()
	last := b.shell
	b.mu.Unlock()
	patience := time.Second
	if last != nil {
		patience = time.Millisecond
	}
	counts, err := cached(ctx, b.cache, "shell", keep, patience, func(ctx context.Context) (*query.Overview, error) {
		sc := Scope{Length: "1h"}
		counts, err := b.config.Store.Overview(ctx, sc.Selector(), sc.Range(b.config.Now()))
		if err == nil {
			b.mu.Lock()
			b.shell = counts
			b.mu.Unlock()
		}
		return counts, err
	})
	if err != nil {
		return last // the panels of the page tell what is wrong
	}
	return counts
}

// Deployments returns the versions first seen in the scope's range.
func (b *Board) Deployments(ctx context.Context, sc Scope, patience time.Duration) ([]query.Deployment, error) {
	sc.Sort, sc.Wide, sc.Zone = "", false, ""
	return cached(ctx, b.cache, sc.Key("deploys"), max(sc.Keep(), 10*time.Second), patience, func(ctx context.Context) ([]query.Deployment, error) {
		return b.config.Store.Deployments(ctx, sc.Selector(), sc.Range(b.config.Now()))
	})
}

// Edges returns who calls whom.
func (b *Board) Edges(ctx context.Context, sc Scope, patience time.Duration) ([]query.Edge, error) {
	sc.Sort, sc.Wide, sc.Zone = "", false, ""
	return cached(ctx, b.cache, sc.Key("edges"), max(sc.Keep(), 10*time.Second), patience, func(ctx context.Context) ([]query.Edge, error) {
		return b.config.Store.Dependencies(ctx, sc.Selector(), sc.Range(b.config.Now()))
	})
}

// The frames of live panels.

func (b *Board) redFrame(ctx context.Context, sc Scope) (live.Frame, error) {
	red, err := b.RED(ctx, sc, 0)
	if err != nil {
		return live.Frame{}, err
	}
	f := live.Frame{Cells: map[string]string{}, Charts: map[string]view.Columns{
		"lat": screen.Latency(red).Columns, "rate": screen.Rates(red).Columns, "err": screen.Errors(red).Columns,
	}}
	for _, k := range screen.KPIs(sc.links(b), red) {
		f.Cells[k.ID], f.Cells[k.ID+".u"], f.Cells[k.ID+".d"] = k.Value, k.Unit, k.Delta
	}
	return f, nil
}

func (b *Board) servicesFrame(ctx context.Context, sc Scope) (live.Frame, error) {
	services, err := b.Services(ctx, sc, 0)
	if err != nil {
		return live.Frame{}, err
	}
	table := b.ServicesTable(sc.links(b), services, sc)
	f := live.Frame{Cells: map[string]string{}}
	var shape strings.Builder
	for _, r := range table.Rows {
		f.Cells[r.Name+".r"], f.Cells[r.Name+".e"] = r.Rate, r.Errors
		f.Cells[r.Name+".50"], f.Cells[r.Name+".95"], f.Cells[r.Name+".99"] = r.P50, r.P95, r.P99
		f.Cells[r.Name+".d"] = r.Deploy
		fmt.Fprintf(&shape, "%q%s%t%t", r.Name, r.Health.Label, r.ErrorsBad, r.P99Bad)
	}
	// Sparklines move once in fortieth of the range.
	r := sc.Range(b.config.Now())
	shape.WriteString(strconv.FormatInt(r.Until.Unix()/int64(max(r.Covered()/40/time.Second, 1)), 10))
	f.HTML, err = Markup(ctx, view.ServiceRows(table))
	f.Shape = shape.String()
	return f, err
}

func (b *Board) headlineFrame(ctx context.Context, sc Scope) (live.Frame, error) {
	services, err := b.Services(ctx, sc, 0)
	if err != nil {
		return live.Frame{}, err
	}
	// Screen readers say the sentence when it changes, so its numbers move only now and then.
	const still = 5 * 60
	h := screen.Headline(sc.links(b), services)
	shape := "none"
	if h != nil {
		shape = h.Subject + h.State + strconv.FormatInt(b.config.Now().Unix()/still, 10)
	}
	html, err := Markup(ctx, view.HeadlineOf(h))
	return live.Frame{HTML: html, Shape: shape}, err
}

func (b *Board) endpointsFrame(ctx context.Context, sc Scope) (live.Frame, error) {
	endpoints, err := b.Endpoints(ctx, sc, 0)
	if err != nil {
		return live.Frame{}, err
	}
	table := b.EndpointsTable(sc.links(b), endpoints, sc)
	f := live.Frame{Cells: map[string]string{}}
	var shape strings.Builder
	for _, r := range table.Rows {
		f.Cells[r.Key+".i"], f.Cells[r.Key+".r"], f.Cells[r.Key+".e"] = r.ImpactText, r.Rate, r.Errors
		f.Cells[r.Key+".50"], f.Cells[r.Key+".95"], f.Cells[r.Key+".99"], f.Cells[r.Key+".c"] = r.P50, r.P95, r.P99, r.Change
		fmt.Fprintf(&shape, "%q%t%t%s", r.Key, r.ErrorsBad, r.P99Bad, r.ChangeClass)
	}
	shape.WriteString(strconv.FormatInt(b.config.Now().Unix()/60, 10)) // links to examples move once a minute
	f.HTML, err = Markup(ctx, view.EndpointRows(table))
	f.Shape = "e" + shape.String()
	return f, err
}

func (b *Board) heatFrame(ctx context.Context, sc Scope) (live.Frame, error) {
	h, err := b.Heat(ctx, sc, 0)
	if err != nil {
		return live.Frame{}, err
	}
	return live.Frame{Heat: map[string]view.Heatmap{"heat": screen.Heat(h, "heat", "")}}, nil
}

// Markup renders a component on its own.
func Markup(ctx context.Context, c templ.Component) (string, error) {
	var b bytes.Buffer
	if err := c.Render(ctx, &b); err != nil {
		return "", fmt.Errorf("render: %w", err)
	}
	return b.String(), nil
}

// sysFrame is the line at the foot of the sidebar.
func (b *Board) sysFrame() live.Frame {
	line := b.IngestLine()
	h := b.config.Health()
	return live.Frame{
		Cells:  map[string]string{"ingest": line.Text, "lag": strconv.FormatFloat(h.Lag.Seconds(), 'f', 0, 64)},
		States: map[string]string{"ingest": line.State},
	}
}

// lateData is the lag from which on the page says that what it shows is old.
const lateData = 30 * time.Second

// IngestLine says how fast spans come in and how far pages are behind.
func (b *Board) IngestLine() view.Ingest {
	h := b.config.Health()
	text := view.Rate(h.SpansPerSecond) + " spans/s"
	if h.Lag > 0 {
		text += " · " + strconv.FormatFloat(h.Lag.Seconds(), 'f', 1, 64) + " s behind"
	}
	switch {
	case h.Storage.Err != "":
		return view.Ingest{State: "crit", Text: "storage is not writable"}
	case h.Lag > lateData:
		return view.Ingest{State: "warn", Text: text}
	case h.SpansPerSecond == 0:
		return view.Ingest{State: "", Text: text}
	}
	return view.Ingest{State: "ok", Text: text}
}

// The tables that are on a page at first and pushed later.

// ServicesTable is the services table of a page, pushed while the page is open.
func (b *Board) ServicesTable(p view.Page, services []query.ServiceRED, sc Scope) view.Services {
	t := screen.Services(p, services, sc.Sort, sc.Wide)
	t.Topic = sc.Key("services")
	return t
}

// FewEndpoints is how many endpoints a page shows beside other things.
const FewEndpoints = 6

// EndpointsTable is the endpoints table of a page, pushed while the page is open.
func (b *Board) EndpointsTable(p view.Page, endpoints []query.Endpoint, sc Scope) view.Endpoints {
	limit := FewEndpoints
	if sc.Wide {
		limit = len(endpoints)
	}
	t := screen.Endpoints(p, endpoints, sc.Service == "", limit)
	t.Topic = sc.Key("endpoints")
	return t
}
