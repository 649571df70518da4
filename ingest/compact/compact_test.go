package compact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/ingest/native"
	"loadline/internal/chunk"
	"loadline/internal/clickhouse"
	"loadline/internal/clickhouse/chtest"
)

var stale = math.Float64frombits(0x7ff0000000000002)

// bucket is a closed one; late is when it has been due for long.
const bucket = 1_750_000_000 / 7200 * 7200

var late = time.Now().Add(time.Hour)

// key is the identity of samples that stand together.
type key struct {
	metric, service string
	id              uint64
	st              int64
}

// content is the bits of samples by series, time in Unix ms.
type content map[key]map[int64]uint64

func (c content) add(k key, at int64, v float64) {
	if c[k] == nil {
		c[k] = map[int64]uint64{}
	}
	c[k][at] = math.Float64bits(v)
}

// samplesBlock builds blocks of the table samples.
type samplesBlock struct {
	block           native.Block
	metric, service *native.LowCardinality
	bucket          *native.Numbers[uint32]
	id              *native.Numbers[uint64]
	st, t1          *native.Numbers[int64]
	offsets         *native.Arrays[uint32]
	values          *native.Arrays[float64]
}

func newSamplesBlock() *samplesBlock {
	b := &samplesBlock{
		metric:  native.NewLowCardinality(),
		service: native.NewLowCardinality(),
		bucket:  native.NewNumbers[uint32]("DateTime('UTC')"),
		id:      native.NewNumbers[uint64]("UInt64"),
		st:      native.NewNumbers[int64]("Int64"),
		t1:      native.NewNumbers[int64]("SimpleAggregateFunction(max, DateTime64(3, 'UTC'))"),
		offsets: native.NewArrays[uint32]("SimpleAggregateFunction(groupArrayArray, Array(UInt32))"),
		values:  native.NewArrays[float64]("SimpleAggregateFunction(groupArrayArray, Array(Float64))"),
	}
	b.block = native.Block{
		{Name: "metric", Column: b.metric},
		{Name: "service", Column: b.service},
		{Name: "bucket", Column: b.bucket},
		{Name: "series_id", Column: b.id},
		{Name: "st", Column: b.st},
		{Name: "t1", Column: b.t1},
		{Name: "off", Column: b.offsets},
		{Name: "value", Column: b.values},
	}
	return b
}

func (b *samplesBlock) add(k key, bucket int64, offsets []uint32, values []float64) {
	b.metric.Append([]byte(k.metric))
	b.service.Append([]byte(k.service))
	b.bucket.Append(uint32(bucket))
	b.id.Append(k.id)
	b.st.Append(k.st)
	b.t1.Append(bucket*1000 + int64(offsets[len(offsets)-1]))
	b.offsets.Append(offsets...)
	b.values.Append(values...)
}

// insert stores the rows as one part and empties the block.
func (b *samplesBlock) insert(t testing.TB, db *clickhouse.DB, token string) {
	t.Helper()
	if err := db.InsertNative(t.Context(), "samples", b.block.Names(), token, b.block.Encode(nil, nil)); err != nil {
		t.Fatal(err)
	}
	b.block.Reset()
}

