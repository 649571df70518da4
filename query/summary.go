package query

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
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
	byID := make(map[TraceID]*TraceSummary, len(p.list.Traces))
	for i := range p.list.Traces {
		byID[p.list.Traces[i].TraceID] = &p.list.Traces[i]
	}
	var w where
	w.placed(slices, ids)
	return p.store.scan(ctx, "trace summaries", `
SELECT trace_id, count(), countIf(error), max(parent_id = toFixedString('', 8)),
       toUnixTimestamp64Nano(min(ts)), max(toUnixTimestamp64Nano(ts) + toInt64(duration)),
       (argMin((service, operation, version, error, http_status), (parent_id != toFixedString('', 8), ts)) AS root).1,
       root.2, root.3, root.4, root.5,
       formatRowNoNewline('RowBinary', groupArray(`+strconv.Itoa(maxSharedSpans)+`)((span_id, parent_id, service, toUnixTimestamp64Nano(ts), duration)))
FROM spans
WHERE `+w.String()+`
GROUP BY trace_id`, w.args, func(rows driver.Rows) error { return scanSummary(rows, byID) })
}

// traceMargin is how far before and after the range the spans of a matching trace are looked for.
const traceMargin = time.Hour

// locate returns pairs of slice and trace id of the traces of the page.
func (p *search) locate(ctx context.Context) (at []uint32, ids []string, err error) {
	list := make([]TraceID, len(p.list.Traces))
	for i, t := range p.list.Traces {
		list[i] = t.TraceID
	}
	var w where
	w.add("trace_id IN " + w.ids(list))
	w.add("slice >= " + w.seconds(p.q.Range.From.Add(-traceMargin)))
	w.add("slice < " + w.seconds(p.q.Range.To.Add(traceMargin)))
	placed := map[TraceID]bool{}
	err = p.store.scan(ctx, "trace index", `
SELECT DISTINCT toUnixTimestamp(slice), trace_id
FROM trace_index
WHERE `+w.String(), w.args, func(rows driver.Rows) error {
		var slice uint32
		var raw string
		if err := rows.Scan(&slice, &raw); err != nil {
			return err
		}
		var id TraceID
		copy(id[:], raw)
		placed[id] = true
		at, ids = append(at, slice), append(ids, id.String())
		return nil
	})
	// The index may have a shorter retention than the spans, or lag behind them by a moment.
	for _, t := range p.list.Traces {
		if !placed[t.TraceID] {
			at = append(at, uint32(floorTime(t.MatchTime, tier10s.slice).Unix()))
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
	first := uint32(floorTime(time.Unix(0, p.before.at), tier10s.slice).Unix())
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
	var w where
	w.placed(lateAt, lateIDs)
	cursor, id := w.nanos(time.Unix(0, p.before.at)), w.rawTraceID(p.before.id)
	w.add("(ts > " + cursor + " OR ts = " + cursor + " AND trace_id >= " + id + ")")
	w.add("ts < " + w.nanos(p.q.Range.To))
	if err := p.q.conditions(&w); err != nil {
		return err
	}
	repeated := map[TraceID]bool{}
	err := p.store.scan(ctx, "traces of earlier pages", `
SELECT DISTINCT trace_id
FROM spans
WHERE `+w.String(), w.args, func(rows driver.Rows) error {
		var raw string
		err := rows.Scan(&raw)
		var id TraceID
		copy(id[:], raw)
		repeated[id] = true
		return err
	})
	p.list.Traces = slices.DeleteFunc(p.list.Traces, func(t TraceSummary) bool { return repeated[t.TraceID] })
	return err
}

func scanSummary(rows driver.Rows, byID map[TraceID]*TraceSummary) error {
	var id, blob string
	var spans, errors uint64
	var rooted uint8
	var from, to int64
	var t TraceSummary
	var status uint16
	if err := rows.Scan(&id, &spans, &errors, &rooted, &from, &to, &t.Service, &t.Operation, &t.Version, &t.Error, &status, &blob); err != nil {
		return err
	}
	var key TraceID
	copy(key[:], id)
	out := byID[key]
	if out == nil {
		return nil
	}
	out.Service, out.Operation, out.Version, out.Error, out.HTTPStatus = t.Service, t.Operation, t.Version, t.Error, int(status)
	out.Spans, out.Errors, out.Rootless = int(spans), int(errors), rooted == 0
	out.Start, out.Duration = time.Unix(0, from).UTC(), time.Duration(to-from)
	b := rowBinary{rest: blob}
	list := make([]Span, b.size(8+8+1+8+8))
	for i := range list {
		copy(list[i].ID[:], b.take(8))
		copy(list[i].Parent[:], b.take(8))
		list[i].Service = b.string()
		list[i].Start = time.Unix(0, int64(b.uint64()))
		list[i].Duration = time.Duration(b.uint64())
	}
	for _, s := range arrangeTree(list).ServiceTimes() {
		out.Services = append(out.Services, ServiceShare{s.Service, s.Share})
	}
	return b.err
}
