package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"loadline/ingest/demo"
	"loadline/internal/clickhouse"
)

// The benchmarks measure the running binary from outside: CPU from the kernel's accounting of its two processes, merges
// included, memory at its highest, bytes as they stand on disk. The load comes from a third process.

// clockTick is the unit of CPU time in /proc on Linux.
const clockTick = 10 * time.Millisecond

// cpuTime is the user and system time that the server and its engine have used.
func (p *process) cpuTime(t testing.TB) (server, engine time.Duration) {
	t.Helper()
	times := func(pid int) time.Duration {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		user, err1 := strconv.Atoi(fields[11])
		system, err2 := strconv.Atoi(fields[12])
		if err1 != nil || err2 != nil {
			t.Fatalf("cannot read %q", stat)
		}
		return time.Duration(user+system) * clockTick
	}
	return times(p.cmd.Process.Pid), times(p.engine())
}

// peakBytes is the most memory that the server and its engine have held, each at its own highest.
func (p *process) peakBytes(t testing.TB) (server, engine int64) {
	t.Helper()
	return peak(t, p.cmd.Process.Pid), peak(t, p.engine())
}

func peak(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// generate runs `loadline gen` against the process and returns its report.
func (p *process) generate(t testing.TB, args ...string) demo.LoadReport {
	t.Helper()
	cmd := command(append([]string{"gen", "--endpoint", p.grpc, "-o", "json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gen: %v\n%s", err, out)
	}
	var report demo.LoadReport
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	if report.Acked == 0 || report.Failed+report.Unknown+report.Rejected > 0 {
		t.Fatalf("gen: %+v", report)
	}
	return report
}

// settle waits until everything acknowledged is inserted, in the coarse tiers too, and no merge runs. It looks once a
// second, so that looking costs next to nothing.
func (p *process) settle(t testing.TB, db *clickhouse.DB, spans int) {
	t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for quiet := 0; quiet < 3; quiet++ {
		<-tick.C
		stored := one[uint64](t, db, "SELECT sum(spans) FROM red_1h")
		merges := one[uint64](t, db, "SELECT count() FROM system.merges")
		if stored != uint64(spans) || merges > 0 {
			quiet = -1
		}
	}
}

func benchmarkIngest(b *testing.B, args ...string) {
	for b.Loop() {
		p := serve(b, b.TempDir())
		_, db := p.open(b)
		server0, engine0 := p.cpuTime(b)
		report := p.generate(b, args...)
		p.settle(b, db, report.Acked)
		server1, engine1 := p.cpuTime(b)
		serverPeak, enginePeak := p.peakBytes(b)
		spans := float64(report.Acked)
		perSpan := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / spans }
		stored := one[uint64](b, db, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()")
		b.ReportMetric(perSpan(server1-server0+engine1-engine0), "cpu-µs/span")
		b.ReportMetric(perSpan(server1-server0), "server-µs/span")
		b.ReportMetric(perSpan(engine1-engine0), "engine-µs/span")
		b.ReportMetric(float64(stored)/spans, "stored-B/span")
		b.ReportMetric(float64(report.Bytes)/spans, "sent-B/span")
		b.ReportMetric(float64(serverPeak+enginePeak)/(1<<20), "peak-MiB")
		b.ReportMetric(float64(enginePeak)/(1<<20), "engine-peak-MiB")
		b.ReportMetric(spans/report.Elapsed.Seconds(), "spans/s")
		b.ReportMetric(float64(report.P50.Microseconds())/1e3, "ack-p50-ms")
		b.ReportMetric(float64(report.P99.Microseconds())/1e3, "ack-p99-ms")
		b.ReportMetric(0, "ns/op")
		p.stop(b, os.Kill)
	}
}

func BenchmarkIngestSaturated(b *testing.B) { benchmarkIngest(b, "--total", "5000000") }

func BenchmarkIngest2000PerSecond(b *testing.B) {
	benchmarkIngest(b, "--rate", "2000", "--duration", "60s", "--batch", "512")
}

// BenchmarkPages asks every page of a server that holds ten million spans of two hours. A page is asked for the usual range, and for
// one that covers all data.
func BenchmarkPages(b *testing.B) {
	const spans = 10_000_000
	p := serve(b, b.TempDir())
	_, db := p.open(b)
	report := p.generate(b, "--total", strconv.Itoa(spans), "--spread", "2h")
	p.settle(b, db, report.Acked)
	trace := one[string](b, db, "SELECT lower(hex(trace_id)) FROM spans WHERE slice > now() - 1200 LIMIT 1")
	service := one[string](b, db, "SELECT service FROM red_1h LIMIT 1")
	for _, page := range []string{
		"/", "/services", "/services/" + service, "/traces", "/traces?q=service%3D" + service,
		"/traces?q=duration%3E500ms", "/traces?q=error%3Dtrue", "/traces/" + trace, "/settings",
	} {
		for _, window := range []string{"30m", "1d"} {
			b.Run(strings.ReplaceAll(page, "/", "|")+"@"+window, func(b *testing.B) {
				benchmarkPage(b, p, withRange(page, window))
			})
		}
	}
}

func withRange(page, window string) string {
	if strings.Contains(page, "?") {
		return page + "&range=" + window
	}
	return page + "?range=" + window
}

// benchmarkPage reports the 95th percentile of the time to the last byte. Panels are cached by range; a parameter that
// the page ignores does not change that, so the first of many is the honest worst case and the rest what viewers see.
func benchmarkPage(b *testing.B, p *process, page string) {
	var took []time.Duration
	server0, engine0 := p.cpuTime(b)
	for b.Loop() {
		began := time.Now()
		resp, err := http.Get(p.url + page)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatalf("%s: %s", page, resp.Status)
		}
		took = append(took, time.Since(began))
	}
	server1, engine1 := p.cpuTime(b)
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1e3, "p95-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1e3, "max-ms")
	b.ReportMetric(float64((server1-server0+engine1-engine0).Milliseconds())/float64(len(took)), "cpu-ms/page")
}
