package param

import (
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestTime(t *testing.T) {
	f := func(s string, want time.Time) {
		t.Helper()
		got, fail := Time(url.Values{"time": {s}}, "time", time.Unix(7, 0))
		if fail != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v, want %v", s, got, fail, want)
		}
	}
	f("", time.Unix(7, 0))
	f("4", time.Unix(4, 0))
	f("-4.5", time.Unix(-5, 5e8))
	f("1543578564.705", time.Unix(1543578564, 705e6))
	f("1543578564.7050001", time.Unix(1543578564, 705e6))
	f("1e3", time.Unix(1000, 0))
	f("2018-11-30T11:49:24.705Z", time.Unix(1543578564, 705e6))
	f("2018-11-30T12:49:24+01:00", time.Unix(1543578564, 0))
	f("-292273086-05-16T16:47:06Z", minTime)
	f("292277025-08-18T07:12:54.999999999Z", maxTime)
	if _, fail := Time(url.Values{"time": {"yesterday"}}, "time", time.Time{}); fail == nil || fail.Kind.Code() != 400 {
		t.Error("yesterday is a time")
	}
}

func TestDuration(t *testing.T) {
	f := func(s string, want time.Duration) {
		t.Helper()
		if got, err := Duration(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	f("15", 15*time.Second)
	f("0.5", 500*time.Millisecond)
	f("-1", -time.Second)
	f("5m", 5*time.Minute)
	f("1h30m", 90*time.Minute)
	for _, s := range []string{"", "x", "NaN", "Inf", "-1e300", "9223372036.854775808", "5 m", "1.5h"} {
		if d, err := Duration(s); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
}

func TestTimeout(t *testing.T) {
	f := func(s string, want time.Duration) {
		t.Helper()
		if got, fail := Timeout(url.Values{"timeout": {s}}, time.Minute); fail != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, fail, want)
		}
	}
	f("", time.Minute)
	f("10", 10*time.Second)
	f("1h", time.Minute)
}

func TestHintLimit(t *testing.T) {
	for limit, want := range map[int]int{0: 0, 1: 2, math.MaxInt: math.MaxInt} {
		if got := HintLimit(limit); got != want {
			t.Errorf("%d: got %d, want %d", limit, got, want)
		}
	}
}

func TestNodes(t *testing.T) {
	f := func(s string, want int) {
		t.Helper()
		if got := nodes(s, 10); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
	f("", 0)
	f("up", 0)
	f(`sum(rate(x.y{a="((("}[5m])) / 2 and ünï > -.5`, 6)
	f(strings.Repeat("(", 100), 11)
	f("((((§§((((", 8)
}

// FuzzParameters looks for parameters that crash or are outside of what is promised.
func FuzzParameters(f *testing.F) {
	f.Add("1", "2", "3", "1m", "10", `up{a="b"}`)
	f.Add("2018-11-30T11:49:24.705Z", "1e18", "NaN", "0.0000001", "-1", `{__name__=~".*"}`)
	f.Add("", "Inf", "1e-300", "-5", "99999999999999999999", "up[5m")
	p := parser.NewParser(parser.Options{EnableUnquotedUTF8Names: true})
	f.Fuzz(func(t *testing.T, start, end, step, timeout, limit, query string) {
		form := url.Values{"start": {start}, "end": {end}, "step": {step}, "timeout": {timeout}, "limit": {limit}, "query": {query}, "match[]": {query}}
		if s, fail := ParseSteps(form); fail == nil && (s.Step < time.Millisecond || s.End.Before(s.Start) || s.End.Sub(s.Start)/s.Step > maxPoints) {
			t.Errorf("steps %+v", s)
		}
		if d, fail := Timeout(form, time.Minute); fail == nil && (d <= 0 || d > time.Minute) {
			t.Errorf("timeout %v", d)
		}
		if n, fail := Limit(form); fail == nil && n < 0 {
			t.Errorf("limit %d", n)
		}
		if sets, err := Matchers(p, form["match[]"]); err == nil && (len(sets) != 1 || !selective(sets[0])) {
			t.Errorf("selectors %v", sets)
		}
		if _, _, fail := Range(form); fail != nil && fail.Kind.Code() != 400 {
			t.Errorf("range: %v", fail)
		}
		if s, fail := Query(form); fail == nil && s != query {
			t.Errorf("query %q", s)
		}
	})
}
