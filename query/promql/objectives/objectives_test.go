package objectives

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/query/promql/red/grid"
	"loadline/query/promql/store"
	"loadline/query/querytest"
)

// at is a time of the fixtures, after their base.
func at(d time.Duration) time.Time { return querytest.Base.Add(d) }

// checkout is an objective with a group, and batch another one without traffic.
func fixture() []Objective {
	checkout := Objective{
		SLO: "checkout", Name: "default", Service: "checkout-api", Owner: "shop", Target: 0.999, Left: 0.4, Indicator: 7,
		Burns: []Burn{{5 * time.Minute, 15}, {time.Hour, 2}, {72 * time.Hour, math.NaN()}},
		Rules: []Rule{{"page-fast", "page", Firing}, {"ticket-slow", "ticket", Inactive}},
	}
	tenant := checkout
	tenant.Group, tenant.Left = "tenant-a", -1.5
	return []Objective{checkout, tenant, {SLO: "journey", Name: "default", Service: "shop", Target: 0.99, Left: math.NaN()}}
}

// asked are the moments that the functions of a source were asked for.
type asked struct {
	left, burn []Moments
	windows    []time.Duration
}

// source answers with the minutes since the base.
func source(list []Objective, evaluated time.Time, log *asked) Config {
	minutes := func(m Moments) []float64 {
		out := make([]float64, m.N)
		for i := range out {
			out[i] = m.From.Add(time.Duration(i) * m.Step).Sub(querytest.Base).Minutes()
			if out[i] < 10 {
				out[i] = math.NaN()
			}
		}
		return out
	}
	return Config{
		Objectives: func() ([]Objective, time.Time) { return list, evaluated },
		Left: func(_ context.Context, o *Objective, m Moments) ([]float64, error) {
			log.left = append(log.left, m)
			if o.SLO == "broken" {
				return nil, errors.New("no such table")
			}
			return minutes(m), nil
		},
		Burn: func(_ context.Context, _ *Objective, window time.Duration, m Moments) ([]float64, error) {
			log.burn, log.windows = append(log.burn, m), append(log.windows, window)
			return minutes(m), nil
		},
	}
}

// tester asks in PromQL, through the store that the product uses.
type tester struct {
	testing.TB
	engine *promql.Engine
	store  *store.Store
	log    asked
}

func newTester(t testing.TB, db *clickhouse.DB, list []Objective, evaluated time.Time) *tester {
	p := &tester{TB: t, engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 50e6, Timeout: time.Minute})}
	p.store = store.New(db, store.Config{Virtual: []store.Virtual{New(db, source(list, evaluated, &p.log))}})
	return p
}

// instant returns the series and values at a time, one a line.
func (p *tester) instant(expr string, when time.Time) string {
	p.Helper()
	q, err := p.engine.NewInstantQuery(p.Context(), p.store, nil, expr, when)
	if err != nil {
		p.Fatal(err)
	}
	defer q.Close()
	return result(q.Exec(p.Context()))
}

// over returns the series and values at steps.
func (p *tester) over(expr string, from, to time.Time, step time.Duration) string {
	p.Helper()
	q, err := p.engine.NewRangeQuery(p.Context(), p.store, nil, expr, from, to, step)
	if err != nil {
		p.Fatal(err)
	}
	defer q.Close()
	return result(q.Exec(p.Context()))
}

