package indicator

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loadline/internal/clickhouse"
	"loadline/internal/sli"
	"loadline/query/indicator/calls"
	"loadline/query/querytest"
)

// incident is ten minutes of checkout: two requests a second, half from web and half from browsers, on two instances. The
// newer version's instance fails each tenth request because stripe fails, and each eleventh of all waits for postgresql.
func incident() []querytest.Span {
	var list []querytest.Span
	for i := range 1200 {
		at := time.Duration(i) * time.Second / 2
		s := querytest.Span{
			At: at, Trace: i + 1, Span: 2, Parent: 1, Service: "checkout", Operation: "POST /pay", Version: "1.0", HTTP: 200, Resource: uint64(1 + i%2), Duration: 50 * time.Millisecond,
			Attributes: querytest.Attributes{{"tenant", fmt.Sprint("t", i%3)}, {"http.user_agent", "Mozilla/5.0 (X11) Firefox/140.0"}},
		}
		pay := querytest.Span{At: at + 3*time.Millisecond, Trace: i + 1, Span: 3, Parent: 2, Service: "checkout", Operation: "POST", Kind: "client", Peer: "stripe", Duration: 5 * time.Millisecond}
		query := querytest.Span{At: at + 2*time.Millisecond, Trace: i + 1, Span: 4, Parent: 2, Service: "checkout", Operation: "SELECT", Kind: "client", Peer: "postgresql:pay", PeerType: "database", Duration: time.Millisecond}
		if i%2 == 1 {
			s.Version = "2.0"
			if i%10 == 1 {
				s.HTTP, pay.Error = 503, true
			}
		}
		if i%11 == 0 {
			s.Duration, query.Duration = 3*time.Second, 2*time.Second
		}
		if i%4 < 2 {
			list = append(list, querytest.Span{At: at - time.Millisecond, Trace: i + 1, Span: 1, Service: "web", Operation: "POST", Kind: "client", Peer: "checkout", Duration: 60 * time.Millisecond})
		}
		list = append(list, s, pay, query)
	}
	return list
}

func newIncident(t *testing.T) *clickhouse.DB {
	db := querytest.New(t, incident()...)
	querytest.Exec(t, db, `INSERT INTO resources (resource_id, service, instance, attributes) VALUES (1, 'checkout', 'pay-1', map()), (2, 'checkout', '', map('k8s.pod.name', 'pay-2'))`)
	return db
}

