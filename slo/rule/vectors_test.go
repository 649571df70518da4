package rule

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
)

// vector is a stream of counts and what is expected of it; testdata/vectors/README.md says what its fields mean.
type vector struct {
	ID  string
	T0  time.Time
	SLO struct {
		Target, Period, Window, Budgeting string
		SliceS                            int64  `json:"slice_s"`
		SliceTarget                       string `json:"slice_target"`
		SliceNoData                       string `json:"slice_nodata"`
	}
	Policy struct {
		Tiers []struct {
			Name, Severity, Long, Short, Burn string
		}
		ForS        int64  `json:"for_s"`
		KeepFiringS int64  `json:"keep_firing_s"`
		MinBad      uint64 `json:"min_bad"`
		Mode        string
		HoldNoData  bool `json:"hold_nodata"`
	}
	Segments [][3]int64
	OnTime   [][3]int64 `json:"segments_on_time"`
	Late     []struct {
		Arrive, Slot, DGood, DBad int64
	}
	EvalFrom int64 `json:"eval_from"`
	EvalTo   int64 `json:"eval_to"`
	Expect   struct {
		Events []struct {
			T               int64
			Tier, State     string
			BurnLong        *float64 `json:"burn_long"`
			BurnShort       *float64 `json:"burn_short"`
			BadLong         uint64   `json:"bad_long"`
			TotalLong       uint64   `json:"total_long"`
			BadShort        uint64   `json:"bad_short"`
			TotalShort      uint64   `json:"total_short"`
			BudgetRemaining *float64 `json:"budget_remaining"`
		}
		Checks []struct {
			T               int64
			Burn            map[string]float64
			PeriodGood      uint64 `json:"period_good"`
			PeriodBad       uint64 `json:"period_bad"`
			SLI             float64
			BudgetRemaining float64 `json:"budget_remaining"`
		}
	}
}

func readVector(t *testing.T, path string) *vector {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if v.Segments == nil {
		v.Segments = v.OnTime
	}
	return &v
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil {
		t.Fatal(err)
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	return time.Duration(n) * unit[text[len(text)-1]]
}

func percent(t *testing.T, text string) budget.Target {
	t.Helper()
	target, err := budget.ParsePercent(text)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func (v *vector) policy(t *testing.T) budget.Policy {
	t.Helper()
	p := budget.Policy{
		For: seconds(v.Policy.ForS), KeepFiring: seconds(v.Policy.KeepFiringS),
		MinBad: v.Policy.MinBad, HoldNoData: v.Policy.HoldNoData,
	}
	if v.Policy.Mode == "budget" {
		p.Mode = budget.ByBudget
	}
	for _, d := range v.Policy.Tiers {
		burn, err := budget.ParseRatio(d.Burn)
		if err != nil {
			t.Fatal(err)
		}
		p.Tiers = append(p.Tiers, budget.Tier{
			Name: d.Name, Severity: budget.Severity(d.Severity), Long: duration(t, d.Long), Short: duration(t, d.Short), Burn: burn,
		})
	}
	return p
}

func (v *vector) slices(t *testing.T) (budget.Method, budget.Slices) {
	t.Helper()
	if v.SLO.Budgeting == "occurrences" {
		return budget.Occurrences, budget.Slices{}
	}
	empty := map[string]budget.Empty{"ignore": budget.EmptyIgnored, "good": budget.EmptyGood, "bad": budget.EmptyBad}
	return budget.Timeslices, budget.Slices{
		Length: seconds(v.SLO.SliceS), Target: percent(t, v.SLO.SliceTarget), Empty: empty[v.SLO.SliceNoData],
	}
}

// always is longer than any window: the vectors know of no time before counting began.
const always = 1 << 32

// replay runs a vector and returns what the rule said and, by time, the checks.
func (v *vector) replay(t *testing.T, check func(at int64, sum func(time.Duration) (bad, total uint64))) []Change {
	t.Helper()
	t0 := v.T0.Unix()
	method, of := v.slices(t)
	period := budget.Window{Length: duration(t, v.SLO.Period)}
	r := Compile(percent(t, v.SLO.Target), period, method, v.policy(t))
	windows := r.Windows()
	for _, text := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"} {
		windows = append(windows, duration(t, text))
	}
	set := ring.New(ring.Config{Windows: windows, Now: t0})
	i := set.Add(t0)
	put := func(start, bad, total int64) { set.Put(i, start, bad, total) }
	slicer := ring.NewSlicer(method, of, t0, t0, put)
	if method != budget.Occurrences {
		put = slicer.Put
	}
	sum := func(w time.Duration) (bad, total uint64) { return set.Sum(i, w) }
	states := r.States()
	var changes []Change
	late := v.Late
	at := int64(0)
	for _, segment := range v.Segments {
		for range segment[0] {
			put(t0+at, segment[2], segment[1]+segment[2])
			at += 10
			for ; len(late) > 0 && late[0].Arrive <= at; late = late[1:] {
				put(t0+10*late[0].Slot, late[0].DBad, late[0].DBad+late[0].DGood)
			}
			slicer.Advance(t0 + at)
			set.Advance(t0 + at)
			check(at, sum)
			if at <= v.EvalFrom || at > v.EvalTo {
				continue
			}
			bad, total := sum(period.Length)
			changes = append(changes, r.Step(t0+at, Input{Sum: sum, Covered: always, Bad: bad, Total: total, To: t0 + at}, states)...)
		}
	}
	// The vectors have neither budgets nor what is told beside firing.
	return slices.DeleteFunc(changes, func(c Change) bool { return c.State != ChangeFiring && c.State != ChangeResolved })
}

func near(t *testing.T, what string, got float64, want *float64) {
	t.Helper()
	if want != nil && math.Abs(got-*want) > 1e-6 {
		t.Errorf("%s is %.7f, want %.6f", what, got, *want)
	}
}

func TestVectors(t *testing.T) {
	for _, path := range streams(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			v := readVector(t, path)
			v.run(t)
		})
	}
}

