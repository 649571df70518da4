package points

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"loadline/ingest/wire"
)

// buckets encodes a Buckets message, packed or not.
func buckets(offset int32, packed bool, counts ...uint64) []byte {
	var out, all []byte
	for _, n := range counts {
		all = protowire.AppendVarint(all, n)
		if !packed {
			out = protowire.AppendVarint(protowire.AppendTag(out, 2, protowire.VarintType), n)
		}
	}
	if packed {
		out = protowire.AppendBytes(protowire.AppendTag(out, 2, protowire.BytesType), all)
	}
	// The offset stands behind the counts, which is legal though nobody does it.
	return protowire.AppendVarint(protowire.AppendTag(out, 1, protowire.VarintType), protowire.EncodeZigZag(int64(offset)))
}

// TestSparse compares buckets with what their bounds say: an OTLP bucket lies inside the one it is merged into.
func TestSparse(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		offset := int32(random.IntN(200) - 100)
		down := uint(random.IntN(5))
		counts := make([]uint64, random.IntN(50))
		want := map[int32]uint64{}
		var wantTotal uint64
		for i := range counts {
			if random.IntN(2) == 0 {
				counts[i] = random.Uint64N(1000)
			}
			if counts[i] > 0 {
				// Upper bounds in units of the finer scale: 2^down of them make one of the coarser.
				upper := float64(offset) + float64(i) + 1
				want[int32(math.Ceil(upper/math.Exp2(float64(down))))] += counts[i]
				wantTotal += counts[i]
			}
		}
		var total uint64
		good := true
		got, err := sparse(nil, buckets(offset, random.IntN(2) == 0, counts...), down, &total, &good)
		if err != nil || !good || total != wantTotal {
			t.Fatalf("total %d, want %d; good %v, %v", total, wantTotal, good, err)
		}
		merged := map[int32]uint64{}
		for _, b := range got {
			merged[b.Index] += b.Count
		}
		if diff := cmp.Diff(want, merged); diff != "" || len(merged) != len(got) {
			t.Fatalf("offset %d, down %d, counts %v: %v\n%s", offset, down, counts, got, diff)
		}
		if !slices.IsSortedFunc(got, func(a, b Bucket) int { return int(a.Index - b.Index) }) {
			t.Errorf("buckets are not sorted: %v", got)
		}
	}
}

// A long run of empty buckets, or an offset far out, must cost nothing.
func TestSparseMemory(t *testing.T) {
	counts := make([]uint64, 1<<20)
	counts[1<<20-1] = 5
	message := buckets(math.MaxInt32-1<<20, true, counts...)
	allocated := testing.AllocsPerRun(1, func() {
		var total uint64
		good := true
		got, err := sparse(nil, message, 0, &total, &good)
		if err != nil || len(got) != 1 || got[0] != (Bucket{math.MaxInt32, 5}) {
			t.Errorf("%v, %v", got, err)
		}
	})
	if allocated > 4 {
		t.Errorf("%v allocations", allocated)
	}
}

func TestPrometheusNames(t *testing.T) {
	f := func(name, unit string, m Metric, want string) {
		t.Helper()
		m.Name, m.Unit = []byte(name), []byte(unit)
		if got := m.PrometheusName(); got != want {
			t.Errorf("%q in %q: %q, want %q", name, unit, got, want)
		}
	}
	counter := Metric{sum: true, monotonic: true, temporality: temporalityCumulative}
	f("http.server.request.duration", "s", Metric{Shape: Histogram}, "http_server_request_duration_seconds")
	f("http.server.requests", "{request}", counter, "http_server_requests_total")
	f("sent.bytes", "By", counter, "sent_bytes_total")
	f("ratio", "1", Metric{}, "ratio")
	f("cpu.utilization", "1", Metric{}, "cpu_utilization_ratio")
	f("queue.length", "1", Metric{sum: true}, "queue_length")
	f("speed", "m/s", Metric{}, "speed_meters_per_second")
	f("9lives", "", Metric{}, "_9lives")
	f("a  b--c", "", Metric{}, "a_b_c")
	f("gc", "ms", Metric{Shape: Summary}, "gc_milliseconds")
}

func TestKinds(t *testing.T) {
	f := func(m Metric, kind int8, typ, temporality string) {
		t.Helper()
		if got := fmt.Sprint(m.Kind(), m.Type(), m.Temporality()); got != fmt.Sprint(kind, typ, temporality) {
			t.Errorf("%+v: %s, want %d %s %s", m, got, kind, typ, temporality)
		}
	}
	f(Metric{}, KindGauge, "gauge", "")
	f(Metric{sum: true, temporality: temporalityCumulative}, KindGauge, "gauge", "cumulative")
	f(Metric{sum: true, temporality: temporalityDelta}, KindDelta, "gauge", "delta")
	f(Metric{sum: true, monotonic: true, temporality: temporalityCumulative}, KindCounter, "counter", "cumulative")
	f(Metric{sum: true, monotonic: true, temporality: temporalityDelta}, KindDelta, "counter", "delta")
	f(Metric{Shape: Histogram, temporality: temporalityCumulative}, KindHistogram, "histogram", "cumulative")
	f(Metric{Shape: Exponential, temporality: temporalityDelta}, KindDeltaHistogram, "histogram", "delta")
	f(Metric{Shape: Summary}, KindSummary, "summary", "")
}

// The series id is a contract with the readers of the tables and must not change.
func TestSeriesID(t *testing.T) {
	r, err := wire.NewResources().Decode(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := NewLabeler()
	if err := l.Build(nil, r, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Label{{"job", "unknown_service"}}, l.Labels); diff != "" {
		t.Fatal(diff)
	}
	// xxhash64 of "job\xffunknown_service\xff".
	if got := l.ID(KindGauge, nil); got != xxhash.Sum64String("job\xffunknown_service\xff") || got != l.ID(KindCounter, nil) {
		t.Errorf("id %#x", got)
	}
	ids := map[uint64]bool{
		l.ID(KindGauge, nil): true, l.ID(KindDelta, nil): true, l.ID(KindDeltaHistogram, nil): true,
		l.ID(KindHistogram, []float64{1}): true, l.ID(KindDeltaHistogram, []float64{1}): true,
		l.ID(KindHistogram, []float64{1, 2}): true,
	}
	if len(ids) != 6 {
		t.Errorf("%d ids, want 6", len(ids))
	}
	l.SetQuantile(0.5)
	if diff := cmp.Diff([]Label{{"job", "unknown_service"}, {"quantile", "0.5"}}, l.Labels); diff != "" {
		t.Error(diff)
	}
}
