package slos

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"loadline/slo"
	"loadline/web/live"
	"loadline/web/panel"
	"loadline/web/slos/page"
	"loadline/web/slos/screen"
	"loadline/web/timerange"
	"loadline/web/view"
)

// pushEvery is how often pages look at the state of objectives, which is evaluated every ten seconds.
const pushEvery = 5 * time.Second

// topicOf names what is pushed to a page: its parameters, as far as they matter.
func topicOf(kind string, query url.Values, pairs ...string) string {
	v := url.Values{}
	for _, name := range []string{"range", "from", "to", "env", "tz", "health", "find", "group", "sort", "all"} {
		if text := query.Get(name); text != "" {
			v.Set(name, text)
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Del(pairs[i])
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return kind + "?" + v.Encode()
}

// Resolver finds what is behind the name of a topic: of objectives, or what next finds.
func (s *Pages) Resolver(next func(string) (live.Panel, bool)) func(string) (live.Panel, bool) {
	return func(topic string) (live.Panel, bool) {
		if p, ok := s.Resolve(topic); ok {
			return p, true
		}
		return next(topic)
	}
}

// Resolve finds what is behind the name of a topic, which comes back from browsers.
func (s *Pages) Resolve(topic string) (live.Panel, bool) {
	kind, rest, _ := strings.Cut(topic, "?")
	values, err := url.ParseQuery(rest)
	if err != nil {
		return live.Panel{}, false
	}
	if kind == "slos" {
		return live.Panel{Every: pushEvery, Compute: func(ctx context.Context) (live.Frame, error) {
			return listFrame(ctx, view.Page{Path: "/slos", Query: values, Now: s.config.Now()}, s.config.Engine.Statuses())
		}}, true
	}
	frames := map[string]func(context.Context, url.Values, *slo.Status) (live.Frame, error){
		"slo": figuresFrame, "slo-rules": rulesFrame, "slo-burn": s.burnFrame, "slo-badge": badgeFrame, "slo-headline": s.headlineFrame,
	}
	compute, ok := frames[kind]
	if !ok {
		return live.Panel{}, false
	}
	ref := slo.Ref{SLO: values.Get("name"), Objective: values.Get("objective"), Group: values.Get("group")}
	return live.Panel{Every: pushEvery, Compute: func(ctx context.Context) (live.Frame, error) {
		st, ok := s.config.Engine.Status(ref)
		if !ok { // not evaluated yet, or gone: there is nothing to push
			return live.Frame{}, nil
		}
		return compute(ctx, values, &st)
	}}, true
}

// listFrame is the list: numbers as texts, and the lines when their order or state is another one.
func listFrame(ctx context.Context, p view.Page, all []slo.Status) (live.Frame, error) {
	l := screen.Rows(p, all)
	f := live.Frame{Cells: map[string]string{}}
	var shape strings.Builder
	for _, g := range l.Groups {
		for i := range g.Rows {
			r := &g.Rows[i]
			f.Cells[r.Key+".a"], f.Cells[r.Key+".l"], f.Cells[r.Key+".b"], f.Cells[r.Key+".x"] = r.Attained, r.LeftText, r.Burn, r.Exhausted
			fmt.Fprintf(&shape, "%q%s%s%t%t%.0f", r.Key, r.Health.Label, r.LeftClass, r.BurnBad, r.ExhaustedBad, r.Left)
		}
	}
	html, err := panel.Markup(ctx, page.ListRows(l.Groups))
	f.HTML, f.Shape = html, "l"+shape.String()
	return f, err
}

// figuresFrame is the key figures of an objective.
func figuresFrame(_ context.Context, _ url.Values, st *slo.Status) (live.Frame, error) {
	f := live.Frame{Cells: map[string]string{}}
	for _, k := range screen.Figures(st) {
		f.Cells[k.ID], f.Cells[k.ID+".u"], f.Cells[k.ID+".d"] = k.Value, k.Unit, k.Note
	}
	return f, nil
}

// rulesFrame is the rules of an objective.
func rulesFrame(ctx context.Context, _ url.Values, st *slo.Status) (live.Frame, error) {
	f := live.Frame{Cells: map[string]string{}}
	table := screen.Rules(st)
	var shape strings.Builder
	for _, r := range table.Rows {
		f.Cells[r.Key+".s"], f.Cells[r.Key+".l"], f.Cells[r.Key+".r"] = r.Short, r.Long, r.Reason
		fmt.Fprintf(&shape, "%s%s%t%t%t", r.State, r.Alerts, r.ShortBad, r.LongBad, r.Reason == "")
	}
	html, err := panel.Markup(ctx, page.RuleRows(table))
	f.HTML, f.Shape = html, "r"+shape.String()
	return f, err
}

// badgeFrame is an objective in a word.
func badgeFrame(ctx context.Context, _ url.Values, st *slo.Status) (live.Frame, error) {
	h := screen.Health(st)
	html, err := panel.Markup(ctx, view.Badge(h))
	return live.Frame{HTML: html, Shape: h.State + h.Label}, err
}

// headlineFrame is the sentence about what is wrong. Screen readers say it when it changes, so it changes with the rule
// that fires and not with its numbers.
func (s *Pages) headlineFrame(ctx context.Context, values url.Values, st *slo.Status) (live.Frame, error) {
	query := maps.Clone(values) // of the page, whose links name an objective only if its address does
	zone, err := time.LoadLocation(query.Get("zone"))
	if err != nil {
		zone = time.UTC
	}
	if query.Get("of") == "" {
		query.Del("objective")
	}
	for _, name := range []string{"name", "zone", "of"} {
		query.Del(name)
	}
	h := screen.Headline(view.Page{Path: screen.Path(st.SLO), Query: query, Now: s.config.Now(), Zone: zone}, st)
	shape := "none"
	if h != nil {
		shape = h.State
	}
	html, err := panel.Markup(ctx, page.HeadlineOf(h))
	return live.Frame{HTML: html, Shape: shape}, err
}

// burnFrame is the chart of burn rates of a range that ends now.
func (s *Pages) burnFrame(ctx context.Context, values url.Values, st *slo.Status) (live.Frame, error) {
	now := s.config.Now()
	chosen, err := timerange.Read(cmp.Or(values.Get("range"), timerange.Text(timerange.Default)), now, time.UTC)
	if err != nil {
		return live.Frame{}, err
	}
	burn, err := s.burn(ctx, view.Page{Now: now, Range: view.Range{From: chosen.From, To: chosen.To}}, st)
	if err != nil {
		return live.Frame{}, err
	}
	return live.Frame{Charts: map[string]view.Columns{"burn": screen.Burn(st, burn, nil).Columns}}, nil
}
