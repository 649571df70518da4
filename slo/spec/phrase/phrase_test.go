package phrase

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/spec"
)

// refused checks that a sentence is not understood, and that the error says why and how to write it.
func refused(t *testing.T, text string, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Message == "" || e.Remedy == "" {
		t.Errorf("%q: %v", text, err)
	}
}

func TestDuration(t *testing.T) {
	f := func(text string, want time.Duration, written string) {
		t.Helper()
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if got := FormatDuration(want); got != written {
			t.Errorf("%q is written %q, not %q", text, got, written)
		}
		if again, err := ParseDuration(written); err != nil || again != want {
			t.Errorf("%q: %v, %v", written, again, err)
		}
	}
	f("400ms", 400*time.Millisecond, "400ms")
	f("400 ms", 400*time.Millisecond, "400ms")
	f("1.5 s", 1500*time.Millisecond, "1.5s")
	f("0.1s", 100*time.Millisecond, "100ms")
	f("59.000000001s", 59*time.Second+1, "59.000000001s")
	f("90 Minutes", 90*time.Minute, "1h30m")
	f("1h 30m", 90*time.Minute, "1h30m")
	f("30 days", 30*budget.Day, "30d")
	f("4w", 28*budget.Day, "28d")
	f("250us", 250*time.Microsecond, "250us")
	f("3ns", 3, "3ns")
	for _, text := range []string{"", "5", "s", "5x", "-5s", "1 month", "2 years", "0s", "0.1ns", "9999999w", "1..5s", "5 s 3"} {
		_, err := ParseDuration(text)
		refused(t, text, err)
	}
}

