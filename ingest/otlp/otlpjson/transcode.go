// Package otlpjson turns OTLP/JSON requests into the protobuf that the rest of the write path reads.
//
// It works in one pass from text to bytes, without the structs in between, because the receiver needs nothing but the
// bytes and because general unmarshallers get OTLP wrong in one way or another. Against the rules of OTLP/JSON,
// protojson reads ids as base64 and refuses invalid UTF-8; pdata takes snake_case keys, refuses null and integers such
// as 1e9, passes invalid UTF-8 on, and lets one bad id cost the whole batch.
//
// What OTLP leaves open is decided so:
//   - names of enum values are accepted beside their numbers; a name that does not exist is an error;
//   - invalid UTF-8 and lone surrogates become U+FFFD;
//   - an id that is not hexadecimal becomes one zero byte, which fails every check of an id's length: the write path
//     treats it as any invalid id, so that it costs its own span at most and not the batch;
//   - null in a list is the empty element, so that the other elements keep their places;
//   - of a key given twice the last value counts, as in protobuf (messages are merged, lists are appended).
package otlpjson

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"loadline/ingest"
)

// MaxDepth is how deep objects and lists may nest, unknown fields included: a bound on the stack, far from anything that
// is meant.
const MaxDepth = 10_000

// keptDepth is how deep a message is encoded; what lies below is read over and becomes the empty message. An AnyValue
// adds three levels for a list in it and four for a map, so one that is cut here is still deeper than the 64 that the
// write path takes: its own span is rejected, and not the batch.
const keptDepth = 300

// Error says what is wrong with a document and where.
type Error struct {
	// Path leads to the value, as in resourceSpans[0].scopeSpans[1].spans[7].kind. It is empty for the document itself.
	Path string
	// Offset is where reading stopped, in bytes.
	Offset int
	Reason string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("OTLP/JSON: %s at byte %d", e.Reason, e.Offset)
	}
	return fmt.Sprintf("OTLP/JSON: %s: %s at byte %d", e.Path, e.Reason, e.Offset)
}

// Transcode appends the protobuf encoding of the OTLP/JSON export request in doc to dst. It does not need more than the
// capacity of dst: when the encoding does not fit, the error is [io.ErrShortBuffer] and the caller may try again with
// more. An encoding is nearly always shorter than its document; one byte of text makes four at most.
// The other errors are of type *[Error].
func Transcode(dst []byte, signal ingest.Signal, doc []byte) ([]byte, error) {
	root, ok := schemas()[signal]
	if !ok {
		panic(fmt.Sprintf("BUG: no OTLP/JSON schema for %s", signal))
	}
	t := transcoder{scanner: scanner{doc: doc}, out: dst, limit: cap(dst)}
	t.space()
	err := t.object(root)
	if err == nil {
		err = t.end()
	}
	if err == nil && len(t.out) > t.limit {
		err = io.ErrShortBuffer
	}
	if err != nil {
		return dst, err
	}
	return t.out, nil
}

type transcoder struct {
	scanner
	out   []byte
	limit int
}

// object writes the fields of a message, without its tag and length.
func (t *transcoder) object(m *message) error {
	if err := t.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := t.next('}', first)
		if err != nil || !more {
			return err
		}
		key, err := t.key()
		if err != nil {
			return err
		}
		f := m.fields[string(key)]
		if f == nil {
			if err := t.skip(); err != nil {
				return err
			}
			continue
		}
		if err := t.field(f); err != nil {
			return under(err, f.name)
		}
	}
}

// field writes the value or values of one field with their tags.
func (t *transcoder) field(f *field) error {
	switch {
	case t.null():
		return nil
	case !f.repeated:
		t.out = append(t.out, f.tag...)
		return t.value(f)
	}
	if err := t.open('['); err != nil {
		return err
	}
	start := 0
	if f.packed {
		t.out = append(t.out, f.tag...)
		start = t.begin()
	}
	for i := 0; ; i++ {
		more, err := t.next(']', i == 0)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if !f.packed {
			t.out = append(t.out, f.tag...)
		}
		if t.null() {
			t.zero(f)
		} else if err := t.value(f); err != nil {
			return under(err, "["+strconv.Itoa(i)+"]")
		}
	}
	if f.packed {
		t.finish(start)
	}
	return nil
}

// zero writes the value that a null in a list stands for.
func (t *transcoder) zero(f *field) {
	switch wireTypes[f.kind] {
	case protowire.Fixed64Type:
		t.out = binary.LittleEndian.AppendUint64(t.out, 0)
	case protowire.Fixed32Type:
		t.out = binary.LittleEndian.AppendUint32(t.out, 0)
	default:
		t.out = append(t.out, 0) // an empty length or the varint 0
	}
}

