package slo

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
	"loadline/internal/sli"
	"loadline/query/querytest"
	"loadline/slo/history"
	"loadline/slo/registry"
	"loadline/slo/store"
	"loadline/slo/tracker"
)

// Definitions are made at defined, so that counting begins at start, the beginning of an hour.
var (
	start   = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	defined = start.Add(-30 * time.Second)
)

const checkout = `
slo: checkout-availability
service: checkout
good: no errors
objective: 99.9% over 30 days
`

// rig is an engine whose write path and clock the test plays.
type rig struct {
	*Engine
	t        *testing.T
	db       *clickhouse.DB
	snapshot string
	counted  []sli.Counted
	batch    uint64
}

func newRig(t *testing.T, db *clickhouse.DB, snapshot string, now time.Time) *rig {
	t.Helper()
	r := &rig{t: t, db: db, snapshot: snapshot}
	r.Engine = New(Config{
		DB: db, Registry: registry.New(store.New(db), registry.Config{}), SoleWriter: true, Snapshot: snapshot,
		Install: func(c []sli.Counted) error { r.counted = c; return nil },
	})
	r.must(r.Load(t.Context(), now))
	r.must(r.open(t.Context(), now))
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// apply puts a definition in force.
func (r *rig) apply(now time.Time, text string) {
	r.t.Helper()
	report, err := r.Registry().Apply(r.t.Context(), now, registry.Change{Author: "test", Source: "api", Text: text})
	if err != nil || report.Refused {
		r.t.Fatalf("apply: %v, %v", err, report.Problems)
	}
	r.must(r.reconcile(r.t.Context(), now))
}

// count is what the write path stores of a slot.
type count struct {
	at         time.Time
	group      string
	bad, total int
}

// write stores counts as a batch of the write path.
func (r *rig) write(indicator uint64, counts ...count) {
	r.t.Helper()
	r.batch++
	writeBatch(r.t, r.db, r.batch, indicator, counts...)
}

func writeBatch(t *testing.T, db *clickhouse.DB, batch, indicator uint64, counts ...count) {
	t.Helper()
	for table, length := range map[string]int64{"slo_slots_10s": 10, "slo_slots_5m": 300, "slo_slots_1h": 3600} {
		var rows []string
		for _, c := range counts {
			rows = append(rows, fmt.Sprintf("(%d, '%s', %d, %d, %d)", indicator, c.group, c.at.Unix()/length*length, c.bad, c.total))
		}
		querytest.Exec(t, db, "INSERT INTO "+table+" (indicator, grp, slice, bad, total) VALUES "+strings.Join(rows, ", "))
	}
	var rows []string
	for _, c := range counts {
		rows = append(rows, fmt.Sprintf("(77777777777, %d, %d, %d, '%s', %d, %d, %d)", batch, c.at.Unix(), indicator, c.group, c.at.Unix(), c.bad, c.total))
	}
	querytest.Exec(t, db, "INSERT INTO slo_journal (node, batch, at, indicator, grp, slice, bad, total) VALUES "+strings.Join(rows, ", "))
}

// slots are counts of every slot of [from, to).
func slotsOf(from, to time.Time, bad, total int) []count {
	var out []count
	for at := from; at.Before(to); at = at.Add(sli.Slot) {
		out = append(out, count{at: at, bad: bad, total: total})
	}
	return out
}

// run ticks every slot of (from, to], so late that every slot is complete.
func (r *rig) run(from, to time.Time) {
	r.t.Helper()
	for at := from.Add(sli.Slot); !at.After(to); at = at.Add(sli.Slot) {
		r.must(r.tick(r.t.Context(), at.Add(r.Delay())))
	}
}

// told are the stored changes of tiers as short texts, the oldest first.
func (r *rig) told(states ...string) []string {
	r.t.Helper()
	events, err := r.Events(r.t.Context(), EventFilter{})
	r.must(err)
	slices.Reverse(events)
	var out []string
	for _, e := range events {
		if slices.Contains(states, e.State) {
			out = append(out, fmt.Sprintf("%s %s %s", e.At.Format(time.TimeOnly), e.Tier, e.State))
		}
	}
	return out
}

// TestEngine lives through an outage whose times slo/rule's tests have by arithmetic: 100 requests a second, all of which
// fail for ten minutes.
func TestEngine(t *testing.T) {
	db := chtest.New(t)
	r := newRig(t, db, filepath.Join(t.TempDir(), "snapshot"), defined)
	r.apply(defined, checkout)
	if len(r.counted) != 1 {
		t.Fatalf("the write path counts %d indicators", len(r.counted))
	}
	id, outage := r.counted[0].ID, start.Add(2*time.Hour)
	if since := r.counted[0].Since; since != start.Unix() {
		t.Errorf("counted from %d, not %d", since, start.Unix())
	}
	r.write(id, slotsOf(start, outage, 0, 1000)...)
	r.run(outage.Add(-sli.Slot), outage)
	r.write(id, slotsOf(outage, outage.Add(10*time.Minute), 1000, 1000)...)
	r.write(id, slotsOf(outage.Add(10*time.Minute), outage.Add(30*time.Minute), 0, 1000)...)
	r.run(outage, outage.Add(30*time.Minute))

	fired := r.told("firing", "resolved")
	// All of it is younger than the long windows, whose rates count for their share: that of the hour is as if it were old.
	if !slices.Contains(fired, "11:01:00 page-fast firing") {
		t.Errorf("told %v", fired)
	}
	if !slices.ContainsFunc(fired, func(s string) bool { return strings.HasSuffix(s, "page-fast resolved") }) {
		t.Errorf("never resolved: %v", fired)
	}
	s, ok := r.Status(Ref{SLO: "checkout-availability"})
	if !ok || s.Bad != 60_000 || s.Total != 900_000 || s.Left >= 0 || s.Health != AtRisk {
		t.Errorf("status %+v", s)
	}
	if s.Rules[0].Alerts != 1 {
		t.Errorf("%d alerts counted", s.Rules[0].Alerts)
	}

	before := r.now().Views()
	r.saveSnapshot()
	restored := newRig(t, db, r.snapshot, outage.Add(31*time.Minute))
	if diff := cmp.Diff(summary(before), summary(restored.now().Views())); diff != "" {
		t.Errorf("after a restart with a snapshot (-before +after):\n%s", diff)
	}
	loaded := newRig(t, db, "", outage.Add(30*time.Minute).Add(tracker.DefaultDelay))
	if diff := cmp.Diff(summary(before), summary(loaded.now().Views())); diff != "" {
		t.Errorf("after a restart without (-before +after):\n%s", diff)
	}
}

// summary is what has to be equal of two engines.
func summary(views []tracker.View) []string {
	var out []string
	for _, v := range views {
		line := fmt.Sprint(v.Ref, v.Now, v.Bad, v.Total, v.BadHour, v.TotalHour, v.Covered)
		for i, rule := range v.Rules {
			line += fmt.Sprint("; ", rule.Tier.Name, rule.State, rule.BadLong, rule.TotalLong, rule.BadShort, rule.TotalShort, v.States[i].Phase, v.States[i].Since)
		}
		out = append(out, line)
	}
	return out
}

// TestTwoEngines evaluates the same counts twice: what is stored is as if once.
func TestTwoEngines(t *testing.T) {
	db := chtest.New(t)
	a := newRig(t, db, "", defined)
	a.apply(defined, checkout)
	b := newRig(t, db, "", defined)
	if len(b.counted) != 1 || a.counted[0].ID != b.counted[0].ID {
		t.Fatalf("indicators %v and %v", a.counted, b.counted)
	}
	id := a.counted[0].ID
	a.write(id, slotsOf(start, start.Add(time.Hour), 0, 100)...)
	a.write(id, slotsOf(start.Add(time.Hour), start.Add(65*time.Minute), 100, 100)...)
	for _, r := range []*rig{a, b} {
		r.run(start.Add(time.Hour-sli.Slot), start.Add(70*time.Minute))
	}
	fired := a.told("firing")
	if len(fired) == 0 || len(slices.Compact(slices.Clone(fired))) != len(fired) {
		t.Errorf("told %v", fired)
	}
	if diff := cmp.Diff(summary(a.now().Views()), summary(b.now().Views())); diff != "" {
		t.Error(diff)
	}
}

// TestCorrection takes an outage out of the budget and puts it back in.
func TestCorrection(t *testing.T) {
	ctx, db := t.Context(), chtest.New(t)
	r := newRig(t, db, "", defined)
	r.apply(defined, checkout)
	id := r.counted[0].ID
	outage := start.Add(20 * time.Minute)
	r.write(id, slotsOf(start, outage, 0, 100)...)
	r.write(id, slotsOf(outage, outage.Add(100*time.Second), 100, 100)...)
	r.write(id, slotsOf(outage.Add(100*time.Second), outage.Add(10*time.Hour), 0, 100)...)
	r.run(outage.Add(10*time.Hour-time.Minute), outage.Add(10*time.Hour))
	bad := func(want uint64) {
		t.Helper()
		s, _ := r.Status(Ref{SLO: "checkout-availability"})
		if s.Bad != want {
			t.Errorf("%d bad events, want %d", s.Bad, want)
		}
		left, err := r.LeftAt(ctx, Ref{SLO: "checkout-availability"}, []int64{outage.Unix(), r.now().Now()})
		r.must(err)
		if !near(left[1], s.Left) {
			t.Errorf("history says that %v is left, the status %v", left[1], s.Left)
		}
	}
	bad(1000)
	made, err := r.Correct(ctx, Correction{SLO: "checkout-availability", From: outage, To: outage.Add(45 * time.Second), Reason: "drill", Author: "ada"})
	r.must(err)
	r.must(r.reconcile(ctx, outage.Add(11*time.Hour)))
	bad(500)
	other, err := r.Correct(ctx, Correction{SLO: "checkout-availability", From: outage.Add(40 * time.Second), To: outage.Add(70 * time.Second), Reason: "drill, longer", Author: "bob"})
	r.must(err)
	r.must(r.reconcile(ctx, outage.Add(11*time.Hour)))
	bad(300)
	r.must(r.Withdraw(ctx, other.ID, "bob"))
	r.must(r.Withdraw(ctx, made.ID, "ada"))
	r.must(r.reconcile(ctx, outage.Add(11*time.Hour)))
	bad(1000)
	for _, c := range []Correction{
		{SLO: "checkout-availability", From: outage, To: outage, Reason: "drill", Author: "ada"},
		{SLO: "checkout-availability", From: outage, To: outage.Add(time.Hour), Author: "ada"},
		{SLO: "checkout-availability", From: outage, To: outage.Add(time.Hour), Reason: "drill"},
		{SLO: "checkout-availability", From: outage, To: outage.Add(9000 * time.Hour), Reason: "drill", Author: "ada"},
		{SLO: "nothing", From: outage, To: outage.Add(time.Hour), Reason: "drill", Author: "ada"},
	} {
		if _, err := r.Correct(ctx, c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func near(a, b float64) bool { return querytest.Near(a, b) }

// TestBackfill counts spans that are older than the SLO, and those that come late.
func TestBackfill(t *testing.T) {
	ctx := t.Context()
	var spans []querytest.Span
	for i := range 300 {
		spans = append(spans, querytest.Span{
			At: time.Duration(i) * time.Minute, Trace: i + 1, Span: i + 1, Service: "checkout", Kind: "server", Error: i%10 == 0,
		})
	}
	db := querytest.New(t, spans...)
	now := querytest.Base.Add(6 * time.Hour)
	r := newRig(t, db, "", now)
	r.apply(now, checkout)
	r.must(r.counter.Recount(ctx, now))
	r.must(r.tick(ctx, now.Add(time.Minute)))
	ref := Ref{SLO: "checkout-availability"}
	s, _ := r.Status(ref)
	if s.Bad != 30 || s.Total != 300 || s.Backfill != nil {
		t.Errorf("counted %d of %d, backfill %+v", s.Bad, s.Total, s.Backfill)
	}
	if s.Coverage <= 0 || s.Coverage > 0.01 { // six hours of a month
		t.Errorf("coverage %v", s.Coverage)
	}
	// Three more come late, one of them from before everything; the write path leaves marks, and doing it all twice changes
	// nothing.
	var late []querytest.Span
	for i, at := range []time.Duration{90 * time.Second, 2 * time.Minute, -20 * time.Minute} {
		late = append(late, querytest.Span{At: at, Trace: 1001 + i, Span: 1001 + i, Service: "checkout", Kind: "server", Error: true})
		querytest.Exec(t, db, fmt.Sprintf("INSERT INTO slo_late (indicator, slice, at) VALUES (%d, %d, %d)",
			r.counted[0].ID, querytest.Base.Add(at).Unix(), now.Unix()))
	}
	querytest.Insert(t, db, late)
	for range 2 {
		r.must(r.counter.Recount(ctx, now))
		r.must(r.tick(ctx, now.Add(2*time.Minute)))
	}
	if s, _ = r.Status(ref); s.Bad != 33 || s.Total != 303 || s.Backfill != nil {
		t.Errorf("with late ones %d of %d, backfill %+v", s.Bad, s.Total, s.Backfill)
	}
	// The spans of that day are dropped, and one more comes: what was counted stays.
	querytest.Exec(t, db, "TRUNCATE TABLE spans")
	querytest.Insert(t, db, late[:1])
	querytest.Exec(t, db, fmt.Sprintf("INSERT INTO slo_late (indicator, slice, at) VALUES (%d, %d, %d)",
		r.counted[0].ID, querytest.Base.Add(2*time.Minute).Unix(), now.Unix()))
	r.must(r.counter.Recount(ctx, now))
	r.must(r.tick(ctx, now.Add(2*time.Minute)))
	if s, _ = r.Status(ref); s.Bad != 33 || s.Total != 303 {
		t.Errorf("without the spans %d of %d", s.Bad, s.Total)
	}
	again := newRig(t, db, "", now.Add(3*time.Minute))
	if s, _ = again.Status(ref); s.Bad != 33 || s.Total != 303 || s.Backfill != nil {
		t.Errorf("after a restart %d of %d, backfill %+v", s.Bad, s.Total, s.Backfill)
	}
}

// TestKinds evaluates objectives that do not count events: live and read back from storage they say the same.
func TestKinds(t *testing.T) {
	db := chtest.New(t)
	r := newRig(t, db, "", defined)
	r.apply(defined, `
slo: checkout-availability
service: checkout
good: no errors
objective: 99.9% over 30 days
group_by: tenant
---
slo: minutes
service: checkout
good: no errors
group_by: tenant
objective: 95% of minutes over 7 days
slices: good at 99%
---
slo: other
service: payment
good: no errors
objective: 99% over 7 days
---
slo: journey
service: checkout
combine: all of checkout-availability, other
objective: 99% over 7 days
`)
	ids := map[string]uint64{}
	for _, c := range r.counted {
		ids[c.Indicator.Service] = c.ID
	}
	end := start.Add(90 * time.Minute)
	for at := start; at.Before(end); at = at.Add(5 * time.Minute) {
		next := at.Add(5 * time.Minute)
		counts := slotsOf(at, next, 0, 100)
		counts = append(counts, count{at: at, bad: 30, total: 40}, count{at: at, group: "acme", bad: 30, total: 30}, count{at: at, group: "umbrella", total: 10})
		r.write(ids["checkout"], counts...)
		r.write(ids["payment"], append(slotsOf(at, next, 0, 10), count{at: at.Add(2 * time.Minute), bad: 9, total: 10})...)
		r.run(at, next)
	}
	// A late one changes a slice that is over.
	r.write(ids["checkout"], count{at: end.Add(-10 * time.Minute).Add(time.Minute), bad: 50, total: 50})
	r.run(end, end.Add(time.Minute))
	for _, want := range []struct {
		ref        Ref
		bad, total uint64
	}{
		{Ref{SLO: "checkout-availability"}, 18*30 + 50, 54_000 + 18*40 + 50},
		{Ref{SLO: "checkout-availability", Objective: "default", Group: "acme"}, 18 * 30, 18 * 30},
		{Ref{SLO: "minutes"}, 19, 90},
		{Ref{SLO: "journey"}, 37, 90},
	} {
		if s, ok := r.Status(want.ref); !ok || s.Bad != want.bad || s.Total != want.total {
			t.Errorf("%v: %d of %d, want %d of %d", want.ref, s.Bad, s.Total, want.bad, want.total)
		}
	}
	loaded := newRig(t, db, "", end.Add(time.Minute).Add(tracker.DefaultDelay))
	if diff := cmp.Diff(summary(flat(r.Engine)), summary(flat(loaded.Engine))); diff != "" {
		t.Errorf("read back (-live +read):\n%s", diff)
	}
	if groups := r.Groups("checkout-availability", "default"); len(groups) != 2 || groups[0].Group != "acme" {
		t.Errorf("groups %+v", groups)
	}
}

func flat(e *Engine) []tracker.View { return e.Views() }

// TestCheck finds out that memory is not what is stored, and mends it.
func TestCheck(t *testing.T) {
	ctx, db := t.Context(), chtest.New(t)
	r := newRig(t, db, "", defined)
	r.apply(defined, checkout)
	id, end := r.counted[0].ID, start.Add(2*time.Hour)
	r.write(id, slotsOf(start, end, 1, 100)...)
	r.run(end.Add(-time.Minute), end)
	before := mismatches.Get()
	r.must(r.check(ctx))
	if n := mismatches.Get() - before; n != 0 {
		t.Fatalf("%d mismatches of what is right", n)
	}
	r.now().Put(id, "", end.Add(-time.Minute).Unix(), 5, 5)
	r.must(r.check(ctx))
	if n := mismatches.Get() - before; n != 1 {
		t.Errorf("%d mismatches", n)
	}
	if s, _ := r.Status(Ref{SLO: "checkout-availability"}); s.Bad != 720 || s.Total != 72_000 {
		t.Errorf("mended to %d of %d", s.Bad, s.Total)
	}
}

// TestLookBack asks for charts, a preview, a report and a forecast of an outage.
func TestLookBack(t *testing.T) {
	ctx, db := t.Context(), chtest.New(t)
	r := newRig(t, db, "", defined)
	r.apply(defined, checkout)
	id, outage, end := r.counted[0].ID, start.Add(20*time.Hour), start.Add(24*time.Hour)
	r.write(id, slotsOf(start, outage, 0, 1000)...)
	r.write(id, slotsOf(outage, outage.Add(10*time.Minute), 500, 1000)...)
	r.write(id, slotsOf(outage.Add(10*time.Minute), end, 0, 1000)...)
	r.run(end.Add(-sli.Slot), end)
	r.must(r.counter.Recount(ctx, end))
	ref := Ref{SLO: "checkout-availability", Objective: "default"}
	status, ok := r.Status(ref)
	if !ok || status.Bad != 30_000 {
		t.Fatalf("status %+v", status)
	}

	left, err := r.Budget(ctx, ref, outage.Add(-time.Hour), end, 100)
	r.must(err)
	if first, last := left.Left[0], left.Left[len(left.Left)-1]; first != 1 || last >= 1 || !near(last, status.Projected) {
		t.Errorf("budget from %v to %v, the status projects %v", first, last, status.Projected)
	}
	if len(left.Incidents) != 1 || left.Incidents[0].From != outage.Unix() {
		t.Errorf("incidents %+v", left.Incidents)
	}
	burn, err := r.BurnChart(ctx, ref, outage.Add(-time.Hour), outage.Add(time.Hour), 121)
	r.must(err)
	if got := slices.Max(burn.Lines[1].Values); burn.Lines[1].Window != 5*time.Minute || !near(got, 500) {
		t.Errorf("highest burn over %v: %v", burn.Lines[1].Window, got)
	}

	s, _ := r.SLO("checkout-availability")
	preview, err := r.Preview(ctx, s, 0, start, end, true)
	r.must(err)
	if preview.Pages != 1 || preview.Caught != 1 || len(preview.Grid) == 0 || preview.Bad != 30_000 || preview.Quality.Source != history.FromCounts {
		t.Errorf("preview: %d pages, %d caught, %d other policies, %d bad, from %s", preview.Pages, preview.Caught, len(preview.Grid), preview.Bad, preview.Quality.Source)
	}

	report, err := r.Report(ctx, "checkout-availability", start)
	r.must(err)
	o := report.Objectives[0]
	if o.Bad != 30_000 || o.Total != status.Total || o.Met || len(o.Days) < 21 || !report.To.Equal(end) {
		t.Errorf("report %+v", o)
	}
	if _, err := r.Report(ctx, "nothing", start); err == nil {
		t.Error("there is a report of an SLO that is not there")
	}
	if _, err := r.Forecast(ctx, ref); err != nil {
		t.Error(err)
	}
	r.must(r.RefreshTrends(ctx, end))
	if status, _ = r.Status(ref); len(status.Trend) != 30 || !near(status.Trend[29], left.Left[len(left.Left)-1]) {
		t.Errorf("trend %v", status.Trend)
	}
}

// TestRun lets the loop do all that.
func TestRun(t *testing.T) {
	db := chtest.New(t)
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	r := newRig(t, db, snapshot, time.Now())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	report, err := r.Registry().Apply(ctx, time.Now(), registry.Change{Author: "test", Source: "api", Text: checkout})
	if err != nil || report.Refused {
		t.Fatal(err, report.Problems)
	}
	news, cancel := r.Subscribe()
	defer cancel()
	limit := time.After(30 * time.Second)
	for {
		if _, ok := r.Status(Ref{SLO: "checkout-availability"}); ok {
			break
		}
		select {
		case <-news:
		case <-limit:
			t.Fatal("the definition is never taken in")
		}
	}
	stop()
	r.must(<-done)
	if _, err := (&Engine{cfg: Config{Snapshot: snapshot, Registry: r.Registry()}, counter: r.counter}).restore(time.Now()); err != nil {
		t.Errorf("the snapshot cannot be read: %v", err)
	}
}
