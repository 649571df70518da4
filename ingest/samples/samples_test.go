package samples_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/ingest/native/nativetest"
	"loadline/ingest/samples"
)

func rows() []samples.Row {
	return []samples.Row{
		{Metric: "b", Service: "s", Bucket: 7200, ID: 9, ST: 5, Offsets: []uint32{0, 7_199_999}, Values: []float64{math.Copysign(0, -1), math.MaxFloat64}},
		{Metric: "b", Service: "s", Bucket: 7200, ID: 9, ST: 0, Offsets: []uint32{15_000}, Values: []float64{1}},
		{Metric: "a", Service: "", Bucket: 14400, ID: math.MaxUint64, ST: -5, Offsets: []uint32{1, 2}, Values: []float64{1, 2}},
		{Metric: "", Service: "s", Bucket: 0, ID: 0, ST: math.MinInt64},
	}
}

// readAll reads a record's rows back.
func readAll(t testing.TB, record []byte) (out []samples.Row) {
	t.Helper()
	err := samples.Read(record, func(r *samples.Row) {
		kept := *r
		kept.Offsets, kept.Values = append([]uint32(nil), r.Offsets...), append([]float64(nil), r.Values...)
		out = append(out, kept)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRecord(t *testing.T) {
	record := samples.AppendRecord(nil, "name", rows())
	if name, err := samples.Name(record); err != nil || name != "name" {
		t.Errorf("name %q, %v", name, err)
	}
	if d := cmp.Diff(rows(), readAll(t, record)); d != "" {
		t.Error(d)
	}
	if got := readAll(t, samples.AppendRecord(nil, "", nil)); got != nil {
		t.Errorf("rows %v of nothing", got)
	}
	for n := range record {
		err := samples.Read(record[:n], func(*samples.Row) {})
		if _, nameErr := samples.Name(record[:n]); n < 6 && (err == nil || nameErr == nil) {
			t.Errorf("the first %d bytes are read without an error", n)
		}
	}
	record[0] = 2
	if err := samples.Read(record, func(*samples.Row) {}); err == nil {
		t.Error("another version is read")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(samples.AppendRecord(nil, "name", rows()))
	f.Add([]byte{1, 0, 0xff, 1, 2, 3})
	f.Fuzz(func(t *testing.T, record []byte) {
		block := samples.NewBlock(0)
		var all []samples.Row
		err := samples.Read(record, func(r *samples.Row) {
			block.Add(r)
			kept := *r
			kept.Offsets, kept.Values = append([]uint32(nil), r.Offsets...), append([]float64(nil), r.Values...)
			all = append(all, kept)
		})
		if err != nil {
			return
		}
		block.Fill().Encode(nil, nil)
		again := readAll(t, samples.AppendRecord(nil, "", all))
		if d := cmp.Diff(fmt.Sprint(all), fmt.Sprint(again)); d != "" {
			t.Error(d)
		}
	})
}

func TestBlock(t *testing.T) {
	b := samples.NewBlock(10)
	for _, r := range append(rows(), rows()...) { // the second time adds nothing
		b.Add(&r)
	}
	b.Add(&samples.Row{Metric: "b", Service: "s", Bucket: 7200, ID: 9, ST: 5, Offsets: []uint32{3, 4}, Values: []float64{3, 4}})
	b.Add(&samples.Row{Metric: "b", Service: "a", Bucket: 14400, ID: 9, ST: 5, Offsets: []uint32{3}, Values: []float64{7}})
	got, err := nativetest.Rows(b.Fill(), nil)
	if err != nil {
		t.Fatal(err)
	}
	row := func(metric, service string, bucket, id uint64, st, t1 int64, off, value []any) nativetest.Row {
		return nativetest.Row{"metric": metric, "service": service, "bucket": bucket, "series_id": id, "st": st, "t1": t1, "off": off, "value": value}
	}
	want := []nativetest.Row{
		row("a", "", 14400, math.MaxUint64, -5, 14_400_002, []any{uint64(1), uint64(2)}, []any{1.0, 2.0}),
		row("b", "a", 14400, 9, 5, 14_400_003, []any{uint64(3)}, []any{7.0}),
		row("b", "s", 7200, 9, 0, 7_215_000, []any{uint64(15_000)}, []any{1.0}),
		row("b", "s", 7200, 9, 5, 14_399_999, []any{uint64(0), uint64(3), uint64(4), uint64(7_199_999)},
			[]any{math.Copysign(0, -1), 3.0, 4.0, math.MaxFloat64}),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// BenchmarkBlock merges a minute of segments, in which each of 10,000 series has four samples.
func BenchmarkBlock(b *testing.B) {
	const series, each = 10_000, 4
	var records [][]byte
	for i := range each {
		rows := make([]samples.Row, series)
		for j := range rows {
			rows[j] = samples.Row{
				Metric: fmt.Sprint("metric", j/200), Service: fmt.Sprint("service", j%200/20), Bucket: 7200,
				ID: uint64(j) * 0x9e3779b97f4a7c15, ST: 5, Offsets: []uint32{uint32(i) * 15_000}, Values: []float64{float64(i)},
			}
		}
		records = append(records, samples.AppendRecord(nil, "", rows))
	}
	var encoded []byte
	for b.Loop() {
		block := samples.NewBlock(series * each)
		for _, record := range records {
			if err := samples.Read(record, block.Add); err != nil {
				b.Fatal(err)
			}
		}
		encoded = block.Fill().Encode(encoded[:0], nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*series*each), "ns/sample")
	b.ReportMetric(float64(len(records[0]))/series, "bytes/record-row")
}
