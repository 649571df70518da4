package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"loadline/web/sloapi/wire"
)

// The definitions of the test: one is applied through the API, the other is a file of the server.
const (
	busySLO = `slo: busy-availability
service: busy
good: no errors
objective: 99.9% over 30 days
owner: e2e
`
	rareSLO = `slo: rare-availability
service: rare
good: no errors
objective: 99.9% over 30 days
`
)

// slot is the length of the slices of time in which events are counted.
const slot = 10 * time.Second

// shop sends the requests of two services and knows how many of them failed when.
type shop struct {
	target atomic.Pointer[addresses]
	client *http.Client
	down   atomic.Bool // every request to the busy service fails

	mu     sync.Mutex
	number uint64
	sent   map[string]map[int64][2]uint64 // bad and total by service and slot, as acknowledged
}

// request is a span of a service that starts at a time.
func (s *shop) request(at time.Time, bad bool) *trace.Span {
	s.number++
	code := int64(200)
	if bad {
		code = 503
	}
	return &trace.Span{
		TraceId: load{id: 77}.traceID(s.number), SpanId: spanID(s.number, 0), Name: "POST /orders", Kind: trace.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(at.UnixNano()), EndTimeUnixNano: uint64(at.Add(5 * time.Millisecond).UnixNano()),
		Attributes: []*common.KeyValue{{Key: "http.response.status_code", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: code}}}},
	}
}

// send sends requests of a service until they are acknowledged.
func (s *shop) send(ctx context.Context, service string, times []time.Time, bad func(i int) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[int64][2]uint64{}
	spans := make([]*trace.Span, len(times))
	for i, at := range times {
		spans[i] = s.request(at, bad(i))
		n := counts[at.Truncate(slot).Unix()]
		n[1]++
		if bad(i) {
			n[0]++
		}
		counts[at.Truncate(slot).Unix()] = n
	}
	body := encodeTraces(service, spans...)
	if err := waitFor(ctx, time.Minute, func() error { return post(ctx, s.client, s.target.Load().http, "traces", body) }); err != nil {
		return err
	}
	if s.sent[service] == nil {
		s.sent[service] = map[int64][2]uint64{}
	}
	for at, n := range counts {
		was := s.sent[service][at]
		s.sent[service][at] = [2]uint64{was[0] + n[0], was[1] + n[1]}
	}
	return nil
}

// past sends requests at an even distance before a time.
func (s *shop) past(t *testing.T, service string, to time.Time, n int, apart time.Duration, failing int) {
	t.Helper()
	var times []time.Time
	for i := range n {
		times = append(times, to.Add(-time.Duration(n-i)*apart))
	}
	for part := range slices.Chunk(times, 1000) {
		if err := s.send(t.Context(), service, part, func(i int) bool { return failing > 0 && i%failing == failing-1 }); err != nil {
			t.Fatal(err)
		}
	}
}

// live sends requests of the busy service as time passes, until ctx is done.
func (s *shop) live(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			down := s.down.Load()
			// What was begun is finished, so that what was sent is known.
			err := s.send(context.WithoutCancel(ctx), "busy", []time.Time{now, now, now, now}, func(int) bool { return down })
			if err != nil {
				return err
			}
		}
	}
}

// sum counts what was sent in [from, to).
func (s *shop) sum(service string, from, to int64) (bad, total uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, n := range s.sent[service] {
		if at >= from && at < to {
			bad, total = bad+n[0], total+n[1]
		}
	}
	return bad, total
}

// detection is the end of the first slot from a time on at which the fast page holds: more than 14.4 times the rate that
// 99.9 % allows over the last hour, and over the last 5 minutes.
func (s *shop) detection(from time.Time) time.Time {
	for at := from.Truncate(slot).Add(slot); at.Before(from.Add(time.Hour)); at = at.Add(slot) {
		holds := true
		for _, window := range []time.Duration{time.Hour, 5 * time.Minute} {
			bad, total := s.sum("busy", at.Add(-window).Unix(), at.Unix())
			holds = holds && bad*10_000 > total*144
		}
		if holds {
			return at
		}
	}
	return time.Time{}
}

