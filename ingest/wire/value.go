// Package wire reads what all OTLP signals share from protobuf bytes: attribute values, resources, scopes, trace context
// and the rules for rejecting items. It walks the bytes in place, because unmarshalling into pdata costs four to seven
// times as much and leaves two kilobytes of garbage a span.
//
// Source: opentelemetry-proto 1.x, common/v1/common.proto and resource/v1/resource.proto.
package wire

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/VictoriaMetrics/easyproto"
)

// Limits on one item. What exceeds them is cut and counted (values, attributes) or rejects the item (depth).
const (
	MaxDepth      = 64        // nesting of arrays and key-value lists in an attribute value
	MaxValueBytes = 64 << 10  // a string attribute value; longer ones are cut
	MaxNameBytes  = 1024      // a name: of a span, an attribute, a scope, …; longer ones are cut
	MaxAttributes = 1024      // attributes of one item, events and links of a span; further ones are dropped
	maxTextBytes  = 256 << 10 // a rendered array or key-value list
)

// The types of attribute values as stored in attribute_types, one letter each.
const (
	TypeString    = 's'
	TypeBool      = 'b'
	TypeInt       = 'i'
	TypeDouble    = 'd'
	TypeBytes     = 'y'
	TypeJSON      = 'j' // an array or a key-value list, rendered as JSON
	TypeEmpty     = 'n'
	TypeTruncated = 't' // a string cut at MaxValueBytes
)

// ErrTooDeep reports an attribute value nested deeper than MaxDepth.
var ErrTooDeep = errors.New("attribute value is nested too deep")

// Value is an AnyValue. Bytes view the request body.
type Value struct {
	Type  byte
	bytes []byte // string, bytes, or the encoded ArrayValue or KeyValueList
	list  bool   // a JSON value is a KeyValueList
	bits  uint64 // bool, int64, float64
}

// StringValue returns a string value.
func StringValue(s []byte) Value { return Value{Type: TypeString, bytes: s} }

// Attribute is a KeyValue. Key views the request body.
type Attribute struct {
	Key   []byte
	Value Value
}

// DecodeAttribute reads a KeyValue message.
func DecodeAttribute(data []byte) (Attribute, error) {
	var a Attribute
	a.Value.Type = TypeEmpty
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return a, fmt.Errorf("read attribute: %w", err)
		}
		switch fc.FieldNum {
		case 1:
			key, ok := fc.Bytes()
			if !ok {
				return a, errors.New("read attribute key: wrong wire type")
			}
			a.Key = key
		case 2:
			message, ok := fc.MessageData()
			if !ok {
				return a, errors.New("read attribute value: wrong wire type")
			}
			if a.Value, err = DecodeValue(message, 0); err != nil {
				return a, err
			}
		}
	}
	return a, nil
}

// DecodeValue reads an AnyValue message that stands depth levels deep and checks what is nested in it.
func DecodeValue(data []byte, depth int) (Value, error) {
	v := Value{Type: TypeEmpty}
	if depth > MaxDepth {
		return v, ErrTooDeep
	}
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return v, fmt.Errorf("read value: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			v.Type = TypeString
			v.bytes, ok = fc.Bytes()
		case 2:
			var b bool
			b, ok = fc.Bool()
			v.Type, v.bits = TypeBool, 0
			if b {
				v.bits = 1
			}
		case 3:
			var n int64
			n, ok = fc.Int64()
			v.Type, v.bits = TypeInt, uint64(n)
		case 4:
			var f float64
			f, ok = fc.Double()
			v.Type, v.bits = TypeDouble, math.Float64bits(f)
		case 5, 6:
			v.Type, v.list = TypeJSON, fc.FieldNum == 6
			if v.bytes, ok = fc.MessageData(); ok {
				err = v.eachElement(depth, func([]byte, Value) {})
			}
		case 7:
			v.Type = TypeBytes
			v.bytes, ok = fc.Bytes()
		}
		if err != nil {
			return v, err
		}
		if !ok {
			return v, fmt.Errorf("read value: field %d has the wrong wire type", fc.FieldNum)
		}
	}
	return v, nil
}

// eachElement calls f with the elements of an array (nil key) or key-value list that itself stands at depth.
func (v Value) eachElement(depth int, f func(key []byte, element Value)) error {
	data := v.bytes
	var fc easyproto.FieldContext
	var err error
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return fmt.Errorf("read nested value: %w", err)
		}
		if fc.FieldNum != 1 {
			continue
		}
		message, ok := fc.MessageData()
		if !ok {
			return errors.New("read nested value: wrong wire type")
		}
		var key []byte
		if v.list {
			if key, message, err = splitKeyValue(message); err != nil {
				return err
			}
		}
		element, err := DecodeValue(message, depth+1)
		if err != nil {
			return err
		}
		f(key, element)
	}
	return nil
}

// splitKeyValue returns the key and the encoded value of a KeyValue message.
func splitKeyValue(data []byte) (key, value []byte, err error) {
	var fc easyproto.FieldContext
	for len(data) > 0 {
		if data, err = fc.NextField(data); err != nil {
			return nil, nil, fmt.Errorf("read nested attribute: %w", err)
		}
		ok := true
		switch fc.FieldNum {
		case 1:
			key, ok = fc.Bytes()
		case 2:
			value, ok = fc.MessageData()
		}
		if !ok {
			return nil, nil, errors.New("read nested attribute: wrong wire type")
		}
	}
	return key, value, nil
}