func TestGood(t *testing.T) {
	f := func(text string, want sli.Bad, written string) {
		t.Helper()
		got, err := ParseGood(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
		if got := FormatGood(got); got != written {
			t.Errorf("%q is written %q, not %q", text, got, written)
		}
		if again, err := ParseGood(written); err != nil || !cmp.Equal(again, want) {
			t.Errorf("%q: %v, %v", written, again, err)
		}
	}
	f("no errors", sli.Bad{Errors: true}, "no errors")
	f("Without Errors", sli.Bad{Errors: true}, "no errors")
	f("within 400ms", sli.Bad{Slower: 400 * time.Millisecond}, "within 400ms")
	f("faster than 2 seconds", sli.Bad{Slower: 2 * time.Second}, "within 2s")
	f("no errors and within 400 ms", sli.Bad{Errors: true, Slower: 400 * time.Millisecond}, "no errors and within 400ms")
	f("under 400ms without errors", sli.Bad{Errors: true, Slower: 400 * time.Millisecond}, "no errors and within 400ms")
	f("no errors, no 429, within 1s", sli.Bad{Errors: true, HTTP: []string{"429"}, Slower: time.Second}, "no errors or 429 and within 1s")
	f("no 5XX, 429 or unavailable", sli.Bad{HTTP: []string{"5xx", "429"}, GRPC: []string{"UNAVAILABLE"}}, "no 5xx, 429 or UNAVAILABLE")
	f("no errors or errors", sli.Bad{Errors: true}, "no errors")
	for _, text := range []string{
		"", "errors", "no", "no errors and", "good", "within", "within 400", "within 1s and within 2s", "no errors or within 1s",
		"no 42", "no 700", "no 6xx", "no problem", "no errors but slow",
	} {
		_, err := ParseGood(text)
		refused(t, text, err)
	}
}

func TestWhere(t *testing.T) {
	f := func(text string, want ...sli.Matcher) {
		t.Helper()
		got, err := ParseWhere(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
		if again, err := ParseWhere(FormatWhere(got)); err != nil || !cmp.Equal(again, want) {
			t.Errorf("%q: %v, %v", FormatWhere(got), again, err)
		}
	}
	f("http.route = /v1/checkout", sli.Matcher{Key: "http.route", Op: "=", Value: "/v1/checkout"})
	f(`a != "x \"y\"" AND b =~ c.* d !~ ""`, sli.Matcher{Key: "a", Op: "!=", Value: `x "y"`}, sli.Matcher{Key: "b", Op: "=~", Value: "c.*"}, sli.Matcher{Key: "d", Op: "!~"})
	f("tenant exists", sli.Matcher{Key: "tenant", Op: "!="})
	f("tenant !exists", sli.Matcher{Key: "tenant", Op: "="})
	f("service.version = 2 && status = error", sli.Matcher{Key: "version", Op: "=", Value: "2"}, sli.Matcher{Key: "status", Op: "=", Value: "error"})
	f("operation != /health", sli.Matcher{Key: "operation", Op: "!=", Value: "/health"})
	for _, text := range []string{
		"", "a", "a =", `a = "x`, "a > 5", "duration > 1s", "service = x", "env = x", "kind = server", "error = true", "status = 5xx",
		"a =~ (", "trace_id = 00",
	} {
		_, err := ParseWhere(text)
		refused(t, text, err)
	}
}

func share(text string) budget.Target {
	target, err := budget.ParsePercent(text)
	if err != nil {
		panic(err)
	}
	return target
}

func TestGoal(t *testing.T) {
	days := func(n int) budget.Window { return budget.Window{Length: time.Duration(n) * budget.Day} }
	each := func(n int, unit budget.Unit, start, zone string) budget.Window {
		at, err := time.Parse(time.DateTime, start)
		if err != nil {
			t.Fatal(err)
		}
		return budget.Window{Calendar: &budget.Calendar{Start: at, Zone: zone, N: n, Unit: unit}}
	}
	const begin = "2024-01-01 00:00:00"
	f := func(text string, want Goal, written string) {
		t.Helper()
		got, err := ParseGoal(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
		if got.String() != written {
			t.Errorf("%q is written %q, not %q", text, got, written)
		}
		if again, err := ParseGoal(written); err != nil || !cmp.Equal(again, want) {
			t.Errorf("%q: %v, %v", written, again, err)
		}
	}
	f("99.9%", Goal{Target: share("99.9"), Window: days(30)}, "99.9% over 30 days")
	f("99.9 over 4 weeks", Goal{Target: share("99.9"), Window: days(28)}, "99.9% over 28 days")
	f("99.9% of requests over 30d", Goal{Target: share("99.9"), Window: days(30)}, "99.9% over 30 days")
	f("99% of the time over 36 hours", Goal{Target: share("99"), Window: budget.Window{Length: 36 * time.Hour}}, "99% over 36 hours")
	f("0.5% over 1 day", Goal{Target: share("0.5"), Window: days(1)}, "0.5% over 1 day")
	f("99.95% of minutes over 90 days", Goal{share("99.95"), budget.Timeslices, time.Minute, days(90)}, "99.95% of minutes over 90 days")
	f("99% of 5 minutes over 30 days", Goal{share("99"), budget.Timeslices, 5 * time.Minute, days(30)}, "99% of 5-minute slices over 30 days")
	f("99% of 10-second slices", Goal{share("99"), budget.Timeslices, 10 * time.Second, days(30)}, "99% of 10-second slices over 30 days")
	f("99% of hours over 30 days", Goal{share("99"), budget.Timeslices, time.Hour, days(30)}, "99% of hours over 30 days")
	f("99% on average of minutes over 30 days", Goal{share("99"), budget.RatioTimeslices, time.Minute, days(30)}, "99% on average of minutes over 30 days")
	f("99.9% each month", Goal{Target: share("99.9"), Window: each(1, 'M', begin, "UTC")}, "99.9% each month")
	f("99.9% per Month in Europe/Berlin", Goal{Target: share("99.9"), Window: each(1, 'M', begin, "Europe/Berlin")}, "99.9% each month in Europe/Berlin")
	f("99.9% every 2 weeks from 2026-01-05", Goal{Target: share("99.9"), Window: each(2, 'w', "2026-01-05 00:00:00", "UTC")}, "99.9% each 2 weeks from 2026-01-05")
	f("99.9% of minutes each quarter from 2026-02-01 06:30:00 in America/New_York",
		Goal{share("99.9"), budget.Timeslices, time.Minute, each(1, 'Q', "2026-02-01 06:30:00", "America/New_York")},
		"99.9% of minutes each quarter from 2026-02-01 06:30:00 in America/New_York")
	for _, text := range []string{
		"", "over 30 days", "100%", "0.999", "0.999 over 30 days", "-1%", "99.9% over", "99.9% over a month", "99.9% over 1 month",
		"99.9% in 30 days", "99.9% over 30 minutes", "99.9% over 2 years", "99.9% each", "99.9% each fortnight", "99.9% each month in",
		"99.9% each month in Berlin", "99.9% each month from today", "99.9% each month at noon", "99.9% of fortnights over 30 days",
		"99.9% on average over 30 days", "99.9% 30d", "99.12345678%", "99.9% each 3 years",
	} {
		_, err := ParseGoal(text)
		refused(t, text, err)
	}
}

func TestSlices(t *testing.T) {
	f := func(text, target string, empty budget.Empty, written string) {
		t.Helper()
		got, gotEmpty, err := ParseSlices(text)
		if err != nil || got.String() != target && target != "" || gotEmpty != empty {
			t.Errorf("%q: %v, %v, %v", text, got, gotEmpty, err)
		}
		if got := FormatSlices(got, gotEmpty); got != written {
			t.Errorf("%q is written %q, not %q", text, got, written)
		}
	}
	f("good at 95%", "95%", budget.EmptyIgnored, "good at 95%")
	f("Good at  99.5%, bad when empty", "99.5%", budget.EmptyBad, "good at 99.5%, bad when empty")
	f("good at 100%, ignored when empty", "100%", budget.EmptyIgnored, "good at 100%")
	f("good when empty", "", budget.EmptyGood, "good when empty")
	for _, text := range []string{"", "95%", "good at 0%", "good at 101%", "good at 95%, never empty"} {
		_, _, err := ParseSlices(text)
		refused(t, text, err)
	}
}

func TestRule(t *testing.T) {
	f := func(text string, want budget.Tier, written string) {
		t.Helper()
		got, err := ParseRule(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if got := FormatRule(want); got != written {
			t.Errorf("%q is written %q, not %q", text, got, written)
		}
	}
	fast := budget.Tier{Name: "page-1h", Severity: budget.Page, Long: time.Hour, Short: 5 * time.Minute, Burn: budget.NewRatio(72, 5)}
	f("page at 14.4x over 1h and 5m", fast, "page at 14.4x over 1h and 5m")
	f(" Page when 14.4 times over 1 hour and 5 minutes ", fast, "page at 14.4x over 1h and 5m")
	slow := budget.Tier{Name: "ticket-3d", Severity: budget.Ticket, Long: 3 * budget.Day, Short: 6 * time.Hour, Burn: budget.NewRatio(1, 1), For: 10 * time.Minute}
	f("ticket at 1x over 3d and 6h for 10m", slow, "ticket at 1x over 3d and 6h for 10m")
	for _, text := range []string{
		"", "page", "page 14.4x over 1h and 5m", "call at 1x over 1h and 5m", "page at 1.12345678x over 1h and 5m", "page at 1x over 1h",
		"page at 1x over 1 month and 5m", "page at 1x over 1h and soon", "page at 1x over 1h and 5m for ever",
	} {
		_, err := ParseRule(text)
		refused(t, text, err)
	}
}

func TestPreset(t *testing.T) {
	month := budget.Window{Length: 30 * budget.Day}
	f := func(text, name, written string, tiers int) {
		t.Helper()
		got, policy, err := ParsePreset(text, month)
		if err != nil || got != name || len(policy.Tiers) != tiers || FormatPreset(got) != written {
			t.Errorf("%q: %q %q, %+v, %v", text, got, FormatPreset(got), policy, err)
		}
	}
	f("page and ticket", "default", "page and ticket", 4)
	f("Ticket and  page", "default", "page and ticket", 4)
	f("page", "page", "page", 2)
	f("none", "none", "none", 0)
	f("off", "none", "none", 0)
	f("sloth", "sloth", "sloth", 4)
	_, _, err := ParsePreset("loud", month)
	refused(t, "loud", err)
}

func TestComparison(t *testing.T) {
	f := func(text, op string, value float64, written string) {
		t.Helper()
		gotOp, got, err := ParseComparison(text)
		if err != nil || gotOp != op || got != value || FormatComparison(op, value) != written {
			t.Errorf("%q: %s %v, %v", text, gotOp, got, err)
		}
	}
	f("below 30", "<", 30, "below 30")
	f("at most  0.5", "<=", 0.5, "at most 0.5")
	f("Above -3", ">", -3, "above -3")
	f("at least 1e9", ">=", 1e9, "at least 1e+09")
	f("<= 5", "<=", 5, "at most 5")
	f(">5", ">", 5, "above 5")
	for _, text := range []string{"", "30", "= 5", "below", "below 30s", "below NaN", "above Inf", "at 5"} {
		_, _, err := ParseComparison(text)
		refused(t, text, err)
	}
}

func TestComposite(t *testing.T) {
	one := budget.Ratio{Num: 1, Den: 1}
	f := func(text string, want spec.Composite, written string) {
		t.Helper()
		got, err := ParseComposite(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
		if got := FormatComposite(got); got != written {
			t.Errorf("%q is written %q, not %q", text, got, written)
		}
	}
	f("all of a, b/fast and c", spec.Composite{Method: "any", Members: []spec.Member{{SLO: "a", Weight: one}, {SLO: "b", Objective: "fast", Weight: one}, {SLO: "c", Weight: one}}}, "all of a, b/fast, c")
	f("worst of a, b", spec.Composite{Method: "worst", Members: []spec.Member{{SLO: "a", Weight: one}, {SLO: "b", Weight: one}}}, "worst of a, b")
	f("mean of a (2), b (0.5), c (1)", spec.Composite{Method: "weighted", Members: []spec.Member{{SLO: "a", Weight: budget.NewRatio(2, 1)}, {SLO: "b", Weight: budget.NewRatio(1, 2)}, {SLO: "c", Weight: one}}}, "mean of a (2), b (0.5), c")
	for _, text := range []string{
		"", "a, b", "all of", "all of a", "best of a, b", "all of a, a", "all of a (2), b", "mean of a (0), b", "mean of a (2, b",
		"mean of a (x), b", "all of a b, c", "all of a, , b",
	} {
		_, err := ParseComposite(text)
		refused(t, text, err)
	}
}
