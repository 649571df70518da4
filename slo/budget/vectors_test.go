package budget

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// readVector decodes a vector. Vectors were computed by an independent program in fractions.
func readVector(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("vector %s: %v", name, err)
	}
}

// near compares with what a vector rounds to six decimals.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > 0.51e-6 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func percent(t testing.TB, text string) Target {
	t.Helper()
	target, err := ParsePercent(text)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func ratio(t testing.TB, text string) Ratio {
	t.Helper()
	r, err := ParseRatio(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stream is a run of slots with equal numbers of good and bad events, from a time on.
type stream struct {
	from     int64
	segments [][3]uint64 // slots, good, bad
}

// sum adds the slots that begin in [from, to).
func (s stream) sum(from, to int64) (bad, total uint64) {
	at := s.from
	for _, seg := range s.segments {
		end := at + int64(seg[0])*10
		if n := (min(end, to) - max(at, from)) / 10; n > 0 {
			bad += uint64(n) * seg[2]
			total += uint64(n) * (seg[1] + seg[2])
		}
		at = end
	}
	return bad, total
}

// slices counts slices of a stream that begin in [from, to).
func (s stream) slices(sl Slices, m Method, from, to int64) (bad, total uint64) {
	length := int64(sl.Length / time.Second)
	for at := from; at+length <= to; at += length {
		b, n := sl.Count(m, first(s.sum(at, at+length)), second(s.sum(at, at+length)))
		bad, total = bad+b, total+n
	}
	return bad, total
}

func first(a, _ uint64) uint64  { return a }
func second(_, b uint64) uint64 { return b }

func TestVectorTimeslices(t *testing.T) {
	for _, name := range []string{"V14a", "V14c"} {
		var v struct {
			T0       time.Time   `json:"t0"`
			Segments [][3]uint64 `json:"segments"`
			SLO      struct {
				Target string `json:"target"`
				Slice  int    `json:"slice_s"`
				Good   string `json:"slice_target"`
			} `json:"slo"`
			Expect struct {
				Events []struct{} `json:"events"`
				Checks []struct {
					T         int64              `json:"t"`
					Burn      map[string]float64 `json:"burn"`
					Good      uint64             `json:"period_good"`
					Bad       uint64             `json:"period_bad"`
					SLI       float64            `json:"sli"`
					Remaining float64            `json:"budget_remaining"`
				} `json:"checks"`
			} `json:"expect"`
		}
		readVector(t, name, &v)
		target, t0 := percent(t, v.SLO.Target), v.T0.Unix()
		slices := Slices{Length: time.Duration(v.SLO.Slice) * time.Second, Target: percent(t, v.SLO.Good), Empty: EmptyGood}
		s := stream{from: t0, segments: v.Segments}
		windows := map[string]time.Duration{
			"5m": 5 * time.Minute, "30m": 30 * time.Minute, "1h": time.Hour,
			"2h": 2 * time.Hour, "6h": 6 * time.Hour, "1d": Day, "3d": 3 * Day,
		}
		for _, c := range v.Expect.Checks {
			at := t0 + c.T
			for window, want := range c.Burn {
				bad, total := s.slices(slices, Timeslices, Start(at, windows[window]), at)
				near(t, name+" burn "+window, Burn(bad, total, target), want)
			}
			bad, total := s.slices(slices, Timeslices, max(Start(at, 30*Day), t0), at)
			if bad != c.Bad || total-bad != c.Good {
				t.Errorf("%s at %d: %d good and %d bad, want %d and %d", name, c.T, total-bad, bad, c.Good, c.Bad)
			}
			near(t, name+" sli", Attained(bad, total), c.SLI)
			near(t, name+" left", Left(bad, total, target), c.Remaining)
		}
		if len(v.Expect.Checks) == 0 {
			t.Errorf("vector %s checks nothing", name)
		}
	}
}

func TestVectorBudgeting(t *testing.T) {
	type slices struct {
		Good      uint64  `json:"good"`
		Total     uint64  `json:"total"`
		SLI       float64 `json:"sli"`
		Remaining float64 `json:"budget_remaining_99"`
		Slices    uint64  `json:"slices"`
	}
	var v struct {
		Segments    [][3]uint64 `json:"segments"`
		Target      string      `json:"target"`
		Occurrences struct {
			Good, Bad uint64
			SLI       float64
			Remaining float64 `json:"budget_remaining"`
		} `json:"occurrences"`
		Timeslices map[string]slices `json:"timeslices"`
		Ratio      map[string]slices `json:"ratio_timeslices"`
	}
	readVector(t, "V17-budgeting", &v)
	target, s := percent(t, v.Target), stream{segments: v.Segments}
	const end = 7200
	bad, total := s.sum(0, end)
	if bad != v.Occurrences.Bad || total-bad != v.Occurrences.Good {
		t.Errorf("occurrences: %d bad of %d", bad, total)
	}
	near(t, "occurrences", Attained(bad, total), v.Occurrences.SLI)
	near(t, "occurrences left", Left(bad, total, target), v.Occurrences.Remaining)

	empties := map[string]Empty{"ignore": EmptyIgnored, "good": EmptyGood, "bad": EmptyBad}
	for name, empty := range empties {
		for _, good := range []string{"95", "99"} {
			want, ok := v.Timeslices["slice_target_"+good+"_"+name]
			if !ok {
				t.Fatalf("no %s of %s", name, good)
			}
			bad, total := s.slices(Slices{Length: time.Minute, Target: percent(t, good), Empty: empty}, Timeslices, 0, end)
			if total-bad != want.Good || total != want.Total {
				t.Errorf("timeslices %s %s: %d good of %d, want %d of %d", good, name, total-bad, total, want.Good, want.Total)
			}
			near(t, "timeslices "+name, Attained(bad, total), want.SLI)
			near(t, "timeslices left "+name, Left(bad, total, target), want.Remaining)
		}
		want, ok := v.Ratio[name]
		if !ok {
			t.Fatalf("no %s of ratios", name)
		}
		bad, total := s.slices(Slices{Length: time.Minute, Empty: empty}, RatioTimeslices, 0, end)
		if total != want.Slices*PerEvent(RatioTimeslices) {
			t.Errorf("ratios %s: %d, want %d slices", name, total, want.Slices)
		}
		near(t, "ratios "+name, Attained(bad, total), want.SLI)
		near(t, "ratios left "+name, Left(bad, total, target), want.Remaining)
	}
}

func TestVectorComposite(t *testing.T) {
	var v struct {
		Cases []struct {
			Method  string            `json:"method"`
			Parts   []json.RawMessage `json:"parts"`
			BurnSum float64           `json:"composite_burn_sum"`
			MeanSLI float64           `json:"weighted_mean_sli"`
			Slices  int               `json:"slices"`
			Bad     uint64            `json:"composite_bad"`
			SLI     float64           `json:"composite_sli"`
			Value   float64           `json:"composite"`
		} `json:"cases"`
	}
	readVector(t, "V18-composite", &v)
	type part struct {
		Weight    json.Number `json:"weight"`
		Target    string      `json:"target"`
		Good, Bad uint64
		Burn, SLI float64
		BadSlices []int `json:"bad_slices"`
	}
	seen := 0
	for _, c := range v.Cases {
		parts, numbers := make([]part, len(c.Parts)), make([]Target, len(c.Parts))
		for i, text := range c.Parts {
			var err error
			if text[0] != '{' {
				if numbers[i], err = ParseTarget(string(text)); err != nil {
					t.Fatal(err)
				}
			} else if err := json.Unmarshal(text, &parts[i]); err != nil {
				t.Fatal(err)
			}
		}
		switch c.Method {
		case "openslo-occurrences":
			var weights []Ratio
			var burns []float64
			var members []MemberSlice
			for _, p := range parts {
				weights = append(weights, ratio(t, p.Weight.String()))
				burns = append(burns, Burn(p.Bad, p.Good+p.Bad, percent(t, p.Target)))
				near(t, "burn of a member", burns[len(burns)-1], p.Burn)
				members = append(members, MemberSlice{Bad: p.Bad, Total: p.Good + p.Bad, Weight: weights[len(weights)-1]})
			}
			near(t, "burn of a composite", SumBurn(weights, burns), c.BurnSum)
			near(t, "weighted mean", Attained(Compose(Weighted, members)), c.MeanSLI)
		case "timeslices-any-bad":
			var bad, total uint64
			for slice := range c.Slices {
				members := make([]MemberSlice, len(parts))
				for i, p := range parts {
					members[i] = MemberSlice{Total: 100, Target: percent(t, "95")}
					for _, b := range p.BadSlices {
						if b == slice {
							members[i].Bad = 6
						}
					}
				}
				b, n := Compose(Any, members)
				bad, total = bad+b, total+n
			}
			if bad != c.Bad || total != uint64(c.Slices) {
				t.Errorf("any: %d bad of %d, want %d of %d", bad, total, c.Bad, c.Slices)
			}
		case "ratio-timeslices-sum-missing":
			// OpenSLO adds what members miss: a burn rate against a budget of 1.
			near(t, "sum of what is missing", 1-SumBurn([]Ratio{{1, 1}, {1, 1}}, []float64{1 - parts[0].SLI, 1 - parts[1].SLI}), c.SLI)
		case "serial-product":
			near(t, "series", Series(numbers), c.Value)
		case "parallel-redundant":
			near(t, "parallel", Parallel(numbers), c.Value)
		default:
			t.Fatalf("method %q", c.Method)
		}
		seen++
	}
	if seen != 5 {
		t.Errorf("%d cases", seen)
	}
}

func TestVectorLatency(t *testing.T) {
	var v struct {
		Bounds []float64 `json:"bounds"`
		Counts []uint64  `json:"counts"`
		Cases  []struct {
			Threshold float64 `json:"threshold"`
			Min       uint64  `json:"good_min"`
			Max       uint64  `json:"good_max"`
			Linear    float64 `json:"good_linear"`
		} `json:"cases"`
	}
	readVector(t, "V20-latency", &v)
	if len(v.Cases) != 7 {
		t.Errorf("%d cases", len(v.Cases))
	}
	for _, c := range v.Cases {
		in := HistogramInterval(v.Bounds, v.Counts, c.Threshold)
		if in.Min != c.Min || in.Max != c.Max || math.Abs(in.Linear-c.Linear) > 0.51e-4 {
			t.Errorf("threshold %v: %+v, want %d to %d, linear %v", c.Threshold, in, c.Min, c.Max, c.Linear)
		}
	}
	if in := HistogramInterval(nil, nil, 1); in != (Interval{}) {
		t.Errorf("no histogram: %+v", in)
	}
}

func TestVectorClosedForms(t *testing.T) {
	type form struct {
		Detect float64 `json:"detect_s"`
		Slot   int64   `json:"detect_slot_s"`
		Spent  float64 `json:"budget_at_detect_pct"`
		Reset  float64 `json:"reset_s_if_lasted_short"`
	}
	var v struct {
		Rows []struct {
			Target     string `json:"target"`
			Share      string `json:"error_ratio"`
			PageFast   *form  `json:"page-fast"`
			PageSlow   *form  `json:"page-slow"`
			TicketFast *form  `json:"ticket-fast"`
			TicketSlow *form  `json:"ticket-slow"`
		} `json:"rows"`
	}
	readVector(t, "V24-closed-forms", &v)
	if len(v.Rows) < 20 {
		t.Errorf("%d rows", len(v.Rows))
	}
	for _, row := range v.Rows {
		share := ratio(t, row.Share)
		want := []*form{row.PageFast, row.PageSlow, row.TicketFast, row.TicketSlow}
		for i, tier := range DefaultTiers(Window{Length: 30 * Day}) {
			c := Compile(percent(t, row.Target), tier, Policy{}, 30*Day)
			name := row.Target + " " + row.Share + " " + tier.Name
			after, seen, ok := c.Detect(share)
			if ok != (want[i] != nil) {
				t.Errorf("%s: detected %v", name, ok)
			}
			if !ok || want[i] == nil {
				continue
			}
			near(t, name+" detect", after.Seconds(), want[i].Detect)
			if seen != time.Duration(want[i].Slot)*time.Second {
				t.Errorf("%s: seen after %v, want %d s", name, seen, want[i].Slot)
			}
			near(t, name+" spent", c.SpentAtDetection()*100, want[i].Spent)
			near(t, name+" reset", c.Reset(share).Seconds(), want[i].Reset)
		}
	}
}

func TestVectorGuard(t *testing.T) {
	var v struct {
		Alpha float64 `json:"alpha"`
		Table []struct {
			Target json.Number `json:"target"`
			Burn   json.Number `json:"burn"`
			Null   float64     `json:"null_burn"`
			Total  uint64      `json:"total"`
			Guard  uint64      `json:"k_guard"`
			Burns  *uint64     `json:"k_burn"`
		} `json:"table"`
	}
	readVector(t, "V26-guard", &v)
	if v.Alpha != Alpha || len(v.Table) < 100 {
		t.Errorf("alpha %v, %d rows", v.Alpha, len(v.Table))
	}
	for _, row := range v.Table {
		name := row.Target.String() + " at " + row.Burn.String()
		target := percent(t, row.Target.String())
		tier := Tier{Long: time.Hour, Short: 5 * time.Minute, Burn: ratio(t, row.Burn.String())}
		c := Compile(target, tier, Policy{Guard: true}, 30*Day)
		near(t, name+" supposed", c.null.Float(), target.Budget().Float()*row.Null)
		burn, guard := c.Needs(row.Total)
		if guard != row.Guard {
			t.Errorf("%s: guard asks for %d of %d, want %d", name, guard, row.Total, row.Guard)
		}
		if want := row.Total + 1; row.Burns != nil && burn != *row.Burns || row.Burns == nil && burn != want {
			t.Errorf("%s: burn rate asks for %d of %d, want %v", name, burn, row.Total, row.Burns)
		}
		if c.Significant(row.Guard-1, row.Total, 1) || !c.Significant(row.Guard, row.Total, 1) {
			t.Errorf("%s: %d of %d is not where the guard lets go", name, row.Guard, row.Total)
		}
	}
}
