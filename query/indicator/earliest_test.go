package indicator

import (
	"testing"
	"time"

	"loadline/query/querytest"
)

func TestEarliest(t *testing.T) {
	db := querytest.New(t)
	if at, ok, err := Earliest(t.Context(), db); ok || err != nil {
		t.Errorf("of no spans: %v, %v, %v", at, ok, err)
	}
	old := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	for _, at := range []time.Time{old.AddDate(0, 0, 5), old, old.Add(time.Minute)} {
		querytest.Exec(t, db, "INSERT INTO red_10s (slice, service) VALUES ('"+at.Truncate(10*time.Second).Format(time.DateTime)+"', 'shop')")
	}
	at, ok, err := Earliest(t.Context(), db)
	if want := old.Truncate(10 * time.Second); !ok || err != nil || !at.Equal(want) {
		t.Errorf("got %v, %v, %v, want %v", at, ok, err, want)
	}
}
