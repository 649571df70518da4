package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"loadline/web/timerange"
	"loadline/web/view"
)

// page reads what all pages read from a request.
func (s *Server) page(r *http.Request, nav, title string) view.Page {
	now := s.config.Now()
	values := r.URL.Query()
	zone := zoneOf(r, values)
	chosen, err := timerange.Parse(values, now, zone)
	p := view.Page{
		Title: title, Nav: nav, Theme: themeOf(r), Path: r.URL.Path, Query: values,
		Env: values.Get("env"), Zone: zone, Now: now, Live: true,
		Asset: s.assets.URL,
	}
	if err != nil {
		p.Notices = append(p.Notices, capital(err.Error()))
		for _, name := range []string{"range", "from", "to"} {
			values.Del(name)
		}
	}
	p.Range = rangeOf(p, chosen)
	p.Topics = view.Topics{"sys": "sys"}
	p.Ingest, p.Risks = s.board.IngestLine(), s.slos.Risks()
	if all := s.board.Shell(r.Context()); all != nil {
		p.Services, p.Envs = all.Services, all.Envs
	}
	return p
}

// rangeOf is the range as the picker shows it.
func rangeOf(p view.Page, chosen timerange.Selection) view.Range {
	to := func(sel timerange.Selection) string { return p.With(sel.Params()...) }
	out := view.Range{
		Past: chosen.Past(), From: chosen.From, To: chosen.To,
		Earlier: to(chosen.Shift(-0.5, p.Now)), Later: to(chosen.Shift(0.5, p.Now)),
		Wider: to(chosen.Widen(p.Now)), Latest: to(chosen.Latest(p.Now)),
		Absolute:      p.With(chosen.Absolute()...),
		FreeTextNames: p.Rest("range", "from", "to"),
	}
	if out.Past {
		const layout = "2006-01-02 15:04"
		from, end := chosen.From.In(p.Zone), chosen.To.In(p.Zone)
		out.Text = from.Format(layout) + " – " + end.Format(layout)
		out.Label = from.Format("2 Jan 15:04") + " – " + end.Format("2 Jan 15:04")
		if from.YearDay() == end.YearDay() && from.Year() == end.Year() {
			out.Label = from.Format("2 Jan 15:04") + " – " + end.Format("15:04")
		}
		out.Short = timerange.Text(chosen.Length().Round(time.Minute))
	} else {
		out.Text = timerange.Text(chosen.Relative)
		out.Short = out.Text
		out.Label = "Last " + view.Span(chosen.Relative)
	}
	for _, preset := range timerange.Presets {
		out.Presets = append(out.Presets, view.Choice{
			Label: preset, Current: !out.Past && out.Text == preset,
			Href: p.With("range", preset, "from", "", "to", ""),
		})
	}
	return out
}

// redirected answers with the short form of an address when a form has sent a longer one, and reports whether it did.
func (s *Server) redirected(w http.ResponseWriter, r *http.Request) bool {
	values := r.URL.Query()
	text := values.Get("range")
	if text == "" || timerange.Canonical(text) {
		return false
	}
	now := s.config.Now()
	chosen, err := timerange.Read(text, now, zoneOf(r, values))
	if err != nil {
		return false // the page says what is wrong
	}
	p := view.Page{Path: r.URL.Path, Query: values}
	http.Redirect(w, r, p.With(chosen.Params()...), http.StatusFound)
	return true
}

func themeOf(r *http.Request) string {
	if c, err := r.Cookie("ll_theme"); err == nil && (c.Value == "dark" || c.Value == "light") {
		return c.Value
	}
	return "auto"
}

// zoneOf is the zone in which the page writes times: the browser's, which its script leaves in a cookie.
func zoneOf(r *http.Request, values url.Values) *time.Location {
	if values.Get("tz") == "utc" {
		return time.UTC
	}
	c, err := r.Cookie("ll_tz")
	if err != nil {
		return time.UTC
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil || name == "Local" || name == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// capital makes a sentence of an error.
func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
