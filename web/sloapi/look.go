package sloapi

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"time"

	"loadline/slo"
	"loadline/slo/registry"
	"loadline/slo/spec"
	"loadline/web/sloapi/wire"
)

// everything stands for all SLOs in the address of events. No SLO can have that name.
const everything = "-"

// events answers what rules did and why.
func (a *API) events(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := r.URL.Query()
	f := slo.EventFilter{}
	if r.PathValue("name") != everything {
		s, err := a.find(r)
		if err != nil {
			return nil, err
		}
		f.Ref = slo.Ref{SLO: s.Name, Objective: q.Get("objective"), Group: q.Get("group")}
		if f.Objective != "" {
			if _, err := a.reference(r); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if f.From, f.To, err = span(r, a.cfg.Now(), 30*day); err != nil {
		return nil, err
	}
	if f.Limit, err = number(r, "limit", 1, 10_000, 1000); err != nil {
		return nil, err
	}
	list, err := a.cfg.Engine.Events(r.Context(), f)
	if err != nil {
		return nil, err
	}
	out := make([]wire.Event, len(list))
	for i := range list {
		out[i] = wire.EventOf(&list[i])
	}
	return out, nil
}

// forecast answers how a budget is likely to go on.
func (a *API) forecast(_ http.ResponseWriter, r *http.Request) (any, error) {
	ref, err := a.reference(r)
	if err != nil {
		return nil, err
	}
	f, err := a.cfg.Engine.Forecast(r.Context(), ref)
	if err != nil {
		return nil, err
	}
	return wire.ForecastOf(f), nil
}

// maxBacktests is how many objectives a request may try.
const maxBacktests = 20

// backtest answers what definitions would have done: those that are sent, or one that is in force.
func (a *API) backtest(w http.ResponseWriter, r *http.Request) (any, error) {
	all, err := a.tried(w, r)
	if err != nil {
		return nil, err
	}
	out := []wire.Backtest{}
	only := r.URL.Query().Get("objective")
	for _, s := range all {
		for i := range s.Objectives {
			o := &s.Objectives[i]
			if only != "" && o.Name != only {
				continue
			}
			if len(out) == maxBacktests {
				return nil, invalid("more than %d objectives: try them in parts", maxBacktests)
			}
			from, to, err := span(r, a.cfg.Now(), o.Window.Nominal())
			if err != nil {
				return nil, err
			}
			p, err := a.cfg.Engine.Preview(r.Context(), s, i, from, to, true)
			if err != nil {
				return nil, fmt.Errorf("try objective %q of %q: %w", o.Name, s.Name, err)
			}
			out = append(out, wire.BacktestOf(&s, o, &p, from, to))
		}
	}
	if len(out) == 0 {
		return nil, invalid("there is no objective %q to try", only)
	}
	return out, nil
}

// tried are the SLOs of a request.
func (a *API) tried(w http.ResponseWriter, r *http.Request) ([]spec.SLO, error) {
	text, err := body(w, r)
	if err != nil {
		return nil, err
	}
	name := r.URL.Query().Get("slo")
	switch {
	case name != "" && strings.TrimSpace(text) != "":
		return nil, invalid("the parameter slo and a body both say what to try: want one of them")
	case name != "":
		s, ok := a.cfg.Engine.SLO(name)
		if !ok {
			return nil, unknown(name)
		}
		return []spec.SLO{s}, nil
	}
	// What the text refers to may be in force already.
	report, err := a.cfg.Engine.Registry().Apply(r.Context(), a.cfg.Now(), registry.Change{Author: author(r), Source: source, Text: text, DryRun: true})
	switch {
	case err != nil:
		return nil, err
	case report.Refused:
		return nil, refused(report.Problems)
	case len(report.SLOs) == 0:
		return nil, invalid("the text defines no SLO")
	}
	return report.SLOs, nil
}

// report answers how an SLO did in a month.
func (a *API) report(w http.ResponseWriter, r *http.Request) (any, error) {
	s, err := a.find(r)
	if err != nil {
		return nil, err
	}
	month := a.cfg.Now().UTC()
	if text := r.URL.Query().Get("month"); text != "" {
		if month, err = time.Parse("2006-01", text); err != nil {
			return nil, invalid("parameter %q: cannot use %q: want a month such as 2026-11", "month", text)
		}
	}
	format := r.URL.Query().Get("format")
	if format != "" && format != "json" && format != "csv" {
		return nil, invalid("parameter %q: cannot use %q: want json or csv", "format", format)
	}
	found, err := a.cfg.Engine.Report(r.Context(), s.Name, month)
	if err != nil {
		return nil, err
	}
	out := wire.ReportOf(&found)
	if format != "csv" {
		return out, nil
	}
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(wire.Records(&out)); err != nil {
		return nil, fmt.Errorf("write CSV: %w", err)
	}
	document(w, "text/csv; charset=utf-8", s.Name+"-"+month.Format("2006-01")+".csv", []byte(b.String()))
	return nil, nil
}
