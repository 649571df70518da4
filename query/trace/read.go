package trace

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/internal/clickhouse"
	"loadline/query/sql"
)

// maxDetailedSpans is the largest trace whose attributes, events and links are read with it. A waterfall of more spans
// is looked at from far; each span's detail comes when it is opened.
const maxDetailedSpans = 5000

// maxTraceSlices bounds the slices of one trace; a trace longer than a week is cut to its newest part.
const maxTraceSlices = 7 * 24 * 360

// spanColumns are what a waterfall shows; spanDetail are what an opened span shows.
const (
	spanColumns = `span_id, parent_id, ts, duration, env, service, version, operation, name, toString(kind), toString(status),
       status_message, error, error_type, http_status, peer, peer_type, weight, scope, resource_id`
	spanDetail = `, formatRow('RowBinary', attributes), attribute_types, events, links, trace_state, extra`

	// ResourceColumns of the table resources are what ScanResource reads.
	ResourceColumns = `resource_id, env, service, version, instance, language, formatRow('RowBinary', attributes), attribute_types`
)

// Read returns a trace, or [ErrNotFound].
func Read(ctx context.Context, db *clickhouse.DB, id ID) (*Trace, error) {
	slices, err := traceSlices(ctx, db, id)
	if err != nil {
		return nil, err
	}
	t := &Trace{ID: id}
	// One more than wanted tells whether that was all.
	if err := readSpans(ctx, db, t, slices, SpanID{}, true, maxDetailedSpans+1); err != nil {
		return nil, err
	}
	t.Stored = len(t.Spans)
	if t.Stored > maxDetailedSpans {
		if t.Stored, err = countSpans(ctx, db, id, slices); err != nil {
			return nil, err
		}
		t.Spans, t.WithoutDetail = make([]Span, 0, min(t.Stored, MaxTraceSpans)), true
		if err := readSpans(ctx, db, t, slices, SpanID{}, false, MaxTraceSpans); err != nil {
			return nil, err
		}
	}
	if len(t.Spans) == 0 {
		return nil, fmt.Errorf("trace %s: %w", id, ErrNotFound)
	}
	t.summarize()
	if t.Resources, err = ReadResources(ctx, db, t.resourceIDs()); err != nil {
		return nil, err
	}
	return t, nil
}

// ReadSpan returns one span with all its detail and its resource, or [ErrNotFound].
func ReadSpan(ctx context.Context, db *clickhouse.DB, id ID, span SpanID) (*Span, *Resource, error) {
	slices, err := traceSlices(ctx, db, id)
	if err != nil {
		return nil, nil, err
	}
	t := &Trace{ID: id}
	if err := readSpans(ctx, db, t, slices, span, true, 1); err != nil {
		return nil, nil, err
	}
	if len(t.Spans) == 0 {
		return nil, nil, fmt.Errorf("span %s of trace %s: %w", span, id, ErrNotFound)
	}
	resources, err := ReadResources(ctx, db, t.resourceIDs())
	if err != nil {
		return nil, nil, err
	}
	return &t.Spans[0], resources[t.Spans[0].ResourceID], nil
}

