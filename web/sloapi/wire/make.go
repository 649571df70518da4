package wire

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/backtest"
	"loadline/slo/budget/forecast"
	"loadline/slo/registry"
	"loadline/slo/spec"
)

// ObjectiveOf is a status as JSON.
func ObjectiveOf(s *slo.Status) Objective {
	out := Objective{
		SLO: s.SLO, Objective: s.Objective, Group: s.Group, Title: s.Title, Description: s.Description, Promise: s.Promise,
		Service: s.Service, Owner: s.Owner, Runbook: s.Runbook, Labels: s.Labels,
		Target: s.Target.String(), TargetRatio: Number(s.Target.Float()),
		Window: s.Window.String(), Rolling: s.Window.Rolling(), Method: s.Method.String(),
		Health: string(s.Health), Evaluated: s.Evaluated, From: s.From, To: s.To, Coverage: Number(s.Coverage),
		Bad: s.Bad, Total: s.Total, Attained: Number(s.Attained), Low: Number(s.Low), High: Number(s.High),
		Left: Number(s.Left), Projected: Number(s.Projected), OneBad: Number(s.OneBad), Burn1h: Number(s.Burn1h),
		Rules: make([]Rule, len(s.Rules)), Trend: Numbers(s.Trend), Problems: s.Problems,
	}
	if s.Exhausted != nil {
		v := Number(s.Exhausted.Seconds())
		out.Exhausted = &v
	}
	for i := range s.Rules {
		out.Rules[i] = ruleOf(&s.Rules[i])
	}
	if b := s.Backfill; b != nil {
		out.Backfill = &Backfill{From: b.From, Done: b.Done, To: b.To, Events: b.Events, Share: Number(b.Share), Problem: b.Problem}
	}
	return out
}

func ruleOf(r *slo.RuleStatus) Rule {
	return Rule{
		Name: r.Name, Severity: r.Severity, State: string(r.State), Since: r.Since,
		Long: window(r.Tier.Long), Short: window(r.Tier.Short), Threshold: Number(r.Threshold), Clamped: r.Clamped,
		BurnLong: Number(r.BurnLong), BurnShort: Number(r.BurnShort),
		BadLong: r.BadLong, TotalLong: r.TotalLong, BadShort: r.BadShort, TotalShort: r.TotalShort,
		Exhausted: Number(r.Exhausted.Seconds()), Reason: r.Reason, Alerts: r.Alerts,
	}
}

// ObjectivesOf are statuses as JSON.
func ObjectivesOf(list []slo.Status) []Objective {
	out := make([]Objective, len(list))
	for i := range list {
		out[i] = ObjectiveOf(&list[i])
	}
	return out
}

// EventOf is an event as JSON.
func EventOf(e *slo.Event) Event {
	return Event{
		SLO: e.SLO, Objective: e.Objective, Group: e.Group, Rule: e.Tier, Severity: e.Severity, State: e.State, At: e.At, Seen: e.Seen,
		BurnLong: Number(e.BurnLong), BurnShort: Number(e.BurnShort), Threshold: Number(e.Threshold),
		BadLong: e.BadLong, TotalLong: e.TotalLong, BadShort: e.BadShort, TotalShort: e.TotalShort,
		Left: Number(e.Left), Coverage: Number(e.Coverage), Reason: e.Reason,
	}
}

// RevisionsOf are revisions as JSON, each compared with the one before, until ctx is done.
func RevisionsOf(ctx context.Context, list []registry.Revision) ([]Revision, error) {
	out := make([]Revision, len(list))
	for i := range list {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("compare revisions: %w", err)
		}
		r := &list[i]
		out[i] = Revision{Revision: r.Revision, At: r.At, Author: r.Author, Source: r.Source, Deleted: r.Deleted, Text: r.Text, Diff: r.Diff()}
	}
	return out, nil
}

// SpendersOf are spenders as JSON.
func SpendersOf(s *indicator.Spenders) Spenders {
	out := Spenders{From: s.From, To: s.To, Bad: s.Bad, Total: s.Total, Covered: Number(s.Covered), Dimensions: make([]Dimension, len(s.Dimensions))}
	for i, d := range s.Dimensions {
		w := Dimension{Name: d.Name, Sampled: d.Sampled, Others: spender(d.Others), Values: make([]Spender, len(d.Values))}
		for j, v := range d.Values {
			w.Values[j] = spender(v)
		}
		out.Dimensions[i] = w
	}
	return out
}

