package sloapi

import (
	"math"
	"strconv"
	"time"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/slo/registry"
	"loadline/web/sloapi/wire"
)

// objective is a status as JSON.
func objective(s *slo.Status) wire.Objective {
	out := wire.Objective{
		SLO: s.SLO, Objective: s.Objective, Group: s.Group, Title: s.Title, Description: s.Description, Promise: s.Promise,
		Service: s.Service, Owner: s.Owner, Runbook: s.Runbook, Labels: s.Labels,
		Target: s.Target.String(), TargetRatio: wire.Number(s.Target.Float()),
		Window: s.Window.String(), Rolling: s.Window.Rolling(), Method: s.Method.String(),
		Health: string(s.Health), Evaluated: s.Evaluated, From: s.From, To: s.To, Coverage: wire.Number(s.Coverage),
		Bad: s.Bad, Total: s.Total, Attained: wire.Number(s.Attained), Low: wire.Number(s.Low), High: wire.Number(s.High),
		Left: wire.Number(s.Left), Projected: wire.Number(s.Projected), OneBad: wire.Number(s.OneBad), Burn1h: wire.Number(s.Burn1h),
		Rules: make([]wire.Rule, len(s.Rules)), Trend: wire.Numbers(s.Trend), Problems: s.Problems,
	}
	if s.Exhausted != nil {
		v := wire.Number(s.Exhausted.Seconds())
		out.Exhausted = &v
	}
	for i := range s.Rules {
		out.Rules[i] = ruleOf(&s.Rules[i])
	}
	if b := s.Backfill; b != nil {
		out.Backfill = &wire.Backfill{From: b.From, Done: b.Done, To: b.To, Events: b.Events, Share: wire.Number(b.Share), Problem: b.Problem}
	}
	return out
}

func ruleOf(r *slo.RuleStatus) wire.Rule {
	return wire.Rule{
		Name: r.Name, Severity: r.Severity, State: string(r.State), Since: r.Since,
		Long: window(r.Tier.Long), Short: window(r.Tier.Short), Threshold: wire.Number(r.Threshold), Clamped: r.Clamped,
		BurnLong: wire.Number(r.BurnLong), BurnShort: wire.Number(r.BurnShort),
		BadLong: r.BadLong, TotalLong: r.TotalLong, BadShort: r.BadShort, TotalShort: r.TotalShort,
		Exhausted: wire.Number(r.Exhausted.Seconds()), Reason: r.Reason, Alerts: r.Alerts,
	}
}

func objectives(list []slo.Status) []wire.Objective {
	out := make([]wire.Objective, len(list))
	for i := range list {
		out[i] = objective(&list[i])
	}
	return out
}

func event(e *slo.Event) wire.Event {
	return wire.Event{
		SLO: e.SLO, Objective: e.Objective, Group: e.Group, Rule: e.Tier, Severity: e.Severity, State: e.State, At: e.At, Seen: e.Seen,
		BurnLong: wire.Number(e.BurnLong), BurnShort: wire.Number(e.BurnShort), Threshold: wire.Number(e.Threshold),
		BadLong: e.BadLong, TotalLong: e.TotalLong, BadShort: e.BadShort, TotalShort: e.TotalShort,
		Left: wire.Number(e.Left), Coverage: wire.Number(e.Coverage), Reason: e.Reason,
	}
}

func revisions(list []registry.Revision) []wire.Revision {
	out := make([]wire.Revision, len(list))
	for i, r := range list {
		out[i] = wire.Revision{Revision: r.Revision, At: r.At, Author: r.Author, Source: r.Source, Deleted: r.Deleted, Text: r.Text, Diff: r.Diff}
	}
	return out
}

func spendersOf(s *indicator.Spenders) wire.Spenders {
	out := wire.Spenders{From: s.From, To: s.To, Bad: s.Bad, Total: s.Total, Covered: wire.Number(s.Covered), Dimensions: make([]wire.Dimension, len(s.Dimensions))}
	for i, d := range s.Dimensions {
		w := wire.Dimension{Name: d.Name, Sampled: d.Sampled, Others: spender(d.Others), Values: make([]wire.Spender, len(d.Values))}
		for j, v := range d.Values {
			w.Values[j] = spender(v)
		}
		out.Dimensions[i] = w
	}
	return out
}

func spender(s indicator.Spender) wire.Spender {
	return wire.Spender{
		Value: s.Value, Bad: s.Bad, Good: s.Good,
		ShareBad: wire.Number(s.ShareBad), ShareGood: wire.Number(s.ShareGood), Lift: wire.Number(s.Lift),
	}
}

func example(e indicator.Example) wire.Example {
	return wire.Example{
		TraceID: e.TraceID, SpanID: e.SpanID, Time: e.Time.UTC(), Operation: e.Operation, Version: e.Version,
		Status: e.HTTPStatus, ErrorType: e.ErrorType, Error: e.Error, Slow: e.Slow,
		Seconds: wire.Number(e.Duration.Seconds()), Instance: e.Instance, URL: "/traces/" + e.TraceID + "?span=" + e.SpanID,
	}
}

func suggestion(s indicator.Suggestion) wire.Suggestion {
	seconds := func(d time.Duration) wire.Number { return wire.Number(d.Seconds()) }
	return wire.Suggestion{
		Env: s.Env, Service: s.Service, Operation: s.Operation, Requests: wire.Number(s.Requests),
		Availability: wire.Number(s.Availability), AvailabilityTarget: s.AvailabilityTarget,
		Threshold: seconds(s.Threshold), Fast: wire.Number(s.Fast), LatencyTarget: s.LatencyTarget,
		P50: seconds(s.P50), P95: seconds(s.P95), P99: seconds(s.P99),
	}
}

func correction(c slo.Correction) wire.Correction {
	return wire.Correction{
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
