package slos

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/cmd/loadline/fault"
	"loadline/cmd/loadline/slos/output"
	"loadline/slo/registry"
	"loadline/slo/spec"
	"loadline/slo/spec/definition"
	"loadline/web/sloapi/wire"
)

// server answers requests, by method and path below the API, with values or errors.
type server struct {
	*httptest.Server
	answers  map[string]any
	asked    string // the last request with its parameters
	body     string
	header   http.Header
	warnings []string
}

func newServer(t *testing.T, answers map[string]any) *server {
	t.Helper()
	s := &server{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.asked, s.body, s.header = r.Method+" "+r.URL.String(), string(body), r.Header
		v, ok := answers[r.Method+" "+strings.TrimPrefix(r.URL.Path, "/api/v1/slos")]
		if !ok {
			v = wire.Answer{Status: "error", ErrorType: "not_found", Error: "there is no " + r.URL.Path}
		}
		a, isAnswer := v.(wire.Answer)
		if text, isText := v.(string); isText {
			_, _ = io.WriteString(w, text)
			return
		}
		if !isAnswer {
			data, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			a = wire.Answer{Status: "success", Data: data, Warnings: s.warnings}
		}
		if a.Status == "error" {
			w.WriteHeader(http.StatusBadRequest)
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// run runs `loadline slo` with arguments against the server. The code is that of package fault.
func (s *server) run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := NewCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(append(args, "--url", s.URL))
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err := cmd.ExecuteContext(t.Context())
	if err == nil {
		return fault.OK, out.String(), errs.String()
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		f = &fault.Error{Code: fault.Usage, Err: err}
	}
	f.Print(&errs)
	return f.Code, out.String(), strings.ReplaceAll(errs.String(), s.URL, "URL")
}

// prints checks the output of a command that succeeds.
func (s *server) prints(t *testing.T, want string, args ...string) {
	t.Helper()
	code, out, stderr := s.run(t, "", args...)
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), stderr+out); code != fault.OK || diff != "" {
		t.Errorf("%v: exit code %d (-want +got):\n%s", args, code, diff)
	}
}

func number(v float64) *wire.Number {
	n := wire.Number(v)
	return &n
}

var base = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func checkout() wire.Objective {
	return wire.Objective{
		SLO: "checkout", Objective: "default", Title: "Checkout", Promise: "99.9% of requests succeed", Service: "checkout-api", Owner: "shop",
		Target: "99.9%", TargetRatio: 0.999, Window: "30 days", Rolling: true, Health: "at_risk", Evaluated: base, From: base.AddDate(0, 0, -30), To: base,
		Coverage: 1, Bad: 612, Total: 1_000_000, Attained: 0.999388, Left: 0.388, Projected: 0.388, OneBad: 0.001, Burn1h: 15.25, Exhausted: number(66000),
		Rules: []wire.Rule{
			{Name: "page-fast", Severity: "page", State: "firing", Since: base, Long: "1h", Short: "5m", Threshold: 14.4, BurnLong: 15.25, BurnShort: 101, Reason: "both windows burn above 14.4", Alerts: 1},
			{Name: "ticket-slow", Severity: "ticket", State: "ok", Long: "3d", Short: "6h", Threshold: 1, BurnLong: 0.4, BurnShort: 0.9, Reason: "both windows burn below 1"},
		},
	}
}

func quiet() wire.Objective {
	return wire.Objective{
		SLO: "search", Objective: "latency", Title: "Search", Promise: "95% of searches take at most 400 ms", Service: "search", Target: "95%", Window: "calendar month (UTC)",
		Health: "no_data", Attained: wire.Number(math.NaN()), Left: wire.Number(math.NaN()), Burn1h: wire.Number(math.NaN()),
	}
}