func spender(s indicator.Spender) Spender {
	return Spender{
		Value: s.Value, Bad: s.Bad, Good: s.Good,
		ShareBad: Number(s.ShareBad), ShareGood: Number(s.ShareGood), Lift: Number(s.Lift),
	}
}

// ExampleOf is a bad event as JSON.
func ExampleOf(e indicator.Example) Example {
	return Example{
		TraceID: e.TraceID, SpanID: e.SpanID, Time: e.Time.UTC(), Operation: e.Operation, Version: e.Version,
		Status: e.HTTPStatus, ErrorType: e.ErrorType, Error: e.Error, Slow: e.Slow,
		Seconds: Number(e.Duration.Seconds()), Instance: e.Instance, URL: "/traces/" + e.TraceID + "?span=" + e.SpanID,
	}
}

// SuggestionOf is a suggestion as JSON.
func SuggestionOf(s indicator.Suggestion) Suggestion {
	seconds := func(d time.Duration) Number { return Number(d.Seconds()) }
	return Suggestion{
		Env: s.Env, Service: s.Service, Operation: s.Operation, Requests: Number(s.Requests),
		Availability: Number(s.Availability), AvailabilityTarget: s.AvailabilityTarget,
		Threshold: seconds(s.Threshold), Fast: Number(s.Fast), LatencyTarget: s.LatencyTarget,
		P50: seconds(s.P50), P95: seconds(s.P95), P99: seconds(s.P99),
	}
}

// CorrectionOf is a correction as JSON.
func CorrectionOf(c slo.Correction) Correction {
	return Correction{
		ID: c.ID, From: c.From.UTC(), To: c.To.UTC(), Reason: c.Reason, Author: c.Author, At: c.At.UTC(), Withdrawn: c.Withdrawn,
	}
}