// slos asks the API of objectives and decodes a good answer.
func (p *process) slos(path string, into any) error {
	code, text, err := p.get("/api/v1/slos" + path)
	if err != nil {
		return err
	}
	var a wire.Answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return fmt.Errorf("%s: status %d: %w: %s", path, code, err, last(text, 200))
	}
	if a.Status != "success" {
		return fmt.Errorf("%s: status %d: %s: %s", path, code, a.ErrorType, a.Error)
	}
	return json.Unmarshal(a.Data, into)
}

// objective is the state of the only objective of an SLO.
func (p *process) objective(name string) (wire.Objective, error) {
	var s wire.Status
	if err := p.slos("/"+name+"/status", &s); err != nil {
		return wire.Objective{}, err
	}
	if len(s.Objectives) != 1 {
		return wire.Objective{}, fmt.Errorf("%s has %d objectives", name, len(s.Objectives))
	}
	return s.Objectives[0], nil
}

// sloTest is a running server with two SLOs, and the shop whose promises they are.
type sloTest struct {
	*process
	whole   *testing.T // the processes live as long as this test
	shop    *shop
	dir     string
	files   string
	outage  time.Time // when it began
	paged   wire.Event
	applied time.Time
}

// TestSLO has a busy service with an outage and one with 40 requests an hour that fails once, both with two hours and more
// of history before anybody promised anything.
func TestSLO(t *testing.T) {
	q := &sloTest{
		whole: t, dir: t.TempDir(), files: t.TempDir(),
		shop: &shop{client: &http.Client{Timeout: 10 * time.Second}, sent: map[string]map[int64][2]uint64{}},
	}
	if err := os.WriteFile(filepath.Join(q.files, "rare.yaml"), []byte(rareSLO), 0o644); err != nil {
		t.Fatal(err)
	}
	q.start(t)
	now := time.Now()
	q.shop.past(t, "busy", now, 7200, time.Second, 1000)
	q.shop.past(t, "rare", now, 240, 90*time.Second, 0)
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	var failed error
	done.Go(func() { failed = q.shop.live(ctx) })
	finish := func() {
		stop()
		done.Wait()
	}
	defer finish()

	t.Run("apply", q.apply)
	t.Run("look back", q.lookBack)
	t.Run("page", q.page)
	t.Run("low traffic", q.lowTraffic)
	t.Run("why", q.why)
	t.Run("restart", q.restart)
	q.shop.down.Store(false)
	finish()
	if failed != nil {
		t.Fatal(failed)
	}
	t.Run("exact", q.exact)
	t.Run("series", q.series)
	t.Run("kinds", q.kinds)
	t.Run("command line", q.commandLine)
	t.Run("corrections", q.corrections)
	t.Run("files", q.fromFiles)
	t.Run("delete", q.deleted)
}

// start starts the server, on the same data after the first time.
func (q *sloTest) start(t *testing.T) {
	t.Helper()
	q.process = serve(q.whole, q.dir, "--slo.path", q.files)
	q.shop.target.Store(&addresses{grpc: q.grpc, http: q.http})
}