func TestList(t *testing.T) {
	s := newServer(t, map[string]any{"GET ": []wire.Objective{checkout(), quiet()}})
	s.prints(t, `
SLO             SERVICE       TARGET  WINDOW                ATTAINED  BUDGET LEFT  BURN 1H      GONE IN  STATE
checkout        checkout-api   99.9%  30 days               99.9388%        38.8%    15.2x  18 h 20 min  at risk, page-fast firing
search/latency  search           95%  calendar month (UTC)         –            –        –            –  no data
`, "list")
	s.prints(t, "slo,service,target,window,attained,budget_left,burn_1h,gone_in,state\n"+
		"checkout,checkout-api,99.9%,30 days,99.9388%,38.8%,15.2x,18 h 20 min,\"at risk, page-fast firing\"\n"+
		"search/latency,search,95%,calendar month (UTC),–,–,–,–,no data\n", "list", "-o", "csv", "--service", "a&b", "--owner", "x", "--health", "no_data")
	if want := "GET /api/v1/slos?health=no_data&owner=x&service=a%26b"; s.asked != want {
		t.Errorf("asked %s, want %s", s.asked, want)
	}
	code, out, _ := s.run(t, "", "list", "-o", "json")
	var back []wire.Objective
	if err := json.Unmarshal([]byte(out), &back); err != nil || code != 0 || back[0].Left != 0.388 || !math.IsNaN(float64(back[1].Left)) {
		t.Errorf("%v: %s", err, out)
	}
	if _, out, _ := s.run(t, "", "list", "-o", "yaml"); !strings.HasPrefix(out, "- slo: checkout\n  objective: default\n") || !strings.Contains(out, "budget_left: null") {
		t.Error(out)
	}
	s = newServer(t, map[string]any{"GET ": []wire.Objective{}})
	s.warnings = []string{"slos/a.yaml:3:1: unknown field"}
	s.prints(t, "warning: slos/a.yaml:3:1: unknown field\nno objectives\n", "list")
}

func TestGet(t *testing.T) {
	group := checkout()
	group.Group, group.Left, group.Rules = "DE", -1.25, nil
	d := wire.Definition{Name: "checkout", Revision: 12, At: base, Author: "ann", Source: "api", Text: "slo: checkout\n", Objectives: []wire.Objective{checkout()}}
	s := newServer(t, map[string]any{
		"GET /checkout":        d,
		"GET /checkout/status": wire.Status{Objectives: []wire.Objective{checkout()}, Groups: []wire.Objective{group}},
	})
	s.prints(t, `
Checkout

99.9% of requests succeed
state          at risk, page-fast firing
attained       99.9388% (612 of 1,000,000 events bad)
budget left    38.8%
burn 1h        15.2x
gone in        18 h 20 min
one bad event  0.1% of the budget
period         2026-10-23T08:00:00Z to 2026-11-22T08:00:00Z, counted 100%
owner          shop

RULE         SEVERITY  STATE   WINDOWS  ABOVE   BURN  BURN SHORT  ALERTS  WHY
page-fast    page      firing  1h/5m    14.4x  15.2x        101x       1  both windows burn above 14.4
ticket-slow  ticket    ok      3d/6h     1.0x  0.40x       0.90x       0  both windows burn below 1

GROUP         ATTAINED  BUDGET LEFT  BAD     EVENTS  BURN 1H  STATE
checkout[DE]  99.9388%        -125%  612  1,000,000    15.2x  at risk

revision 12 of 2026-11-22T08:00:00Z by ann (api)
`, "get", "checkout")
	if _, out, _ := s.run(t, "", "get", "checkout", "-o", "json"); !strings.Contains(out, `"revision": 12`) || !strings.Contains(out, `"group": "DE"`) {
		t.Error(out)
	}
	code, _, stderr := s.run(t, "", "get", "nothing")
	if want := "error: there is no /api/v1/slos/nothing\nhint: `loadline slo list` shows what there is\n"; code != fault.Failed || stderr != want {
		t.Errorf("exit code %d and %q", code, stderr)
	}
}

