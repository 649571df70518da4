package native_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/ingest/native"
	"loadline/ingest/native/nativetest"
)

// every is a block with a column of every kind.
type every struct {
	block  native.Block
	number *native.Numbers[int16]
	float  *native.Numbers[float64]
	fixed  *native.Fixed
	text   *native.Strings
	low    *native.LowCardinality
	labels *native.Map
	list   *native.Arrays[uint32]
	first  *native.Arrays[int16]
	second *native.Fixed
}

func newEvery() *every {
	e := &every{
		number: native.NewNumbers[int16]("Int16"),
		float:  native.NewNumbers[float64]("Float64"),
		fixed:  native.NewFixed(4),
		text:   native.NewStrings(),
		low:    native.NewLowCardinality(),
		labels: native.NewMap(),
		list:   native.NewArrays[uint32]("SimpleAggregateFunction(groupArrayArray, Array(UInt32))"),
		first:  native.NewArrays[int16]("Array(Int16)"),
		second: native.NewFixed(2),
	}
	e.block = native.Block{
		{Name: "number", Column: e.number},
		{Name: "float", Column: e.float},
		{Name: "fixed", Column: e.fixed},
		{Name: "text", Column: e.text},
		{Name: "low", Column: e.low},
		{Name: "labels", Column: e.labels},
		{Name: "list", Column: e.list},
		{Name: "pair", Column: native.NewTuple("Tuple(Array(Int16), FixedString(2))", e.first, e.second)},
	}
	return e
}

func (e *every) add(i int) nativetest.Row {
	text := fmt.Sprintf("text %d", i)
	e.number.Append(int16(-i))
	e.float.Append(float64(i) / 4)
	e.fixed.Append([]byte("abcdef"[:i%6]))
	e.text.AppendString(text)
	e.low.Append([]byte(text))
	labels, list, first := [][2]string{}, []any{}, []any{}
	var numbers []uint32
	for j := range i % 4 {
		key := fmt.Sprint("key ", (i+j)%7)
		e.labels.Append([]byte(key), []byte(text))
		labels = append(labels, [2]string{key, text})
		numbers = append(numbers, uint32(i*j))
		list = append(list, uint64(i*j))
	}
	e.labels.Close()
	e.list.Append(numbers...)
	e.first.Append(int16(i))
	first = append(first, int64(int16(i)))
	e.second.Append([]byte{byte(i)})
	fixed := make([]byte, 4)
	copy(fixed, "abcdef"[:i%6])
	return nativetest.Row{
		"number": int64(int16(-i)), "float": float64(i) / 4, "fixed": string(fixed), "text": text, "low": text,
		"labels": labels, "list": list, "pair": []any{first, string([]byte{byte(i), 0})},
	}
}

func TestRoundTrip(t *testing.T) {
	e := newEvery()
	// The sizes cross the widths of dictionary indexes; the same block is used again after Reset.
	for _, n := range []int{1, 3, 0, 255, 256, 257, 70_000, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			e.block.Reset()
			want := make([]nativetest.Row, n)
			for i := range want {
				want[i] = e.add(i)
			}
			got, err := nativetest.Rows(e.block, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("in arrival order (-want +got):\n%.2000s", cmp.Diff(want, got))
			}
			order := make([]int32, n)
			reversed := make([]nativetest.Row, n)
			for i := range order {
				order[i] = int32(n - 1 - i)
				reversed[i] = want[n-1-i]
			}
			if got, err = nativetest.Rows(e.block, order); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(reversed, got) {
				t.Fatalf("in reverse order (-want +got):\n%.2000s", cmp.Diff(reversed, got))
			}
		})
	}
}

// What was appended can be read until Reset.
func TestReading(t *testing.T) {
	long := strings.Repeat("x", 300) // its length takes two bytes
	text, labels, low := native.NewStrings(), native.NewMap(), native.NewLowCardinality()
	for range 2 {
		for _, s := range []string{"", "a", long} {
			text.AppendString(s)
			low.Append([]byte(s))
		}
		labels.Close()
		labels.Append([]byte("k"), []byte("v"))
		labels.Append([]byte("l"), []byte(long))
		labels.Close()
		labels.Append([]byte("l"), nil)
		labels.Close()
		got := []string{string(text.Row(0)), string(text.Row(1)), string(text.Row(2))}
		for row := range labels.Rows() {
			keys, first := labels.Row(row)
			for i, key := range keys {
				got = append(got, fmt.Sprintf("%d %s", row, labels.Keys.Value(key)), string(labels.Value(first+i)))
			}
		}
		want := []string{"", "a", long, "1 k", "v", "1 l", long, "2 l", ""}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if n, ok := low.Find("a"); !ok || low.Value(n) != "a" {
			t.Errorf("number %d, %v", n, ok)
		}
		if _, ok := low.Find("missing"); ok {
			t.Error("a value that was not added is found")
		}
		text.Reset()
		labels.Reset()
		low.Reset()
		if _, ok := low.Find("a"); ok {
			t.Error("a forgotten value is found")
		}
	}
}

func TestEmptyMapsAndArrays(t *testing.T) {
	labels, list := native.NewMap(), native.NewArrays[uint32]("Array(UInt32)")
	block := native.Block{{Name: "labels", Column: labels}, {Name: "list", Column: list}}
	for range 2 {
		labels.Close()
		list.Append()
	}
	got, err := nativetest.Rows(block, []int32{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	row := nativetest.Row{"labels": [][2]string{}, "list": []any{}}
	if diff := cmp.Diff([]nativetest.Row{row, row}, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnequalColumnsPanic(t *testing.T) {
	e := newEvery()
	e.add(0)
	e.number.Append(1)
	defer func() {
		if recover() == nil {
			t.Error("a block with columns of different length was encoded")
		}
	}()
	e.block.Encode(nil, nil)
}

func TestRanks(t *testing.T) {
	var d native.Dictionary
	for _, v := range []string{"b", "", "c", "a", "b"} {
		d.Number([]byte(v))
	}
	if diff := cmp.Diff([]uint32{2, 0, 3, 1}, d.Ranks()); diff != "" {
		t.Error(diff)
	}
}

// The dictionary guesses the successor of its last answer; a wrong guess must not show.
func TestDictionaryNumbers(t *testing.T) {
	var d native.Dictionary
	for round := range 2 {
		numbers := map[string]uint32{}
		x := uint32(1)
		for range 20_000 {
			x = x*1664525 + 1013904223
			v := fmt.Sprint(x >> 24)
			n := d.Number([]byte(v))
			if known, ok := numbers[v]; ok && known != n {
				t.Fatalf("round %d: %q has the numbers %d and %d", round, v, known, n)
			}
			if numbers[v] = n; d.Value(n) != v {
				t.Fatalf("round %d: number %d is %q, want %q", round, n, d.Value(n), v)
			}
		}
		if d.Len() != len(numbers) {
			t.Errorf("round %d: %d numbers for %d strings", round, d.Len(), len(numbers))
		}
		d.Reset()
	}
}