// traceSlices returns where in time the spans of a trace are.
func traceSlices(ctx context.Context, db *clickhouse.DB, id ID) ([]uint32, error) {
	var w sql.Where
	w.Add("trace_id = " + w.Hex(id.String(), 16))
	var list []uint32
	err := sql.Scan(ctx, db, "trace index", `
SELECT DISTINCT toUnixTimestamp(slice) AS at
FROM trace_index
WHERE `+w.String()+`
ORDER BY at DESC
LIMIT `+strconv.Itoa(maxTraceSlices), w.Args, func(rows driver.Rows) error {
		var slice uint32
		err := rows.Scan(&slice)
		list = append(list, slice)
		return err
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("trace %s: %w", id, ErrNotFound)
	}
	return list, err
}

// ofTrace selects the spans of a trace. The slices come first in the primary key, so only their granules are read.
func ofTrace(w *sql.Where, id ID, slices []uint32) {
	w.Add("slice IN " + w.Slices(slices))
	w.Add("trace_id = " + w.Hex(id.String(), 16))
}

// readSpans appends spans in order of start: all of the trace, or the one that is named.
func readSpans(ctx context.Context, db *clickhouse.DB, t *Trace, slices []uint32, only SpanID, detail bool, limit int) error {
	var w sql.Where
	ofTrace(&w, t.ID, slices)
	if !only.IsZero() {
		w.Add("span_id = " + w.Hex(only.String(), 8))
	}
	columns := spanColumns
	if detail {
		columns += spanDetail
	}
	read := newSpanReader(detail)
	return sql.Scan(ctx, db, "spans of trace", `
SELECT `+columns+`
FROM spans
WHERE `+w.String()+`
ORDER BY ts, span_id
LIMIT `+strconv.Itoa(limit), w.Args, func(rows driver.Rows) error {
		span, err := read.span(rows)
		t.Spans = append(t.Spans, span)
		return err
	})
}

func countSpans(ctx context.Context, db *clickhouse.DB, id ID, slices []uint32) (int, error) {
	var w sql.Where
	ofTrace(&w, id, slices)
	var n uint64
	err := sql.Scan(ctx, db, "size of trace", `
SELECT count()
FROM spans
WHERE `+w.String(), w.Args, func(rows driver.Rows) error { return rows.Scan(&n) })
	return int(n), err
}

// A spanReader scans rows of spanColumns and, if asked, spanDetail. Its variables are reused from row to row.
type spanReader struct {
	row                              Span
	id, parent                       string
	duration                         uint64
	httpStatus                       uint16
	attributes, types, events, links string
	dest                             []any
}

func newSpanReader(detail bool) *spanReader {
	r := &spanReader{}
	s := &r.row
	r.dest = []any{
		&r.id, &r.parent, &s.Start, &r.duration, &s.Env, &s.Service, &s.Version, &s.Operation, &s.Name, &s.Kind, &s.Status,
		&s.StatusMessage, &s.Error, &s.ErrorType, &r.httpStatus, &s.Peer, &s.PeerType, &s.Weight, &s.Scope, &s.ResourceID,
	}
	if detail {
		r.dest = append(r.dest, &r.attributes, &r.types, &r.events, &r.links, &s.TraceState, &s.Extra)
	}
	return r
}

func (r *spanReader) span(rows driver.Rows) (Span, error) {
	if err := rows.Scan(r.dest...); err != nil {
		return Span{}, err
	}
	s := r.row
	copy(s.ID[:], r.id)
	copy(s.Parent[:], r.parent)
	s.Start, s.Duration, s.HTTPStatus = s.Start.UTC(), time.Duration(r.duration), int(r.httpStatus)
	b := sql.NewBinary(r.attributes)
	if r.attributes != "" {
		s.Attributes = attributes(b, r.types)
	}
	var err error
	if s.Events, err = parseEvents(r.events); err != nil {
		return s, err
	}
	if s.Links, err = parseLinks(r.links); err != nil {
		return s, err
	}
	return s, b.Err()
}

// summarize drops repeated spans and fills what follows from the spans.
func (t *Trace) summarize() {
	seen := make(map[SpanID]bool, len(t.Spans))
	kept := t.Spans[:0]
	for _, span := range t.Spans {
		if seen[span.ID] {
			t.RepeatedSpanIDs++
			continue
		}
		seen[span.ID] = true
		kept = append(kept, span)
	}
	t.Spans = kept
	var end time.Time
	services := map[string]bool{}
	for i := range t.Spans {
		span := &t.Spans[i]
		if i == 0 || span.Start.Before(t.Start) {
			t.Start = span.Start
		}
		if span.End().After(end) {
			end = span.End()
		}
		if span.Error {
			t.Errors++
		}
		if !services[span.Service] {
			services[span.Service] = true
			t.Services = append(t.Services, span.Service)
		}
	}
	t.Duration = end.Sub(t.Start)
}

func (t *Trace) resourceIDs() []uint64 {
	var ids []uint64
	for i := range t.Spans {
		ids = append(ids, t.Spans[i].ResourceID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// ReadResources returns the resources with the given ids that are stored.
func ReadResources(ctx context.Context, db *clickhouse.DB, ids []uint64) (map[uint64]*Resource, error) {
	var w sql.Where
	w.Add("resource_id IN " + w.Bind("Array(UInt64)", ids))
	out := make(map[uint64]*Resource, len(ids))
	err := sql.Scan(ctx, db, "resources", `
SELECT `+ResourceColumns+`
FROM resources
WHERE `+w.String()+`
LIMIT 1 BY resource_id`, w.Args, func(rows driver.Rows) error {
		r := &Resource{}
		err := ScanResource(rows, r)
		out[r.ID] = r
		return err
	})
	return out, err
}

// ScanResource scans [ResourceColumns] and what follows them.
func ScanResource(rows driver.Rows, r *Resource, more ...any) error {
	var blob, types string
	dest := []any{&r.ID, &r.Env, &r.Service, &r.Version, &r.Instance, &r.Language, &blob, &types}
	if err := rows.Scan(append(dest, more...)...); err != nil {
		return err
	}
	b := sql.NewBinary(blob)
	r.Attributes = attributes(b, types)
	return b.Err()
}

// attributes reads a Map(String, String) and gives each entry its letter of types.
func attributes(b *sql.Binary, types string) []Attribute {
	n := b.Size(2)
	if n == 0 {
		return nil
	}
	list := make([]Attribute, n)
	for i := range list {
		list[i] = Attribute{Key: b.Text(), Value: b.Text(), Type: 's'}
		if i < len(types) {
			list[i].Type = types[i]
		}
	}
	return list
}

// parseEvents reads the JSON of the column events.
func parseEvents(text string) ([]Event, error) {
	if text == "" {
		return nil, nil
	}
	var raw []struct {
		TS         json.Number                `json:"ts"`
		Name       string                     `json:"name"`
		Attributes map[string]json.RawMessage `json:"attributes"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("events of span: %w", err)
	}
	events := make([]Event, len(raw))
	for i, e := range raw {
		ns, err := strconv.ParseInt(e.TS.String(), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("event time %q: %w", e.TS, err)
		}
		events[i] = Event{Time: time.Unix(0, ns).UTC(), Name: e.Name, Attributes: jsonAttributes(e.Attributes)}
	}
	return events, nil
}

// parseLinks reads the JSON of the column links.
func parseLinks(text string) ([]Link, error) {
	if text == "" {
		return nil, nil
	}
	var raw []struct {
		TraceID    string                     `json:"trace_id"`
		SpanID     string                     `json:"span_id"`
		Attributes map[string]json.RawMessage `json:"attributes"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, fmt.Errorf("links of span: %w", err)
	}
	links := make([]Link, len(raw))
	for i, l := range raw {
		var err error
		if links[i].TraceID, err = ParseID(l.TraceID); err != nil {
			return nil, err
		}
		if links[i].SpanID, err = ParseSpanID(l.SpanID); err != nil {
			return nil, err
		}
		links[i].Attributes = jsonAttributes(l.Attributes)
	}
	return links, nil
}

// jsonAttributes turns a JSON object into attributes with the types that JSON tells.
func jsonAttributes(object map[string]json.RawMessage) []Attribute {
	list := make([]Attribute, 0, len(object))
	for key, raw := range object {
		a := Attribute{Key: key, Value: string(raw), Type: 'i'}
		switch {
		case len(raw) == 0 || raw[0] == 'n':
			a.Type, a.Value = 'n', ""
		case raw[0] == '"':
			a.Type = 's'
			// The text is valid JSON here: it was part of a document that was read.
			_ = json.Unmarshal(raw, &a.Value)
		case raw[0] == 't' || raw[0] == 'f':
			a.Type = 'b'
		case raw[0] == '[' || raw[0] == '{':
			a.Type = 'j'
		case slices.ContainsFunc(raw, func(c byte) bool { return c == '.' || c == 'e' || c == 'E' }):
			a.Type = 'd'
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b Attribute) int { return cmp.Compare(a.Key, b.Key) })
	return list
}