func TestExport(t *testing.T) {
	s := newServer(t, map[string]any{"GET ": "slo: a\n---\nslo: b\n", "GET /checkout": "slo: checkout\n"})
	s.prints(t, "slo: a\n---\nslo: b\n", "export")
	s.prints(t, "slo: checkout\n", "export", "checkout", "--format", "openslo")
	if s.asked != "GET /api/v1/slos/checkout?format=openslo" {
		t.Error(s.asked)
	}
	s.prints(t, "slo: checkout\n", "get", "checkout", "-o", "yaml")
}

// Files are sent as one text, and problems are told where they are in the files.
func TestApply(t *testing.T) {
	s := newServer(t, map[string]any{"POST ": wire.Applied{
		Report: registry.Report{Revision: 13, Objects: []registry.Applied{
			{Kind: "SLO", Name: "checkout", Action: "changed", Diff: []registry.Line{{Op: " ", Text: "slo: checkout"}, {Op: " ", Text: "a"}, {Op: " ", Text: "b"}, {Op: "-", Text: "objective: 99.9%"}, {Op: "+", Text: "objective: 99.5%"}, {Op: " ", Text: "c"}}},
			{Kind: "SLO", Name: "search", Action: "unchanged"},
		}},
		Promises: []string{"99.5% of requests succeed"},
	}})
	dir := t.TempDir()
	for file, text := range map[string]string{"a.yaml": "slo: checkout\nx: 1", "b.yml": "\uFEFFslo: search\ny: 1\nz: 1\n", "notes.txt": "no", ".git/c.yaml": "no"} {
		path := filepath.Join(dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s.prints(t, "SLO checkout changed\nSLO search unchanged\npromises: 99.5% of requests succeed\n", "apply", "-f", dir, "--author", "ann", "--revision", "12")
	if want := "slo: checkout\nx: 1\n---\nslo: search\ny: 1\nz: 1\n"; s.body != want || s.asked != "POST /api/v1/slos" {
		t.Errorf("%s with %q, want %q", s.asked, s.body, want)
	}
	if s.header.Get("X-Loadline-User") != "ann" || s.header.Get("If-Match") != `"12"` {
		t.Errorf("%v", s.header)
	}
	s.prints(t, "SLO checkout would be changed\n    a\n    b\n  - objective: 99.9%\n  + objective: 99.5%\n    c\nSLO search unchanged\npromises: 99.5% of requests succeed\n", "apply", "-f", dir, "--dry-run")
	if s.asked != "POST /api/v1/slos?dry_run=true" {
		t.Error(s.asked)
	}

	s.answers["POST "] = wire.Answer{Status: "error", ErrorType: "invalid_definition", Error: "wrong", Problems: []spec.Problem{
		{Severity: spec.Error, Line: 2, Column: 1, Field: "x", Message: `unknown field "x"`, Remedy: "remove it"},
		{Severity: spec.Warning, Line: 6, Column: 4, Message: "odd"},
		{Severity: spec.Error, Message: "of nowhere"},
	}}
	code, out, stderr := s.run(t, "slo: c\n", "apply", "-f", filepath.Join(dir, "a.yaml"), "-f", filepath.Join(dir, "b.yml"), "-f", "-")
	for _, want := range []string{"a.yaml:2:1: ", "b.yml:3:4: ", "of nowhere"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q lacks %q", stderr, want)
		}
	}
	if code != fault.Failed || out != "" || !strings.HasSuffix(s.body, "---\nslo: c\n") {
		t.Errorf("exit code %d, output %q, body %q", code, out, s.body)
	}
	s.answers["POST "] = wire.Answer{Status: "error", ErrorType: "conflict", Error: "ann was faster"}
	if code, _, stderr := s.run(t, "slo: c\n", "apply", "-f", "-"); code != fault.Failed || !strings.Contains(stderr, "ann was faster\nhint: `loadline slo history`") {
		t.Errorf("exit code %d and %q", code, stderr)
	}
}

func TestDelete(t *testing.T) {
	s := newServer(t, map[string]any{"DELETE /checkout": wire.Applied{Report: registry.Report{Objects: []registry.Applied{{Kind: "SLO", Name: "checkout", Action: "deleted"}}}}})
	s.prints(t, "SLO checkout deleted\n", "delete", "checkout")
	s.prints(t, "SLO checkout would be deleted\n", "delete", "checkout", "--dry-run", "--revision", "3")
	if s.asked != "DELETE /api/v1/slos/checkout?dry_run=true" || s.header.Get("If-Match") != `"3"` {
		t.Errorf("%s, %v", s.asked, s.header)
	}
}

func TestCheck(t *testing.T) {
	counting := quiet()
	counting.Health, counting.Left = "counting", 1
	broke := checkout()
	broke.Left = 0
	group := checkout()
	group.Group = "DE"
	s := newServer(t, map[string]any{
		"GET /checkout/status": wire.Status{Objectives: []wire.Objective{checkout()}, Groups: []wire.Objective{group}},
		"GET /search/status":   wire.Status{Objectives: []wire.Objective{quiet()}},
		"GET /new/status":      wire.Status{Objectives: []wire.Objective{counting}},
		"GET /broke/status":    wire.Status{Objectives: []wire.Objective{broke}},
	})
	f := func(code int, want string, args ...string) {
		t.Helper()
		got, _, stderr := s.run(t, "", append([]string{"check"}, args...)...)
		if got != code || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d and %q, want %d and %q", args, got, stderr, code, want)
		}
	}
	f(0, "", "checkout")
	f(0, "", "checkout", "--min-budget", "38.8%")
	f(0, "", "checkout", "--min-budget", "-0.5", "--max-burn", "16")
	f(3, "error: checkout: 38.8% of the budget is left, less than 40%", "checkout", "--min-budget", "40%")
	f(3, "error: checkout: 38.8% of the budget is left, less than 50%", "checkout", "--min-budget", "0.5")
	f(3, "error: checkout: burns at 15.2x, more than 2.0x", "checkout", "--max-burn", "2")
	f(3, "checkout[DE]: ", "checkout", "--group", "DE", "--min-budget", "90%")
	f(3, "0% of the budget is left", "broke")
	f(1, "search/latency: not measured: no data\nhint: --allow-no-data", "search")
	f(1, "not measured: counting", "new", "--min-budget", "1%")
	f(1, "not measured", "checkout", "search", "--min-budget", "40%")
	f(0, "", "search", "new", "--allow-no-data")
	f(1, `error: SLO "checkout" has nothing to check as objective "x" in group "y"`, "checkout", "--objective", "x", "--group", "y")
	f(1, "there is no", "nothing")
	f(2, `--min-budget: cannot use "10 per cent"`, "checkout", "--min-budget", "10 per cent")
	f(2, `--min-budget: cannot use "101%"`, "checkout", "--min-budget", "101%")
	f(2, "--max-burn: cannot use -1", "checkout", "--max-burn", "-1")
	f(2, `--output: cannot use "xml": want table, json, yaml, csv`, "checkout", "-o", "xml")
	s.prints(t, "SLO       ATTAINED  BUDGET LEFT  BURN 1H  VERDICT\ncheckout  99.9388%        38.8%    15.2x  ok\n", "check", "checkout")
}

func TestBacktest(t *testing.T) {
	s := newServer(t, map[string]any{"POST /backtest": []wire.Backtest{{
		SLO: "checkout", Objective: "default", Promise: "99.9% of requests succeed", Target: "99.9%", From: base.AddDate(0, 0, -30), To: base,
		Bad: 612, Total: 1_000_000, Attained: 0.999388, Left: 0.388, Coverage: 0.5, Pages: 2, Tickets: 1, PagesPerWeek: 0.466, TicketsPerWeek: 0.233,
		Alerting: 5400, Caught: 1, Delay: 50, False: 1, Tightest: 0.9993,
		Events: []wire.Event{
			{Rule: "page-fast", Severity: "page", State: "pending", At: base},
			{Rule: "page-fast", Severity: "page", State: "firing", At: base, BurnLong: 20, BurnShort: 100, Left: 0.7, Reason: "burns"},
			{Rule: "page-fast", Severity: "page", State: "guarded", At: base.Add(time.Hour), BurnLong: 25, BurnShort: 120, Left: 0.7, Reason: "one bad event of 40 is chance"},
		},
		Incidents: []wire.Incident{{From: base, To: base, Caught: true}, {From: base, To: base}},
		Grid:      []wire.Cell{{Target: "99.5%", Policy: "default", PagesPerWeek: 0, TicketsPerWeek: 0.233, Caught: 1, Delay: 250, Left: 0.8}},
		Quality:   &wire.Quality{Source: "rollups", Approximate: true, BadLow: 600, BadHigh: 640},
	}}})
	s.prints(t, `
99.9% of requests succeed
checkout from 2026-10-23T08:00:00Z to 2026-11-22T08:00:00Z
attained      99.9388% (612 of 1,000,000 events bad)
budget left   38.8%
pages         2 (0.47 a week), 1 outside of incidents
tickets       1 (0.23 a week)
alerting      1 h 30 min
incidents     1 of 2 caught, in 50 s (median)
tightest met  99.93%
counted       50% of the period, from rollups: durations by histogram, 600 to 640 events bad

AT                    RULE       SEVERITY  WHAT      BURN  BURN SHORT  BUDGET LEFT  WHY
2026-11-22T08:00:00Z  page-fast  page      firing   20.0x        100x          70%  burns
2026-11-22T09:00:00Z  page-fast  page      guarded  25.0x        120x          70%  one bad event of 40 is chance

TARGET  POLICY   PAGES A WEEK  TICKETS A WEEK  CAUGHT       DELAY  FALSE PAGES  BUDGET LEFT
 99.5%  default             0            0.23       1  4 min 10 s            0          80%
`, "backtest", "checkout", "--from", "-30d", "--objective", "default")
	if s.asked != "POST /api/v1/slos/backtest?from=-30d&objective=default&slo=checkout" || s.body != "" {
		t.Errorf("%s with %q", s.asked, s.body)
	}
	if code, out, _ := s.run(t, "slo: x\n", "backtest", "-f", "-", "-o", "csv"); code != 0 || !strings.HasPrefix(out, "slo,target,from,to,") || s.body != "slo: x\n" {
		t.Errorf("exit code %d, %q, sent %q", code, out, s.body)
	}
	for _, args := range [][]string{{"backtest"}, {"backtest", "a", "-f", "-"}, {"apply"}, {"apply", "-f", "no-such.yaml"}, {"correct", "a", "--from", "-1h"}} {
		if code, _, stderr := s.run(t, "", args...); code != fault.Usage {
			t.Errorf("%v: exit code %d and %q", args, code, stderr)
		}
	}
}

func TestHistory(t *testing.T) {
	s := newServer(t, map[string]any{"GET /checkout/history": []wire.Revision{
		{Revision: 14, At: base, Author: "bob", Source: "ui", Deleted: true},
		{Revision: 12, At: base, Author: "ann", Source: "file:slos/a.yaml", Diff: []registry.Line{{Op: "-", Text: "a"}, {Op: "+", Text: "b"}, {Op: "+", Text: "c"}}},
	}})
	s.prints(t, `
REVISION  AT                    AUTHOR  SOURCE            CHANGE
      14  2026-11-22T08:00:00Z  bob     ui                deleted
      12  2026-11-22T08:00:00Z  ann     file:slos/a.yaml  +2 -1 lines
`, "history", "checkout")
	s.prints(t, "revision 14 of 2026-11-22T08:00:00Z by bob (ui)\n\nrevision 12 of 2026-11-22T08:00:00Z by ann (file:slos/a.yaml)\n  - a\n  + b\n  + c\n\n", "history", "checkout", "--diff")
}

func TestEvents(t *testing.T) {
	s := newServer(t, map[string]any{
		"GET /-/events":        []wire.Event{{SLO: "checkout", Objective: "default", Group: "DE", Rule: "page-fast", Severity: "page", State: "guarded", At: base, BurnLong: 25, BurnShort: 300, Left: 1, Reason: "1 bad event of 40"}},
		"GET /checkout/events": []wire.Event{},
	})
	s.prints(t, `
AT                    SLO           RULE       SEVERITY  STATE     BURN  BURN SHORT  BUDGET LEFT  WHY
2026-11-22T08:00:00Z  checkout[DE]  page-fast  page      guarded  25.0x        300x         100%  1 bad event of 40
`, "events")
	if s.asked != "GET /api/v1/slos/-/events?from=-7d&limit=100" {
		t.Error(s.asked)
	}
	s.prints(t, "[]\n", "events", "checkout", "-o", "json", "--objective", "default", "--group", "DE", "--to", "0", "--from", "")
	if s.asked != "GET /api/v1/slos/checkout/events?group=DE&limit=100&objective=default&to=0" {
		t.Error(s.asked)
	}
}

func TestCorrect(t *testing.T) {
	made := wire.Correction{ID: 1 << 63, From: base, To: base.Add(time.Hour), Reason: "moved", Author: "ann", At: base}
	old := made
	old.ID, old.Withdrawn = 7, true
	s := newServer(t, map[string]any{
		"POST /checkout/corrections":     made,
		"GET /checkout/corrections":      []wire.Correction{made, old},
		"DELETE /checkout/corrections/7": struct{}{},
	})
	s.prints(t, "NUMBER               FROM                  TO                    REASON  AUTHOR  AT                    STATE\n"+
		"9223372036854775808  2026-11-22T08:00:00Z  2026-11-22T09:00:00Z  moved   ann     2026-11-22T08:00:00Z  out\n",
		"correct", "checkout", "--from", "-1h", "--to", "0", "--reason", "moved")
	if s.body != `{"from":"-1h","to":"0","reason":"moved"}` {
		t.Error(s.body)
	}
	if _, out, _ := s.run(t, "", "correct", "checkout"); !strings.Contains(out, "withdrawn") {
		t.Error(out)
	}
	s.prints(t, "correction 7 is withdrawn: its time counts again\n", "correct", "checkout", "--withdraw", "7")
}

func TestUnreachable(t *testing.T) {
	s := newServer(t, map[string]any{"GET ": "<html>"})
	code, _, stderr := s.run(t, "", "list")
	if want := "error: URL/api/v1/slos answers with status 200 and nothing of the API of objectives\nhint: --url names the server; `loadline doctor` checks it\n"; code != fault.Unreachable || stderr != want {
		t.Errorf("exit code %d and %q", code, stderr)
	}
	s.answers["GET "] = wire.Answer{Status: "success", Data: json.RawMessage(`{"a":1}`)}
	if code, _, stderr := s.run(t, "", "list"); code != fault.Unreachable || !strings.Contains(stderr, "version may differ") {
		t.Errorf("exit code %d and %q", code, stderr)
	}
	s.Close()
	if code, _, stderr := s.run(t, "", "list"); code != fault.Unreachable || !strings.Contains(stderr, "refused") {
		t.Errorf("exit code %d and %q", code, stderr)
	}
}

func TestWords(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f(percent(1), "100%")
	f(percent(0.9995), "99.95%")
	f(percent(0.999991), "99.9991%")
	f(percent(0.95), "95%")
	f(percent(-0.0321), "-3.2%")
	f(percent(0), "0%")
	f(percent(-0.0001), "0%")
	f(percent(0.0005), "0.1%")
	f(count(0), "0")
	f(count(999), "999")
	f(count(1000), "1,000")
	f(count(1234567), "1,234,567")
	f(factor(0.123), "0.12x")
	f(factor(14.4), "14.4x")
	f(factor(1000), "1000x")
	f(seconds(wire.Number(math.NaN())), "–")
	f(output.Printable("a\x1b[2J"), `"a\x1b[2J"`)
	f(output.Printable(`say "é"`), `say "é"`)
}

