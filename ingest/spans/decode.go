// Package spans turns OTLP trace requests into the blocks of the tables spans, trace_index and red_10s.
//
// Check and Builder.Add read the same bytes by the same rules: Check runs before the acknowledgement and counts what
// will be rejected, Add runs when a log segment becomes a block, live or in replay.
package spans

import (
	"errors"
	"fmt"
	"math"

	"github.com/VictoriaMetrics/easyproto"

	"loadline/ingest/wire"
)

// span is a decoded Span; all bytes view the request body.
type span struct {
	traceID, spanID, parentID []byte
	traceState, name          []byte
	kind                      int32
	start, end                uint64
	attributes                []wire.Attribute
	events, links             [][]byte
	status                    int32
	statusMessage             []byte
	flags                     uint32
	droppedAttributes         uint32
	droppedEvents             uint32
	droppedLinks              uint32
	tooDeep                   bool
	scratch                   []wire.Attribute
}

// decode reads a Span message into s, whose slices are reused.
func (s *span) decode(data []byte) error {
	*s = span{attributes: s.attributes[:0], events: s.events[:0], links: s.links[:0], scratch: s.scratch}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read span: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			s.traceID, ok = fc.Bytes()
		case 2:
			s.spanID, ok = fc.Bytes()
		case 3:
			s.traceState, ok = fc.Bytes()
		case 4:
			s.parentID, ok = fc.Bytes()
		case 5:
			s.name, ok = fc.Bytes()
		case 6:
			s.kind, ok = enum(&fc)
		case 7:
			s.start, ok = fc.Fixed64()
		case 8:
			s.end, ok = fc.Fixed64()
		case 9, 11, 13, 15:
			var message []byte
			if message, ok = fc.MessageData(); ok {
				err = s.decodePart(fc.FieldNum, message)
			}
		case 10:
			s.droppedAttributes, ok = fc.Uint32()
		case 12:
			s.droppedEvents, ok = fc.Uint32()
		case 14:
			s.droppedLinks, ok = fc.Uint32()
		case 16:
			s.flags, ok = fc.Fixed32()
		}
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("read span: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return nil
}

// enum reads an enumeration value. One that does not exist is no reason to refuse the request, not even a negative one.
func enum(fc *easyproto.FieldContext) (int32, bool) {
	n, ok := fc.Uint64()
	return int32(min(n, math.MaxInt32)), ok
}

func (s *span) decodePart(field uint32, message []byte) error {
	switch field {
	case 9:
		a, err := wire.DecodeAttribute(message)
		if errors.Is(err, wire.ErrTooDeep) {
			s.tooDeep = true
			return nil
		}
		if err != nil {
			return err
		}
		if len(s.attributes) == wire.MaxAttributes {
			s.droppedAttributes++
			return nil
		}
		s.attributes = append(s.attributes, a)
	case 11:
		if len(s.events) == wire.MaxAttributes {
			s.droppedEvents++
			return nil
		}
		s.events = append(s.events, message)
		return s.checkPart(message, 3)
	case 13:
		if len(s.links) == wire.MaxAttributes {
			s.droppedLinks++
			return nil
		}
		s.links = append(s.links, message)
		return s.checkPart(message, 4)
	case 15:
		return s.decodeStatus(message)
	}
	return nil
}

// checkPart checks the attributes of an event or link, which are read again only when they are rendered.
func (s *span) checkPart(message []byte, attributes uint32) error {
	var err error
	s.scratch, err = wire.Attributes(s.scratch[:0], message, attributes)
	if errors.Is(err, wire.ErrTooDeep) {
		s.tooDeep = true
		return nil
	}
	return err
}

func (s *span) decodeStatus(data []byte) error {
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read status: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 2:
			s.statusMessage, ok = fc.Bytes()
		case 3:
			s.status, ok = enum(&fc)
		}
		if !ok {
			return errors.New("read status: wrong wire type")
		}
	}
	return nil
}

// check says whether the span can be stored.
func (s *span) check(window wire.Window) wire.Reason {
	switch {
	case !wire.IsID(s.traceID, 16):
		return wire.BadTraceID
	case !wire.IsID(s.spanID, 8):
		return wire.BadSpanID
	case s.tooDeep:
		return wire.TooDeep
	}
	// An end in the far future would be the slowest request of its service for as long as data is kept.
	if reason := window.Check(s.end); reason == wire.InFuture {
		return reason
	}
	return window.Check(s.start)
}

func (s *span) truncated() int {
	n := 0
	for i := range s.attributes {
		if s.attributes[i].Value.IsTruncated() {
			n++
		}
	}
	return n
}

// root says whether the span has no parent. A parent id of zeros means none.
func (s *span) root() bool { return !wire.IsID(s.parentID, 8) }

// duration is the span's length in nanoseconds; a span that ends before it starts has none.
func (s *span) duration() uint64 {
	if s.end < s.start {
		return 0
	}
	return s.end - s.start
}

// Check counts the spans of a request by what Builder.Add will do with them. An error means that the bytes are not an
// ExportTraceServiceRequest. Check may be called concurrently.
func Check(body []byte, window wire.Window) (wire.Tally, error) {
	var tally wire.Tally
	var s span
	resourceTooDeep := false
	err := wire.Walk(body, wire.Visitor{
		Resource: func(resource, _ []byte) error {
			err := wire.CheckResource(resource)
			resourceTooDeep = errors.Is(err, wire.ErrTooDeep)
			if resourceTooDeep {
				return nil
			}
			return err
		},
		Scope: func(scope, _ []byte) error { return wire.CheckScope(scope) },
		Item: func(item []byte) error {
			if err := s.decode(item); err != nil {
				return err
			}
			s.tooDeep = s.tooDeep || resourceTooDeep
			reason := s.check(window)
			if reason == wire.Accepted {
				tally.Truncated += s.truncated()
			}
			tally.Count(reason)
			return nil
		},
	})
	return tally, err
}
