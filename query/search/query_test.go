package search

import (
	"testing"
	"time"

	"loadline/query/filter"
	"loadline/query/querytest"
	"loadline/query/rollup"
	"loadline/query/sql"
)

// TestGoldenSQL keeps the condition of a search, which is put together from parts.
func TestGoldenSQL(t *testing.T) {
	sel := filter.Selector{Env: "production", Service: "web"}.With("status", filter.Equal, "5xx").With("version", filter.NotEqual, "1.0")
	q := Query{ErrorsOnly: true, MinDuration: time.Second, Range: oneMinute()}
	q.Selector = sel.With("user.id", filter.Equal, "7").With("k8s.pod.name", filter.Match, "a").With("http.method", filter.NotEqual, "GET").With("duration", filter.Less, "2s").With("http.response.status_code", filter.GreaterEqual, "500").With("retries", filter.Greater, "2")
	w, err := q.within([]slicePart{{at: 10}, {at: 0}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	querytest.Golden(t, "search.sql", w.String()+"\n")
}

// TestGranules guards that the engine finds spans by the primary key, whose conditions it must recognise.
func TestGranules(t *testing.T) {
	check := querytest.Granules(t, querytest.New(t))
	at := uint32(querytest.Base.Add(time.Hour).Unix())
	q := Query{Range: rollup.NewRange(querytest.Base, querytest.Base.Add(2*time.Hour), 240)}
	w, err := q.within([]slicePart{{at: at}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	check("search", w.String(), w.Args)
	w = &sql.Where{}
	placed(w, []uint32{at}, []string{querytest.TraceHex(1)})
	check("summaries", w.String(), w.Args)
	w = &sql.Where{}
	w.SliceRange(querytest.Base.Add(time.Hour), querytest.Base.Add(time.Hour+10*time.Second))
	check("newest", w.String(), w.Args)
}
