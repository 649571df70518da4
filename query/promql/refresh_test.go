package promql

import (
	"math/rand/v2"
	"testing"
	"time"

	upstream "github.com/prometheus/prometheus/promql"

	"loadline/query/promql/results"
)

func TestRefreshedResultsEqualWholeOnes(t *testing.T) {
	kept := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		base := int64(1_000_000_000)
		data := randomData(r, base)
		engine := NewEngine(Config{})
		for range 10 {
			text := expressions{r}.vector(r.IntN(4))
			step := []time.Duration{15 * time.Second, time.Minute, 7 * time.Second}[r.IntN(3)]
			start, span := time.UnixMilli(base+int64(r.IntN(1_000_000))), time.Duration(r.IntN(60))*step
			var now time.Time
			refreshed := results.New(engine, Parser(), results.Config{Lag: time.Minute, Now: func() time.Time { return now }})
			for range 5 {
				at := times{start: start, end: start.Add(span), step: step}
				now = at.end.Add(time.Duration(r.IntN(200)-20) * time.Second)
				want, _ := evaluate(t, engine, data, nil, text, at)
				got, q := evaluate(t, refreshed, data, nil, text, at)
				if q != nil && q.Stats().Samples.TotalSeries == 0 {
					kept++
				}
				stable := true
				for try := 0; want != got && try < 50; try++ {
					again, _ := evaluate(t, engine, data, nil, text, at)
					stable = stable && again == want
					want = again
				}
				if want != got && stable {
					t.Fatalf("seed %d, %s at %+v\nwant %s\ngot %s", seed, text, at, want, got)
				}
				start = start.Add(time.Duration(r.IntN(12)-1) * step)
			}
		}
	}
	if kept == 0 {
		t.Error("nothing was kept")
	}
}

func TestRefreshEvaluatesWhatIsNew(t *testing.T) {
	data := benchmarkData(100, 400)
	now := time.UnixMilli(100 * 60_000)
	e := results.New(NewEngine(Config{}), Parser(), results.Config{Now: func() time.Time { return now }})
	f := func(opts upstream.QueryOpts, minute int, want int64) {
		t.Helper()
		at := times{start: time.UnixMilli(int64(minute) * 60_000), step: time.Minute}
		at.end = at.start.Add(time.Hour)
		_, q := evaluate(t, e, data, opts, `sum by (job) (http_requests_total)`, at)
		if got := q.Stats().Samples.TotalSamples; got != want*100 {
			t.Errorf("from minute %d on %d samples were selected, want %d", minute, got, want*100)
		}
	}
	f(nil, 30, 61)
	f(nil, 30, 0) // until minute 90, which is 10 minutes old
	f(nil, 35, 5) // minutes 91 to 95
	f(nil, 35, 5) // are not kept yet
	f(results.Bypass(nil), 35, 61)
	f(nil, 31, 1)
	f(nil, 29, 61) // starts before what is kept
	now = now.Add(5 * time.Minute)
	f(nil, 35, 6)
	f(nil, 35, 0)
}