// Bytes is the raw content of a string or bytes value; it views the request body.
func (v Value) Bytes() []byte { return v.bytes }

// Int returns an integer value, also when it is written as a string.
func (v Value) Int() (n int64, ok bool) {
	switch v.Type {
	case TypeInt:
		return int64(v.bits), true
	case TypeString:
		n, err := strconv.ParseInt(string(v.bytes), 10, 64)
		return n, err == nil
	}
	return 0, false
}

// IsTruncated says whether Text will cut the value.
func (v Value) IsTruncated() bool { return v.Type == TypeString && len(v.bytes) > MaxValueBytes }

// Text returns the value as stored: strings as they are (made valid UTF-8 and cut at MaxValueBytes), numbers in
// decimal, bytes in base64, arrays and lists as JSON. The result may view the request body or scratch, which is
// returned for reuse. The returned type differs from v.Type when the value was cut.
func (v Value) Text(scratch []byte) (text, reuse []byte, typ byte) {
	switch v.Type {
	case TypeString:
		text, typ = v.bytes, TypeString
		if len(text) > MaxValueBytes {
			text, typ = cutUTF8(text, MaxValueBytes), TypeTruncated
		}
		if !utf8.Valid(text) {
			scratch = appendValidUTF8(scratch[:0], text)
			return scratch, scratch, typ
		}
		return text, scratch, typ
	case TypeEmpty:
		return nil, scratch, TypeEmpty
	}
	scratch = v.appendScalar(scratch[:0])
	return scratch, scratch, v.Type
}

func (v Value) appendScalar(dst []byte) []byte {
	switch v.Type {
	case TypeBool:
		return strconv.AppendBool(dst, v.bits != 0)
	case TypeInt:
		return strconv.AppendInt(dst, int64(v.bits), 10)
	case TypeDouble:
		return strconv.AppendFloat(dst, math.Float64frombits(v.bits), 'g', -1, 64)
	case TypeBytes:
		return base64.StdEncoding.AppendEncode(dst, v.bytes[:min(len(v.bytes), MaxValueBytes)])
	}
	return v.AppendJSON(dst)
}

// AppendJSON renders the value as JSON. Doubles that JSON cannot carry become strings, as OTLP/JSON writes them.
func (v Value) AppendJSON(dst []byte) []byte { return v.appendJSON(dst, 0) }

func (v Value) appendJSON(dst []byte, depth int) []byte {
	switch v.Type {
	case TypeEmpty:
		return append(dst, "null"...)
	case TypeString:
		return AppendJSONString(dst, v.bytes[:min(len(v.bytes), MaxValueBytes)])
	case TypeBytes:
		return append(Value{Type: TypeBytes, bytes: v.bytes}.appendScalar(append(dst, '"')), '"')
	case TypeDouble:
		if f := math.Float64frombits(v.bits); math.IsNaN(f) || math.IsInf(f, 0) {
			return strconv.AppendQuote(dst, strconv.FormatFloat(f, 'g', -1, 64))
		}
		return v.appendScalar(dst)
	case TypeJSON:
	default:
		return v.appendScalar(dst)
	}
	start, first := len(dst), true
	open, end := byte('['), byte(']')
	if v.list {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	// The structure was checked when the value was decoded, so that this cannot fail.
	_ = v.eachElement(depth, func(key []byte, element Value) {
		if len(dst)-start > maxTextBytes {
			return
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if v.list {
			dst = append(AppendJSONString(dst, key), ':')
		}
		dst = element.appendJSON(dst, depth+1)
	})
	return append(dst, end)
}

// AppendJSONString renders s as a JSON string; invalid UTF-8 becomes the replacement character.
func AppendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c == '\n':
				dst = append(dst, '\\', 'n')
			case c == '\t':
				dst = append(dst, '\\', 't')
			case c < 0x20 || c == 0x7f:
				dst = append(dst, '\\', 'u', '0', '0')
				dst = hex.AppendEncode(dst, []byte{c})
			default:
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return append(dst, '"')
}

// Name returns a name as stored: s cut at MaxNameBytes and with replacement characters for invalid bytes. The result may
// view s.
func Name(s []byte) []byte { return storable(s, MaxNameBytes) }

// Text returns free text that is no attribute as stored: like Name, but cut at MaxValueBytes.
func Text(s []byte) []byte { return storable(s, MaxValueBytes) }

func storable(s []byte, n int) []byte {
	if len(s) > n {
		s = cutUTF8(s, n)
	}
	if utf8.Valid(s) {
		return s
	}
	return appendValidUTF8(nil, s)
}

func appendValidUTF8(dst, s []byte) []byte {
	for len(s) > 0 {
		r, size := utf8.DecodeRune(s)
		dst = utf8.AppendRune(dst, r)
		s = s[size:]
	}
	return dst
}

// cutUTF8 returns a prefix of s of at most n bytes that does not end inside a character.
func cutUTF8(s []byte, n int) []byte {
	for back := range utf8.UTFMax {
		if n-back <= 0 || utf8.RuneStart(s[n-back]) {
			return s[:max(n-back, 0)]
		}
	}
	return s[:n] // no text anyway
}