// value writes one value, for which the tag has been written.
func (t *transcoder) value(f *field) error {
	if len(t.out) > t.limit {
		return io.ErrShortBuffer
	}
	switch f.kind {
	case protoreflect.MessageKind:
		start := t.begin()
		var err error
		if t.depth < keptDepth {
			err = t.object(f.message)
		} else {
			err = t.skip()
		}
		t.finish(start)
		return err
	case protoreflect.StringKind:
		s, err := t.text()
		t.out = protowire.AppendBytes(t.out, s)
		return err
	case protoreflect.BytesKind:
		s, err := t.text()
		if err != nil {
			return err
		}
		if f.id {
			t.id(s)
			return nil
		}
		return t.base64(s)
	case protoreflect.BoolKind:
		v, err := t.boolean()
		t.out = protowire.AppendVarint(t.out, protowire.EncodeBool(v))
		return err
	case protoreflect.DoubleKind:
		v, err := t.double()
		t.out = binary.LittleEndian.AppendUint64(t.out, math.Float64bits(v))
		return err
	case protoreflect.EnumKind:
		return t.enum(f)
	}
	return t.integer(f.kind)
}

// id writes a trace or span id.
func (t *transcoder) id(s []byte) {
	start := t.begin()
	t.out = append(t.out, s...)
	n, err := hex.Decode(t.out[start:], t.out[start:])
	if err != nil {
		n = copy(t.out[start:], "\x00")
	}
	t.out = t.out[:start+n]
	t.finish(start)
}

// base64 writes bytes. As protobuf's JSON mapping asks, both alphabets are read, with padding or without.
func (t *transcoder) base64(s []byte) error {
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	s = bytes.TrimRight(s, "=")
	start := t.begin()
	out, err := encoding.AppendDecode(t.out, s)
	if err != nil {
		return t.errorf("bytes are not base64")
	}
	t.out = out
	t.finish(start)
	return nil
}

func (t *transcoder) enum(f *field) error {
	if t.peek() == '"' {
		at := t.pos
		name, err := t.text()
		if err != nil {
			return err
		}
		if v, ok := f.enum[string(name)]; ok {
			t.out = protowire.AppendVarint(t.out, uint64(int64(v)))
			return nil
		}
		t.pos = at
	}
	return t.integer(protoreflect.Int32Kind)
}

// integer reads an integer and writes it as the given kind does.
func (t *transcoder) integer(kind protoreflect.Kind) error {
	negative, magnitude, err := t.wholeNumber()
	if err != nil {
		return err
	}
	limit := uint64(math.MaxUint64)
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind:
		limit = math.MaxInt32
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		limit = math.MaxUint32
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		limit = math.MaxInt64
	}
	signed := limit == math.MaxInt32 || limit == math.MaxInt64
	if negative && !signed && magnitude > 0 {
		return t.errorf("a negative number where none may be")
	}
	if negative && signed {
		limit++
	}
	if magnitude > limit {
		return t.errorf("number out of range: the limit is %d", limit)
	}
	if negative {
		magnitude = -magnitude // two's complement, which is what the encodings below want
	}
	switch kind {
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		t.out = binary.LittleEndian.AppendUint64(t.out, magnitude)
	case protoreflect.Fixed32Kind:
		t.out = binary.LittleEndian.AppendUint32(t.out, uint32(magnitude))
	case protoreflect.Sint32Kind:
		t.out = protowire.AppendVarint(t.out, protowire.EncodeZigZag(int64(magnitude)))
	default:
		t.out = protowire.AppendVarint(t.out, magnitude)
	}
	return nil
}

// begin leaves room for a length of one byte, the usual case, and returns where the content starts.
func (t *transcoder) begin() int {
	t.out = append(t.out, 0)
	return len(t.out)
}

// finish writes the length of the content that began at start, and moves the content when its length needs more than a
// byte. Moving costs less than measuring first: at most one copy per level of nesting.
func (t *transcoder) finish(start int) {
	n := len(t.out) - start
	if n < 0x80 {
		t.out[start-1] = byte(n)
		return
	}
	var length [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(length[:], uint64(n))
	t.out = append(t.out, length[:size-1]...)
	copy(t.out[start-1+size:], t.out[start:start+n])
	copy(t.out[start-1:], length[:size])
}

// under adds a step to the path of an error on its way out.
func under(err error, step string) error {
	var e *Error
	if errors.As(err, &e) {
		switch {
		case e.Path == "":
			e.Path = step
		case e.Path[0] == '[':
			e.Path = step + e.Path
		default:
			e.Path = step + "." + e.Path
		}
	}
	return err
}
