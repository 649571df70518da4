package ring

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"loadline/slo/budget"
)

func snapshot(t testing.TB, s *Set) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func small3() (Config, *Set) {
	c := Config{Windows: []time.Duration{time.Hour, 5 * time.Minute}, Now: start}
	s := New(c)
	for i := range 3 {
		s.Add(start)
		s.Put(i, start, 1, int64(i))
		s.Put(i, start+30, 1, 1<<33)
		s.Put(i, start+7200, 1, 1)
	}
	s.Remove(1)
	s.Advance(start + 10)
	return c, s
}

func TestSnapshotOfSet(t *testing.T) {
	c, s := small3()
	text := snapshot(t, s)
	c.Now = 5
	slices.Reverse(c.Windows)
	restored, err := Restore(bytes.NewReader(text), c)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(snapshot(t, restored), text) {
		t.Error("the snapshot of what was restored is another one")
	}
	if i := restored.Add(start); i != 1 {
		t.Errorf("a new instance has number %d, want 1", i)
	}
	for _, set := range []*Set{s, restored} {
		set.Advance(start + 7210)
		expect(t, set, 2, time.Hour, 1, 1)
	}
}

func TestSnapshotRefused(t *testing.T) {
	c, s := small3()
	text := snapshot(t, s)
	for n := 0; n < len(text); n += 7 {
		if _, err := Restore(bytes.NewReader(text[:n]), c); !errors.Is(err, ErrDamaged) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(text), err)
		}
	}
	for _, at := range rand.New(rand.NewPCG(1, 1)).Perm(len(text))[:500] {
		damaged := slices.Clone(text)
		damaged[at] ^= 0x40
		if _, err := Restore(bytes.NewReader(damaged), c); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOther) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	}
	others := []Config{
		{Windows: []time.Duration{time.Hour}},
		{Windows: c.Windows, Calendar: &budget.Calendar{N: 1, Unit: 'M', Zone: "UTC", Start: time.Unix(start, 0).UTC()}},
	}
	for _, other := range others {
		if _, err := Restore(bytes.NewReader(text), other); !errors.Is(err, ErrOther) {
			t.Errorf("restored with %+v: %v", other, err)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk is full") }

func TestSnapshotNotWritten(t *testing.T) {
	_, s := small3()
	if err := s.Snapshot(full{}); err == nil {
		t.Error("a snapshot on a full disk is no error")
	}
}

// Several snapshots follow one another in a file.
func TestSnapshotsInAStream(t *testing.T) {
	c, s := small3()
	of := budget.Slices{Length: time.Minute, Target: target(t, "0.5")}
	slicer := NewSlicer(budget.Timeslices, of, start, start, func(_, _, _ int64) {})
	slicer.Put(start+10, 1, 1)
	slicer.Put(start+7200, 1, 1)
	var stream bytes.Buffer
	stream.Write(snapshot(t, s))
	if err := slicer.Snapshot(&stream); err != nil {
		t.Fatal(err)
	}
	stream.Write(snapshot(t, s))
	r := bufio.NewReader(&stream)
	if _, err := Restore(r, c); err != nil {
		t.Fatal(err)
	}
	var given []Slot
	again := NewSlicer(budget.Timeslices, of, start, start, func(at, bad, total int64) {
		given = append(given, Slot{at, bad, total})
	})
	if err := again.Restore(r); err != nil {
		t.Fatal(err)
	}
	again.Advance(start + 7260)
	if want := []Slot{{start + 50, 1, 1}, {start + 7250, 1, 1}}; !slices.Equal(given, want) {
		t.Errorf("slices %v, want %v", given, want)
	}
	if _, err := Restore(r, c); err != nil {
		t.Fatal(err)
	}
	if err := again.Restore(r); !errors.Is(err, ErrDamaged) {
		t.Errorf("restored from the end of the stream: %v", err)
	}
	other := NewSlicer(budget.Timeslices, budget.Slices{Length: time.Hour}, start, start, nil)
	var one bytes.Buffer
	if err := slicer.Snapshot(&one); err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(&one); !errors.Is(err, ErrOther) {
		t.Errorf("slices of a minute restored as hours: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	c := Config{Windows: []time.Duration{time.Minute}, Now: start}
	s := New(c)
	s.Put(s.Add(start), start, 1, 2)
	s.Put(s.Add(start), start+7200, 1, 1<<33)
	f.Add(snapshot(f, s))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := Restore(bytes.NewReader(text), c)
		if err == nil {
			set.Advance(set.Now() + 10)
		}
	})
}
