package backtest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"loadline/slo/ring"
)

func TestIncidents(t *testing.T) {
	f := func(what string, slots []ring.Slot, want ...Incident) {
		t.Helper()
		if got := Incidents(slots); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	at := func(n int64) int64 { return t0 + n*slot }
	f("nothing", nil)
	f("no bad events", stream(t0, segment{8640, 100, 0}))
	f("one bad event", stream(t0, segment{8640, 1, 0}, segment{1, 0, 1}, segment{8640, 1, 0}))
	f("always as bad", stream(t0, segment{8640, 90, 10}))
	f("a total outage", stream(t0, segment{4000, 100, 0}, segment{30, 0, 100}, segment{4000, 100, 0}),
		Incident{From: at(4000), To: at(4030), Bad: 3000, Total: 3000})
	f("much worse than always", stream(t0, segment{4000, 990, 10}, segment{30, 800, 200}, segment{4000, 990, 10}),
		Incident{From: at(4000), To: at(4030), Bad: 6000, Total: 30_000})
	f("a little worse than always", stream(t0, segment{4000, 990, 10}, segment{30, 970, 30}, segment{4000, 990, 10}))
	f("slow degradation", stream(t0, segment{8640, 1000, 0}, segment{1080, 990, 10}, segment{4000, 1000, 0}),
		Incident{From: at(8640), To: at(9720), Bad: 10_800, Total: 1_080_000})
	f("two that are one", stream(t0, segment{4000, 100, 0}, segment{12, 0, 100}, segment{30, 100, 0}, segment{12, 0, 100}, segment{4000, 100, 0}),
		Incident{From: at(4000), To: at(4054), Bad: 2400, Total: 5400})
	f("two", stream(t0, segment{4000, 100, 0}, segment{12, 0, 100}, segment{90, 100, 0}, segment{12, 0, 100}, segment{4000, 100, 0}),
		Incident{From: at(4000), To: at(4012), Bad: 1200, Total: 1200}, Incident{From: at(4102), To: at(4114), Bad: 1200, Total: 1200})
	// 40 requests an hour, and for 20 minutes all of them fail.
	var low []segment
	for n := range 400 {
		s := segment{1, 1, 0}
		if n >= 200 && n < 214 {
			s = segment{1, 0, 1}
		}
		low = append(low, s, segment{8, 0, 0})
	}
	f("low traffic", stream(t0, low...), Incident{From: at(1800), To: at(1800 + 13*9 + 1), Bad: 14, Total: 14})
}

// Of many incidents the largest are kept, in order.
func TestIncidentsBounded(t *testing.T) {
	var segments []segment
	for n := range int64(150) {
		segments = append(segments, segment{400, 100, 0}, segment{6, 0, 100 + n})
	}
	found := Incidents(stream(t0, segments...))
	if len(found) != maxIncidents || found[0].Bad != 6*150 || found[99].Bad != 6*249 {
		t.Errorf("%d incidents, of %d to %d bad events", len(found), found[0].Bad, found[len(found)-1].Bad)
	}
}

// Errors that come by chance make no incident.
func TestIncidentsOfNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, share := range []float64{0.0005, 0.005, 0.05} {
		var slots []ring.Slot
		for n := range int64(7 * 8640) {
			s := ring.Slot{Start: t0 + n*slot, Total: r.Int64N(40)}
			for range s.Total {
				if r.Float64() < share {
					s.Bad++
				}
			}
			slots = append(slots, s)
		}
		if found := Incidents(slots); len(found) != 0 {
			t.Errorf("share %v: %+v", share, found)
		}
	}
}

func TestJudge(t *testing.T) {
	minute := int64(60)
	incidents := []Incident{{From: 0, To: 10 * minute}, {From: 100 * minute, To: 110 * minute}, {From: 200 * minute, To: 210 * minute}}
	pages := []span{
		{2 * minute, 20 * minute},    // the first, after two minutes
		{50 * minute, 60 * minute},   // nothing
		{90 * minute, 105 * minute},  // was firing already
		{214 * minute, 220 * minute}, // soon after its end
		{300 * minute, 310 * minute}, // nothing
	}
	caught, median, wrong := judge(incidents, pages)
	if caught != 3 || median != 2*time.Minute || wrong != 2 {
		t.Errorf("%d caught, median %s, %d wrong; want 3, 2m0s and 2", caught, median, wrong)
	}
	for i, want := range []time.Duration{2 * time.Minute, 0, 14 * time.Minute} {
		if !incidents[i].Caught || incidents[i].Delay != want {
			t.Errorf("incident %d: %+v, want a delay of %s", i, incidents[i], want)
		}
	}
	missed := []Incident{{From: 400 * minute, To: 401 * minute}}
	if caught, _, wrong := judge(missed, pages); caught != 0 || wrong != 5 || missed[0].Caught {
		t.Errorf("%d caught and %d wrong, want 0 and 5", caught, wrong)
	}
}
