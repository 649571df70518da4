package panel

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"loadline/query/filter"
	"loadline/query/rollup"
	"loadline/web/timerange"
	"loadline/web/view"
)

// A Scope is what a panel is about. Its text is part of the names of topics and of cached answers.
type Scope struct {
	Env, Service, Operation string
	From, To                int64  // unix seconds of a fixed range
	Length                  string // of a range that ends now
	Sort                    string
	Zone                    string // utc, or "" for the browser's
	Wide                    bool   // with more rows or columns
}

// ScopeOf is the scope of a page.
func ScopeOf(p view.Page) Scope {
	sc := Scope{Env: p.Env, Sort: p.Query.Get("sort")}
	if p.Query.Get("tz") == "utc" {
		sc.Zone = "utc"
	}
	if p.Range.Past {
		sc.From, sc.To = p.Range.From.Unix(), p.Range.To.Unix()
	} else {
		sc.Length = p.Range.Text
	}
	return sc
}

// Key names a panel of the scope.
func (sc Scope) Key(panel string) string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("env", sc.Env)
	set("service", sc.Service)
	set("operation", sc.Operation)
	set("range", sc.Length)
	set("sort", sc.Sort)
	set("tz", sc.Zone)
	if sc.To > 0 {
		set("from", strconv.FormatInt(sc.From, 10))
		set("to", strconv.FormatInt(sc.To, 10))
	}
	if sc.Wide {
		set("wide", "1")
	}
	return panel + "?" + v.Encode()
}

// longest is the most seconds that a fixed range has.
const longest = 401 * 24 * 3600

// parseScope reads what Key has written. It comes back from browsers.
func parseScope(key string) (panel string, sc Scope, ok bool) {
	panel, rest, _ := strings.Cut(key, "?")
	v, err := url.ParseQuery(rest)
	if err != nil {
		return "", Scope{}, false
	}
	sc = Scope{
		Env: v.Get("env"), Service: v.Get("service"), Operation: v.Get("operation"),
		Length: v.Get("range"), Sort: v.Get("sort"), Zone: v.Get("tz"), Wide: v.Get("wide") != "",
	}
	sc.From, _ = strconv.ParseInt(v.Get("from"), 10, 64)
	sc.To, _ = strconv.ParseInt(v.Get("to"), 10, 64)
	if sc.Length == "" {
		return panel, sc, sc.From > 0 && sc.From < sc.To && sc.To-sc.From <= longest
	}
	return panel, sc, timerange.Canonical(sc.Length) && sc.To == 0
}

// maxPoints is how many steps a chart has at most.
const maxPoints = 180

// Range is the scope's range at a moment.
func (sc Scope) Range(now time.Time) rollup.Range {
	if sc.To > 0 {
		return rollup.NewRange(time.Unix(sc.From, 0), time.Unix(sc.To, 0), maxPoints)
	}
	chosen, err := timerange.Read(sc.Length, now, time.UTC)
	if err != nil {
		chosen = timerange.Selection{From: now.Add(-timerange.Default), To: now}
	}
	return rollup.NewRange(chosen.From, chosen.To, maxPoints)
}

// Selector selects the telemetry of the scope.
func (sc Scope) Selector() filter.Selector {
	return filter.Selector{Env: sc.Env, Service: sc.Service, Operation: sc.Operation}
}

// every is how often a panel over the range is worth computing.
func (sc Scope) every() time.Duration {
	if sc.To > 0 {
		return 0
	}
	switch length := sc.Range(time.Unix(0, 0)).Covered(); {
	case length <= 15*time.Minute:
		return time.Second
	case length <= time.Hour:
		return 2 * time.Second
	case length <= 6*time.Hour:
		return 15 * time.Second
	default:
		return time.Minute
	}
}

// Keep is how long an answer over the range may be used again.
func (sc Scope) Keep() time.Duration {
	if sc.To > 0 {
		return 30 * time.Second
	}
	return sc.every() * 9 / 10
}

// links is a page that only makes links, for markup that is pushed.
func (sc Scope) links(b *Board) view.Page {
	v := url.Values{}
	for name, value := range map[string]string{"env": sc.Env, "range": sc.Length, "tz": sc.Zone} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if sc.Length == timerange.Text(timerange.Default) {
		v.Del("range")
	}
	now := b.config.Now()
	r := sc.Range(now)
	return view.Page{Query: v, Now: now, Env: sc.Env, Range: view.Range{From: r.From, To: r.Until}}
}