// loadline runs a command of the program against the server.
func (q *sloTest) loadline(t *testing.T, stdin string, args ...string) (code int, out string) {
	t.Helper()
	cmd := command(append(args, "--url", q.url)...)
	cmd.Stdin = strings.NewReader(stdin)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// apply tries a definition, then puts it in force.
func (q *sloTest) apply(t *testing.T) {
	f := func(stdin string, wantCode int, want string, args ...string) {
		t.Helper()
		if code, out := q.loadline(t, stdin, args...); code != wantCode || !strings.Contains(out, want) {
			t.Errorf("%q: exit code %d and %q, want %d and %q", args, code, out, wantCode, want)
		}
	}
	f(busySLO, 0, "SLO busy-availability would be created", "slo", "apply", "-f", "-", "--dry-run")
	f("", 1, "there is no SLO", "slo", "get", "busy-availability")
	f(strings.Replace(busySLO, "99.9%", "100%", 1), 1, "-:4:", "slo", "apply", "-f", "-")
	q.applied = time.Now()
	f(busySLO, 0, "SLO busy-availability created", "slo", "apply", "-f", "-", "--author", "ann")
	f(busySLO, 1, "busy-availability", "slo", "apply", "-f", "-", "--create")
}

// lookBack waits until what happened before the definition is counted.
func (q *sloTest) lookBack(t *testing.T) {
	for slo, service := range map[string]string{"busy-availability": "busy", "rare-availability": "rare"} {
		eventually(t, 2*time.Minute, func() error {
			o, err := q.objective(slo)
			if err != nil {
				return err
			}
			bad, total := q.shop.sum(service, 0, o.Evaluated.Unix())
			if o.Health == "counting" || o.Bad != bad || o.Total != total || !o.Evaluated.After(q.applied.Add(30*time.Second)) {
				return fmt.Errorf("%s: %s at %s with %d of %d bad, want %d of %d; past counted to %+v", slo, o.Health, o.Evaluated, o.Bad, o.Total, bad, total, o.Backfill)
			}
			return nil
		})
	}
	o, err := q.objective("busy-availability")
	if err != nil || math.Abs(float64(o.Left)-(1-float64(o.Bad)/float64(o.Total)/0.001)) > 1e-9 || o.Low >= o.Attained || o.High <= o.Attained {
		t.Errorf("%+v, %v", o, err)
	}
}

// page plants an outage: the page has to come at the evaluation at which its arithmetic says so, or the one after.
func (q *sloTest) page(t *testing.T) {
	q.shop.down.Store(true)
	q.outage = time.Now()
	eventually(t, 3*time.Minute, func() error {
		var events []wire.Event
		if err := q.slos("/busy-availability/events?from="+strconv.FormatInt(q.outage.Unix(), 10), &events); err != nil {
			return err
		}
		for _, e := range events {
			if e.State == "firing" && e.Rule == "page-fast" {
				q.paged = e
			}
		}
		if q.paged.At.IsZero() {
			return fmt.Errorf("no page among %d events", len(events))
		}
		return nil
	})
	want := q.shop.detection(q.outage)
	if q.paged.At.Before(want) || q.paged.At.After(want.Add(slot)) {
		t.Errorf("the page is of %s, want %s or one evaluation later", q.paged.At, want)
	}
	if wait := q.paged.Seen.Sub(q.paged.At); wait < 0 || wait > 30*time.Second {
		t.Errorf("it came %s after the end of the slot", wait)
	}
	t.Logf("outage at %s, page for the evaluation at %s (arithmetic %s), told %s later: %s",
		q.outage.Format(time.TimeOnly), q.paged.At.Format(time.TimeOnly), want.Format(time.TimeOnly), q.paged.Seen.Sub(q.paged.At), q.paged.Reason)
	bad, total := q.shop.sum("busy", q.paged.At.Add(-time.Hour).Unix(), q.paged.At.Unix())
	if q.paged.BadLong > bad || q.paged.TotalLong > total || q.paged.BadLong == 0 || q.paged.Reason == "" {
		t.Errorf("%+v, sent %d of %d", q.paged, bad, total)
	}
}

// lowTraffic has one error among 40 requests of an hour: 25 times what the objective allows, and chance.
func (q *sloTest) lowTraffic(t *testing.T) {
	if err := q.shop.send(t.Context(), "rare", []time.Time{time.Now()}, func(int) bool { return true }); err != nil {
		t.Fatal(err)
	}
	var guarded wire.Event
	eventually(t, 2*time.Minute, func() error {
		var events []wire.Event
		if err := q.slos("/rare-availability/events", &events); err != nil {
			return err
		}
		for _, e := range events {
			switch e.State {
			case "guarded":
				if e.Severity == "page" {
					guarded = e
				}
			case "firing", "pending":
				t.Fatalf("one error alerts: %+v", e)
			}
		}
		if guarded.At.IsZero() {
			return fmt.Errorf("nothing was held back among %d events", len(events))
		}
		return nil
	})
	if guarded.BadLong != 1 || guarded.TotalLong < 35 || guarded.TotalLong > 45 || float64(guarded.BurnLong) < float64(guarded.Threshold) || guarded.Reason == "" {
		t.Errorf("%+v", guarded)
	}
	t.Logf("held back: %s", guarded.Reason)
	o, err := q.objective("rare-availability")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range o.Rules {
		if r.State == "firing" || r.Reason == "" {
			t.Errorf("%+v", r)
		}
	}
}

// why leads from the budget to who spent it, and to a trace.
func (q *sloTest) why(t *testing.T) {
	var s wire.Spenders
	if err := q.slos("/busy-availability/spenders?from=-3h", &s); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, d := range s.Dimensions {
		for _, v := range d.Values {
			found = found || d.Name == "operation" && v.Value == "POST /orders" && v.Bad > 0
		}
	}
	if !found || s.Bad == 0 || s.Total <= s.Bad {
		t.Errorf("%+v", s)
	}
	var examples []wire.Example
	if err := q.slos("/busy-availability/examples?from=-3h&limit=5", &examples); err != nil {
		t.Fatal(err)
	}
	if len(examples) == 0 || len(examples) > 5 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, e := range examples {
		if code, page, err := q.get(e.URL); err != nil || code != http.StatusOK || !strings.Contains(page, "POST /orders") || !e.Error || e.Status != 503 {
			t.Errorf("%+v: status %d, %v", e, code, err)
		}
	}
}

// restart ends the process in the middle of the outage: the page goes on firing, and is not told again.
func (q *sloTest) restart(t *testing.T) {
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		q.stop(t, end)
		q.start(t)
		began := time.Now()
		eventually(t, 2*time.Minute, func() error {
			o, err := q.objective("busy-availability")
			if err != nil {
				return err
			}
			bad, total := q.shop.sum("busy", 0, o.Evaluated.Unix())
			if !o.Evaluated.After(began) || o.Bad != bad || o.Total != total {
				return fmt.Errorf("after %s: %d of %d bad at %s, want %d of %d", end, o.Bad, o.Total, o.Evaluated, bad, total)
			}
			for _, r := range o.Rules {
				if r.Name == q.paged.Rule && (r.State != "firing" || !r.Since.Equal(q.paged.At)) {
					return fmt.Errorf("after %s: %s is %s since %s, want firing since %s", end, r.Name, r.State, r.Since, q.paged.At)
				}
			}
			return nil
		})
	}
	var events []wire.Event
	if err := q.slos("/busy-availability/events", &events); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, e := range events {
		if e.Rule == q.paged.Rule && e.State == "firing" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%s fired %d times", q.paged.Rule, told)
	}
}