func TestWhoSpent(t *testing.T) {
	db := newIncident(t)
	ind := sli.Indicator{Service: "checkout", Bad: sli.Bad{Errors: true, Slower: time.Second}, GroupBy: "tenant"}
	got, err := WhoSpent(t.Context(), db, ind, querytest.Base, querytest.Base.Add(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	list, err := Count(t.Context(), db, sli.Indicator{Service: "checkout", Bad: ind.Bad}, querytest.Base, querytest.Base.Add(10*time.Minute))
	if bad, total := sums(list); err != nil || got.Bad != bad || got.Total != total || got.Covered != 1 {
		t.Errorf("%d of %d, covered %v, counted %d of %d", got.Bad, got.Total, got.Covered, bad, total)
	}
	byName := map[string]Dimension{}
	for _, d := range got.Dimensions {
		byName[d.Name] = d
		var bad, good int64
		for _, s := range append(d.Values, d.Others) {
			bad, good = bad+s.Bad, good+s.Good
		}
		if d.Sampled == 0 && (bad != got.Bad || bad+good != got.Total) || d.Sampled > 0 && bad+good != int64(d.Sampled) {
			t.Errorf("%s adds up to %d bad and %d good", d.Name, bad, good)
		}
	}
	f := func(name string, want ...string) {
		t.Helper()
		var values []string
		for _, s := range byName[name].Values {
			values = append(values, s.Value)
		}
		if diff := cmp.Diff(want, values); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	f("operation", "POST /pay")
	f("version", "2.0", "1.0")
	f("instance", "pay-2", "pay-1")
	f("status", "503", "200 slow", "503 slow", "200")
	f("tenant", "t0", "t2", "t1")
	f("dependency", "stripe", "postgresql:pay", calls.None)
	f("client", "Firefox", "web")
	if d := byName["status"]; d.Telling != 1 {
		t.Errorf("the status tells %v", d.Telling)
	}
	if d := byName["tenant"]; d.Telling > 0.1 {
		t.Errorf("the tenant tells %v", d.Telling)
	}
	if s := byName["version"].Values[0]; s.Lift <= 1.5 || math.Abs(s.Lift-s.ShareBad/s.ShareGood) > 1e-9 {
		t.Errorf("lift: %+v", s)
	}
}

// TestWhoSpentNothing asks where nothing is.
func TestWhoSpentNothing(t *testing.T) {
	db := newIncident(t)
	f := func(ind sli.Indicator, from time.Duration, total int64) {
		t.Helper()
		got, err := WhoSpent(t.Context(), db, ind, querytest.Base.Add(from), querytest.Base.Add(from+10*time.Minute))
		if err != nil || got.Bad != 0 || got.Total != total {
			t.Errorf("%+v: %+v, %v", ind, got, err)
		}
		for _, d := range got.Dimensions {
			if d.Telling != 0 {
				t.Errorf("%s tells %v", d.Name, d.Telling)
			}
		}
	}
	f(sli.Indicator{Service: "nobody", Bad: sli.Bad{Errors: true}}, 0, 0)
	f(sli.Indicator{Service: "checkout", Bad: sli.Bad{HTTP: []string{"404"}}}, 0, 1200)
	f(sli.Indicator{Service: "checkout", Bad: sli.Bad{Errors: true}}, time.Hour, 0)
	f(sli.Indicator{Service: "checkout", Bad: sli.Bad{Errors: true}}, -time.Hour, 0)
}

func TestDimension(t *testing.T) {
	values := map[string][2]float64{"a": {6, 10}, "b": {2, 30}, Unknown: {2, 0}}
	for i := range 12 {
		values[fmt.Sprint("c", i)] = [2]float64{0, 5}
	}
	got := breakdown{name: "n", values: values, sampled: 3}.dimension()
	if len(got.Values) != maxSpenders || got.Sampled != 3 || got.Name != "n" || math.Abs(got.Telling-0.7) > 1e-9 {
		t.Errorf("%+v", got)
	}
	near := cmpopts.EquateApprox(0, 1e-9)
	if diff := cmp.Diff([]Spender{{"a", 6, 10, 0.6, 0.1, 6}, {Unknown, 2, 0, 0.2, 0, 0}, {"b", 2, 30, 0.2, 0.3, 2. / 3}}, []Spender{got.Values[0], got.Values[2], got.Values[1]}, near); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Spender{"", 0, 25, 0, 0.25, 0}, got.Others, near); diff != "" {
		t.Error(diff)
	}
}

func TestDraw(t *testing.T) {
	f := func(n int, counts []Slot, want ...uint32) {
		t.Helper()
		if diff := cmp.Diff(want, draw(counts, n), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%d: %s", n, diff)
		}
	}
	f(2, nil)
	f(2, []Slot{{Start: 10, Total: 5}})
	f(2, []Slot{{Start: 10, Bad: 1}, {Start: 20}, {Start: 30, Bad: 1}}, 10, 30)
	f(3, []Slot{{Start: 10, Bad: 100}, {Start: 20, Bad: 1}, {Start: 30, Bad: 1}}, 10)
	many := make([]Slot, 1000)
	for i := range many {
		many[i] = Slot{Start: int64(i), Bad: 3}
	}
	if got := draw(many, 24); len(got) != 24 || got[0] > 42 || got[23] < 950 {
		t.Errorf("%d slots: %v", len(got), got)
	}
}

func TestExamples(t *testing.T) {
	db := newIncident(t)
	ind := sli.Indicator{Service: "checkout", Bad: sli.Bad{Errors: true, Slower: time.Second}}
	f := func(limit int, from, to time.Duration) []Example {
		t.Helper()
		list, err := Examples(t.Context(), db, ind, querytest.Base.Add(from), querytest.Base.Add(to), limit)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range list {
			if !e.Error && !e.Slow || e.Slow != (e.Duration > time.Second) || e.Error != (e.HTTPStatus == 503) || i > 0 && e.Time.After(list[i-1].Time) || e.Time.Before(querytest.Base.Add(from)) || !e.Time.Before(querytest.Base.Add(to)) {
				t.Errorf("%+v", e)
			}
		}
		return list
	}
	causes := map[string]int{}
	for _, e := range f(6, 0, 10*time.Minute) {
		causes[fmt.Sprint(e.HTTPStatus, e.Slow)]++
	}
	if diff := cmp.Diff(map[string]int{"503 false": 2, "503 true": 2, "200 true": 2}, causes); diff != "" {
		t.Error(diff)
	}
	want := Example{TraceID: querytest.TraceHex(12), SpanID: querytest.SpanHex(2), Time: querytest.Base.Add(5500 * time.Millisecond), Operation: "POST /pay", Version: "2.0", HTTPStatus: 503, Error: true, Slow: true, Duration: 3 * time.Second, Instance: "pay-2"}
	if diff := cmp.Diff([]Example{want}, f(10, 5500*time.Millisecond, 6*time.Second)[:1], cmpopts.IgnoreUnexported(Example{})); diff != "" {
		t.Error(diff)
	}
	if list := f(1000, 0, time.Hour); len(list) != maxExamples {
		t.Errorf("%d examples", len(list))
	}
	if list := f(10, time.Hour, 2*time.Hour); len(list) != 0 {
		t.Errorf("of nothing: %+v", list)
	}
}

// TestRefused passes on what an indicator cannot be.
func TestRefused(t *testing.T) {
	db := querytest.New(t)
	from, to := querytest.Base, querytest.Base.Add(time.Minute)
	for _, ind := range []sli.Indicator{{}, {Service: "a", Kinds: []string{"x"}}, {Service: "a", Matchers: []sli.Matcher{{Key: "k", Op: ">", Value: "1"}}}, {Service: "a", Matchers: []sli.Matcher{{Key: "k", Op: "=~", Value: "("}}}} {
		_, counted := Count(t.Context(), db, ind, from, to)
		_, _, previewed := Preview(t.Context(), db, ind, from, to)
		_, spent := WhoSpent(t.Context(), db, ind, from, to)
		_, found := Examples(t.Context(), db, ind, from, to, 1)
		if counted == nil || previewed == nil || spent == nil || found == nil {
			t.Errorf("%+v: %v, %v, %v, %v", ind, counted, previewed, spent, found)
		}
	}
}
