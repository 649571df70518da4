package registry

import (
	"fmt"
	"strings"
	"testing"

	"loadline/internal/clickhouse/chtest"
	"loadline/slo/store"
)

// thousands stores n definitions.
func thousands(b *testing.B, n int) *store.Store {
	b.Helper()
	st := store.New(chtest.New(b))
	objects := make([]store.Object, n)
	for i := range objects {
		name := fmt.Sprintf("slo-%05d", i)
		objects[i] = store.Object{Kind: "SLO", Name: name, At: now, Source: "api", Text: text(name, "99.9%")}
	}
	if _, err := st.Append(ctx, 0, objects); err != nil {
		b.Fatal(err)
	}
	return st
}

// BenchmarkLoad starts with 10,000 definitions.
func BenchmarkLoad(b *testing.B) {
	st := thousands(b, 10_000)
	for b.Loop() {
		r := New(st, Config{})
		if err := r.Load(ctx, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply changes one of 10,000.
func BenchmarkApply(b *testing.B) {
	r := New(thousands(b, 10_000), Config{})
	if err := r.Load(ctx, now); err != nil {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		report, err := r.Apply(ctx, now, Change{Source: "api", Text: text("slo-05000", fmt.Sprintf("9%d.%s%%", n%9, strings.Repeat("5", 1+n/9%3)))})
		if err != nil || report.Refused {
			b.Fatal(report, err)
		}
	}
}

// BenchmarkPoll looks whether anything has changed.
func BenchmarkPoll(b *testing.B) {
	r := New(thousands(b, 10_000), Config{})
	if err := r.Load(ctx, now); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := r.Load(ctx, now); err != nil {
			b.Fatal(err)
		}
	}
}
