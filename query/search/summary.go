package search

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"loadline/query/rollup"
	"loadline/query/sql"
	"loadline/query/trace"
)

// maxSharedSpans is how many spans of one trace the shares of services are computed from.
const maxSharedSpans = 2000

// summarize fills the traces of the page: where in time they are, then one query over only their granules.
func (p *search) summarize(ctx context.Context) error {
	if len(p.list.Traces) == 0 {
		return nil
	}
	slices, ids, err := p.locate(ctx)
	if err != nil {
		return err
	}
	if err := p.dropRepeated(ctx, slices, ids); err != nil || len(p.list.Traces) == 0 {
		return err
	}
	byID := make(map[trace.ID]*Summary, len(p.list.Traces))
	for i := range p.list.Traces {
		byID[p.list.Traces[i].TraceID] = &p.list.Traces[i]
	}
	var w sql.Where
	placed(&w, slices, ids)
	return sql.Scan(ctx, p.db, "trace summaries", `
SELECT trace_id, count(), countIf(error), max(parent_id = toFixedString('', 8)),
       toUnixTimestamp64Nano(min(ts)), max(toUnixTimestamp64Nano(ts) + toInt64(duration)),
       (argMin((service, operation, version, error, http_status), (parent_id != toFixedString('', 8), ts)) AS root).1,
       root.2, root.3, root.4, root.5,
       formatRow('RowBinary', groupArray(`+strconv.Itoa(maxSharedSpans)+`)((span_id, parent_id, service, toUnixTimestamp64Nano(ts), duration)))
FROM spans
WHERE `+w.String()+`
GROUP BY trace_id`, w.Args, func(rows driver.Rows) error { return scanSummary(rows, byID) })
}

// The engine finds granules by a list only when the list is a constant or a subquery: an array that a function with a
// lambda makes is compared row by row. So ids come as subqueries; TestGranules guards that.

// traceIDs binds trace ids for IN.
func traceIDs(w *sql.Where, list []trace.ID) string {
	hex := make([]string, len(list))
	for i, id := range list {
		hex[i] = id.String()
	}
	return "(SELECT toFixedString(unhex(arrayJoin(" + w.Texts(hex) + ")), 16))"
}

// placed selects traces in the slices that they have, given as pairs.
func placed(w *sql.Where, slices []uint32, ids []string) {
	at := w.Bind("Array(UInt32)", slices)
	w.Add("(slice, trace_id) IN (SELECT toDateTime(pair.1, 'UTC'), toFixedString(unhex(pair.2), 16) FROM (SELECT arrayJoin(arrayZip(" + at + ", " + w.Texts(ids) + ")) AS pair))")
}

// traceMargin is how far before and after the range the spans of a matching trace are looked for.
const traceMargin = time.Hour

// locate returns pairs of slice and trace id of the traces of the page.
func (p *search) locate(ctx context.Context) (at []uint32, ids []string, err error) {
	list := make([]trace.ID, len(p.list.Traces))
	for i, t := range p.list.Traces {
		list[i] = t.TraceID
	}
	var w sql.Where
	w.Add("trace_id IN " + traceIDs(&w, list))
	w.Add("slice >= " + w.Seconds(p.q.Range.From.Add(-traceMargin)))
	w.Add("slice < " + w.Seconds(p.q.Range.To.Add(traceMargin)))
	placed := map[trace.ID]bool{}
	err = sql.Scan(ctx, p.db, "trace index", `
SELECT DISTINCT toUnixTimestamp(slice), trace_id
FROM trace_index
WHERE `+w.String(), w.Args, func(rows driver.Rows) error {
		var slice uint32
		var raw string
		if err := rows.Scan(&slice, &raw); err != nil {
			return err
		}
		var id trace.ID
		copy(id[:], raw)
		placed[id] = true
		at, ids = append(at, slice), append(ids, id.String())
		return nil
	})
	// The index may have a shorter retention than the spans, or lag behind them by a moment.
	for _, t := range p.list.Traces {
		if !placed[t.TraceID] {
			at = append(at, uint32(rollup.Floor(t.MatchTime, rollup.Tier10s.Slice).Unix()))
			ids = append(ids, t.TraceID.String())
		}
	}
	return at, ids, err
}

// dropRepeated removes traces that stood on an earlier page by a later matching span.
func (p *search) dropRepeated(ctx context.Context, at []uint32, ids []string) error {
	if p.before == nil {
		return nil
	}
	first := uint32(rollup.Floor(time.Unix(0, p.before.at), rollup.Tier10s.Slice).Unix())
	var lateAt []uint32
	var lateIDs []string
	for i := range at {
		if at[i] >= first {
			lateAt, lateIDs = append(lateAt, at[i]), append(lateIDs, ids[i])
		}
	}
	if len(lateAt) == 0 {
		return nil
	}
	var w sql.Where
	placed(&w, lateAt, lateIDs)
	cursor, id := w.Nanos(time.Unix(0, p.before.at)), w.Hex(p.before.id.String(), 16)
	w.Add("(ts > " + cursor + " OR ts = " + cursor + " AND trace_id >= " + id + ")")
	w.Add("ts < " + w.Nanos(p.q.Range.To))
	if err := p.q.conditions(&w); err != nil {
		return err
	}
	repeated := map[trace.ID]bool{}
	err := sql.Scan(ctx, p.db, "traces of earlier pages", `
SELECT DISTINCT trace_id
FROM spans
WHERE `+w.String(), w.Args, func(rows driver.Rows) error {
		var raw string
		err := rows.Scan(&raw)
		var id trace.ID
		copy(id[:], raw)
		repeated[id] = true
		return err
	})
	p.list.Traces = slices.DeleteFunc(p.list.Traces, func(t Summary) bool { return repeated[t.TraceID] })
	return err
}

func scanSummary(rows driver.Rows, byID map[trace.ID]*Summary) error {
	var id, blob string
	var spans, errors uint64
	var rooted uint8
	var from, to int64
	var t Summary
	var status uint16
	if err := rows.Scan(&id, &spans, &errors, &rooted, &from, &to, &t.Service, &t.Operation, &t.Version, &t.Error, &status, &blob); err != nil {
		return err
	}
	var key trace.ID
	copy(key[:], id)
	out := byID[key]
	if out == nil {
		return nil
	}
	out.Service, out.Operation, out.Version, out.Error, out.HTTPStatus = t.Service, t.Operation, t.Version, t.Error, int(status)
	out.Spans, out.Errors, out.Rootless = int(spans), int(errors), rooted == 0
	out.Start, out.Duration = time.Unix(0, from).UTC(), time.Duration(to-from)
	b := sql.NewBinary(blob)
	list := make([]trace.Span, b.Size(8+8+1+8+8))
	for i := range list {
		copy(list[i].ID[:], b.Take(8))
		copy(list[i].Parent[:], b.Take(8))
		list[i].Service = b.Text()
		list[i].Start = time.Unix(0, int64(b.Uint64()))
		list[i].Duration = time.Duration(b.Uint64())
	}
	for _, s := range trace.ArrangeTree(list).ServiceTimes() {
		out.Services = append(out.Services, ServiceShare{s.Service, s.Share})
	}
	return b.Err()
}