// exact waits until everything that was sent is in the numbers.
func (q *sloTest) exact(t *testing.T) {
	for slo, service := range map[string]string{"busy-availability": "busy", "rare-availability": "rare"} {
		bad, total := q.shop.sum(service, 0, math.MaxInt64)
		eventually(t, time.Minute, func() error {
			o, err := q.objective(slo)
			if err == nil && (o.Bad != bad || o.Total != total) {
				err = fmt.Errorf("%s: %d of %d bad, want %d of %d", slo, o.Bad, o.Total, bad, total)
			}
			return err
		})
	}
}

// series asks in PromQL for what the API says.
func (q *sloTest) series(t *testing.T) {
	o, err := q.objective("busy-availability")
	if err != nil {
		t.Fatal(err)
	}
	const of = `{slo="busy-availability"`
	at := o.Evaluated
	q.expects(t, `loadline_slo_objective`+of+`}`, at, "owner", map[string]string{"e2e": "0.999"})
	q.expects(t, `loadline_slo_alert_state`+of+`,rule="`+q.paged.Rule+`"}`, q.paged.At.Add(slot), "severity", map[string]string{"page": "2"})
	q.expects(t, `loadline_slo_alert_state`+of+`,rule="`+q.paged.Rule+`"}`, q.paged.At.Add(-slot), "severity", map[string]string{"page": "0"})
	bad, total := q.shop.sum("busy", at.Add(-time.Hour).Unix(), at.Unix())
	q.expects(t, `increase(loadline_slo_events_total`+of+`}[1h])`, at, "service", map[string]string{"busy": strconv.FormatUint(total, 10)})
	q.expects(t, `increase(loadline_slo_bad_events_total`+of+`}[1h])`, at, "service", map[string]string{"busy": strconv.FormatUint(bad, 10)})
	near := func(expr string, at time.Time, label, value string, want float64) {
		t.Helper()
		got, err := q.vector(t.Context(), expr, at, label)
		v, parse := strconv.ParseFloat(got[value], 64)
		if err != nil || parse != nil || math.Abs(v-want) > 1e-6*max(1, math.Abs(want)) {
			t.Errorf("%s at %s: %v, %v, want %s=%v", expr, at, got, err, value, want)
		}
	}
	near(`loadline_slo_error_budget_remaining_ratio`+of+`}`, at, "slo", "busy-availability", float64(o.Left))
	near(`loadline_slo_burn_rate`+of+`,window="1h"}`, at, "window", "1h", float64(bad)/float64(total)/0.001)
	before := q.outage.Truncate(slot)
	bad, total = q.shop.sum("busy", 0, before.Unix())
	near(`loadline_slo_error_budget_remaining_ratio`+of+`}`, before, "slo", "busy-availability", 1-float64(bad)/float64(total)/0.001)
	bad, total = q.shop.sum("busy", before.Add(-time.Hour).Unix(), before.Unix())
	near(`loadline_slo_burn_rate`+of+`,window="1h"}`, before, "window", "1h", float64(bad)/float64(total)/0.001)
}

