package spans

import (
	"encoding/hex"
	"strconv"

	"github.com/VictoriaMetrics/easyproto"

	"loadline/ingest/wire"
)

// appendEvents stores the span's events as a JSON array; no events are an empty string. An exception's type becomes
// the span's error type where no attribute tells one.
func (b *Builder) appendEvents(s *span) {
	out := b.rendered[:0]
	for i, message := range s.events {
		out = append(out, "[,"[min(i, 1)])
		out = append(out, `{"ts":`...)
		ts, _, _ := easyproto.GetFixed64(message, 1)
		out = strconv.AppendUint(out, ts, 10)
		out = append(out, `,"name":`...)
		name, _, _ := easyproto.GetBytes(message, 2)
		out = wire.AppendJSONString(out, name)
		out = appendAttributesJSON(out, message, 3)
		out = append(out, '}')
		if string(name) == "exception" && b.facts[errorType] == nil {
			b.facts[errorType] = exceptionType(message)
		}
	}
	if len(s.events) > 0 {
		out = append(out, ']')
	}
	b.events.Append(out)
	b.rendered = out
}

func exceptionType(event []byte) *wire.Value {
	attributes, _ := wire.Attributes(nil, event, 3)
	for i := range attributes {
		if string(attributes[i].Key) == "exception.type" {
			return &attributes[i].Value
		}
	}
	return nil
}

// appendLinks stores the span's links as a JSON array; no links are an empty string.
func (b *Builder) appendLinks(s *span) {
	out := b.rendered[:0]
	for i, message := range s.links {
		out = append(out, "[,"[min(i, 1)])
		traceID, _, _ := easyproto.GetBytes(message, 1)
		spanID, _, _ := easyproto.GetBytes(message, 2)
		state, _, _ := easyproto.GetBytes(message, 3)
		out = append(out, `{"trace_id":"`...)
		out = hex.AppendEncode(out, traceID)
		out = append(out, `","span_id":"`...)
		out = hex.AppendEncode(out, spanID)
		out = append(out, '"')
		if len(state) > 0 {
			out = wire.AppendJSONString(append(out, `,"trace_state":`...), state)
		}
		out = appendAttributesJSON(out, message, 4)
		out = append(out, '}')
	}
	if len(s.links) > 0 {
		out = append(out, ']')
	}
	b.links.Append(out)
	b.rendered = out
}

func appendAttributesJSON(out, message []byte, field uint32) []byte {
	attributes, _ := wire.Attributes(nil, message, field)
	if len(attributes) == 0 {
		return out
	}
	return wire.AppendJSONObject(append(out, `,"attributes":`...), attributes)
}

// Trace flags that nearly every span has say nothing: sampled, and what bits 8 and 9 tell of the parent.
const commonFlags = 0x301

// appendExtra stores what spans rarely have as a JSON object, or an empty string.
func (b *Builder) appendExtra(s *span) {
	out := b.rendered[:0]
	out = append(out, '{')
	number := func(key string, n uint64) {
		if n > 0 {
			out = append(append(append(out, '"'), key...), '"', ':')
			out = append(strconv.AppendUint(out, n, 10), ',')
		}
	}
	if s.flags&^commonFlags != 0 || s.flags&0x200 != 0 {
		number("flags", uint64(s.flags))
	}
	number("dropped_attributes", uint64(s.droppedAttributes))
	number("dropped_events", uint64(s.droppedEvents))
	number("dropped_links", uint64(s.droppedLinks))
	if s.end < s.start {
		number("end_before_start_ns", s.start-s.end)
	}
	if len(b.scopeSchema) > 0 {
		out = append(wire.AppendJSONString(append(out, `"schema_url":`...), b.scopeSchema), ',')
	}
	b.rendered = out
	if len(out) == 1 {
		b.extra.Append(nil)
		return
	}
	out[len(out)-1] = '}'
	b.extra.Append(out)
}
