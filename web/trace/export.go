package trace

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"loadline/query/trace"
)

// The shapes of OTLP in JSON, as far as a stored trace fills them.
type (
	// OTLP is a request to export traces.
	OTLP struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeSpans struct {
		Scope otlpScope  `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpScope struct {
		Name string `json:"name,omitempty"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		ParentID   string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Events     []otlpEvent     `json:"events,omitempty"`
		Links      []otlpLink      `json:"links,omitempty"`
		Status     otlpStatus      `json:"status"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	otlpEvent struct {
		Time       string          `json:"timeUnixNano"`
		Name       string          `json:"name"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
	}
	otlpLink struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
	}
	otlpAttribute struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

var (
	otlpKinds    = map[string]int{"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
	otlpStatuses = map[string]int{"ok": 1, "error": 2}
)

// Export writes a trace as the OTLP request that would bring it back.
func Export(t *trace.Trace) OTLP {
	var out OTLP
	type group struct {
		resource uint64
		scope    string
	}
	resources, scopes := map[uint64]int{}, map[group]int{}
	for i := range t.Spans {
		s := &t.Spans[i]
		at, ok := resources[s.ResourceID]
		if !ok {
			at = len(out.ResourceSpans)
			resources[s.ResourceID] = at
			r := otlpResource{Attributes: []otlpAttribute{{"service.name", map[string]any{"stringValue": s.Service}}}}
			if known := t.Resources[s.ResourceID]; known != nil && len(known.Attributes) > 0 {
				r.Attributes = otlpAttributes(known.Attributes)
			}
			out.ResourceSpans = append(out.ResourceSpans, otlpResourceSpans{Resource: r})
		}
		rs := &out.ResourceSpans[at]
		key := group{s.ResourceID, s.Scope}
		in, ok := scopes[key]
		if !ok {
			in = len(rs.ScopeSpans)
			scopes[key] = in
			rs.ScopeSpans = append(rs.ScopeSpans, otlpScopeSpans{Scope: otlpScope{s.Scope}})
		}
		rs.ScopeSpans[in].Spans = append(rs.ScopeSpans[in].Spans, exportSpan(t, s))
	}
	return out
}

func exportSpan(t *trace.Trace, s *trace.Span) otlpSpan {
	o := otlpSpan{
		TraceID: t.ID.String(), SpanID: s.ID.String(), Name: s.Name, Kind: otlpKinds[s.Kind],
		Start: nanos(s.Start.UnixNano()), End: nanos(s.End().UnixNano()), Attributes: otlpAttributes(s.Attributes),
		Status: otlpStatus{otlpStatuses[s.Status], s.StatusMessage},
	}
	if !s.Parent.IsZero() {
		o.ParentID = s.Parent.String()
	}
	for _, e := range s.Events {
		o.Events = append(o.Events, otlpEvent{nanos(e.Time.UnixNano()), e.Name, otlpAttributes(e.Attributes)})
	}
	for _, l := range s.Links {
		o.Links = append(o.Links, otlpLink{l.TraceID.String(), l.SpanID.String(), otlpAttributes(l.Attributes)})
	}
	return o
}

// nanos is a 64-bit number as OTLP writes it in JSON.
func nanos(n int64) string { return strconv.FormatInt(n, 10) }

// otlpAttributes gives values their types back. A value that is not of its type stays text.
func otlpAttributes(list []trace.Attribute) []otlpAttribute {
	out := make([]otlpAttribute, 0, len(list))
	for _, a := range list {
		v := map[string]any{"stringValue": a.Value}
		switch a.Type {
		case 'b':
			v = map[string]any{"boolValue": a.Value == "true"}
		case 'i':
			if _, err := strconv.ParseInt(a.Value, 10, 64); err == nil {
				v = map[string]any{"intValue": a.Value}
			}
		case 'd':
			if f, err := strconv.ParseFloat(a.Value, 64); err == nil {
				v = map[string]any{"doubleValue": f}
				if _, err := json.Marshal(f); err != nil { // not a number, infinite
					v = map[string]any{"doubleValue": a.Value}
				}
			}
		case 'y':
			if _, err := base64.StdEncoding.DecodeString(a.Value); err == nil {
				v = map[string]any{"bytesValue": a.Value}
			}
		case 'n':
			v = map[string]any{}
		case 'j':
			var any any
			if json.Unmarshal([]byte(a.Value), &any) == nil {
				v = otlpValue(any)
			}
		}
		out = append(out, otlpAttribute{a.Key, v})
	}
	return out
}

// otlpValue turns decoded JSON into a value of OTLP.
func otlpValue(v any) map[string]any {
	switch v := v.(type) {
	case string:
		return map[string]any{"stringValue": v}
	case bool:
		return map[string]any{"boolValue": v}
	case float64:
		return map[string]any{"doubleValue": v}
	case []any:
		values := make([]map[string]any, 0, len(v))
		for _, e := range v {
			values = append(values, otlpValue(e))
		}
		return map[string]any{"arrayValue": map[string]any{"values": values}}
	case map[string]any:
		values := make([]otlpAttribute, 0, len(v))
		for k, e := range v {
			values = append(values, otlpAttribute{k, otlpValue(e)})
		}
		return map[string]any{"kvlistValue": map[string]any{"values": values}}
	}
	return map[string]any{}
}