func result(r *promql.Result) string {
	if r.Err != nil {
		return r.Err.Error()
	}
	var b strings.Builder
	switch v := r.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			fmt.Fprintf(&b, "%s %v\n", s.Metric, s.F)
		}
	case promql.Matrix:
		for _, s := range v {
			fmt.Fprintf(&b, "%s", s.Metric)
			for _, f := range s.Floats {
				fmt.Fprintf(&b, " %v=%v", time.UnixMilli(f.T).Sub(querytest.Base).Minutes(), f.F)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func (p *tester) expect(what, want, got string) {
	p.Helper()
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), got); diff != "" {
		p.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// What is asked of the present is answered from memory, with the time of the evaluation.
func TestPresent(t *testing.T) {
	p := newTester(t, chtest.New(t), fixture(), at(time.Hour))
	now := at(time.Hour + 17*time.Second)
	p.expect("targets", `
{__name__="loadline_slo_objective", group="tenant-a", objective="default", owner="shop", service="checkout-api", slo="checkout"} 0.999
{__name__="loadline_slo_objective", objective="default", owner="shop", service="checkout-api", slo="checkout"} 0.999
{__name__="loadline_slo_objective", objective="default", service="shop", slo="journey"} 0.99
`, p.instant(Target, now))
	p.expect("budgets, without an unknown one", `
{__name__="loadline_slo_error_budget_remaining_ratio", group="tenant-a", objective="default", owner="shop", service="checkout-api", slo="checkout"} -1.5
{__name__="loadline_slo_error_budget_remaining_ratio", objective="default", owner="shop", service="checkout-api", slo="checkout"} 0.4
`, p.instant(Budget, now))
	p.expect("burn rates", `
{__name__="loadline_slo_burn_rate", objective="default", owner="shop", service="checkout-api", slo="checkout", window="1h"} 2
{__name__="loadline_slo_burn_rate", objective="default", owner="shop", service="checkout-api", slo="checkout", window="5m"} 15
`, p.instant(BurnRate+`{group=""}`, now))
	p.expect("rules", `
{__name__="loadline_slo_alert_state", objective="default", owner="shop", rule="page-fast", service="checkout-api", severity="page", slo="checkout"} 2
`, p.instant(AlertState+`{group="",severity=~"pa.+"}`, now))
	p.expect("when", "{slo=\"checkout\"} "+fmt.Sprint(float64(at(time.Hour).Unix()))+"\n", p.instant(`sum by (slo) (timestamp(`+Target+`{group="",slo="checkout"}))`, now))
	p.expect("long after the last evaluation", "", p.instant(Budget, at(70*time.Minute)))
	if len(p.log.left)+len(p.log.burn) > 0 {
		t.Errorf("history was asked for: %+v", p.log)
	}
}

// What is asked of the past is computed for the very steps, and joined with the present.
func TestPast(t *testing.T) {
	p := newTester(t, chtest.New(t), fixture(), at(30*time.Minute))
	p.expect("budgets", "{} 10=10 15=15 20=20 25=25 30=0.4\n{group=\"tenant-a\"} 10=10 15=15 20=20 25=25 30=-1.5\n",
		p.over(`sum by (group) (`+Budget+`{slo="checkout"})`, at(0), at(35*time.Minute), 5*time.Minute))
	want := Moments{at(0), 5 * time.Minute, 6}
	if len(p.log.left) != 2 || p.log.left[0] != want {
		t.Errorf("asked for %+v, want %+v", p.log.left, want)
	}
	p.expect("burn rates", "{window=\"1h\"} 20=20\n{window=\"3d\"} 20=20\n{window=\"5m\"} 20=20\n", p.over(`sum by (window) (`+BurnRate+`{group=""})`, at(20*time.Minute), at(20*time.Minute), time.Minute))
	if diff := cmp.Diff([]time.Duration{time.Hour, 72 * time.Hour, 5 * time.Minute}, p.log.windows); diff != "" {
		t.Error(diff)
	}
	p.expect("a window", "{} 29\n", p.instant(`sum(max_over_time(`+Budget+`{slo="checkout",group=""}[10m]))`, at(29*time.Minute)))
}

func TestLimits(t *testing.T) {
	many := make([]Objective, maxHistories+1)
	for i := range many {
		many[i] = Objective{SLO: fmt.Sprint("slo-", i), Name: "default", Target: 0.9, Left: 1}
	}
	p := newTester(t, chtest.New(t), append(many, Objective{SLO: "broken", Name: "default"}), at(time.Hour))
	p.expect("all at present", "{} 502\n", p.instant(`count(`+Budget+`)`, at(time.Hour)))
	p.expect("all in the past", `expanding series: compute "loadline_slo_error_budget_remaining_ratio": `+errTooMany.Error(), p.instant(`count(`+Budget+`)`, at(time.Minute)))
	p.expect("an error", `expanding series: compute "loadline_slo_error_budget_remaining_ratio": no such table`, p.instant(Budget+`{slo="broken"}`, at(time.Minute)))
	p.expect("targets need no history", "{} 502\n", p.instant(`count(`+Target+`)`, at(time.Minute)))
}

// insertSlots puts counts of one indicator into all tables of slots.
func insertSlots(t testing.TB, db *clickhouse.DB, group string, slots map[time.Duration][2]int64) {
	t.Helper()
	for tier, width := range map[string]time.Duration{"10s": 10 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour} {
		var slices []uint32
		var bad, total []int64
		for after, n := range slots {
			slices, bad, total = append(slices, uint32(at(after).Truncate(width).Unix())), append(bad, n[0]), append(total, n[1])
		}
		querytest.Exec(t, db, "INSERT INTO slo_slots_"+tier+` SELECT 7, {grp:String}, toDateTime(n.1, 'UTC'), n.2, n.3
FROM (SELECT arrayJoin(arrayZip({slices:Array(UInt32)}, {bad:Array(Int64)}, {total:Array(Int64)})) AS n)`,
			clickhouse.Named("grp", group), clickhouse.Named("slices", slices), clickhouse.Named("bad", bad), clickhouse.Named("total", total))
	}
}

// TestCountersAreExact compares increase() over windows that begin and end at slots with what was counted there.
func TestCountersAreExact(t *testing.T) {
	db := chtest.New(t)
	random := rand.New(rand.NewPCG(3, 4))
	slots := map[time.Duration][2]int64{}
	for range 60 {
		bad := int64(random.IntN(3))
		slots[time.Duration(random.IntN(1080))*10*time.Second] = [2]int64{bad, bad + 1 + int64(random.IntN(9))}
	}
	insertSlots(t, db, "", slots)
	insertSlots(t, db, "tenant-a", map[time.Duration][2]int64{time.Minute: {0, 5}})
	p := newTester(t, db, fixture(), at(3*time.Hour))
	for _, window := range []time.Duration{10 * time.Second, 70 * time.Second, 5 * time.Minute, time.Hour} {
		for range 20 {
			end := time.Duration(random.IntN(1081)) * 10 * time.Second
			if window >= 5*time.Minute && random.IntN(2) == 0 {
				end = end.Truncate(window)
			}
			var bad, total int64
			for slot, n := range slots {
				if slot >= end-window && slot < end {
					bad, total = bad+n[0], total+n[1]
				}
			}
			for metric, want := range map[string]int64{Events: total, BadEvents: bad} {
				got := p.instant(fmt.Sprintf(`sum(increase(%s{slo="checkout",group=""}[%ds])) or vector(0)`, metric, int(window.Seconds())), at(end))
				p.expect(fmt.Sprintf("%s in %s until %s", metric, window, end), fmt.Sprintf("{} %d\n", want), got)
			}
		}
	}
	p.expect("hours", "{} 120=1\n", p.over(`sum(increase(`+Events+`{group="",slo="checkout"}[1h])) / sum(increase(`+Events+`{group="",slo="checkout"}[1h]))`, at(2*time.Hour), at(2*time.Hour), time.Hour))
	p.expect("a group", "{group=\"tenant-a\"} 5\n", p.instant(`sum by (group) (increase(`+Events+`{group!=""}[10m]))`, at(10*time.Minute)))
	p.expect("bad events of a group without any", "{group=\"tenant-a\"} 0\n", p.instant(`sum by (group) (increase(`+BadEvents+`{group!=""}[10m]))`, at(10*time.Minute)))
}

// TestGroups reads the groups that are asked for and no others, whatever they are called.
func TestGroups(t *testing.T) {
	db := chtest.New(t)
	const odd = "it's \"a\",\tb\\c\n"
	for i, group := range []string{"", "tenant-a", "tenant-b", odd} {
		insertSlots(t, db, group, map[time.Duration][2]int64{time.Minute: {0, int64(i + 1)}})
	}
	m := New(db, Config{})
	f := func(want ...string) {
		t.Helper()
		var keys []key
		for _, group := range want {
			keys = append(keys, key{7, group})
		}
		g := grid.New(grid.Question{Start: at(0).UnixMilli(), End: at(time.Hour).UnixMilli(), Step: 10 * grid.Second}, 10*grid.Second, at(time.Hour).UnixMilli())
		all, err := m.count(t.Context(), Events, "total", keys, g)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for k := range all {
			got = append(got, k.group)
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	f("")
	f("tenant-a")
	f("", "tenant-b")
	f(odd)
}

func TestTable(t *testing.T) {
	db := chtest.New(t)
	// Only one of the tables has the slot, which tells which one is read.
	querytest.Exec(t, db, "INSERT INTO slo_slots_10s VALUES (7, '', {t:DateTime('UTC')}, 0, 1)", clickhouse.Named("t", at(0)))
	querytest.Exec(t, db, "INSERT INTO slo_slots_5m VALUES (7, '', {t:DateTime('UTC')}, 0, 10)", clickhouse.Named("t", at(0)))
	querytest.Exec(t, db, "INSERT INTO slo_slots_1h VALUES (7, '', {t:DateTime('UTC')}, 0, 100)", clickhouse.Named("t", at(0)))
	p := newTester(t, db, fixture(), at(30*time.Hour))
	f := func(window string, end time.Duration, want string) {
		t.Helper()
		p.expect(window+" until "+end.String(), want, p.instant(`sum(increase(`+Events+`[`+window+`]))`, at(end)))
	}
	f("1h", time.Hour, "{} 100\n")
	f("1d", 20*time.Hour, "{} 100\n")
	f("5m", 5*time.Minute, "{} 10\n")
	f("10m", 5*time.Minute, "{} 10\n")
	f("1h", 50*time.Minute, "{} 10\n")
	f("1h", 50*time.Minute+10*time.Second, "{} 1\n")
	p.expect("gaps", "{} 5=10\n", p.over(`sum(increase(`+Events+`[5m]))`, at(5*time.Minute), at(65*time.Minute), time.Hour))
}

func TestStates(t *testing.T) {
	db := chtest.New(t)
	event := func(after time.Duration, state string) {
		querytest.Exec(t, db, "INSERT INTO slo_events (slo, objective, tier, severity, state, at) VALUES ('checkout', 'default', 'page-fast', 'page', {state:String}, {at:DateTime('UTC')})",
			clickhouse.Named("state", state), clickhouse.Named("at", at(after)))
	}
	event(-5*time.Hour, "firing")
	event(3*time.Minute, "guarded")
	event(5*time.Minute, "resolved")
	event(10*time.Minute, "pending")
	event(14*time.Minute, "lapsed")
	event(20*time.Minute, "pending")
	event(20*time.Minute, "firing")
	p := newTester(t, db, fixture(), at(time.Hour))
	p.expect("what was", "{rule=\"page-fast\"} 0=2 5=0 10=1 15=0 20=2 25=2\n{rule=\"ticket-slow\"} 0=0 5=0 10=0 15=0 20=0 25=0\n",
		p.over(`sum by (rule) (`+AlertState+`{group=""})`, at(0), at(25*time.Minute), 5*time.Minute))
	p.expect("before all", "{} 0\n", p.instant(`sum(`+AlertState+`)`, at(-6*time.Hour)))
}

func TestLabels(t *testing.T) {
	p := newTester(t, chtest.New(t), fixture(), at(time.Hour))
	q, err := p.store.Querier(at(0).UnixMilli(), at(time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	f := func(name, matcher string, want ...string) {
		t.Helper()
		got, _, err := q.LabelValues(t.Context(), name, &storage.LabelHints{}, labels.MustNewMatcher(labels.MatchEqual, "__name__", matcher))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("values of %s: %s", name, diff)
		}
	}
	f("slo", Target, "checkout", "journey")
	f("window", BurnRate, "1h", "3d", "5m")
	f("slo", Events, "checkout")
	f("group", Events, "tenant-a")
	f("rule", AlertState, "page-fast", "ticket-slow")
}

func TestWindow(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := Window(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	f(70*time.Second, "70s")
	f(5*time.Minute, "5m")
	f(90*time.Minute, "90m")
	f(6*time.Hour, "6h")
	f(36*time.Hour, "36h")
	f(30*24*time.Hour, "30d")
}

// BenchmarkCounters charts an hour of the events of 1,000 objectives with traffic in each slot.
func BenchmarkCounters(b *testing.B) {
	db := chtest.New(b)
	querytest.Exec(b, db, `
INSERT INTO slo_slots_10s
SELECT 1 + number % 1000, '', {base:DateTime('UTC')} + intDiv(number, 1000) * 10, 1, 100 FROM numbers(1000 * 400)`, clickhouse.Named("base", at(0)))
	list := make([]Objective, 1000)
	for i := range list {
		list[i] = Objective{SLO: fmt.Sprint("slo-", i), Name: "default", Indicator: uint64(i + 1)}
	}
	p := newTester(b, db, list, at(67*time.Minute))
	for b.Loop() {
		if got := p.over(`sum(rate(`+BadEvents+`[5m])) / sum(rate(`+Events+`[5m]))`, at(5*time.Minute), at(65*time.Minute), time.Minute); !strings.HasPrefix(got, "{} 5=0.01 ") {
			b.Fatal(got)
		}
	}
}

// What is older than the counts of 10 seconds is answered from those of 5 minutes.
func TestLongAgo(t *testing.T) {
	db := chtest.New(t)
	querytest.Exec(t, db, "INSERT INTO slo_slots_5m VALUES (7, '', {t:DateTime('UTC')}, 1, 10)", clickhouse.Named("t", at(0)))
	now := at(60 * 24 * time.Hour)
	p := newTester(t, db, fixture(), now)
	f := func(window string, end time.Duration, want string) {
		t.Helper()
		p.expect(window+" until "+end.String(), want, p.instant(`round(sum(increase(`+Events+`{group=""}[`+window+`])))`, at(end)))
	}
	f("30m", 20*time.Minute, "{} 10\n")
	f("30m", 20*time.Minute+17*time.Second, "{} 12\n") // extrapolated to the window, as with any scraped counter
	f("1d", 7*time.Hour+time.Second, "{} 10\n")
	f("70s", 70*time.Second, "") // finds nothing: nobody knows it that finely
}
