package screen

import (
	"strings"
	"time"

	"loadline/query"
	"loadline/web/view"
)

// KPIs are the key figures of what a series is about.
func KPIs(p view.Page, red *query.REDSeries) []view.KPI {
	now, before := red.Totals, red.Previous
	unit := func(text string) (value, unit string) {
		value, unit, _ = strings.Cut(text, " ")
		return value, unit
	}
	percent := view.ErrorShare(now.ErrorRate, now.Requests)
	failed := view.KPI{ID: "kpi.err", Label: "Error rate", Value: strings.TrimSuffix(percent, "%"), Color: "sp-err", Href: p.Link("/traces", "q", "status = error")}
	if percent != view.None {
		failed.Unit = "%"
	}
	failed.Delta, failed.DeltaClass = delta(now.ErrorRate, before.ErrorRate, now.Requests, before.Requests)
	rates := make([]float64, len(red.Requests))
	for i, v := range red.Requests {
		if v > 0 {
			rates[i] = red.Errors[i] / v
		}
	}
	failed.Spark = view.Spark(closed(red, thinned(rates)))
	requests := view.KPI{ID: "kpi.rate", Label: "Requests", Value: view.Rate(now.RequestRate), Unit: "/s", Color: "sp-rate", Href: p.Link("/services"), Spark: view.Spark(closed(red, thinned(red.Requests)))}
	if now.Requests <= 0 {
		requests.Value, requests.Unit = view.None, ""
	}
	requests.Delta, _ = delta(now.RequestRate, before.RequestRate, now.Requests, before.Requests)
	out := []view.KPI{requests, failed}
	percentile := func(id, name, color string, now50, before50 time.Duration, y []float64) {
		k := view.KPI{ID: id, Label: name + " latency", Color: color, Href: p.Link("/services", "sort", "-"+name), Spark: view.Spark(closed(red, thinned(y)))}
		k.Value, k.Unit = unit(view.Latency(now50, now.Requests))
		k.Delta, k.DeltaClass = delta(float64(now50), float64(before50), now.Requests, before.Requests)
		out = append(out, k)
	}
	percentile("kpi.p50", "p50", "sp-p50", now.P50, before.P50, red.P50)
	percentile("kpi.p95", "p95", "sp-p95", now.P95, before.P95, red.P95)
	percentile("kpi.p99", "p99", "sp-p99", now.P99, before.P99, red.P99)
	if red.Range.Covered() > comparable {
		for i := range out {
			out[i].Delta, out[i].DeltaClass = "over "+view.Span(red.Range.Covered().Round(time.Minute)), ""
		}
	}
	return out
}

// comparable is the longest range that is compared with an hour before: of longer ones most would be the same.
const comparable = 3*time.Hour + time.Minute

// closed drops the newest value of a sparkline when its step has not ended.
func closed(red *query.REDSeries, y []float64) []float64 {
	if columns(red).Open && len(y) > 2 {
		return y[:len(y)-1]
	}
	return y
}

// delta compares with an hour ago, where more is worse.
func delta(now, before, requests, requestsBefore float64) (text, class string) {
	if requests <= 0 {
		return "no requests", ""
	}
	if requestsBefore <= 0 {
		return "nothing 1 h ago", ""
	}
	change := view.Change(now, before)
	switch {
	case before == 0 && now == 0:
		return "as 1 h ago", ""
	case before == 0:
		return "none 1 h ago", "bad"
	case now >= 1.5*before:
		return change + " vs 1 h ago", "bad"
	}
	return change + " vs 1 h ago", ""
}
