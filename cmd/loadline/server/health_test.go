package server

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/ingest"
	"loadline/ingest/otlp"
	"loadline/ingest/wal"
	"loadline/internal/selfmon"
	"loadline/web"
)

func TestIngestHealth(t *testing.T) {
	f := func(status ingest.Status, want selfmon.Status, wantMessage string) {
		t.Helper()
		got, message := ingestHealth(status)
		if got != want || !strings.Contains(message, wantMessage) {
			t.Errorf("%+v: %s %q, want %s %q", status, got, message, want, wantMessage)
		}
	}
	log := wal.Stats{MaxBytes: 1 << 30}
	f(ingest.Status{Log: log}, selfmon.OK, "")
	log.Bytes, log.Items, log.OldestAge = 100<<20, 5000, 90*time.Second
	f(ingest.Status{Log: log}, selfmon.Degraded, "5000 items in 100MiB of write-ahead log wait to be stored, the oldest for 1m30s")
	f(ingest.Status{Log: log, Err: errors.New("no memory")}, selfmon.Degraded, "the oldest for 1m30s: no memory")
	log.Full = true
	f(ingest.Status{Log: log}, selfmon.Down, "the write-ahead log is full")
	log.Failing = true
	f(ingest.Status{Log: log}, selfmon.Down, "free space")
}

func TestRate(t *testing.T) {
	var r rate
	start := time.Unix(1_800_000_000, 0)
	f := func(second int, value uint64, want float64) {
		t.Helper()
		r.observe(start.Add(time.Duration(second)*time.Second), value)
		if got := r.perSecond(); got != want {
			t.Errorf("after %d s: %v, want %v", second, got, want)
		}
	}
	f(0, 1000, 0)
	f(2, 1200, 100)
	f(4, 1200, 50)
	// What is older than ten seconds no longer counts.
	f(14, 1300, 10)
	f(24, 1300, 0)
}

func TestRefusals(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	got := refusals([]otlp.Refusal{
		{Time: at.Add(3), Reason: "malformed", Message: "not OTLP", Peer: "10.0.0.2:5"},
		{Time: at.Add(2), Reason: "too_large", Message: "too large", Peer: "10.0.0.1:4"},
		{Time: at.Add(1), Reason: "malformed", Message: "not OTLP", Peer: "10.0.0.1:3"},
	})
	want := []web.Refusal{
		{Code: "malformed", Reason: "not OTLP", Peer: "10.0.0.2:5", Count: 2, Last: at.Add(3)},
		{Code: "too_large", Reason: "too large", Peer: "10.0.0.1:4", Count: 1, Last: at.Add(2)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDSNHostHidesThePassword(t *testing.T) {
	f := func(dsn, want string) {
		t.Helper()
		if got := dsnHost(dsn); got != want {
			t.Errorf("%s: got %q, want %q", dsn, got, want)
		}
	}
	f("clickhouse://user:secret@db:9000/loadline", "db:9000")
	f("http://db:8123", "db:8123")
	f("clickhouse://user:se%zzcret@db", "the configured server")
}

func TestSameAddr(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		if got := sameAddr(a, b); got != want {
			t.Errorf("%s and %s: %v", a, b, got)
		}
	}
	f("127.0.0.1:4317", "localhost:4317", true)
	f("127.0.0.1:4317", "127.0.0.1:4318", false)
	f("nonsense", "127.0.0.1:4318", false)
}
