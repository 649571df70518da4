package trace

import (
	"encoding/hex"
	"fmt"

	"loadline/query/sql"
)

// An ID identifies a trace. Its text is 32 hexadecimal digits.
type ID [16]byte

// A SpanID identifies a span within a trace. Its text is 16 hexadecimal digits; the zero value means no span.
type SpanID [8]byte

// ParseID reads 32 hexadecimal digits of either case. Fewer are filled with zeros on the left, because tools with
// 64-bit ids print them so.
func ParseID(s string) (ID, error) {
	var id ID
	raw, err := sql.ParseHex(s, len(id))
	if err != nil {
		return id, fmt.Errorf("trace id %q: %w", s, err)
	}
	return ID(raw), nil
}

// ParseSpanID reads 16 hexadecimal digits of either case.
func ParseSpanID(s string) (SpanID, error) {
	var id SpanID
	raw, err := sql.ParseHex(s, len(id))
	if err != nil {
		return id, fmt.Errorf("span id %q: %w", s, err)
	}
	return SpanID(raw), nil
}

// String returns the id in lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is absent.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the id in lower-case hexadecimal digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the id is absent.
func (id SpanID) IsZero() bool { return id == SpanID{} }
