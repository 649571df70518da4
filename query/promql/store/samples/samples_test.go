package samples

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/chunk"
	"loadline/query/promql/series"
	"loadline/query/promql/store/index"
	"loadline/query/sql"
)

func packed(base, st int64, offsets []uint32, values ...float64) *Piece {
	return &Piece{base, st, chunk.Append(nil, offsets, values)[0]}
}

// unpacked is a piece as a row of the table samples has it.
func unpacked(base, st int64, offsets []uint32, values ...float64) *Piece {
	p := &Piece{Base: base, ST: st}
	var text []byte
	text = binary.AppendUvarint(text, uint64(len(offsets)))
	for _, o := range offsets {
		text = binary.LittleEndian.AppendUint32(text, o)
	}
	text = binary.AppendUvarint(text, uint64(len(values)))
	for _, v := range values {
		text = binary.LittleEndian.AppendUint64(text, math.Float64bits(v))
	}
	readArrays(sql.NewBinary(string(text)), p)
	return p
}

func TestFill(t *testing.T) {
	f := func(mint, maxt int64, want series.Column, pieces ...*Piece) {
		t.Helper()
		got := series.Column{T: []int64{99}, V: []float64{99}, ST: []int64{99}}
		if err := Fill(&got, pieces, mint, maxt); err != nil {
			t.Fatal(err)
		}
		if len(got.ST) == 0 {
			got.ST = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	const all = math.MaxInt64
	offsets := []uint32{10, 20, 30}
	f(0, all, series.Column{T: []int64{}, V: []float64{}})
	f(0, all, series.Column{T: []int64{110, 120, 130}, V: []float64{1, 2, 3}}, packed(100, 0, offsets, 1, 2, 3))
	f(120, 129, series.Column{T: []int64{120}, V: []float64{2}}, unpacked(100, 0, offsets, 1, 2, 3))
	f(131, all, series.Column{T: []int64{}, V: []float64{}}, unpacked(100, 0, offsets, 1, 2, 3))
	f(math.MinInt64, 109, series.Column{T: []int64{}, V: []float64{}}, unpacked(100, 0, offsets, 1, 2, 3))
	f(0, 120, series.Column{T: []int64{110, 115, 120}, V: []float64{1, 8, 2}, ST: []int64{5, 0, 5}},
		packed(100, 5, offsets, 1, 2, 3), unpacked(100, 0, []uint32{20, 15, 20}, 7, 8, 9))
	if err := Fill(&series.Column{}, []*Piece{{Chunk: chunk.Chunk{N: 3, V: "x"}}}, 0, all); err == nil {
		t.Error("a corrupt chunk passes")
	}
}

func TestMergeKeepsTheFirst(t *testing.T) {
	c := series.Column{T: []int64{1, 3}, V: []float64{1, 3}}
	Merge(&c, &series.Column{T: []int64{2, 3, 4}, V: []float64{20, 30, 40}, ST: []int64{7, 7, 7}})
	Add(&c, []int64{4, 5}, []float64{400, 500}, 0)
	Add(&c, nil, nil, 1)
	want := series.Column{T: []int64{1, 2, 3, 4, 5}, V: []float64{1, 20, 3, 40, 500}, ST: []int64{0, 7, 0, 7, 0}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	empty := series.Column{}
	if Add(&empty, []int64{6}, []float64{6}, 9); empty.Start(0) != 9 {
		t.Errorf("start %d in a column that was empty", empty.Start(0))
	}
	Add(&c, []int64{6}, []float64{6}, 9)
	if c.Start(5) != 9 {
		t.Errorf("start %d", c.Start(5))
	}
}

// FuzzArrays decodes what a server that is not ours may send.
func FuzzArrays(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x40"))
	f.Add([]byte("\x02\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &Piece{}
		readArrays(sql.NewBinary(string(data)), p)
		var c series.Column
		if err := Fill(&c, []*Piece{p}, math.MinInt64, math.MaxInt64); err != nil {
			t.Fatal(err)
		}
		if len(c.T) > len(data)/12 || len(c.T) != len(c.V) || !ascends(c.T) {
			t.Errorf("%d times and %d values of %d bytes", len(c.T), len(c.V), len(data))
		}
		again, err := pack([]Piece{*p})
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			if again[i].Scale == arrays {
				t.Error("still arrays")
			}
		}
	})
}

func TestParts(t *testing.T) {
	const day = 86_400_000
	var p parts
	s := p.next([]part{
		{samples: true, from: 2 * bucketMs, to: 2 * bucketMs, block: 7},
		{partition: "1", from: 0, to: bucketMs, block: 3},
		{partition: "2", from: day, to: day, block: 5},
	})
	first := [3]uint64{s.cold[0], s.cold[bucketMs], s.cold[day]}
	if s.hot[2*bucketMs] != 8 || slices.Contains(first[:], 0) {
		t.Fatalf("%+v", s)
	}
	change := func(bucket int64, want bool, all ...part) {
		t.Helper()
		before := p.last.cold[bucket]
		if after := p.next(all); (after.cold[bucket] != before) != want {
			t.Errorf("version of bucket %d was %d, is %d", bucket, before, after.cold[bucket])
		} else {
			p.last = after
		}
	}
	p.last = s
	change(0, false, part{partition: "1", from: 0, to: bucketMs, block: 3})
	change(0, false, part{partition: "1", from: 0, to: bucketMs, block: 3}, part{partition: "1", from: bucketMs, to: bucketMs, block: 9})
	change(bucketMs, false, part{partition: "1", from: 0, to: bucketMs, block: 9}) // a merge
	change(bucketMs, true, part{partition: "1", from: 0, to: bucketMs, block: 9}, part{partition: "1", from: 0, to: bucketMs, block: 10})
	change(0, true)
	if len(p.last.cold) > 0 {
		t.Errorf("%v", p.last.cold)
	}

	s = &state{hot: map[int64]uint64{0: 1, bucketMs: 2}, cold: map[int64]uint64{0: 5}}
	got := s.between(0, bucketMs, 3*bucketMs+1)
	want := []bucket{
		{start: 0, version: version{5, 1}, hot: true, cold: true, closed: true},
		{start: bucketMs, version: version{0, 2}, hot: true, closed: true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := s.between(bucketMs, math.MaxInt64, 3*bucketMs+1); len(got) != 2 || got[1] != (bucket{start: 3 * bucketMs, hot: true}) {
		t.Errorf("%+v", got)
	}
	if got := s.between(-100, -1, 0); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCacheForgets(t *testing.T) {
	c := cache{limit: 5000, blocks: map[blockKey]*block{}}
	g := &group{Group: &index.Group{Metric: "m"}, rows: []int{0}}
	rows := []*index.Row{{Group: g.Group, ID: 1}}
	v := version{1, 0}
	keep := func(bucket int64, bytes int) {
		p := *packed(bucket, 0, []uint32{0}, 1)
		p.T = string(make([]byte, bytes))
		c.keep(blockKey{"m", "", bucket}, &missing{group: g, bucket: closedBucket(v), series: map[uint64][]Piece{1: {p}}}, true, rows)
	}
	has := func(bucket int64) bool {
		out := make([][]*Piece, 1)
		return c.find(blockKey{"m", "", bucket}, v, g, rows, out) && len(out[0]) == 1
	}
	keep(0, 1000)
	keep(1, 1000)
	keep(2, 1000)
	if !has(0) || !has(1) || !has(2) {
		t.Fatal("too little is kept")
	}
	has(0)
	keep(3, 1000)
	if has(1) || !has(0) || !has(2) || !has(3) {
		t.Error("another than the block used last is gone")
	}
	keep(4, 10_000)
	if has(4) || !has(3) {
		t.Error("a block that does not fit displaces others")
	}
	if c.find(blockKey{"m", "", 3}, version{2, 0}, g, rows, make([][]*Piece, 1)) || c.bytes <= 0 || c.bytes > c.limit {
		t.Error("an old version is used")
	}
}

func closedBucket(v version) bucket { return bucket{version: v, closed: true} }