// stored reads both tables. Of samples with equal times the larger stays.
func stored(t testing.TB, db *clickhouse.DB) content {
	t.Helper()
	got := content{}
	keep := func(k key, at []int64, v []float64) {
		for i := range at {
			old, ok := got[k][at[i]]
			if was := math.Float64frombits(old); !ok || v[i] > was || was != was {
				got.add(k, at[i], v[i])
			}
		}
	}
	rows, err := db.Query(t.Context(), `SELECT metric, service, series_id, st, toInt64(toUnixTimestamp(bucket)), off, value FROM samples`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var k key
		var bucket int64
		var offsets []uint32
		var v []float64
		if err := rows.Scan(&k.metric, &k.service, &k.id, &k.st, &bucket, &offsets, &v); err != nil {
			t.Fatal(err)
		}
		at := make([]int64, len(offsets))
		for i := range at {
			at[i] = bucket*1000 + int64(offsets[i])
		}
		keep(k, at, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	packed, err := db.Query(t.Context(), `SELECT metric, service, series_id, st, toInt64(toUnixTimestamp(bucket)), n, t0, dt, t, scale, v0, v FROM chunks`)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	for packed.Next() {
		var k key
		var bucket int64
		var c chunk.Chunk
		if err := packed.Scan(&k.metric, &k.service, &k.id, &k.st, &bucket, &c.N, &c.T0, &c.DT, &c.T, &c.Scale, &c.V0, &c.V); err != nil {
			t.Fatal(err)
		}
		at, v, err := c.Decode(bucket*1000, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		keep(k, at, v)
	}
	if err := packed.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

// count runs a query for one number.
func count(t testing.TB, db *clickhouse.DB, sql string) uint64 {
	t.Helper()
	var n uint64
	if err := db.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// check compares what is stored with want, and the number of rows in both tables.
func check(t *testing.T, db *clickhouse.DB, when string, want content, samples, chunks uint64) {
	t.Helper()
	if diff := cmp.Diff(want, stored(t, db)); diff != "" {
		t.Errorf("%s (-want +got):\n%.2000s", when, diff)
	}
	if n := count(t, db, `SELECT count() FROM samples`); n != samples {
		t.Errorf("%s: %d rows in samples, want %d", when, n, samples)
	}
	if n := count(t, db, `SELECT count() FROM chunks`); n != chunks {
		t.Errorf("%s: %d rows in chunks, want %d", when, n, chunks)
	}
}

// quiet returns a database that merges samples only when it is told to.
func quiet(t *testing.T) *clickhouse.DB {
	t.Helper()
	db := chtest.New(t)
	if err := db.Exec(t.Context(), `SYSTEM STOP MERGES samples`); err != nil {
		t.Fatal(err)
	}
	return db
}

// merge makes one part of each bucket's.
func merge(ctx context.Context, db *clickhouse.DB) error {
	return errors.Join(db.Exec(ctx, `SYSTEM START MERGES samples`), db.Exec(ctx, `OPTIMIZE TABLE samples FINAL`))
}

func newCompactor(db *clickhouse.DB) *Compactor {
	return New(db, Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

func compactNow(t *testing.T, c *Compactor) {
	t.Helper()
	if err := c.CompactNow(t.Context(), late); err != nil {
		t.Fatal(err)
	}
}

// fill inserts parts with samples of 40 series each. Odd parts come before even ones, so that rows are out of order.
func fill(t testing.TB, db *clickhouse.DB, bucket int64, parts int, want content) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(bucket), 1))
	b := newSamplesBlock()
	for p := range parts {
		for s := range 40 {
			k := key{fmt.Sprintf("metric_%d", s/20), fmt.Sprintf("service-%d", s/10), uint64(s), int64(s%2) * bucket * 1000}
			var offsets []uint32
			var values []float64
			for i := range 20 {
				at := uint32((p^1)*300_000 + i*15_000 + s)
				v := float64(int((p^1)*20+i) * (s + 1))
				switch {
				case s%10 == 3:
					v = r.NormFloat64()
				case s%10 == 4:
					v /= 100
				case s%10 == 5 && i == 19:
					v = stale
				}
				offsets, values = append(offsets, at), append(values, v)
				want.add(k, bucket*1000+int64(at), v)
			}
			b.add(k, bucket, offsets, values)
		}
		b.insert(t, db, fmt.Sprint(bucket, "-", p))
	}
}

func TestCompact(t *testing.T) {
	db, want := quiet(t), content{}
	fill(t, db, bucket, 6, want)
	open := (time.Now().Unix()/7200 + 1) * 7200 // ends after late, whatever the time of day
	fill(t, db, open, 1, want)
	c := newCompactor(db)
	if err := c.CompactNow(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	check(t, db, "what was just written", want, 7*40, 0)
	before := count(t, db, `SELECT sum(length(off)) FROM samples`)
	if err := c.CompactNow(t.Context(), time.Now().Add(settle+5*time.Second)); err != nil {
		t.Fatal(err)
	}
	chunks := count(t, db, `SELECT count() FROM chunks`)
	check(t, db, "one bucket is closed", want, 40, chunks)
	if chunks < 40 || chunks > 60 {
		t.Errorf("40 series have %d chunks", chunks)
	}
	if after := count(t, db, `SELECT sum(length(off)) FROM samples`) + count(t, db, `SELECT sum(n) FROM chunks`); after != before {
		t.Errorf("%d samples became %d", before, after)
	}
	compactNow(t, c)
	check(t, db, "again", want, 40, chunks)
}

func TestLateSamples(t *testing.T) {
	db, want := quiet(t), content{}
	fill(t, db, bucket, 2, want)
	c := newCompactor(db)
	compactNow(t, c)
	chunks := count(t, db, `SELECT count() FROM chunks`)
	k := key{"metric_0", "service-0", 1, bucket * 1000}
	b := newSamplesBlock()
	b.add(k, bucket, []uint32{7_199_999}, []float64{1e6})
	want.add(k, bucket*1000+7_199_999, 1e6)
	b.insert(t, db, "late")
	compactNow(t, c)
	check(t, db, "a late sample", want, 0, chunks+1)
}

func TestEqualTimes(t *testing.T) {
	db, want := quiet(t), content{}
	k := key{"m", "s", 1, 0}
	b := newSamplesBlock()
	b.add(k, bucket, []uint32{10, 20, 30, 40}, []float64{5, 1, stale, 0})
	b.insert(t, db, "1")
	b.add(k, bucket, []uint32{0, 10, 20, 30, 40}, []float64{9, 4, 2, 3, math.Copysign(0, -1)})
	b.insert(t, db, "2")
	for at, v := range map[int64]float64{0: 9, 10: 5, 20: 2, 30: 3, 40: 0} {
		want.add(k, bucket*1000+at, v)
	}
	compactNow(t, newCompactor(db))
	check(t, db, "equal times", want, 0, 1)
}

// A block ends when it is large, so that memory is bounded.
func TestManyBlocks(t *testing.T) {
	db := quiet(t)
	r := rand.New(rand.NewPCG(5, 6))
	b := newSamplesBlock()
	for s := range 6 {
		var offsets []uint32
		var values []float64
		for i := range 500_000 {
			offsets, values = append(offsets, uint32(i*14)), append(values, r.Float64())
		}
		b.add(key{"m", "s", uint64(s), 0}, bucket, offsets, values)
		b.insert(t, db, fmt.Sprint(s))
	}
	c := newCompactor(db)
	parts, err := c.parts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range due(parts, c.waiting, time.Minute, late) {
		result, err := c.compact(t.Context(), p)
		if err != nil || result.chunks != 6 || result.samples != 3_000_000 || result.blocks != 2 {
			t.Errorf("%+v, %v", result, err)
		}
	}
	if n, samples := count(t, db, `SELECT count() FROM chunks`), count(t, db, `SELECT sum(n) FROM chunks`); n != 6 || samples != 3_000_000 {
		t.Errorf("%d chunks with %d samples", n, samples)
	}
}

// Users' SQL sees what chunks hold through a view that decodes them.
func TestFlatView(t *testing.T) {
	db, want := quiet(t), content{}
	fill(t, db, bucket, 2, want)
	const sum = `SELECT sum(cityHash64(metric, service, series_id, ts, reinterpretAsUInt64(value))) FROM samples_flat`
	before := count(t, db, sum)
	compactNow(t, newCompactor(db))
	if n := count(t, db, `SELECT count() FROM samples`); n != 0 {
		t.Fatalf("%d rows are not packed", n)
	}
	if after := count(t, db, sum); after != before {
		t.Errorf("the view's samples changed: %d became %d", before, after)
	}
	if n := count(t, db, `SELECT count() FROM samples_flat`); n != 2*40*20 {
		t.Errorf("the view has %d samples", n)
	}
}

func TestMergeMeanwhile(t *testing.T) {
	db, want := quiet(t), content{}
	fill(t, db, bucket, 4, want)
	c := newCompactor(db)
	merges := 0
	c.read = func() error {
		if merges++; merges > 1 {
			return nil
		}
		return merge(context.Background(), db)
	}
	compactNow(t, c)
	chunks := count(t, db, `SELECT count() FROM chunks`)
	check(t, db, "merged after it was read", want, 40, chunks)
	compactNow(t, c)
	check(t, db, "the next round", want, 0, chunks) // equal blocks are stored once
}

func TestMergeBeforeReading(t *testing.T) {
	db, want := quiet(t), content{}
	fill(t, db, bucket, 4, want)
	c := newCompactor(db)
	parts, err := c.parts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := merge(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, p := range due(parts, map[int64]time.Time{}, time.Minute, late) {
		if _, err := c.compact(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	check(t, db, "nothing was read", want, 40, 0)
}

func TestCrashBeforeDrop(t *testing.T) {
	db, want := quiet(t), content{}
	fill(t, db, bucket, 3, want)
	crash := errors.New("crash")
	c := newCompactor(db)
	c.inserted = func() error { return crash }
	if err := c.CompactNow(t.Context(), late); !errors.Is(err, crash) {
		t.Fatalf("error %v", err)
	}
	chunks := count(t, db, `SELECT count() FROM chunks`)
	check(t, db, "both tables", want, 120, chunks)
	compactNow(t, newCompactor(db))
	check(t, db, "after the restart", want, 0, chunks)
}

func TestTwoNodes(t *testing.T) {
	db, want := quiet(t), content{}
	fill(t, db, bucket, 3, want)
	first, second := newCompactor(db), newCompactor(db)
	var chunks uint64
	first.inserted = func() error {
		chunks = count(t, db, `SELECT count() FROM chunks`)
		return second.CompactNow(context.Background(), late)
	}
	compactNow(t, first)
	check(t, db, "both packed the same", want, 0, chunks)
}

func TestFailingBucket(t *testing.T) {
	db, want := quiet(t), content{}
	b := newSamplesBlock()
	b.add(key{"broken", "s", 1, 0}, bucket-7200, []uint32{7_200_000}, []float64{1})
	b.insert(t, db, "broken")
	fill(t, db, bucket, 1, want)
	failures := failuresTotal.Get()
	err := newCompactor(db).CompactNow(t.Context(), late)
	if !errors.Is(err, errOffset) {
		t.Errorf("error %v", err)
	}
	if n := failuresTotal.Get() - failures; n != 1 {
		t.Errorf("%d failures", n)
	}
	if n := count(t, db, `SELECT count() FROM samples`); n != 1 {
		t.Errorf("%d rows are left, want the broken one", n)
	}
}

func TestRunEnds(t *testing.T) {
	db := chtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := newCompactor(db)
	cancel()
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
}
