package indicator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/sli"
	"loadline/query/querytest"
)

func TestFindKept(t *testing.T) {
	db := querytest.New(t)
	f := func(want Kept) {
		t.Helper()
		got, err := FindKept(t.Context(), db)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
	f(Kept{})
	old := time.Date(2026, 11, 3, 4, 5, 10, 0, time.UTC)
	for _, at := range []time.Time{old.AddDate(0, 0, 5), old, old.Add(time.Minute)} {
		querytest.Exec(t, db, "INSERT INTO red_10s (slice, service) VALUES ('"+at.Format(time.DateTime)+"', 'shop')")
	}
	f(Kept{Rollups: old})
	querytest.Exec(t, db, "INSERT INTO red_1h (slice, service) VALUES ('2026-10-03 04:00:00', 'shop')")
	querytest.Insert(t, db, []querytest.Span{{Service: "shop"}, {Service: "shop", At: time.Hour}})
	f(Kept{Spans: querytest.Base, Rollups: time.Date(2026, 10, 3, 4, 0, 0, 0, time.UTC)})
}

func TestKeptOf(t *testing.T) {
	at := func(hour int) time.Time { return querytest.Base.Add(time.Duration(hour) * time.Hour) }
	errors := sli.Indicator{Service: "web", Bad: sli.Bad{Errors: true}}
	slow, bound := errors, errors
	slow.Bad.Slower, bound.Bad.Slower = 400*time.Millisecond, 1<<28
	tenant := errors
	tenant.Matchers = []sli.Matcher{{Key: "tenant", Op: "=", Value: "a"}}
	f := func(k Kept, ind sli.Indicator, want time.Time) {
		t.Helper()
		if got := k.Of(ind); !got.Equal(want) {
			t.Errorf("%+v, %+v: %v, want %v", k, ind, got, want)
		}
	}
	f(Kept{Spans: at(2), Rollups: at(1)}, errors, at(1))
	f(Kept{Spans: at(2), Rollups: at(1)}, bound, at(1))
	f(Kept{Spans: at(2), Rollups: at(1)}, slow, at(2))
	f(Kept{Spans: at(2), Rollups: at(1)}, tenant, at(2))
	f(Kept{Spans: at(2), Rollups: at(3)}, errors, at(2))
	f(Kept{Rollups: at(1)}, errors, at(1))
	f(Kept{Rollups: at(1)}, tenant, time.Time{})
	f(Kept{Spans: at(1)}, errors, at(1))
}

// TestCountKept drops the spans of the first half and counts on.
func TestCountKept(t *testing.T) {
	db := querytest.New(t, traffic()...)
	from, middle, to := querytest.Base, querytest.Base.Add(20*time.Minute+30*time.Second), querytest.Base.Add(40*time.Minute)
	errors := sli.Indicator{Service: "web", Bad: sli.Bad{Errors: true}}
	tenant := errors
	tenant.Matchers = []sli.Matcher{{Key: "tenant", Op: "=", Value: "acme"}}
	want, err := Count(t.Context(), db, errors, from, to)
	if err != nil {
		t.Fatal(err)
	}
	late, err := Count(t.Context(), db, errors, middle, to)
	if err != nil || len(late) == 0 || len(late) == len(want) {
		t.Fatal(len(late), err)
	}
	f := func(ind sli.Indicator, kept Kept, from, to time.Time, want []Slot) {
		t.Helper()
		got, err := CountKept(t.Context(), db, ind, kept, from, to)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%+v: %v %s", kept, err, diff)
		}
	}
	f(errors, Kept{Spans: from, Rollups: from}, from, to, want)
	querytest.Exec(t, db, "ALTER TABLE spans DELETE WHERE slice < '2026-11-21 10:20:30' SETTINGS mutations_sync = 1")
	half, all := Kept{Spans: middle, Rollups: from}, Kept{Rollups: from}
	f(errors, half, from, to, want)
	f(errors, half, from, middle, want[:len(want)-len(late)])
	f(errors, half, middle, to, late)
	f(errors, all, from, to, want)
	f(tenant, half, from, to, late)
	f(tenant, half, from, middle, nil)
	f(tenant, all, from, to, nil)
}
