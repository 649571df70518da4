package slos

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"loadline/query/indicator"
	"loadline/slo"
	"loadline/web/live"
)

func TestList(t *testing.T) {
	f := newFixture(t)
	f.engine.suggestions = []indicator.Suggestion{{Service: "catalog-api", Operation: "GET /v1/products", LatencyTarget: "99.5", Threshold: 250 * time.Millisecond, Fast: 0.997, Requests: 1e6}}
	doc, code := f.get(t, "/slos")
	if got := doc.Find(".empty").Text(); code != http.StatusOK || !strings.Contains(got, "No service level objective yet") {
		t.Errorf("%d, %q", code, got)
	}
	f.define(t, "checkout", nil)
	f.define(t, "cart", calm)
	doc, _ = f.get(t, "/slos")
	if got := doc.Find("tbody tr").First().AttrOr("data-k", ""); got != "checkout/default" {
		t.Errorf("first row %q", got)
	}
	if got := doc.Find("#suggested form input[name=objective]").AttrOr("value", ""); got != "99.5%" {
		t.Errorf("suggested objective %q", got)
	}
	if n := f.pages.Risks(); n != 1 {
		t.Errorf("%d at risk", n)
	}
	if n := (*Pages)(nil).Risks(); n != 0 {
		t.Errorf("%d at risk without an engine", n)
	}
}