// streams are the vectors that have a stream of counts.
func streams(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/vectors/V*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d vectors: %v", len(paths), err)
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		name := filepath.Base(path)
		return strings.HasPrefix(name, "V16") || strings.HasPrefix(name, "V24")
	})
}

func (v *vector) run(t *testing.T) {
	t.Helper()
	target := percent(t, v.SLO.Target)
	checks := v.Expect.Checks
	changes := v.replay(t, func(at int64, sum func(time.Duration) (bad, total uint64)) {
		for ; len(checks) > 0 && checks[0].T == at; checks = checks[1:] {
			c := checks[0]
			for name, want := range c.Burn {
				bad, total := sum(duration(t, name))
				near(t, "burn rate over "+name+" at "+strconv.FormatInt(at, 10), budget.Burn(bad, total, target), &want)
			}
			bad, total := sum(duration(t, v.SLO.Period))
			if bad != c.PeriodBad || total-bad != c.PeriodGood {
				t.Errorf("at %d: %d bad and %d good in the period, want %d and %d", at, bad, total-bad, c.PeriodBad, c.PeriodGood)
			}
			near(t, "share of good events", budget.Attained(bad, total), &c.SLI)
			near(t, "budget", budget.Left(bad, total, target), &c.BudgetRemaining)
		}
	})
	if len(checks) > 0 {
		t.Errorf("%d checks are after the end of the stream", len(checks))
	}
	for i, want := range v.Expect.Events {
		if i >= len(changes) {
			t.Fatalf("%d changes, want %d", len(changes), len(v.Expect.Events))
		}
		got := changes[i]
		if got.At-v.T0.Unix() != want.T || got.Tier != want.Tier || got.State != want.State {
			t.Fatalf("change %d is %s %s at %d, want %s %s at %d", i, got.Tier, got.State, got.At-v.T0.Unix(), want.Tier, want.State, want.T)
		}
		near(t, "long burn rate", got.BurnLong, want.BurnLong)
		near(t, "short burn rate", got.BurnShort, want.BurnShort)
		near(t, "budget", got.Left, want.BudgetRemaining)
		if want.State == ChangeFiring && (got.BadLong != want.BadLong || got.TotalLong != want.TotalLong ||
			got.BadShort != want.BadShort || got.TotalShort != want.TotalShort) {
			t.Errorf("change %d has %d of %d and %d of %d bad", i, got.BadLong, got.TotalLong, got.BadShort, got.TotalShort)
		}
	}
	if len(changes) != len(v.Expect.Events) {
		t.Errorf("%d changes, want %d", len(changes), len(v.Expect.Events))
	}
}
