package query

import (
	"encoding/hex"
	"fmt"
)

// A TraceID identifies a trace. Its text is 32 hexadecimal digits.
type TraceID [16]byte

// A SpanID identifies a span within a trace. Its text is 16 hexadecimal digits; the zero value means no span.
type SpanID [8]byte

// ParseTraceID reads 32 hexadecimal digits of either case. Fewer are filled with zeros on the left, because tools
// with 64-bit ids print them so.
func ParseTraceID(s string) (TraceID, error) {
	var id TraceID
	if err := parseHex(id[:], s); err != nil {
		return id, fmt.Errorf("trace id %q: %w", s, err)
	}
	return id, nil
}

// ParseSpanID reads 16 hexadecimal digits of either case.
func ParseSpanID(s string) (SpanID, error) {
	var id SpanID
	if err := parseHex(id[:], s); err != nil {
		return id, fmt.Errorf("span id %q: %w", s, err)
	}
	return id, nil
}

func parseHex(dst []byte, s string) error {
	if len(s) == 0 || len(s) > 2*len(dst) {
		return fmt.Errorf("want 1 to %d hexadecimal digits, not %d", 2*len(dst), len(s))
	}
	if len(s)%2 == 1 {
		s = "0" + s
	}
	_, err := hex.Decode(dst[len(dst)-len(s)/2:], []byte(s))
	return err
}

// String returns the id in lower-case hexadecimal digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is absent.
func (id TraceID) IsZero() bool { return id == TraceID{} }

// String returns the id in lower-case hexadecimal digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is absent.
func (id SpanID) IsZero() bool { return id == SpanID{} }