// window is the length of a window as rules are spoken of: 90s, 5m, 6h or 3d.
func window(d time.Duration) string {
	for _, u := range []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if d >= u.length && d%u.length == 0 {
			return strconv.FormatInt(int64(d/u.length), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(math.Round(d.Seconds())), 10) + "s"
}

// BudgetOf is a chart as JSON.
func BudgetOf(c *slo.BudgetChart) Budget {
	return Budget{From: c.From.UTC(), Step: Number(c.Step.Seconds()), Left: Numbers(c.Left), Even: Numbers(c.Even), Incidents: incidents(c.Incidents)}
}

// BurnOf is a chart as JSON.
func BurnOf(c *slo.BurnChart) Burn {
	out := Burn{From: c.From.UTC(), Step: Number(c.Step.Seconds()), Lines: make([]Line, len(c.Lines))}
	for i, l := range c.Lines {
		out.Lines[i] = Line{Window: window(l.Window), Values: Numbers(l.Values)}
	}
	return out
}

// ForecastOf is a forecast as JSON.
func ForecastOf(f forecast.Forecast) Forecast {
	out := Forecast{Points: make([]Future, len(f.Points)), Exhausted: f.Exhausted, Earliest: f.Earliest, Latest: f.Latest, Reason: f.Reason}
	for i, p := range f.Points {
		out.Points[i] = Future{At: unix(p.At), Left: Number(p.Left), Low: Number(p.Low), High: Number(p.High)}
	}
	return out
}

func incidents(list []backtest.Incident) []Incident {
	out := make([]Incident, len(list))
	for i, n := range list {
		out[i] = Incident{From: unix(n.From), To: unix(n.To), Bad: n.Bad, Total: n.Total, Caught: n.Caught, Delay: Number(n.Delay.Seconds())}
	}
	return out
}

func unix(t int64) time.Time { return time.Unix(t, 0).UTC() }

// BacktestOf is what an objective would have done as JSON.
func BacktestOf(s *spec.SLO, o *spec.Objective, p *slo.Preview, from, to time.Time) Backtest {
	out := Backtest{
		SLO: s.Name, Objective: o.Name, Promise: spec.Promise(s, o), Target: o.Target.String(), From: from, To: to,
		Bad: p.Bad, Total: p.Total, Attained: Number(p.Attained), Left: Number(p.Left), Coverage: Number(p.Coverage),
		Pages: p.Pages, Tickets: p.Tickets, PagesPerWeek: Number(p.PagesPerWeek), TicketsPerWeek: Number(p.TicketsPerWeek),
		Alerting: Number(p.Alerting.Seconds()), Caught: p.Caught, Delay: Number(p.Delay.Seconds()), False: p.False,
		Tightest: Number(p.Tightest), Events: make([]Event, len(p.Events)), Incidents: incidents(p.Incidents),
		Points: make([]Point, len(p.Points)),
		Quality: &Quality{
			Source: string(p.Quality.Source), From: p.Quality.From.UTC(), Resolution: Number(p.Quality.Resolution.Seconds()),
			Approximate: p.Quality.Approximate, BadLow: p.Quality.BadLow, BadHigh: p.Quality.BadHigh, Spans: p.Quality.Spans,
		},
	}
	if p.Caught == 0 {
		out.Delay = Number(math.NaN())
	}
	for i, c := range p.Events {
		out.Events[i] = Event{
			SLO: s.Name, Objective: o.Name, Rule: c.Tier, Severity: string(c.Severity), State: c.State, At: unix(c.At), Seen: unix(c.At),
			BurnLong: Number(c.BurnLong), BurnShort: Number(c.BurnShort), Threshold: Number(c.Threshold),
			BadLong: c.BadLong, TotalLong: c.TotalLong, BadShort: c.BadShort, TotalShort: c.TotalShort,
			Left: Number(c.Left), Coverage: Number(c.Coverage), Reason: c.Reason,
		}
	}
	for _, c := range p.Grid {
		cell := Cell{
			Target: c.Target.String(), Policy: c.Preset, PagesPerWeek: Number(c.PagesPerWeek), TicketsPerWeek: Number(c.TicketsPerWeek),
			Caught: c.Caught, Delay: Number(c.Delay.Seconds()), False: c.False, Left: Number(c.Left),
		}
		if c.Caught == 0 {
			cell.Delay = Number(math.NaN())
		}
		out.Grid = append(out.Grid, cell)
	}
	for i, at := range p.Points {
		out.Points[i] = Point{At: unix(at.At), Left: Number(at.Left), BurnLong: Number(at.BurnLong), BurnShort: Number(at.BurnShort)}
	}
	return out
}

// ReportOf is a report as JSON.
func ReportOf(r *slo.Report) Report {
	out := Report{SLO: r.SLO, Title: r.Title, From: r.From, To: r.To, Objectives: make([]ReportObjective, len(r.Objectives)), Corrections: []Correction{}}
	for i := range r.Objectives {
		o := &r.Objectives[i]
		row := ReportObjective{
			Objective: o.Objective, Promise: o.Promise, Target: o.Target.String(), Bad: o.Bad, Total: o.Total,
			Attained: Number(o.Attained), Left: Number(o.Left), Coverage: Number(o.Coverage), Met: o.Met,
			Days: make([]ReportDay, len(o.Days)), Events: make([]Event, len(o.Events)),
		}
		for j, d := range o.Days {
			row.Days[j] = ReportDay{Day: d.Day.Format(time.DateOnly), Bad: d.Bad, Total: d.Total, Attained: Number(d.Attained), Spent: Number(d.Spent)}
		}
		for j := range o.Events {
			row.Events[j] = EventOf(&o.Events[j])
		}
		out.Objectives[i] = row
	}
	for _, c := range r.Corrections {
		out.Corrections = append(out.Corrections, CorrectionOf(c))
	}
	return out
}

// Records has a row for each day and one, without a day, for the month.
func Records(r *Report) [][]string {
	rows := [][]string{{"slo", "objective", "target", "day", "bad", "total", "attained", "budget_spent", "budget_left", "met", "coverage"}}
	share := func(n Number) string {
		if math.IsNaN(float64(n)) {
			return ""
		}
		return strconv.FormatFloat(float64(n), 'g', -1, 64)
	}
	for i := range r.Objectives {
		o := &r.Objectives[i]
		for _, d := range o.Days {
			rows = append(rows, []string{r.SLO, o.Objective, o.Target, d.Day, count(d.Bad), count(d.Total), share(d.Attained), share(d.Spent), "", "", ""})
		}
		rows = append(rows, []string{
			r.SLO, o.Objective, o.Target, "", count(o.Bad), count(o.Total), share(o.Attained), share(1 - o.Left), share(o.Left),
			strconv.FormatBool(o.Met), share(o.Coverage),
		})
	}
	return rows
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }
