package sloapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/internal/clickhouse"
	"loadline/query/querytest"
	"loadline/slo"
	"loadline/slo/registry"
	"loadline/slo/store"
	"loadline/web/sloapi/wire"
)

const checkout = `slo: checkout
service: web
good: no errors
objective: 99% over 30 days
owner: shop
`

// api is the API over a real engine, which evaluates.
type api struct {
	testing.TB
	*httptest.Server
	db     *clickhouse.DB
	engine *slo.Engine
	log    bytes.Buffer
}

func newAPI(t testing.TB, spans ...querytest.Span) *api {
	t.Helper()
	a := &api{TB: t, db: querytest.New(t, spans...)}
	reg := registry.New(store.New(a.db), registry.Config{})
	a.engine = slo.New(slo.Config{DB: a.db, Registry: reg, Logger: slog.New(slog.DiscardHandler), SoleWriter: true})
	if err := a.engine.Load(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	handler, err := New(Config{Engine: a.engine, Logger: slog.New(slog.NewTextHandler(&a.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	handler.Register(mux)
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// run lets the engine evaluate until the test ends.
func (a *api) run() {
	ctx, cancel := context.WithCancel(a.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := a.engine.Run(ctx); err != nil {
			a.Error(err)
		}
	})
	a.Cleanup(func() {
		cancel()
		done.Wait()
	})
}

// answer is what was answered, with the status.
type answer struct {
	wire.Answer
	code   int
	header http.Header
	text   string
}

func (a *api) ask(method, path, body string, headers ...string) answer {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), method, a.URL+"/api/v1/slos"+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	out := answer{code: resp.StatusCode, header: resp.Header, text: string(text)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &out.Answer); err != nil {
			a.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return out
}

// good asks and decodes a good answer.
func (a *api) good(method, path, body string, into any, headers ...string) answer {
	a.Helper()
	got := a.ask(method, path, body, headers...)
	if got.code != http.StatusOK || got.Status != "success" {
		a.Fatalf("%s %s: status %d: %s", method, path, got.code, got.text)
	}
	if err := json.Unmarshal(got.Data, into); err != nil {
		a.Fatalf("%s %s: %v: %s", method, path, err, got.Data)
	}
	return got
}

// bad asks and checks an error.
func (a *api) bad(method, path, body string, code int, kind, text string, headers ...string) answer {
	a.Helper()
	got := a.ask(method, path, body, headers...)
	if got.code != code || got.Status != "error" || got.ErrorType != kind || !strings.Contains(got.Error, text) {
		a.Errorf("%s %s: status %d: %s; want %d, %s and %q", method, path, got.code, got.text, code, kind, text)
	}
	return got
}

// eventually waits until check returns nil.
func (a *api) eventually(check func() error) {
	a.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			a.Fatal(err)
		}
		<-tick.C
	}
}

func TestDefinitions(t *testing.T) {
	a := newAPI(t)
	var applied wire.Applied
	a.good("POST", "?dry_run=true", checkout, &applied)
	if len(applied.Objects) != 1 || applied.Objects[0].Action != "created" || len(applied.Promises) != 1 {
		t.Errorf("%+v", applied)
	}
	a.bad("GET", "/checkout", "", 404, "not_found", `there is no SLO "checkout"`)
	a.bad("GET", "/checkout/history", "", 404, "not_found", `there never was an SLO "checkout"`)
	a.good("POST", "", checkout, &applied, "X-Loadline-User", "ann")

	var d wire.Definition
	got := a.good("GET", "/checkout", "", &d)
	if d.Author != "ann" || d.Source != "api" || d.Text != checkout || d.Revision == 0 || got.header.Get("ETag") != etag(d.Revision) {
		t.Errorf("%+v with ETag %s", d, got.header.Get("ETag"))
	}
	old := etag(d.Revision)
	better := strings.Replace(checkout, "99%", "99.5%", 1)
	a.bad("POST", "?create=true", better, 409, "conflict", "checkout")
	a.good("PUT", "/checkout?author=bob", better, &applied, "If-Match", old)
	if applied.Objects[0].Action != "changed" || len(applied.Objects[0].Diff) == 0 {
		t.Errorf("%+v", applied)
	}
	a.bad("PUT", "/checkout", checkout, 409, "conflict", "bob", "If-Match", old)
	a.bad("PUT", "/other", checkout, 400, "bad_data", `has to define SLO "other" and nothing else`)
	a.bad("PUT", "/checkout", checkout+"---\n"+strings.Replace(checkout, "slo: checkout", "slo: other", 1), 400, "bad_data", "nothing else")
	a.bad("PUT", "/checkout", checkout, 400, "bad_data", `If-Match "x"`, "If-Match", "x")
	a.bad("DELETE", "/checkout", "", 409, "conflict", "bob", "If-Match", old)
	a.bad("DELETE", "/other", "", 404, "not_found", "other")
	a.good("DELETE", "/checkout?dry_run=true", "", &applied)
	a.good("DELETE", "/checkout", "", &applied, "X-Loadline-User", "eve")
	a.bad("GET", "/checkout", "", 404, "not_found", "checkout")

	var history []wire.Revision
	a.good("GET", "/checkout/history", "", &history)
	var authors []string
	for _, r := range history {
		authors = append(authors, fmt.Sprint(r.Author, r.Deleted))
	}
	if diff := cmp.Diff([]string{"evetrue", "bobfalse", "annfalse"}, authors); diff != "" {
		t.Error(diff)
	}
	a.good("GET", "/checkout/history?limit=1", "", &history)
	if len(history) != 1 || !history[0].Deleted {
		t.Errorf("%+v", history)
	}
}

// What is wrong is told with its place, and nothing of the text is applied.
func TestRefused(t *testing.T) {
	a := newAPI(t)
	text := checkout + "---\n" + strings.Replace(strings.Replace(checkout, "slo: checkout", "slo: other", 1), "99%", "101%", 1) + "colour: red\n"
	got := a.bad("POST", "", text, 422, "invalid_definition", "")
	if len(got.Problems) != 2 || got.Problems[0].Line != 10 || got.Problems[1].Line != 12 || got.Problems[0].Remedy == "" || !strings.Contains(got.Error, "1 more error") {
		t.Errorf("%s", got.text)
	}
	var list []wire.Objective
	a.good("GET", "", "", &list)
	if len(list) != 0 {
		t.Errorf("%+v", list)
	}
	a.bad("PUT", "/other", "slo: other\n", 422, "invalid_definition", "")
	a.bad("POST", "/backtest", "slo: other\n", 422, "invalid_definition", "")
	a.bad("POST", "", "", 422, "invalid_definition", "defines nothing")
	a.bad("POST", "", strings.Repeat("#", maxBody+1), 413, "too_large", "1048576 bytes")

	var checked wire.Checked
	a.good("POST", "/validate", text, &checked)
	if checked.Valid || len(checked.Problems) != 2 {
		t.Errorf("%+v", checked)
	}
	a.good("POST", "/validate", checkout, &checked)
	if !checked.Valid || len(checked.Problems) != 0 || len(checked.SLOs) != 1 || len(checked.Promises) != 1 {
		t.Errorf("%+v", checked)
	}
}

func TestExport(t *testing.T) {
	a := newAPI(t)
	var applied wire.Applied
	a.good("POST", "", checkout+"---\n"+strings.Replace(checkout, "slo: checkout", "slo: other", 1), &applied)
	f := func(path string, want ...string) {
		t.Helper()
		got := a.ask("GET", path, "")
		for _, w := range want {
			if got.code != 200 || !strings.Contains(got.text, w) {
				t.Errorf("%s: status %d: %s lacks %q", path, got.code, got.text, w)
			}
		}
		if kind := got.header.Get("Content-Type"); kind != "application/yaml" {
			t.Errorf("%s: %s", path, kind)
		}
	}
	f("/checkout?format=native", "slo: checkout\n")
	f("?format=native", "slo: checkout\n", "---\n", "slo: other\n")
	f("?format=openslo", "apiVersion: openslo/v1")
	f("/checkout?format=prometheus", "record:")
	a.bad("GET", "?format=xml", "", 400, "bad_data", "want native, openslo or prometheus")
	back := a.ask("GET", "?format=openslo", "").text
	a.good("POST", "/validate", back, new(wire.Checked))
}

func TestRequests(t *testing.T) {
	a := newAPI(t)
	var applied wire.Applied
	two := "slo: two\nservice: web\nobjectives:\n- {name: fast, good: within 200ms, objective: 95% over 7 days}\n- {name: fine, good: no errors, objective: 99% over 30 days}\n"
	a.good("POST", "", checkout+"---\n"+two, &applied)
	f := func(path, want string) {
		t.Helper()
		a.bad("GET", path, "", 400, "bad_data", want)
	}
	f("/checkout/budget?from=x", `parameter "from": cannot use "x"`)
	f("/checkout/budget?to=-1", `parameter "to": cannot use "-1"`)
	f("/checkout/burn?from=-1h&to=-2h", "the range ends at")
	for _, path := range []string{"/checkout/budget", "/checkout/burn", "/checkout/spenders", "/checkout/examples", "/checkout/events"} {
		f(path+"?from=0", "longer than 400 days: ask about parts of it")
		f(path+"?to=4102444800", "ends at 2100-01-01T00:00:00Z, which is in the future")
	}
	a.bad("POST", "/backtest?slo=checkout&from=0", "", 400, "bad_data", "longer than 400 days")
	a.bad("POST", "/backtest?slo=checkout&from=0&to=1000000", "", 400, "bad_data", "begins at 1970-01-01T00:00:00Z, more than 10 years ago")
	a.bad("POST", "/backtest?from=0&to=4102444800", strings.Replace(checkout, "checkout", "other", 1), 400, "bad_data", "in the future")
	f("/checkout/budget?points=1", "want a number from 2 to 2000")
	f("/checkout/history?limit=x", "want a number from 1 to 100")
	f("/checkout/history?limit=101", "want a number from 1 to 100")
	f("/checkout/report?month=November", `cannot use "November"`)
	f("/checkout/report?format=xml", "want json or csv")
	f("/two/budget", "has several objectives: name one with the parameter objective: fast, fine")
	a.bad("POST", "?dry_run=perhaps", checkout, 400, "bad_data", "want true or false")
	a.bad("GET", "/two/spenders?objective=slow", "", 404, "not_found", `no objective "slow": it has fast, fine`)
	a.bad("GET", "/two/status?objective=slow", "", 404, "not_found", "fast, fine")
	a.bad("GET", "/none/events", "", 404, "not_found", `there is no SLO "none"`)
	a.bad("POST", "/backtest?slo=none", "", 404, "not_found", `there is no SLO "none"`)
	a.bad("POST", "/backtest?slo=checkout", checkout, 400, "bad_data", "want one of them")
	a.bad("POST", "/backtest?slo=two&objective=slow", "", 400, "bad_data", `no objective "slow"`)
	a.bad("POST", "/backtest", "", 422, "invalid_definition", "defines nothing")
	a.bad("GET", "/checkout/colour", "", 404, "not_found", "there is no GET /api/v1/slos/checkout/colour")
	got := a.bad("PATCH", "/checkout", "", 405, "method_not_allowed", "GET, PUT, DELETE")
	if got.header.Get("Allow") != "GET, PUT, DELETE" {
		t.Errorf("%v", got.header)
	}
	a.bad("POST", "", checkout, 403, "forbidden", "another origin", "Sec-Fetch-Site", "cross-site")
	a.bad("DELETE", "/checkout", "", 403, "forbidden", "another origin", "Origin", "http://evil.example")
	a.good("GET", "", "", new([]wire.Objective), "Sec-Fetch-Site", "cross-site")
}

func TestEvents(t *testing.T) {
	a := newAPI(t)
	a.good("POST", "", checkout, new(wire.Applied))
	now := time.Now().UTC().Truncate(time.Second)
	var events []store.Event
	for i, state := range []string{"pending", "firing", "guarded"} {
		events = append(events, store.Event{
			SLO: "checkout", Objective: "default", Tier: "page-fast", Severity: "page", State: state, At: now.Add(time.Duration(i-10) * time.Minute),
			Seen: now, BurnLong: 20, BurnShort: math.Inf(1), Left: 0.5, Reason: "it burns",
		})
	}
	events = append(events, store.Event{SLO: "other", Objective: "default", Tier: "page-fast", State: "firing", At: now.Add(-time.Hour), Seen: now})
	if err := store.New(a.db).AddEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	f := func(path, want string) {
		t.Helper()
		var got []wire.Event
		a.good("GET", path, "", &got)
		var words []string
		for _, e := range got {
			words = append(words, e.SLO+" "+e.State)
		}
		if diff := cmp.Diff(want, strings.Join(words, ", ")); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	f("/checkout/events", "checkout guarded, checkout firing, checkout pending")
	f("/checkout/events?objective=default&limit=1", "checkout guarded")
	f("/checkout/events?group=DE", "")
	f("/-/events", "checkout guarded, checkout firing, checkout pending, other firing")
	f(fmt.Sprintf("/-/events?to=%d&from=-2h", now.Add(-30*time.Minute).Unix()), "other firing")
	var got []wire.Event
	a.good("GET", "/checkout/events?limit=1", "", &got)
	if e := got[0]; e.Rule != "page-fast" || e.BurnLong != 20 || !math.IsNaN(float64(e.BurnShort)) || e.Reason != "it burns" || !e.At.Equal(events[2].At) {
		t.Errorf("%+v", e)
	}
}

func TestCorrections(t *testing.T) {
	a := newAPI(t)
	a.good("POST", "", checkout, new(wire.Applied))
	a.run()
	var made wire.Correction
	a.good("POST", "/checkout/corrections", `{"from":"2026-11-22T08:00:00Z","to":"2026-11-22T08:30:00Z","reason":" moved "}`, &made, "X-Loadline-User", "ann")
	if made.ID == 0 || made.Reason != "moved" || made.Author != "ann" || made.To.Sub(made.From) != 30*time.Minute {
		t.Errorf("%+v", made)
	}
	f := func(body, want string) {
		t.Helper()
		a.bad("POST", "/checkout/corrections", body, 400, "bad_data", want)
	}
	f(`{"from":"x","to":"-1h","reason":"r"}`, `lasts from "x" to "-1h"`)
	f(`{"from":"-1h","to":"-2h","reason":"r"}`, "ends at -2h")
	f(`{"from":"-2h","to":"-1h"}`, "no reason")
	f(`{"from":"-2h","to":"-1h","reason":"r","who":"me"}`, `unknown field "who"`)
	f(`{"from":"-300d","to":"-1h","reason":"r"}`, "longer than 31 days")
	a.bad("DELETE", "/checkout/corrections/x", "", 400, "bad_data", `correction "x"`)
	a.bad("DELETE", "/checkout/corrections/7", "", 404, "not_found", "no correction 7")
	var list []wire.Correction
	is := func(withdrawn bool) {
		t.Helper()
		a.eventually(func() error {
			a.good("GET", "/checkout/corrections", "", &list)
			if len(list) != 1 || list[0].ID != made.ID || list[0].Withdrawn != withdrawn {
				return fmt.Errorf("%+v", list)
			}
			return nil
		})
	}
	is(false)
	a.eventually(func() error { // the engine has to have taken it in
		got := a.ask("DELETE", fmt.Sprintf("/checkout/corrections/%d", made.ID), "")
		if got.code != http.StatusOK {
			return errors.New(got.text)
		}
		return nil
	})
	is(true)
}

func TestSpan(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 40, 0, 0, time.UTC)
	f := func(query, want string) {
		t.Helper()
		from, to, err := span(httptest.NewRequest("GET", "/?"+query, nil), now, 30*day)
		got := ""
		if err == nil {
			got = now.Sub(from).String() + " to " + now.Sub(to).String() + " ago"
		} else if failureOf(t.Context(), err).kind == badData {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	f("", "720h0m0s to 0s ago")
	f("from=-400d", "9600h0m0s to 0s ago")
	f("from=-800d&to=-400d", "19200h0m0s to 9600h0m0s ago")
	f("to=2026-11-22T09:41:00Z", "719h59m0s to -1m0s ago")
	f("to=2026-11-22T09:41:01Z", "the range ends at 2026-11-22T09:41:01Z, which is in the future: give a time up to now, 2026-11-22T09:40:00Z")
	f("from=2025-10-18T09:39:59Z", "the range from 2025-10-18T09:39:59Z to 2026-11-22T09:40:00Z is longer than 400 days: ask about parts of it")
}
