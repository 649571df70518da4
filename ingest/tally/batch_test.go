package tally_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/ingest/tally"
	"loadline/internal/sli"
)

// record is that of one good and one bad event of indicator 1 in group v, and of a late one.
func record(t testing.TB) []byte {
	t.Helper()
	set := mustSet(t, sli.Counted{
		ID: 1, Since: begin.Unix(), Indicator: sli.Indicator{Service: "a", GroupBy: "version", Bad: sli.Bad{Errors: true}},
	})
	b := build(t,
		&example{service: "a", version: "v", kind: 2, start: begin}, &example{service: "a", version: "v", kind: 2, status: 2, start: begin},
		&example{service: "a", version: "v", kind: 2, start: begin.Add(-1)})
	out, rows := tally.NewCounter().Count(set, b.View(), nil)
	if rows != 3 {
		t.Fatalf("%d rows", rows)
	}
	return out
}

func TestBatch(t *testing.T) {
	b := tally.NewBatch()
	for range 2 { // the second time with the memory of the first
		b.Reset()
		for range 3 {
			if err := b.Add(record(t)); err != nil {
				t.Fatal(err)
			}
		}
		tables, late, journal := stored(t, b)
		want := map[cell]count{{1, "", begin.Unix()}: {3, 6}, {1, "v", begin.Unix()}: {3, 6}}
		for table, want := range map[string]map[cell]count{
			"slo_slots_10s": want, "slo_slots_5m": want, "slo_slots_1h": coarse(want, 3600), "slo_journal": want,
		} {
			if diff := cmp.Diff(want, tables[table]); diff != "" {
				t.Errorf("%s: %s", table, diff)
			}
		}
		if diff := cmp.Diff(marks{{1, "", begin.Unix() - 10}: true}, late); diff != "" {
			t.Error(diff)
		}
		for _, r := range journal {
			if r["node"] != uint64(7) || r["batch"] != uint64(9) || r["at"] != uint64(begin.Unix()) {
				t.Errorf("row of the journal: %v", r)
			}
		}
		if n := b.Events(); n != 6 {
			t.Errorf("%d events", n)
		}
	}
}

func TestDamagedRecords(t *testing.T) {
	whole := record(t)
	for n := range whole {
		// What is cut off between two marks cannot be told from what was never there.
		if err := tally.NewBatch().Add(whole[:n]); err == nil && n != len(whole)-12 {
			t.Errorf("%d of %d bytes are no damage", n, len(whole))
		}
	}
	if err := tally.NewBatch().Add(append([]byte{2}, whole[1:]...)); err == nil {
		t.Error("a record of another version is read")
	}
	worse := append([]byte{}, whole...)
	worse[15] = 3 // bad, of a total of 2
	if err := tally.NewBatch().Add(worse); err == nil {
		t.Error("more bad events than events")
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(record(f))
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		b := tally.NewBatch()
		if err := b.Add(data); err != nil {
			return
		}
		stored(t, b)
	})
}

func TestNode(t *testing.T) {
	dir := t.TempDir()
	open := func() *tally.Node {
		t.Helper()
		n, err := tally.OpenNode(dir)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := open()
	if first.ID <= 1 {
		t.Errorf("id %d", first.ID)
	}
	last := uint64(0)
	for range 3 { // starts
		n := open()
		if n.ID != first.ID {
			t.Errorf("id %x became %x", first.ID, n.ID)
		}
		for range 3 {
			batch := n.Next()
			if batch <= last {
				t.Errorf("batch %d follows %d", batch, last)
			}
			last = batch
		}
	}
	// Numbers start anew, so that the node must be another one.
	for _, text := range []string{"", "damaged", "0000000000000000 7\n", "0000000100000005 2147483648\n"} {
		if err := os.WriteFile(filepath.Join(dir, "node"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := open(); n.ID == first.ID || n.ID == 0x100000005 || n.ID <= 1 {
			t.Errorf("%q: id %x", text, n.ID)
		}
	}
	if _, err := tally.OpenNode(filepath.Join(dir, "missing")); err == nil {
		t.Error("a node without a directory")
	}
}
