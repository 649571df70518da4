package demo

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"loadline/ingest/demo/shop"
)

// weight is the number of requests that a span stands for, read as a receiver reads it.
func weight(t *testing.T, s ptrace.Span) float64 {
	t.Helper()
	digits, sampled := strings.CutPrefix(s.TraceState().AsRaw(), "ot=th:")
	if !sampled {
		return 1
	}
	threshold, err := strconv.ParseUint((digits + "00000000000000")[:14], 16, 64)
	if err != nil {
		t.Fatalf("tracestate %q: %v", s.TraceState().AsRaw(), err)
	}
	return 1 / (1 - float64(threshold)/(1<<56))
}

func TestHistoryAddsUp(t *testing.T) {
	r := newReceiver(t)
	var last Progress
	cfg := Config{Endpoint: r.grpcAddr, Seed: 5, Rate: 100, Start: start, History: 30 * time.Hour}
	if err := Backfill(t.Context(), cfg, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	m, err := shop.New(shop.Config{Seed: 5, Rate: 100, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	var requests, failed, expected float64
	slots := map[int64]bool{}
	services := map[string]bool{}
	hours := make([]float64, 30)
	oldest := start
	r.each(func(rs ptrace.ResourceSpans, s ptrace.Span) {
		services[text(t, rs, "service.name")] = true
		at := s.StartTimestamp().AsTime()
		if s.EndTimestamp().AsTime().After(start) {
			t.Fatalf("span %q ends after history", s.Name())
		}
		if at.Before(oldest) {
			oldest = at
		}
		if !s.ParentSpanID().IsEmpty() || s.Kind() != ptrace.SpanKindServer {
			return
		}
		w := weight(t, s)
		requests += w
		if s.Status().Code() == ptrace.StatusCodeError {
			failed += w
		}
		slots[at.Unix()/10] = true
		hours[min(29, int(start.Sub(at)/time.Hour))] += w
	})
	for i, got := range hours {
		var want float64
		for j := range 60 {
			want += 60 * m.Rate(start.Add(-time.Duration(i)*time.Hour-time.Duration(j)*time.Minute))
		}
		expected += want
		// Rates are read once a slice, an hour at most; the edges of history are cut.
		if i < 29 && math.Abs(got/want-1) > 0.2 {
			t.Errorf("%d hours ago %.0f requests, want %.0f", i, got, want)
		}
	}
	within(t, "requests over expected", requests/expected, 0.95, 1.03)
	within(t, "failing share", failed/requests, 0.0008, 0.006)
	if len(services) != 7 {
		t.Errorf("services %v, want 7", services)
	}
	empty := 0
	for slot := start.Add(-3*time.Hour).Unix()/10 + 1; slot < start.Unix()/10-1; slot++ {
		if !slots[slot] {
			empty++
		}
	}
	if empty > 0 {
		t.Errorf("%d of the last 1,080 slices are empty", empty)
	}
	if oldest.Before(start.Add(-30*time.Hour)) || oldest.After(start.Add(-28*time.Hour)) {
		t.Errorf("history reaches back to %v", oldest)
	}
	if last.Done != last.Total || last.Spans != r.spans || last.Points == 0 || last.Logs == 0 || last.Rejected != 0 {
		t.Errorf("last progress %+v of %d spans", last, r.spans)
	}
}

func TestHistoryComesNewestFirst(t *testing.T) {
	r := newReceiver(t)
	if err := Backfill(t.Context(), Config{Endpoint: r.httpAddr, Transport: HTTP, Seed: 5, Start: start, History: 4 * time.Hour}, nil); err != nil {
		t.Fatal(err)
	}
	newest := func(td ptrace.Traces) (at time.Time) {
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, s := range ss.Spans().All() {
					if end := s.EndTimestamp().AsTime(); end.After(at) {
						at = end
					}
				}
			}
		}
		return at
	}
	if first := newest(r.traces[0]); start.Sub(first) > 10*time.Second {
		t.Errorf("the first request ends %v before live traffic", start.Sub(first))
	}
	if last := newest(r.traces[len(r.traces)-1]); start.Sub(last) < time.Hour {
		t.Errorf("the last request ends only %v before live traffic", start.Sub(last))
	}
}

func TestWholeHistoryIsBounded(t *testing.T) {
	r := newReceiver(t)
	r.keep = false
	var reached time.Time
	cfg := Config{Endpoint: r.grpcAddr, Seed: 5, Start: start}
	if err := Backfill(t.Context(), cfg, func(p Progress) { reached = p.Reached }); err != nil {
		t.Fatal(err)
	}
	within(t, "spans in 30 days", float64(r.spans), 150_000, 300_000)
	if age := start.Sub(reached); age > maxHistory || age < maxHistory-2*time.Hour {
		t.Errorf("history reaches %v back", age)
	}
}

func TestHistoryEndsWithItsContextAndItsReceiver(t *testing.T) {
	r := newReceiver(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := Backfill(ctx, Config{Endpoint: r.grpcAddr, Start: start}, func(Progress) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled history: %v", err)
	}
	r.refuse = func() (int, string, error) { return 400, "", nil }
	if err := Backfill(t.Context(), Config{Endpoint: r.httpAddr, Transport: HTTP, Start: start}, nil); err == nil || !strings.Contains(err.Error(), "status 400") {
		t.Errorf("refused history: %v", err)
	}
}

func TestSlicesCoverHistoryWithoutGaps(t *testing.T) {
	now := start.Add(7*time.Minute + 3*time.Second + 5)
	for _, history := range []time.Duration{time.Minute, 3 * time.Hour, 25 * time.Hour, 8 * 24 * time.Hour, maxHistory, 90 * 24 * time.Hour} {
		at := now
		for _, s := range cutHistory(now, history) {
			if s.length <= 0 || !s.from.Add(s.length).Equal(at) {
				t.Fatalf("slice from %v of %v does not end at %v", s.from, s.length, at)
			}
			at = s.from
		}
		if age := now.Sub(at); age > history || age > maxHistory || age < min(history, maxHistory)-2*time.Hour {
			t.Errorf("history of %v reaches %v back", history, age)
		}
	}
}
