package rollup

import (
	"testing"
	"time"

	"loadline/query/filter"
	"loadline/query/querytest"
)

// TestGoldenSQL keeps the queries that are put together from parts.
func TestGoldenSQL(t *testing.T) {
	sel := filter.Selector{Env: "production", Service: "web"}.With("status", filter.Equal, "5xx").With("version", filter.NotEqual, "1.0")
	f := func(name string, r Range, step bool) {
		t.Helper()
		q, err := Inbound(sel, r)
		if err != nil {
			t.Fatal(err)
		}
		q.Keys = []string{"service", "operation"}
		if step {
			q.PerStep(r.Step)
		}
		querytest.Golden(t, name+".sql", q.histograms()+"\n")
	}
	f("totals_3h", NewRange(querytest.Base.Add(time.Minute), querytest.Base.Add(3*time.Hour), 240), false)
	f("steps_3h", NewRange(querytest.Base.Add(time.Minute), querytest.Base.Add(3*time.Hour), 240), true)
	f("totals_7d", NewRange(querytest.Base, querytest.Base.Add(7*24*time.Hour), 240), false)
	f("steps_1d", NewRange(querytest.Base, querytest.Base.Add(24*time.Hour), 240), true)
}
