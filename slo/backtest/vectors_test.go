package backtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"loadline/slo/budget"
	"loadline/slo/ring"
	"loadline/slo/rule"
)

func target(t testing.TB, percent string) budget.Target {
	t.Helper()
	v, err := budget.ParsePercent(percent)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func length(t *testing.T, text string) time.Duration {
	t.Helper()
	n, err := strconv.Atoi(text[:len(text)-1])
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': budget.Day}[text[len(text)-1]]
}

// segment is so many slots with the same counts.
type segment [3]int64 // slots, good, bad

func stream(t0 int64, segments ...segment) []ring.Slot {
	var slots []ring.Slot
	for _, s := range segments {
		for range s[0] {
			if s[1]+s[2] > 0 {
				slots = append(slots, ring.Slot{Start: t0, Bad: s[2], Total: s[1] + s[2]})
			}
			t0 += slot
		}
	}
	return slots
}

func told(events []rule.Change, t0 int64) []string {
	var said []string
	for _, c := range events {
		if c.State == rule.ChangeFiring || c.State == rule.ChangeResolved {
			text := fmt.Sprintf("%d %s %s", c.At-t0, c.Tier, c.State)
			if c.State == rule.ChangeFiring {
				text += fmt.Sprintf(" %d/%d %d/%d", c.BadLong, c.TotalLong, c.BadShort, c.TotalShort)
			}
			said = append(said, text)
		}
	}
	return said
}

// A backtest of a vector's stream has just the events of the vector.
func TestVectors(t *testing.T) {
	paths, err := filepath.Glob("../rule/testdata/vectors/V*.json")
	if err != nil || len(paths) < 18 {
		t.Fatalf("%d vectors: %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			T0  time.Time
			SLO struct {
				Target, Period, Budgeting string
				SliceS                    int64  `json:"slice_s"`
				SliceTarget               string `json:"slice_target"`
			}
			Policy struct {
				Tiers       []struct{ Name, Severity, Long, Short, Burn string }
				KeepFiringS int64  `json:"keep_firing_s"`
				MinBad      uint64 `json:"min_bad"`
				Mode        string
				HoldNoData  bool `json:"hold_nodata"`
			}
			Segments []segment
			EvalFrom int64 `json:"eval_from"`
			EvalTo   int64 `json:"eval_to"`
			Expect   struct {
				Events []struct {
					T           int64
					Tier, State string
					BadLong     int64 `json:"bad_long"`
					TotalLong   int64 `json:"total_long"`
					BadShort    int64 `json:"bad_short"`
					TotalShort  int64 `json:"total_short"`
				}
			}
		}
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if v.EvalTo == 0 || v.Segments == nil { // no stream, or one with late counts, which history has no more
			continue
		}
		p := budget.Policy{KeepFiring: time.Duration(v.Policy.KeepFiringS) * time.Second, MinBad: v.Policy.MinBad, HoldNoData: v.Policy.HoldNoData}
		if v.Policy.Mode == "budget" {
			p.Mode = budget.ByBudget
		}
		for _, d := range v.Policy.Tiers {
			burn, err := budget.ParseRatio(d.Burn)
			if err != nil {
				t.Fatal(err)
			}
			p.Tiers = append(p.Tiers, budget.Tier{Name: d.Name, Severity: budget.Severity(d.Severity), Long: length(t, d.Long), Short: length(t, d.Short), Burn: burn})
		}
		o := Objective{Target: target(t, v.SLO.Target), Window: budget.Window{Length: length(t, v.SLO.Period)}, Policy: p}
		if v.SLO.Budgeting == "timeslices" {
			o.Method = budget.Timeslices
			o.Slices = budget.Slices{Length: time.Duration(v.SLO.SliceS) * time.Second, Target: target(t, v.SLO.SliceTarget), Empty: budget.EmptyGood}
		}
		t0 := v.T0.Unix()
		r := Run(o, History{Slots: stream(t0, v.Segments...), From: t0 + v.EvalFrom, To: t0 + v.EvalTo})
		var want []string
		for _, e := range v.Expect.Events {
			text := fmt.Sprintf("%d %s %s", e.T, e.Tier, e.State)
			if e.State == rule.ChangeFiring {
				text += fmt.Sprintf(" %d/%d %d/%d", e.BadLong, e.TotalLong, e.BadShort, e.TotalShort)
			}
			want = append(want, text)
		}
		if got := told(r.Events, t0); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", filepath.Base(path), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