// Files are checked without a server.
func TestLint(t *testing.T) {
	s := newServer(t, nil)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const good = "slo: checkout\nservice: web\ngood: no errors\nobjective: 99.9% over 30 days\n"
	code, out, stderr := s.run(t, "", "lint", write("a.yaml", good))
	if code != fault.OK || !strings.HasPrefix(out, "checkout: 99.9% of ") || stderr != "" || s.asked != "" {
		t.Errorf("exit code %d, %q, %q, asked %q", code, out, stderr, s.asked)
	}
	bad := write("b.yaml", strings.NewReplacer("checkout", "search", "99.9%", "120%").Replace(good))
	code, out, stderr = s.run(t, "", "lint", dir)
	if code != fault.Failed || out != "" || !strings.HasPrefix(stderr, "error: "+bad+":4:") {
		t.Errorf("exit code %d, %q, %q", code, out, stderr)
	}
	if code, _, stderr := s.run(t, "", "lint", filepath.Join(dir, "none.yaml")); code != fault.Usage || !strings.Contains(stderr, "none.yaml") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	// What is in force on the server only is not known here.
	if code, _, stderr := s.run(t, "slo: journey\nservice: shop\ncombine: all of checkout, payment\nobjective: 99% over 30 days\n", "lint", "-"); code == fault.OK || !strings.Contains(stderr, "payment") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}

// What the README says one can write can be read.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## SLOs\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, example, _ := strings.Cut(section, "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	const members = "slo: checkout-availability\nservice: a\ngood: no errors\nobjective: 99%\n---\nslo: payment-availability\nservice: b\ngood: no errors\nobjective: 99%\n"
	known, found := definition.Read("", []byte(members))
	if spec.Failed(found) {
		t.Fatal(problems(found))
	}
	lint := func(text string) {
		t.Helper()
		slos, found := definition.Read("", []byte(strings.Replace(text, "slo: checkout-availability", "slo: tried", 1)), known...)
		if len(slos) == 0 || spec.Failed(found) {
			t.Errorf("%s\n%s", text, problems(found))
		}
	}
	lint(example)
	lines := map[string]string{}
	for line := range strings.Lines(example) {
		field, _, _ := strings.Cut(line, ":")
		lines[field] = line
	}
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, " | ")
		if len(cells) != 2 || !strings.Contains(cells[1], ": ") {
			continue
		}
		rows++
		for i, part := range strings.Split(cells[1], "`") {
			if field, _, ok := strings.Cut(part, ": "); i%2 == 1 && ok {
				changed := map[string]string{"slo": lines["slo"], "service": lines["service"], "good": lines["good"], "objective": lines["objective"]}
				switch field {
				case "ratio", "combine", "objectives":
					delete(changed, "good")
				case "gauge":
					changed["good"] = "good: below 30\n"
				case "slices":
					changed["objective"] = "objective: 99.5% of minutes over 28 days\n"
				}
				if field == "objectives" {
					delete(changed, "objective")
				}
				changed[field] = strings.NewReplacer(", …", "", "{good: …, total: …}", "{good: a, total: b}").Replace(part) + "\n"
				if part == "good: below 30" {
					changed["gauge"] = "gauge: max(queue_age_seconds)\n"
				}
				if strings.Contains(part, "of minutes") {
					changed["slices"] = "slices: good at 95%\n"
				}
				text := ""
				for _, name := range slices.Sorted(maps.Keys(changed)) {
					text += changed[name]
				}
				lint(text)
			}
		}
	}
	if rows < 9 {
		t.Errorf("only %d rows of things to write", rows)
	}
}
