package promql

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
)

// compareRandom evaluates random expressions over random data, and compares the results with the upstream engine's.
func compareRandom(t *testing.T, seed uint64, expressionsPerData int) {
	r := rand.New(rand.NewPCG(seed, 1))
	base := int64(1_000_000_000)
	if r.IntN(8) == 0 {
		base = 0
	}
	data := randomData(r, base)
	cfg := Config{DelayedNameRemoval: r.IntN(3) == 0, StartTimestamps: r.IntN(3) == 0, Timeout: time.Minute}
	want := reference(cfg)
	got := NewEngine(cfg)
	for range expressionsPerData {
		clear(got.unfit.until)
		text := expressions{r}.vector(r.IntN(4))
		if at := randomTimes(r, base); r.IntN(20) == 0 && at.step == 0 {
			text += "[10m:1m]"
		}
		at := randomTimes(r, base)
		var opts upstream.QueryOpts
		if r.IntN(4) == 0 {
			start := r.IntN(2) == 0
			opts = upstream.NewPrometheusQueryOpts(true, time.Duration(r.IntN(400))*time.Second, &start)
		}
		asked, asks := &recorder{Queryable: data}, &recorder{Queryable: data}
		a, plain := evaluate(t, want, asked, opts, text, at)
		b, fast := evaluate(t, got, asks, opts, text, at)
		if n := len(asks.asked) - len(asked.asked); n < 0 || !slices.Equal(asks.asked[n:], asked.asked) {
			t.Fatalf("seed %d, %+v: %s\nwant asked %s\ngot %s", seed, at, text, strings.Join(asked.asked, "\n"), strings.Join(asks.asked, "\n"))
		}
		// The upstream engine takes the results of some operations from a map in random order, and sums over them.
		stable := true
		for try := 0; a != b && try < 200; try++ {
			again, _ := evaluate(t, want, data, opts, text, at)
			stable = stable && again == a
			a = again
		}
		if a != b && stable {
			t.Fatalf("seed %d, %+v, %+v: %s\nwant %s\ngot %s", seed, cfg, at, text, a, b)
		}
		if plain != nil && !strings.HasPrefix(a, "error") && !strings.Contains(text, ":") && counted(plain) != counted(fast) {
			t.Fatalf("seed %d, %+v: %s\nwant counts %s\ngot %s", seed, at, text, counted(plain), counted(fast))
		}
	}
}

func TestRandomExpressionsEqualUpstream(t *testing.T) {
	leaves, fallback := queriesLeaves.Get(), queriesFallback.Get()
	for seed := range uint64(100) {
		compareRandom(t, seed, 40)
	}
	t.Logf("%d with leaves, %d fell back", queriesLeaves.Get()-leaves, queriesFallback.Get()-fallback)
}

func FuzzExpressions(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { compareRandom(t, seed, 4) })
}