// kindSLOs are a latency with a budget for each tenant, and a ratio of metrics.
const kindSLOs = `slo: kinds-latency
service: kinds
good: within 10ms
objective: 95% over 7 days
group_by: tenant.id
---
slo: kinds-ratio
service: kinds
ratio:
  bad: sum(increase(e2e_jobs_total{result="failed"}[$window]))
  total: sum(increase(e2e_jobs_total[$window]))
objective: 95% over 7 days
`

// kinds counts what is not errors of requests: durations to the nanosecond by tenant, and PromQL.
func (q *sloTest) kinds(t *testing.T) {
	now := time.Now().Truncate(time.Minute)
	var spans []*trace.Span
	for i := range 400 {
		s := q.shop.request(now.Add(-time.Duration(i)*time.Second), false)
		length := 10 * time.Millisecond
		if i%4 == 0 {
			length++
		}
		s.EndTimeUnixNano = s.StartTimeUnixNano + uint64(length)
		s.Attributes = append(s.Attributes, text("tenant.id", string(rune('a'+i%2))))
		spans = append(spans, s)
	}
	if err := post(t.Context(), q.shop.client, q.http, "traces", encodeTraces("kinds", spans...)); err != nil {
		t.Fatal(err)
	}
	for result, by := range map[string]float64{"ok": 30, "failed": 3} {
		if err := q.remoteWrite(t.Context(), 1, write1(t, ramp(now.Add(-20*time.Minute), 80, by), "__name__", "e2e_jobs_total", "job", "e2e", "result", result)); err != nil {
			t.Fatal(err)
		}
	}
	q.expects(t, `count(count_over_time(e2e_jobs_total[30m]) == 80)`, now, "", map[string]string{"": "2"})
	if code, out := q.loadline(t, kindSLOs, "slo", "apply", "-f", "-"); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	eventually(t, time.Minute, func() error {
		var s wire.Status
		if err := q.slos("/kinds-latency/status", &s); err != nil {
			return err
		}
		if len(s.Objectives) != 1 || len(s.Groups) != 2 || s.Objectives[0].Total != 400 {
			return fmt.Errorf("%+v", s)
		}
		if o, a, b := s.Objectives[0], s.Groups[0], s.Groups[1]; o.Bad != 100 || a.Group != "a" || a.Bad != 100 || a.Total != 200 || b.Bad != 0 || b.Total != 200 {
			t.Fatalf("%+v", s)
		}
		return nil
	})
	eventually(t, time.Minute, func() error {
		o, err := q.objective("kinds-ratio")
		if err == nil && (o.Health == "counting" || o.Total < 18*132 || o.Total > 21*132 || math.Abs(float64(o.Attained)-10./11) > 0.002) {
			err = fmt.Errorf("%s: %d of %d bad, attained %v", o.Health, o.Bad, o.Total, o.Attained)
		}
		return err
	})
	got, err := q.vector(t.Context(), `count by (group) (loadline_slo_error_budget_remaining_ratio{slo="kinds-latency"})`, time.Now(), "group")
	if err != nil || got[""] != "1" || got["a"] != "1" || got["b"] != "1" {
		t.Errorf("series of groups: %v, %v", got, err)
	}
}

