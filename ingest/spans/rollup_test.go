package spans

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"loadline/ingest/native/nativetest"
	"loadline/ingest/red"
	"loadline/ingest/wire"
)

// sumRED sums RED rows by their key in slices of the given width.
func sumRED(rows []nativetest.Row, width uint64) map[string]nativetest.Row {
	sums := map[string]nativetest.Row{}
	for _, r := range rows {
		slice := r["slice"].(uint64) / width * width
		key := fmt.Sprint(slice, r["service"], r["env"], r["version"], r["operation"], r["kind"], r["root"], r["status"], r["error"])
		sum := sums[key]
		if sum == nil {
			sum = nativetest.Row{
				"spans": uint64(0), "requests": 0.0, "duration": 0.0, "slowest": uint64(0), "latency": map[int64]float64{},
			}
			sums[key] = sum
		}
		sum["spans"] = sum["spans"].(uint64) + r["spans"].(uint64)
		sum["requests"] = sum["requests"].(float64) + r["requests"].(float64)
		sum["duration"] = sum["duration"].(float64) + r["duration"].(float64)
		sum["slowest"] = max(sum["slowest"].(uint64), r["slowest"].([]any)[0].(uint64))
		pair := r["latency"].([]any)
		for i, index := range pair[0].([]any) {
			sum["latency"].(map[int64]float64)[index.(int64)] += pair[1].([]any)[i].(float64)
		}
	}
	return sums
}

func TestRollupSumsBatches(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	b := NewBuilder(wire.NewResources())
	rollup := red.NewRollup(5 * time.Minute)
	for range 2 { // the second use starts from nothing
		rollup.Reset()
		var fine []nativetest.Row
		for batch := range 10 {
			b.Reset()
			f := newFixture(fmt.Sprintf("service-%d", batch%3))
			for range 100 {
				s := f.span(fmt.Sprintf("op-%d", random.IntN(5)))
				start := now.Add(-time.Duration(random.IntN(1000)) * time.Second)
				s.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
				s.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(random.IntN(1 << 30)))))
			}
			add(t, b, f.body(t))
			b.Block()
			_, red := b.Derived()
			fine = append(fine, decode(t, red, nil)...)
			if err := rollup.Add(b.AppendRollup(nil)); err != nil {
				t.Fatal(err)
			}
		}
		coarse := decode(t, rollup.Block(), nil)
		want, got := sumRED(fine, 300), sumRED(coarse, 1)
		if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-9, 0)); diff != "" {
			t.Errorf("rollup (-want +got):\n%.2000s", diff)
		}
		if len(coarse) != len(got) {
			t.Errorf("%d rows for %d keys", len(coarse), len(got))
		}
	}
}

// FuzzRollup looks for damaged bytes that make the rollup panic.
func FuzzRollup(f *testing.F) {
	b := NewBuilder(wire.NewResources())
	fixture := newFixture("s")
	fixture.span("a")
	fixture.span("b")
	add(f, b, fixture.body(f))
	b.Block()
	rows := b.AppendRollup(nil)
	f.Add(rows)
	f.Add(rows[:len(rows)-1])
	f.Fuzz(func(t *testing.T, rows []byte) {
		r := red.NewRollup(time.Hour)
		if err := r.Add(rows); err != nil {
			return
		}
		if block := r.Block(); block.Rows() > 0 {
			decode(t, block, nil)
		}
	})
}
