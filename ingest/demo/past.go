package demo

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"

	"loadline/ingest/demo/shop"
)

// put copies attributes of the SDK's type into pdata's.
func put(to pcommon.Map, attributes []attribute.KeyValue) {
	to.EnsureCapacity(len(attributes))
	for _, a := range attributes {
		switch key := string(a.Key); a.Value.Type() {
		case attribute.BOOL:
			to.PutBool(key, a.Value.AsBool())
		case attribute.INT64:
			to.PutInt(key, a.Value.AsInt64())
		case attribute.FLOAT64:
			to.PutDouble(key, a.Value.AsFloat64())
		default:
			to.PutStr(key, a.Value.AsString())
		}
	}
}

// tracesOf groups spans by pod and instrumentation library, as a collector's batch has them.
func tracesOf(spans []weighted) ptrace.Traces {
	type group struct {
		pod   *shop.Instance
		scope string
	}
	out := ptrace.NewTraces()
	pods := map[*shop.Instance]ptrace.ResourceSpans{}
	groups := map[group]ptrace.SpanSlice{}
	for i := range spans {
		s := &spans[i]
		key := group{s.Instance, s.Scope}
		to, known := groups[key]
		if !known {
			rs, known := pods[s.Instance]
			if !known {
				rs = out.ResourceSpans().AppendEmpty()
				rs.SetSchemaUrl(schemaURL)
				put(rs.Resource().Attributes(), s.Instance.Resource)
				pods[s.Instance] = rs
			}
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName(s.Scope)
			ss.Scope().SetVersion(scopeVersion)
			to = ss.Spans()
			groups[key] = to
		}
		putSpan(to.AppendEmpty(), s)
	}
	return out
}

func putSpan(to ptrace.Span, s *weighted) {
	to.SetTraceID(pcommon.TraceID(s.TraceID))
	to.SetSpanID(pcommon.SpanID(s.SpanID))
	to.SetParentSpanID(pcommon.SpanID(s.ParentID))
	to.TraceState().FromRaw(s.state)
	to.SetName(s.Name)
	to.SetKind(ptrace.SpanKind(s.Kind)) // both number the kinds as OTLP does
	to.SetStartTimestamp(pcommon.NewTimestampFromTime(s.Start))
	to.SetEndTimestamp(pcommon.NewTimestampFromTime(s.End))
	put(to.Attributes(), s.Attributes)
	if s.Failed {
		to.Status().SetCode(ptrace.StatusCodeError)
		to.Status().SetMessage(s.Message)
	}
	for _, e := range s.Events {
		event := to.Events().AppendEmpty()
		event.SetName(e.Name)
		event.SetTimestamp(pcommon.NewTimestampFromTime(e.At))
		put(event.Attributes(), e.Attributes)
	}
	for _, l := range s.Links {
		link := to.Links().AppendEmpty()
		link.SetTraceID(pcommon.TraceID(l.TraceID))
		link.SetSpanID(pcommon.SpanID(l.SpanID))
		put(link.Attributes(), l.Attributes)
	}
}

func logsOf(logs []shop.Log) plog.Logs {
	out := plog.NewLogs()
	pods := map[*shop.Instance]plog.LogRecordSlice{}
	for i := range logs {
		l := &logs[i]
		to, known := pods[l.Instance]
		if !known {
			rl := out.ResourceLogs().AppendEmpty()
			rl.SetSchemaUrl(schemaURL)
			put(rl.Resource().Attributes(), l.Instance.Resource)
			sl := rl.ScopeLogs().AppendEmpty()
			sl.Scope().SetName("com.example.shop/" + l.Instance.Service)
			sl.Scope().SetVersion(scopeVersion)
			to = sl.LogRecords()
			pods[l.Instance] = to
		}
		r := to.AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(l.At))
		r.SetObservedTimestamp(pcommon.NewTimestampFromTime(l.At))
		r.SetSeverityNumber(plog.SeverityNumber(l.Severity))
		r.SetSeverityText(severityText(l.Severity))
		r.SetEventName(l.Event)
		r.Body().SetStr(l.Body)
		r.SetTraceID(pcommon.TraceID(l.TraceID))
		r.SetSpanID(pcommon.SpanID(l.SpanID))
		r.SetFlags(plog.DefaultLogRecordFlags.WithIsSampled(true))
		put(r.Attributes(), l.Attributes)
	}
	return out
}

// metricsOf reads the shop at some steps from a time on, and not after the end.
func metricsOf(m *shop.Model, gauges *meter, from, end time.Time, steps int) (pmetric.Metrics, int) {
	out := pmetric.NewMetrics()
	points := 0
	for i := range steps {
		at := from.Add(time.Duration(i) * metricStep)
		if at.After(end) {
			break
		}
		sources := m.Platform(at)
		for _, in := range m.Running(at) {
			sources = append(sources, m.Pod(in, at))
		}
		for _, s := range sources {
			points += putSource(out.ResourceMetrics().AppendEmpty(), s, gauges, at)
		}
	}
	return out, points
}

func putSource(to pmetric.ResourceMetrics, s shop.Source, gauges *meter, at time.Time) int {
	to.SetSchemaUrl(schemaURL)
	put(to.Resource().Attributes(), s.Resource)
	sm := to.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName(s.Scope)
	sm.Scope().SetVersion(scopeVersion)
	of := attribute.NewSet(s.Resource...)
	families := map[string]pmetric.NumberDataPointSlice{}
	for _, r := range s.Readings {
		family, known := families[r.Name]
		if !known {
			metric := sm.Metrics().AppendEmpty()
			metric.SetName(r.Name)
			metric.SetUnit(r.Unit)
			if r.Shape == shop.Gauge {
				family = metric.SetEmptyGauge().DataPoints()
			} else {
				sum := metric.SetEmptySum()
				sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
				sum.SetIsMonotonic(r.Shape == shop.Counter)
				family = sum.DataPoints()
			}
			families[r.Name] = family
		}
		value := r.Value
		if r.Shape == shop.Counter {
			set := attribute.NewSet(r.Attributes...)
			value = gauges.total(counterKey{of.Equivalent(), set.Equivalent(), r.Name}, r.Value, at)
		}
		p := family.AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(gauges.start))
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetDoubleValue(value)
		put(p.Attributes(), r.Attributes)
	}
	return len(s.Readings)
}
