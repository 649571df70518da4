package trace

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/query/trace"
	"loadline/web/view"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// A step is a span in a form that is short to write; times are milliseconds.
type step struct {
	id, parent     byte
	service, op    string
	at, took       int
	peer, peerType string
	failed         bool
}

func newTrace(steps ...step) (*trace.Trace, *Waterfall) {
	t := &trace.Trace{ID: trace.ID{1}, Resources: map[uint64]*trace.Resource{}, Start: start}
	services := map[string]bool{}
	for _, s := range steps {
		kind := "server"
		if s.peer != "" {
			kind = "client"
		}
		span := trace.Span{
			ID: trace.SpanID{s.id}, Service: s.service, Operation: s.op, Name: s.op, Kind: kind, Status: "unset", Error: s.failed,
			Start: start.Add(time.Duration(s.at) * time.Millisecond), Duration: time.Duration(s.took) * time.Millisecond, Peer: s.peer, PeerType: s.peerType,
		}
		if s.parent != 0 {
			span.Parent = trace.SpanID{s.parent}
		}
		t.Spans = append(t.Spans, span)
		if s.failed {
			t.Errors++
		}
		if !services[s.service] {
			services[s.service] = true
			t.Services = append(t.Services, s.service)
		}
	}
	t.Stored = len(t.Spans)
	return t, NewWaterfall(trace.BuildTree(t.Spans))
}

// checkout is a request that asks for its lines one by one.
func checkout() []step {
	return []step{
		{id: 1, service: "web", op: "POST /pay", at: 0, took: 100},
		{id: 2, parent: 1, service: "api", op: "load", at: 5, took: 80},
		{id: 3, parent: 2, service: "api", op: "SELECT", at: 6, took: 20, peer: "pg", peerType: "database"},
		{id: 4, parent: 2, service: "api", op: "SELECT", at: 28, took: 20, peer: "pg", peerType: "database"},
		{id: 5, parent: 2, service: "api", op: "SELECT", at: 50, took: 20, peer: "pg", peerType: "database", failed: true},
		{id: 6, parent: 1, service: "api", op: "GET cart", at: 88, took: 4, peer: "redis", peerType: "cache"},
	}
}

func testPage() view.Page {
	return view.Page{Path: "/traces/1", Query: url.Values{"range": {"1h"}}, Now: start}
}