// commandLine asks the program, for people and for pipelines.
func (q *sloTest) commandLine(t *testing.T) {
	f := func(stdin string, wantCode int, want string, args ...string) {
		t.Helper()
		if code, out := q.loadline(t, stdin, args...); code != wantCode || !strings.Contains(out, want) {
			t.Errorf("%q: exit code %d and %q, want %d and %q", args, code, out, wantCode, want)
		}
	}
	f("", 0, "rare-availability", "slo", "list")
	f("", 0, "page-fast firing", "slo", "list", "--service", "busy")
	f("", 0, "slo: busy-availability\n", "slo", "export", "busy-availability")
	f("", 0, "apiVersion: openslo/v1", "slo", "export", "--format", "openslo")
	f("", 3, "of the budget is left, less than 10%", "slo", "check", "busy-availability", "--min-budget", "10%")
	f("", 0, "ann", "slo", "history", "busy-availability")
	f("", 0, "guarded", "slo", "events", "rare-availability")
	f("", 0, "firing", "slo", "backtest", "busy-availability", "--from", "-2h")
	f(strings.Replace(busySLO, "99.9%", "50%", 1), 0, "50% of", "slo", "backtest", "-f", "-", "--from", "-2h")
	f(busySLO, 0, "busy-availability: 99.9% of", "slo", "lint", "-")
	f("", 1, `there is no SLO "no"`, "slo", "get", "no")
	_, out := q.loadline(t, "", "slo", "export", "busy-availability")
	f(out, 0, "SLO busy-availability unchanged", "slo", "apply", "-f", "-", "--dry-run")
}

// corrections take the outage out of the budget, and put it back.
func (q *sloTest) corrections(t *testing.T) {
	from, to := q.outage.Truncate(slot), time.Now().Truncate(slot)
	code, out := q.loadline(t, "", "slo", "correct", "busy-availability", "-o", "json", "--reason", "planted", "--author", "bob",
		"--from", from.UTC().Format(time.RFC3339), "--to", to.UTC().Format(time.RFC3339))
	var made wire.Correction
	if err := json.Unmarshal([]byte(out), &made); code != 0 || err != nil || made.Author != "bob" || !made.From.Equal(from) {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	is := func(what string, bad, total uint64) {
		t.Helper()
		eventually(t, time.Minute, func() error {
			o, err := q.objective("busy-availability")
			if err == nil && (o.Bad != bad || o.Total != total) {
				err = fmt.Errorf("%s: %d of %d bad, want %d of %d", what, o.Bad, o.Total, bad, total)
			}
			return err
		})
	}
	bad, total := q.shop.sum("busy", 0, math.MaxInt64)
	outBad, outTotal := q.shop.sum("busy", from.Unix(), to.Unix())
	is("corrected", bad-outBad, total-outTotal)
	if code, out := q.loadline(t, "", "slo", "correct", "busy-availability", "--withdraw", strconv.FormatUint(made.ID, 10)); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	is("withdrawn", bad, total)
}

// fromFiles changes the file that defines an SLO: it is in force without a restart.
func (q *sloTest) fromFiles(t *testing.T) {
	path := filepath.Join(q.files, "rare.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(rareSLO, "99.9%", "99%", 1))
	eventually(t, time.Minute, func() error {
		o, err := q.objective("rare-availability")
		if err == nil && (o.Target != "99%" || o.Total == 0) {
			err = fmt.Errorf("target %s with %d events", o.Target, o.Total)
		}
		return err
	})
	write(rareSLO + "colour: red\n")
	eventually(t, time.Minute, func() error {
		_, text, err := q.get("/api/v1/slos")
		if err == nil && (!strings.Contains(text, "rare.yaml:5:") || !strings.Contains(text, "colour")) {
			err = fmt.Errorf("no warning: %s", text)
		}
		return err
	})
	if o, err := q.objective("rare-availability"); err != nil || o.Target != "99%" {
		t.Errorf("a file with a mistake is in force: %+v, %v", o, err)
	}
	write("")
	eventually(t, time.Minute, func() error {
		if _, err := q.objective("rare-availability"); err == nil || !strings.Contains(err.Error(), "not_found") {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
}

// deleted is gone, but for its history.
func (q *sloTest) deleted(t *testing.T) {
	if code, out := q.loadline(t, "", "slo", "delete", "busy-availability"); code != 0 || !strings.Contains(out, "deleted") {
		t.Fatalf("exit code %d: %s", code, out)
	}
	eventually(t, 10*time.Second, func() error {
		var list []wire.Objective
		err := q.slos("?"+url.Values{"service": {"busy"}}.Encode(), &list)
		if err == nil && len(list) != 0 {
			err = fmt.Errorf("%d objectives", len(list))
		}
		return err
	})
	if code, out := q.loadline(t, "", "slo", "history", "busy-availability"); code != 0 || !strings.Contains(out, "deleted") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
