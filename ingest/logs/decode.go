// Package logs turns OTLP log requests into the block of the table logs.
//
// Check and Builder.Add read the same bytes by the same rules: Check runs before the acknowledgement and counts what
// will be rejected, Add runs when a log segment becomes a block, live or in replay.
//
// Source: opentelemetry-proto 1.x, logs/v1/logs.proto.
package logs

import (
	"errors"
	"fmt"
	"math"

	"github.com/VictoriaMetrics/easyproto"

	"loadline/ingest/wire"
)

// maxSeverity is the largest severity number of OTLP, FATAL4.
const maxSeverity = 24

// record is a decoded LogRecord; all bytes view the request body.
type record struct {
	time, observed    uint64
	severity          uint64
	severityText      []byte
	eventName         []byte
	body              wire.Value
	attributes        []wire.Attribute
	traceID, spanID   []byte
	flags             uint32
	droppedAttributes uint64
	tooDeep           bool
}

// decode reads a LogRecord message into r, whose slice is reused.
func (r *record) decode(data []byte) error {
	*r = record{attributes: r.attributes[:0], body: wire.Value{Type: wire.TypeEmpty}}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read log record: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			r.time, ok = fc.Fixed64()
		case 2:
			r.severity, ok = fc.Uint64()
		case 3:
			r.severityText, ok = fc.Bytes()
		case 5, 6:
			var message []byte
			if message, ok = fc.MessageData(); ok {
				err = r.decodeValue(fc.FieldNum, message)
			}
		case 7:
			r.droppedAttributes, ok = fc.Uint64()
		case 8:
			r.flags, ok = fc.Fixed32()
		case 9:
			r.traceID, ok = fc.Bytes()
		case 10:
			r.spanID, ok = fc.Bytes()
		case 11:
			r.observed, ok = fc.Fixed64()
		case 12:
			r.eventName, ok = fc.Bytes()
		}
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("read log record: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return nil
}

// decodeValue reads the body (field 5) or an attribute.
func (r *record) decodeValue(field uint32, message []byte) error {
	var a wire.Attribute
	var err error
	if field == 5 {
		a.Value, err = wire.DecodeValue(message, 0)
	} else {
		a, err = wire.DecodeAttribute(message)
	}
	switch {
	case errors.Is(err, wire.ErrTooDeep):
		r.tooDeep = true
	case err != nil:
		return err
	case field == 5:
		r.body = a.Value
	case len(r.attributes) == wire.MaxAttributes:
		r.droppedAttributes++
	default:
		r.attributes = append(r.attributes, a)
	}
	return nil
}

// settle fills in the times that the sender left out: a record without a time of its own happened when it was
// observed, and one that nobody noted the observation of was observed on receipt.
func (r *record) settle(window wire.Window) {
	if r.observed == 0 || r.observed > math.MaxInt64 {
		r.observed = window.At()
	}
	if r.time == 0 {
		r.time = r.observed
	}
	if r.severity > maxSeverity {
		r.severity = 0
	}
}

// check says whether the record can be stored. Unlike a span, a record needs no ids.
func (r *record) check(window wire.Window) wire.Reason {
	if r.tooDeep {
		return wire.TooDeep
	}
	return window.Check(r.time)
}

func (r *record) truncated() int {
	n := 0
	if r.body.IsTruncated() {
		n++
	}
	for i := range r.attributes {
		if r.attributes[i].Value.IsTruncated() {
			n++
		}
	}
	return n
}

// Check counts the records of a request by what Builder.Add will do with them. An error means that the bytes are not
// an ExportLogsServiceRequest. Check may be called concurrently.
func Check(body []byte, window wire.Window) (wire.Tally, error) {
	var tally wire.Tally
	var r record
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
			if err := r.decode(item); err != nil {
				return err
			}
			r.settle(window)
			r.tooDeep = r.tooDeep || resourceTooDeep
			reason := r.check(window)
			if reason == wire.Accepted {
				tally.Truncated += r.truncated()
			}
			tally.Count(reason)
			return nil
		},
	})
	return tally, err
}