func TestRows(t *testing.T) {
	_, w := newTrace(checkout()...)
	var got []string
	for _, r := range w.Rows(testPage(), "t", w.Notable()) {
		line := strings.Repeat("  ", r.Depth) + r.Op + " @" + r.Service
		if r.Group > 0 {
			line += " ×3"
		}
		for name, on := range map[string]bool{" hidden": r.Member, " selected": r.Selected} {
			if on {
				line += name
			}
		}
		if r.Error {
			line += " failed"
		}
		got = append(got, line)
	}
	want := []string{
		"POST /pay @web", "  load @api", "    SELECT @pg ×3 selected failed",
		"      SELECT @pg hidden", "      SELECT @pg hidden", "      SELECT @pg hidden failed", "  GET cart @redis",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	rows := w.Rows(testPage(), "t", "")
	if rows[0].X != "0%" || rows[0].W != "97%" || !rows[0].LabelIn {
		t.Errorf("root bar %+v", rows[0])
	}
	if rows[6].Parent != 0 || rows[3].Parent != 2 {
		t.Errorf("parents %d and %d", rows[6].Parent, rows[3].Parent)
	}
}

func TestColumnsAgreeWithRows(t *testing.T) {
	_, w := newTrace(checkout()...)
	rows, c := w.Rows(testPage(), "t", ""), w.Columns()
	if len(c.Parent) != len(rows) {
		t.Fatalf("%d and %d rows", len(c.Parent), len(rows))
	}
	var at int64
	for i, r := range rows {
		at += c.Start[i]
		if c.Parent[i] != r.Parent || c.Names[c.Op[i]] != r.Op || c.Places[c.Place[i]] != r.Service || c.Groups[i] != r.Group {
			t.Errorf("row %d: %+v", i, r)
		}
		if span, _ := w.At(i); span == nil || span.ID.String() != r.ID {
			t.Errorf("row %d is another span", i)
		}
		if (len(c.Critical[i]) > 0) != (len(r.Critical) > 0) {
			t.Errorf("row %d: critical path", i)
		}
	}
	if span, group := w.At(2); span == nil || group == nil || len(group.Nodes) != 3 {
		t.Error("the row of the group has no group")
	}
	if span, _ := w.At(99); span != nil {
		t.Error("a row that does not exist has a span")
	}
	if d := cmp.Diff([]int{2, 5}, c.Errors); d != "" {
		t.Error(d)
	}
}

func TestVerdict(t *testing.T) {
	_, w := newTrace(checkout()...)
	if v := w.Verdict(testPage(), "t"); v == nil || v.Strong != "60% of this request is one pattern: " || v.Rest != "SELECT ran 3 times one after the other, 60.0 ms in total." {
		t.Errorf("verdict %+v", v)
	}
	_, w = newTrace(step{id: 1, service: "a", op: "x", took: 100}, step{id: 2, parent: 1, service: "b", op: "slow", at: 1, took: 80}, step{id: 3, parent: 1, service: "b", op: "quick", at: 85, took: 5})
	if v := w.Verdict(testPage(), "t"); v == nil || v.Strong != "80% of this request is slow" {
		t.Errorf("verdict %+v", v)
	}
	_, w = newTrace(step{id: 1, service: "a", op: "x", took: 100})
	if v := w.Verdict(testPage(), "t"); v != nil {
		t.Errorf("verdict on one span: %+v", v)
	}
}

func TestShares(t *testing.T) {
	_, w := newTrace(checkout()...)
	var got []string
	for _, s := range w.Shares() {
		got = append(got, s.Name+" "+s.Self+" "+s.Text+" "+s.Spans)
	}
	if d := cmp.Diff([]string{"pg 60.0 ms 60% 3", "api 20.0 ms 20% 1", "web 16.0 ms 16% 1", "redis 4.00 ms 4% 1"}, got); d != "" {
		t.Error(d)
	}
	if ops := w.Operations(); ops[0].Op != "SELECT" || ops[0].Count != "3" || ops[0].Errors != "1" {
		t.Errorf("operations %+v", ops[0])
	}
}

func TestBrokenTraces(t *testing.T) {
	tr, w := newTrace(step{id: 2, parent: 9, service: "a", op: "x", at: 5, took: 10}, step{id: 3, parent: 9, service: "a", op: "y", at: 6, took: 10})
	rows := w.Rows(testPage(), "t", "")
	if len(rows) != 3 || !rows[0].Missing || rows[1].Depth != 1 {
		t.Errorf("rows %+v", rows)
	}
	p := Page(testPage(), tr, w, "")
	if p.Title != "x" || len(p.Notices) == 0 || !strings.Contains(strings.Join(p.Notices, " "), "parent that is not stored") {
		t.Errorf("title %q, notices %q", p.Title, p.Notices)
	}
	if span, _ := w.At(0); span != nil {
		t.Error("a missing parent has a span")
	}
	// A circle is cut, not followed.
	_, w = newTrace(step{id: 1, parent: 2, service: "a", op: "x", took: 5}, step{id: 2, parent: 1, service: "a", op: "y", took: 5})
	if w.Len() != 2 {
		t.Errorf("%d rows of a circle", w.Len())
	}
}

func TestLongWaterfall(t *testing.T) {
	steps := []step{{id: 1, service: "a", op: "root", took: 1000}}
	for i := range 250 {
		steps = append(steps, step{id: 2, parent: 1, service: "a", op: "op" + string(rune('a'+i%26)) + string(rune('a'+i/26)), at: i, took: 1})
		steps[i+1].id = byte(i)
	}
	spans := make([]trace.Span, len(steps))
	for i, s := range steps {
		spans[i] = trace.Span{ID: trace.SpanID{byte(i), byte(i >> 8), 1}, Service: "a", Operation: s.op, Start: start.Add(time.Duration(s.at) * time.Millisecond), Duration: time.Duration(s.took) * time.Millisecond}
		if i > 0 {
			spans[i].Parent = trace.SpanID{0, 0, 1}
		}
	}
	w := NewWaterfall(trace.BuildTree(spans))
	if !w.Long() || w.Len() != 251 || len(w.Rows(testPage(), "t", "")) != firstRows {
		t.Errorf("%d rows, %d as HTML", w.Len(), len(w.Rows(testPage(), "t", "")))
	}
}

func TestDetail(t *testing.T) {
	tr, w := newTrace(checkout()...)
	s := &tr.Spans[2]
	long := strings.Repeat("é", 1500)
	s.Attributes = []trace.Attribute{{Key: "db.query.text", Value: long}, {Key: "user.id", Value: "7"}}
	s.Events = []trace.Event{{Time: s.Start.Add(time.Millisecond), Name: "exception", Attributes: []trace.Attribute{{Key: "exception.type", Value: "Timeout"}, {Key: "exception.stacktrace", Value: "at x"}}}}
	logs := []trace.LogRecord{{Time: start, SpanID: s.ID, Severity: 17, Body: "mine"}, {Time: start, Body: "other"}}
	d := Detail(testPage(), w, s, nil, nil, logs, "t")
	var titles []string
	for _, g := range d.Groups {
		titles = append(titles, g.Title)
	}
	if diff := cmp.Diff([]string{"", "Database", "Other", "Ids"}, titles); diff != "" {
		t.Error(diff)
	}
	text := d.Groups[1].Values[0]
	if text.Value+text.Rest != long || len(text.Value) != longValue || text.Href != "" {
		t.Errorf("a long value is cut after %d bytes, and has a link: %q", len(text.Value), text.Href)
	}
	if got := d.Groups[2].Values[0].Href; got != "/traces?q=user.id+%3D+7&range=1h&spans=any" {
		t.Errorf("link %q", got)
	}
	if e := d.Events[0]; e.Name != "Timeout" || e.Stack != "at x" || !e.Error || e.At != "+1.00 ms" {
		t.Errorf("event %+v", e)
	}
	if len(d.Logs) != 1 || d.Logs[0].Body != "mine" || d.Logs[0].Severity != "error" || d.Logs[0].Class != "crit" {
		t.Errorf("logs %+v", d.Logs)
	}
	if d.Facts[0] != [2]string{"Duration", "20.0 ms"} || d.Facts[2] != [2]string{"Critical", "20%"} {
		t.Errorf("facts %v", d.Facts)
	}
}

func TestExport(t *testing.T) {
	tr, _ := newTrace(step{id: 1, service: "a", op: "x", took: 5})
	tr.Spans[0].Attributes = []trace.Attribute{
		{Key: "s", Value: "text", Type: 's'},
		{Key: "i", Value: "9007199254740993", Type: 'i'},
		{Key: "d", Value: "1.5", Type: 'd'},
		{Key: "nan", Value: "NaN", Type: 'd'},
		{Key: "b", Value: "true", Type: 'b'},
		{Key: "j", Value: `["a",1]`, Type: 'j'},
		{Key: "y", Value: "AQ==", Type: 'y'},
		{Key: "n", Type: 'n'},
		{Key: "bad", Value: "x", Type: 'i'},
	}
	b, err := json.Marshal(Export(tr))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"key":"s","value":{"stringValue":"text"}}`, `{"key":"i","value":{"intValue":"9007199254740993"}}`, `{"key":"d","value":{"doubleValue":1.5}}`, `{"key":"nan","value":{"doubleValue":"NaN"}}`,
		`{"key":"b","value":{"boolValue":true}}`, `{"key":"j","value":{"arrayValue":{"values":[{"stringValue":"a"},{"doubleValue":1}]}}}`, `{"key":"y","value":{"bytesValue":"AQ=="}}`,
		`{"key":"n","value":{}}`, `{"key":"bad","value":{"stringValue":"x"}}`, `"startTimeUnixNano":"1795341600000000000"`, `"spanId":"0100000000000000"`, `"kind":2`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("export lacks %s: %s", want, b)
		}
	}
}