func TestDetail(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	doc, code := f.get(t, "/slos/checkout")
	if code != http.StatusOK || doc.Find("h1").Text() != "checkout" {
		t.Fatalf("%d, %q", code, doc.Find("h1").Text())
	}
	for _, want := range []string{"99.931", "31.4%", "15.6×", "38\u2009214", "Firing 11 min", "15.9 times over 30 min", "2.14.0", "PoolTimeout", "No budget left on 23 Nov"} {
		if !strings.Contains(doc.Find("main").Text(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if got := doc.Find("#examples tbody a").First().AttrOr("href", ""); got != "/traces/00000000000000000000000000000001?span=0000000000000001" {
		t.Errorf("the first bad event leads to %q", got)
	}
	for id, lines := range map[string]int{"budget": 0, "burn": 4} {
		var chart struct {
			Lines []struct{ V float64 }
			Zones []struct{ From, To int64 }
			Dash  []int
			Y     [][]*float64
		}
		if err := json.Unmarshal([]byte(doc.Find("#"+id+"-data").Text()), &chart); err != nil {
			t.Fatal(err)
		}
		if len(chart.Lines) != lines || len(chart.Y) != 2 || len(chart.Y[0]) != chartPoints {
			t.Errorf("%s: %d lines, %d series", id, len(chart.Lines), len(chart.Y))
		}
	}
	for _, tab := range []string{"alerts", "corrections", "definition"} {
		if _, code := f.get(t, "/slos/checkout?tab="+tab); code != http.StatusOK {
			t.Errorf("%s: %d", tab, code)
		}
	}
	if got, _ := f.get(t, "/slos/checkout?tab=alerts"); !strings.Contains(got.Find("main").Text(), "1 bad of 40 events may be chance") {
		t.Error("why a page was held back is not told")
	}
	for _, path := range []string{"/slos/nobody", "/slos/checkout?objective=other", "/slos/checkout?group=x", "/slos/nobody/edit", "/slos/nobody/report"} {
		if _, code := f.get(t, path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// TestUnevaluated: an SLO has a page from the moment it is saved.
func TestUnevaluated(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	f.engine.statuses = nil
	doc, code := f.get(t, "/slos/checkout")
	if got := doc.Find(".ph .badge").Text(); code != http.StatusOK || !strings.Contains(got, "Counting") {
		t.Errorf("%d, %q", code, got)
	}
}

// TestGroups: the groups of an objective are chosen by address, the worst ones first.
func TestGroups(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	for _, g := range []string{"POST /v1/checkout", "GET /v1/cart"} {
		f.engine.groups = append(f.engine.groups, status("checkout", func(s *slo.Status) { s.Group = g }))
	}
	doc, _ := f.get(t, "/slos/checkout?tab=groups")
	href := doc.Find("tbody a").First().AttrOr("href", "")
	doc, code := f.get(t, href)
	if got := doc.Find("h1").Text(); code != http.StatusOK || got != "checkout · POST /v1/checkout" {
		t.Errorf("%s: %d, %q", href, code, got)
	}
}

// TestBroken: a panel that fails says so, and the page lives on.
func TestBroken(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	f.engine.err = errBroken
	doc, code := f.get(t, "/slos/checkout")
	if n := doc.Find(".failed").Length(); code != http.StatusOK || n < 4 || !strings.Contains(doc.Find(".failed").Text(), "the storage is away") {
		t.Errorf("%d, %d failures", code, n)
	}
	if got := doc.Find("[data-c='slo.l']").Text(); got != "31.4%" {
		t.Errorf("budget left %q", got)
	}
	for _, path := range []string{"/slos", "/slos/checkout?tab=alerts", "/slos/checkout?tab=corrections", "/slos/new?service=checkout-api", "/slos/checkout/report"} {
		if doc, code := f.get(t, path); code != http.StatusOK || doc.Find(".failed").Length() == 0 {
			t.Errorf("%s: %d, %d failures", path, code, doc.Find(".failed").Length())
		}
	}
}

// TestCreate: without a script, a form is previewed, refused with its mistakes, and stored.
func TestCreate(t *testing.T) {
	f := newFixture(t)
	doc, code := f.get(t, "/slos/new?service=checkout-api&objective=99.5%25")
	if got := doc.Find("#f-objective").AttrOr("value", ""); code != http.StatusOK || got != "99.5%" {
		t.Errorf("%d, objective %q", code, got)
	}
	if got := doc.Find("#preview .facts").Text(); !strings.Contains(got, "99.931%") {
		t.Errorf("preview %q", got)
	}
	values := url.Values{"sent": {"1"}, "guard": {"on"}, "service": {"checkout-api"}, "operations": {"POST /v1/checkout"}, "objective": {"lots"}, "author": {"ada"}}
	values.Set("do", "save")
	doc, code = f.post(t, "/slos/new", values)
	if got := doc.Find("#objective-hint").Text(); code != http.StatusUnprocessableEntity || !strings.Contains(got, "arget") {
		t.Errorf("%d, %q", code, got)
	}
	if got := doc.Find("#f-operations").Text(); got != "POST /v1/checkout" {
		t.Errorf("what was filled in is gone: %q", got)
	}
	values.Set("objective", "99.9")
	values.Set("do", "preview")
	doc, code = f.post(t, "/slos/new", values)
	if got := doc.Find("#preview").Text(); code != http.StatusOK || !strings.Contains(got, "operations: POST /v1/checkout") {
		t.Errorf("%d, preview %q", code, got)
	}
	values.Set("do", "part")
	doc, _ = f.post(t, "/slos/new", values)
	if doc.Find("h1, form").Length() > 0 || doc.Find("[data-hint-for=objective]").Text() != "= 43 min 12 s of total outage over 30 days" {
		t.Errorf("part: %s", doc.Text())
	}
	values.Set("do", "save")
	doc, code = f.post(t, "/slos/new", values)
	const name = "checkout-api-post-v1-checkout-latency"
	if code != http.StatusOK || doc.Url.Path != "/slos/"+name {
		t.Fatalf("%d at %s: %s", code, doc.Url, doc.Find("main").Text())
	}
	if object, ok := f.engine.registry.Object(kind, name); !ok || object.Author != "ada" || object.Source != "ui" {
		t.Errorf("object %+v", object)
	}
	doc, code = f.post(t, "/slos/new", values)
	if got := doc.Find("main .notice").Text(); code != http.StatusConflict || !strings.Contains(got, "There is an SLO called "+name) {
		t.Errorf("%d, %q", code, got)
	}
}

// TestEdit: what was stored comes back into the form; who edits an old revision is told.
func TestEdit(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	doc, _ := f.get(t, "/slos/checkout/edit")
	values := url.Values{"do": {"save"}}
	doc.Find("#slo input, #slo select, #slo textarea").Each(func(_ int, s *goquery.Selection) {
		name := s.AttrOr("name", "")
		switch {
		case s.Is("select"):
			values.Set(name, s.Find("option[selected]").AttrOr("value", ""))
		case s.Is("textarea"):
			values.Set(name, s.Text())
		case s.AttrOr("type", "") != "checkbox" || s.AttrOr("checked", "no") != "no":
			values.Set(name, s.AttrOr("value", ""))
		}
	})
	old := values.Get("revision")
	values.Set("objective", "99.5%")
	doc, code := f.post(t, "/slos/checkout/edit", values)
	if code != http.StatusOK || doc.Url.Path != "/slos/checkout" {
		t.Fatalf("%d at %s: %s", code, doc.Url, doc.Find("main .notice").Text())
	}
	stored, _ := f.engine.registry.SLO("checkout")
	if got := stored.Objectives[0].Target.String(); got != "99.5%" || stored.DisplayName != "Checkout availability" {
		t.Errorf("stored %s, %q", got, stored.DisplayName)
	}
	values.Set("revision", old)
	values.Set("objective", "99%")
	doc, code = f.post(t, "/slos/checkout/edit", values)
	if got := doc.Find("main .notice").Text(); code != http.StatusConflict || !strings.Contains(got, "in between") {
		t.Errorf("%d, %q", code, got)
	}
	// The history has both revisions, and what the second one changed.
	doc, _ = f.get(t, "/slos/checkout?tab=definition")
	if n := doc.Find("ol.list li").Length(); n != 2 {
		t.Fatalf("%d revisions", n)
	}
	doc, _ = f.get(t, doc.Find("ol.list a").First().AttrOr("href", ""))
	if got := doc.Find(".diff .add").Text(); !strings.Contains(got, "99.5%") {
		t.Errorf("difference %q", got)
	}
	for _, format := range []string{"openslo", "native", "prometheus"} {
		if doc, _ := f.get(t, "/slos/checkout?tab=definition&format="+format); doc.Find("#yaml").Text() == "" {
			t.Errorf("no %s", format)
		}
	}
}

// TestText: a form becomes text and the text a form again; text that says more stays.
func TestText(t *testing.T) {
	f := newFixture(t)
	doc, _ := f.post(t, "/slos/new", url.Values{"switch": {"text"}, "service": {"checkout-api"}, "objective": {"99.5%"}})
	text := doc.Find("#f-text").Text()
	if !strings.Contains(text, "99.5%") {
		t.Fatalf("text %q", text)
	}
	doc, _ = f.post(t, "/slos/new", url.Values{"switch": {"form"}, "mode": {"text"}, "text": {text}})
	if got := doc.Find("#f-objective").AttrOr("value", ""); got != "99.5%" {
		t.Errorf("objective %q of %s", got, doc.Find("main .notice").Text())
	}
	doc, _ = f.post(t, "/slos/new", url.Values{"mode": {"text"}, "text": {"slo: x\nservice: y\nobjective: 99.9% over 30 days\ngood: no errors\nnonsense: 1\n"}, "do": {"save"}})
	if got := doc.Find("main .notice").Text(); !strings.Contains(got, "nonsense") {
		t.Errorf("problems %q", got)
	}
	doc, code := f.post(t, "/slos/new", url.Values{"mode": {"text"}, "text": {text}, "do": {"save"}})
	if code != http.StatusOK || doc.Url.Path != "/slos/checkout-api-latency" {
		t.Errorf("%d at %s: %s", code, doc.Url, doc.Find("main .notice").Text())
	}
}

// TestLarge: what is too large is refused with the code that says so.
func TestLarge(t *testing.T) {
	f := newFixture(t)
	doc, code := f.post(t, "/slos/new", url.Values{"mode": {"text"}, "text": {strings.Repeat("x", maxText+1)}, "do": {"save"}})
	if got := doc.Find("main .notice").Text(); code != http.StatusUnprocessableEntity || !strings.Contains(got, "1 MiB") {
		t.Errorf("%d, %.200q", code, got)
	}
	if _, code := f.post(t, "/slos/new", url.Values{"text": {strings.Repeat("x", maxForm)}}); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a large form: %d", code)
	}
}

func TestDelete(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	revision := func() string {
		object, _ := f.engine.registry.Object(kind, "checkout")
		return strconv.FormatUint(object.Revision, 10)
	}
	old := revision()
	change := url.Values{"do": {"save"}, "service": {"checkout-api"}, "objective": {"95%"}, "revision": {old}}
	if doc, code := f.post(t, "/slos/checkout/edit", change); code != http.StatusOK {
		t.Fatalf("%d: %s", code, doc.Find("main").Text())
	}
	if doc, code := f.post(t, "/slos/checkout/delete", url.Values{"author": {"ada"}, "revision": {old}}); code != http.StatusConflict || !strings.Contains(doc.Find("main").Text(), "in between") {
		t.Errorf("%d: %s", code, doc.Find("main").Text())
	}
	if doc, code := f.post(t, "/slos/checkout/delete", url.Values{"author": {"ada"}, "revision": {revision()}}); code != http.StatusOK || doc.Url.Path != "/slos" {
		t.Errorf("%d at %s", code, doc.Url)
	}
	if _, ok := f.engine.registry.SLO("checkout"); ok {
		t.Error("it is still there")
	}
}

func TestCorrections(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	values := url.Values{"from": {"2026-11-20T10:00"}, "to": {"2026-11-20T11:00:30"}, "reason": {"maintenance"}, "author": {"ada"}}
	doc, code := f.post(t, "/slos/checkout/corrections", values)
	if got := doc.Find("table").Text(); code != http.StatusOK || !strings.Contains(got, "maintenance") || !strings.Contains(got, "1 h") {
		t.Errorf("%d, %q", code, got)
	}
	if c := f.engine.corrections[0]; !c.From.Equal(noon.Add(-2*time.Hour)) || c.Author != "ada" || c.SLO != "checkout" {
		t.Errorf("correction %+v", c)
	}
	for field, bad := range map[string]string{"from": "2026-11-20T12:00", "to": "tomorrow", "reason": "", "author": ""} {
		wrong := url.Values{}
		for k, v := range values {
			wrong[k] = v
		}
		wrong.Set(field, bad)
		if _, code := f.post(t, "/slos/checkout/corrections", wrong); code != http.StatusUnprocessableEntity {
			t.Errorf("%s %q: %d", field, bad, code)
		}
	}
	f.define(t, "cart", nil)
	for _, path := range []string{"/slos/cart/corrections/withdraw", "/slos/nobody/corrections/withdraw"} {
		if _, code := f.post(t, path, url.Values{"id": {"1"}, "author": {"eve"}}); code != http.StatusNotFound {
			t.Errorf("%s of another SLO's: %d", path, code)
		}
	}
	if f.engine.corrections[0].Withdrawn {
		t.Error("a correction was withdrawn by the page of another SLO")
	}
	doc, _ = f.get(t, "/slos/checkout?tab=corrections")
	if n := doc.Find("td input[name=author][required]").Length(); n != 1 {
		t.Errorf("%d fields for who withdraws", n)
	}
	if _, code := f.post(t, "/slos/checkout/corrections/withdraw", url.Values{"id": {"1"}, "author": {"grace"}}); code != http.StatusOK || f.engine.corrections[0].Author != "grace" {
		t.Errorf("withdraw: %d, %+v", code, f.engine.corrections[0])
	}
	if _, code := f.post(t, "/slos/checkout/corrections/withdraw", url.Values{"id": {"x"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("withdraw nothing: %d", code)
	}
}

// TestOtherSites: a form of another site changes nothing.
func TestOtherSites(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	object, _ := f.engine.registry.Object(kind, "checkout")
	for _, headers := range []map[string]string{{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example.com"}} {
		for _, path := range []string{"/slos/new", "/slos/checkout/edit", "/slos/checkout/delete", "/slos/checkout/corrections", "/slos/checkout/corrections/withdraw"} {
			if _, code := f.do(t, http.MethodPost, path, url.Values{"do": {"save"}, "revision": {strconv.FormatUint(object.Revision, 10)}, "author": {"eve"}}, headers); code != http.StatusForbidden {
				t.Errorf("%v: %s: %d", headers, path, code)
			}
		}
	}
}

func TestReport(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	doc, _ := f.get(t, "/slos/checkout/report")
	if got := doc.Find("main").Text(); !strings.Contains(got, "November 2026, so far") || !strings.Contains(got, "Kept") || !strings.Contains(got, "1 Nov") {
		t.Errorf("report %q", got)
	}
	doc, _ = f.get(t, doc.Find(".seg a").First().AttrOr("href", ""))
	if got := doc.Find(".ph .meta").Text(); !strings.Contains(got, "October 2026") {
		t.Errorf("earlier: %q", got)
	}
	res, err := http.Get(f.URL + "/slos/checkout/report?month=2026-10&format=csv")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if len(lines) != 21 || lines[1] != "checkout,default,0.999,2026-10-01,6,20000,0.9997,0.015" {
		t.Errorf("%d lines, %q", len(lines), lines[1])
	}
	if doc, code := f.get(t, "/slos/checkout/report?month=sometime"); code != http.StatusOK || !strings.Contains(doc.Find(".notice").Text(), "no month") {
		t.Errorf("%d, %q", code, doc.Find(".notice").Text())
	}
	// A program that fetches the table sees by the code that it is none.
	if _, code := f.get(t, "/slos/checkout/report?month=2026-13&format=csv"); code != http.StatusBadRequest {
		t.Errorf("no month as CSV: %d", code)
	}
	f.engine.err = errBroken
	if _, code := f.get(t, "/slos/checkout/report?month=2026-10&format=csv"); code != http.StatusInternalServerError {
		t.Errorf("broken as CSV: %d", code)
	}
}

// TestLive: what is pushed is the text that the pages have, and their lines when their state changes.
func TestLive(t *testing.T) {
	f := newFixture(t)
	f.define(t, "checkout", nil)
	doc, _ := f.get(t, "/slos?range=1h&find=check")
	topic := doc.Find("tbody[data-live]").AttrOr("data-live", "")
	panel, ok := f.pages.Resolve(topic)
	if !ok {
		t.Fatalf("topic %q", topic)
	}
	frame, err := panel.Compute(context.Background())
	if err != nil || frame.Cells["checkout/default.l"] != "31.4%" || !strings.Contains(frame.HTML, "range=1h") {
		t.Errorf("%v, %+v", err, frame)
	}
	doc, _ = f.get(t, "/slos/checkout")
	compute := func(selector string) live.Frame {
		t.Helper()
		panel, ok := f.pages.Resolve(doc.Find(selector).AttrOr("data-live", ""))
		if !ok {
			t.Fatalf("no topic of %s", selector)
		}
		frame, err := panel.Compute(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return frame
	}
	const figures, rules, burn = ".kpis", "#rules tbody", "[data-chart=burn]"
	if c := compute(figures).Cells; c["slo.b"] != "15.6×" || c["slo.l"] != "31.4%" {
		t.Errorf("figures %v", c)
	}
	before := compute(rules)
	if before.Cells["rule0.l"] != "15.6×" || !strings.Contains(before.HTML, "Firing 11 min") {
		t.Errorf("rules %+v", before)
	}
	if c := compute(burn).Charts["burn"]; len(c.Y) != 2 || len(c.Y[0]) != chartPoints {
		t.Errorf("burn %+v", c)
	}
	const badge, headline = ".ph [data-html]", "main > .contents"
	if h, b := compute(headline), compute(badge); !strings.Contains(h.HTML, "burns its budget") || !strings.Contains(b.HTML, "Fast burn") {
		t.Errorf("headline %+v, badge %+v", h, b)
	}
	inBerlin := "slo-headline?name=checkout&objective=default&tz=utc&zone=Europe%2FBerlin"
	f.engine.statuses[0].Rules[0].Since = noon.Add(-11 * time.Minute)
	if panel, ok := f.pages.Resolve(inBerlin); !ok {
		t.Errorf("topic %q", inBerlin)
	} else if frame, err := panel.Compute(context.Background()); err != nil || !strings.Contains(frame.HTML, "12:49") || strings.Contains(frame.HTML, "name=") || strings.Contains(frame.HTML, "zone=") || !strings.Contains(frame.HTML, "/slos/checkout?tz=utc#examples") {
		t.Errorf("%v, %s", err, frame.HTML)
	}
	calm(&f.engine.statuses[0])
	if h, b := compute(headline), compute(badge); h.HTML != "" || h.Shape == "" || !strings.Contains(b.HTML, "Met") {
		t.Errorf("headline %+v, badge %+v", h, b)
	}
	if after := compute(rules); after.Shape == before.Shape || strings.Contains(after.HTML, "Firing") || compute(figures).Cells["slo.b"] != "0.4×" {
		t.Errorf("rules %+v", after)
	}
	f.engine.statuses = nil
	if frame := compute(figures); len(frame.Cells) > 0 {
		t.Errorf("an SLO that is gone is pushed: %+v", frame)
	}
	for _, topic := range []string{"red?x", "slos%", "slo?%zz"} {
		if _, ok := f.pages.Resolve(topic); ok {
			t.Errorf("topic %q", topic)
		}
	}
}

// TestTopics: a topic is short however long the address is.
func TestTopics(t *testing.T) {
	q := url.Values{"find": {"x"}, "range": {"1h"}, "by": {"version"}}
	if got := topicOf("slos", q); got != "slos?find=x&range=1h" {
		t.Errorf("topic %q", got)
	}
	if got := topicOf("slo", q, "name", "a b", "group", ""); got != "slo?find=x&name=a+b&range=1h" {
		t.Errorf("topic %q", got)
	}
}
