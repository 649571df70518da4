package indicator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/query/querytest"
)

// TestCountRange counts whole slots, parts of slots and none.
func TestCountRange(t *testing.T) {
	spans := []querytest.Span{{At: 0}, {At: 9999 * time.Millisecond, HTTP: 500}, {At: 10 * time.Second}, {At: 25 * time.Second, Kind: "client"}, {At: 30*time.Second + 1}}
	for i := range spans {
		spans[i].Service, spans[i].Span, spans[i].Parent = "web", i+1, 99
	}
	db := querytest.New(t, spans...)
	at := func(seconds int64) int64 { return querytest.Base.Unix() + seconds }
	f := func(from, to time.Duration, want ...Slot) {
		t.Helper()
		got, err := Count(t.Context(), db, sli.Indicator{Service: "web", Bad: sli.Bad{Errors: true}}, querytest.Base.Add(from), querytest.Base.Add(to))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v to %v: %v %s", from, to, err, diff)
		}
	}
	first, second, last := Slot{Start: at(0), Bad: 1, Total: 2}, Slot{Start: at(10), Total: 1}, Slot{Start: at(30), Total: 1}
	f(0, time.Minute, first, second, last)
	f(0, 10*time.Second, first)
	f(0, 10*time.Second+1, first, second)
	f(1, 10*time.Second, Slot{Start: at(0), Bad: 1, Total: 1})
	f(0, 9999*time.Millisecond, Slot{Start: at(0), Total: 1})
	f(0, 30*time.Second+1, first, second)
	f(40*time.Second, time.Minute)
	f(time.Minute, 0)
}

// TestCountGroups gives places to known groups first and then to those with the most events. The others count in the
// whole.
func TestCountGroups(t *testing.T) {
	var spans []querytest.Span
	for i, tenant := range []string{"a", "b", "b", "c", "c", "c", "", strings.Repeat("x", sli.MaxGroupBytes+1)} {
		spans = append(spans, querytest.Span{Service: "web", Span: i + 1, HTTP: 200 + 300*(i%2), Attributes: querytest.Attributes{{"tenant", tenant}}})
	}
	db := querytest.New(t, spans...)
	f := func(places int, known []string, want ...string) {
		t.Helper()
		ind := sli.Indicator{Service: "web", Bad: sli.Bad{Errors: true}, GroupBy: "tenant", MaxGroups: places}
		list, err := Count(t.Context(), db, ind, querytest.Base, querytest.Base.Add(time.Minute), known...)
		var got []string
		for _, s := range list {
			got = append(got, fmt.Sprintf("%s %d/%d", s.Group, s.Bad, s.Total))
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%d places, known %v: %v %s", places, known, err, diff)
		}
	}
	f(0, nil, " 4/8", "a 0/1", "b 1/2", "c 2/3")
	f(2, nil, " 4/8", "b 1/2", "c 2/3")
	f(1, nil, " 4/8", "c 2/3")
	f(2, []string{"a"}, " 4/8", "a 0/1", "c 2/3")
	f(1, []string{"b"}, " 4/8", "b 1/2")
	f(1, []string{"a", "b"}, " 4/8", "a 0/1", "b 1/2")
	f(1, []string{"gone"}, " 4/8")
}

func TestFold(t *testing.T) {
	f := func(list []sum, want ...Slot) {
		t.Helper()
		if diff := cmp.Diff(want, fold(list)); diff != "" {
			t.Error(diff)
		}
	}
	f(nil)
	f([]sum{{10, "", 1, 2}, {20, "", 0, 1}}, Slot{10, "", 1, 2}, Slot{20, "", 0, 1})
	f([]sum{{10, "", 1, 2}, {10, "a", 1, 1}, {20, "b", 0, 1}}, Slot{10, "", 2, 3}, Slot{10, "a", 1, 1}, Slot{20, "", 0, 1}, Slot{20, "b", 0, 1})
}
