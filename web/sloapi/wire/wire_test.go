package wire

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"

	"loadline/slo/registry"
	"loadline/slo/store"
)

func TestNumber(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		text, err := json.Marshal(Number(v))
		if err != nil || string(text) != want {
			t.Errorf("%v: %s, %v; want %s", v, text, err, want)
		}
		var back Number
		if err := json.Unmarshal(text, &back); err != nil {
			t.Error(err)
		}
		if want == "null" {
			v = math.NaN()
		}
		if got := float64(back); got != v && !(math.IsNaN(got) && math.IsNaN(v)) {
			t.Errorf("%s is read as %v", text, got)
		}
	}
	f(0.1, "0.1")
	f(-1e21, "-1e+21")
	f(math.NaN(), "null")
	f(math.Inf(1), "null")
	f(math.Inf(-1), "null")
	var n Number
	if err := json.Unmarshal([]byte(`"x"`), &n); err == nil {
		t.Error("text is a number")
	}
}

// TestRevisions stops comparing for whom nobody waits.
func TestRevisions(t *testing.T) {
	list := []registry.Revision{{Object: store.Object{Revision: 2, Author: "ann", Text: "a\n"}}}
	got, err := RevisionsOf(t.Context(), list)
	if err != nil || len(got) != 1 || got[0].Author != "ann" || len(got[0].Diff) != 1 || got[0].Diff[0].Op != "+" {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := RevisionsOf(ctx, list); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
