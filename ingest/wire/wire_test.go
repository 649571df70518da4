package wire

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"loadline/ingest/native"
	"loadline/ingest/native/nativetest"
)

// field encodes a length-delimited field.
func field[T string | []byte](number protowire.Number, content T) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), []byte(content))
}

func varint(number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
}

func double(number protowire.Number, f float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), math.Float64bits(f))
}

func concat(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// keyValue encodes a KeyValue whose value is an encoded AnyValue.
func keyValue(key string, value []byte) []byte { return concat(field(1, key), field(2, value)) }

func text(s string) []byte { return field(1, s) }

// list and object encode an ArrayValue and a KeyValueList as an AnyValue.
func list(values ...[]byte) []byte {
	var all []byte
	for _, v := range values {
		all = append(all, field(1, v)...)
	}
	return field(5, all)
}

func object(entries ...[]byte) []byte {
	var all []byte
	for _, e := range entries {
		all = append(all, field(1, e)...)
	}
	return field(6, all)
}

func nested(levels int) []byte {
	v := text("end")
	for range levels {
		v = list(v)
	}
	return v
}

func TestValues(t *testing.T) {
	f := func(encoded []byte, want string, typ byte, wantJSON string) {
		t.Helper()
		v, err := DecodeValue(encoded, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, _, gotType := v.Text(nil)
		if string(got) != want || gotType != typ {
			t.Errorf("text %.80q of type %c, want %.80q of type %c", got, gotType, want, typ)
		}
		if got := string(v.AppendJSON(nil)); got != wantJSON {
			t.Errorf("JSON %.80s, want %.80s", got, wantJSON)
		}
	}
	f(nil, "", TypeEmpty, "null")
	f(text(""), "", TypeString, `""`)
	f(text("a\"\\\n\t\x01\u2028é"), "a\"\\\n\t\x01\u2028é", TypeString, `"a\"\\\n\t\u0001`+"\u2028é\"")
	f(text("\xff\xc3"), "\ufffd\ufffd", TypeString, `"`+"\ufffd\ufffd"+`"`)
	f(varint(2, 1), "true", TypeBool, "true")
	f(varint(2, 0), "false", TypeBool, "false")
	f(varint(3, math.MaxUint64), "-1", TypeInt, "-1")
	f(double(4, 1e300), "1e+300", TypeDouble, "1e+300")
	f(double(4, math.NaN()), "NaN", TypeDouble, `"NaN"`)
	f(double(4, math.Inf(-1)), "-Inf", TypeDouble, `"-Inf"`)
	f(field(7, "\x00\x01"), "AAE=", TypeBytes, `"AAE="`)
	f(list(text("a"), nil, varint(3, 2)), `["a",null,2]`, TypeJSON, `["a",null,2]`)
	f(object(keyValue("k\"", list()), keyValue("", nil)), `{"k\"":[],"":null}`, TypeJSON, `{"k\"":[],"":null}`)
	f(object(keyValue("d", double(4, math.NaN()))), `{"d":"NaN"}`, TypeJSON, `{"d":"NaN"}`)
	f(concat(text("first"), varint(3, 7)), "7", TypeInt, "7") // the last of a oneof counts
	f(concat(field(99, "unknown"), text("a")), "a", TypeString, `"a"`)
	long := strings.Repeat("x", MaxValueBytes)
	f(text(long+"y"), long, TypeTruncated, `"`+long+`"`)
	f(text(long[1:]+"é"), long[1:], TypeTruncated, `"`+long[1:]+"\ufffd\"")
}

func TestInt(t *testing.T) {
	f := func(encoded []byte, want int64, wantOK bool) {
		t.Helper()
		v, err := DecodeValue(encoded, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := v.Int(); got != want || ok != wantOK {
			t.Errorf("%d, %v, want %d, %v", got, ok, want, wantOK)
		}
	}
	f(varint(3, 404), 404, true)
	f(text("404"), 404, true)
	f(text("x"), 0, false)
	f(double(4, 404), 0, false)
}

func TestDepth(t *testing.T) {
	f := func(levels int, want error) {
		t.Helper()
		_, err := DecodeAttribute(keyValue("k", nested(levels)))
		if !errors.Is(err, want) {
			t.Errorf("%d levels: %v, want %v", levels, err, want)
		}
	}
	f(MaxDepth, nil)
	f(MaxDepth+1, ErrTooDeep)
	f(10_000, ErrTooDeep)
}

// What is cut must not end inside a character, and text without any must not vanish.
func TestNamesAreCut(t *testing.T) {
	f := func(in string, want int) {
		t.Helper()
		got := Name([]byte(in))
		if !utf8.Valid(got) || len(got) != want {
			t.Errorf("%d bytes, valid %v, want %d", len(got), utf8.Valid(got), want)
		}
	}
	f("", 0)
	f(strings.Repeat("x", MaxNameBytes), MaxNameBytes)
	f(strings.Repeat("x", 10<<20), MaxNameBytes)
	f(strings.Repeat("x", MaxNameBytes-1)+"é", MaxNameBytes-1)
	f(strings.Repeat("x", MaxNameBytes-3)+"😀", MaxNameBytes-3)
	f(strings.Repeat("\x80", MaxNameBytes+1), 3*MaxNameBytes)
	if got := len(Text(make([]byte, 10<<20))); got != MaxValueBytes {
		t.Errorf("a text of %d bytes", got)
	}
}

func TestJSONIsBounded(t *testing.T) {
	var elements [][]byte
	for range 100_000 {
		elements = append(elements, text("0123456789"))
	}
	v, err := DecodeValue(object(keyValue("k", list(elements...))), 0)
	if err != nil {
		t.Fatal(err)
	}
	got, _, _ := v.Text(nil)
	if len(got) > 2*maxTextBytes || !json.Valid(got) {
		t.Errorf("%d bytes, valid %v", len(got), json.Valid(got))
	}
}

func TestMalformedValues(t *testing.T) {
	for _, encoded := range [][]byte{
		field(2, "x"), varint(1, 1), varint(5, 1),
		{0x0a},
		list([]byte{0x0a, 5}), object([]byte{0x0a, 5}),
		object(varint(1, 1)), object(concat(field(1, "k"), varint(2, 1))),
	} {
		if v, err := DecodeValue(encoded, 0); err == nil || errors.Is(err, ErrTooDeep) {
			t.Errorf("%x was read as %+v, %v", encoded, v, err)
		}
	}
}

func resource(attributes ...[]byte) []byte {
	var all []byte
	for _, a := range attributes {
		all = append(all, field(1, a)...)
	}
	return all
}

func TestResource(t *testing.T) {
	r, err := NewResources().Decode(resource(
		keyValue("service.name", text("old")),
		keyValue("service.namespace", text("shop")),
		keyValue("service.version", text("1.2")),
		keyValue("service.instance.id", text("i")),
		keyValue("telemetry.sdk.language", text("go")),
		keyValue("deployment.environment", text("staging")),
		keyValue("deployment.environment.name", text("prod")),
		keyValue("process.pid", varint(3, 7)),
		keyValue("service.name", text("checkout")),
		keyValue("bad\xff", text("\xff")),
	), []byte("url"))
	if err != nil {
		t.Fatal(err)
	}
	want := Resource{
		ID: r.ID, Env: "prod", Service: "checkout", Version: "1.2", Instance: "i", Language: "go", Job: "shop/checkout",
		Labels: []Label{
			{"bad\ufffd", "\ufffd"},
			{"deployment.environment", "staging"},
			{"deployment.environment.name", "prod"},
			{"process.pid", "7"},
			{"service.instance.id", "i"},
			{"service.name", "checkout"},
			{"service.namespace", "shop"},
			{"service.version", "1.2"},
			{"telemetry.sdk.language", "go"},
		},
		types: []byte("sssisssss"), schemaURL: "url",
	}
	if diff := cmp.Diff(want, *r, cmp.AllowUnexported(Resource{}, seen{})); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
}

func TestResourceDefaults(t *testing.T) {
	r, err := NewResources().Decode(resource(keyValue("service.name", nil), keyValue("deployment.environment", text("e"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Service != "unknown_service" || r.Job != "unknown_service" || r.Env != "e" || r.Instance != "" {
		t.Errorf("%+v", r)
	}
}

func TestResourceID(t *testing.T) {
	id := func(attributes ...[]byte) uint64 {
		t.Helper()
		r, err := NewResources().Decode(resource(attributes...), nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	a, b := keyValue("a", text("1")), keyValue("b", text("2"))
	base := id(a, b)
	if id(b, a) != base || id(keyValue("a", text("0")), b, a) != base {
		t.Error("the id depends on the order of attributes or on an overwritten one")
	}
	for name, other := range map[string]uint64{
		"fewer":         id(a),
		"another type":  id(keyValue("a", varint(3, 1)), b),
		"another value": id(keyValue("a", text("2")), b),
		"shifted":       id(keyValue("a", text("1b")), keyValue("", text("2"))),
	} {
		if other == base {
			t.Errorf("%s: the id is the same", name)
		}
	}
}

func TestResourceTooDeep(t *testing.T) {
	data := resource(keyValue("deep", nested(1000)), keyValue("service.name", text("s")))
	if _, err := NewResources().Decode(data, nil); !errors.Is(err, ErrTooDeep) {
		t.Errorf("decode: %v", err)
	}
	if err := CheckResource(data); !errors.Is(err, ErrTooDeep) {
		t.Errorf("check: %v", err)
	}
}

func TestFlush(t *testing.T) {
	c := NewResources()
	data := resource(keyValue("service.name", text("s")), keyValue("service.version", text("1")))
	flush := func(slices ...uint32) (resources, deployments []nativetest.Row) {
		t.Helper()
		r, err := c.Decode(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, slice := range slices {
			r.Observe(slice)
		}
		a, b := c.Flush()
		if resources, err = nativetest.Rows(a, nil); err != nil {
			t.Fatal(err)
		}
		if deployments, err = nativetest.Rows(b, nil); err != nil {
			t.Fatal(err)
		}
		return resources, deployments
	}
	f := func(name string, wantResources int, wantFirst, wantLast uint64, slices ...uint32) {
		t.Helper()
		resources, deployments := flush(slices...)
		if len(resources) != wantResources || len(deployments) != wantResources {
			t.Fatalf("%s: %d resources, %d deployments, want %d", name, len(resources), len(deployments), wantResources)
		}
		if wantResources == 0 {
			return
		}
		if got := resources[0]["last_seen"]; got != wantLast {
			t.Errorf("%s: last seen %v, want %d", name, got, wantLast)
		}
		if d := deployments[0]; d["first_seen"] != wantFirst || d["last_seen"] != wantLast {
			t.Errorf("%s: deployment %v, want %d to %d", name, d, wantFirst, wantLast)
		}
	}
	f("nothing", 0, 0, 0)
	f("first", 1, 100_000, 100_020, 100_010, 100_000, 100_020)
	f("soon after", 0, 0, 0, 100_030, 103_000)
	f("an hour after", 1, 103_620, 103_620, 103_620)
	f("late", 1, 90_000, 90_000, 90_000)
	f("again", 0, 0, 0, 103_630, 90_000)
}

func TestScopes(t *testing.T) {
	f := func(scope []byte, want string) {
		t.Helper()
		s := Scopes{}
		for range 2 {
			if got, err := s.Text(scope); err != nil || got != want {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
	}
	f(nil, "")
	f(field(1, "lib"), "lib")
	f(concat(field(1, "lib"), field(2, "1.0")), "lib@1.0")
	f(concat(field(1, "l\xff"), field(3, keyValue("k", varint(3, 1)))), "l\ufffd {\"k\":1}")
	f(concat(field(1, "lib"), field(3, keyValue("k", nested(1000)))), "lib")
	if _, err := (Scopes{}).Text(field(3, "\x0a\x7f")); err == nil {
		t.Error("a malformed scope was rendered")
	}
}

// A resource behind its items on the wire is read before them, and what is unknown is skipped.
func TestWalkOrder(t *testing.T) {
	scope := concat(field(2, "item 1"), field(77, "?"), field(2, "item 2"), field(1, "scope"), field(3, "scope url"))
	body := concat(field(9, "?"), field(1, concat(field(2, scope), field(1, "resource"), field(3, "url"))), field(1, ""))
	var got []string
	note := func(kind string) func(a, b []byte) error {
		return func(a, b []byte) error {
			got = append(got, kind+" "+string(a)+" "+string(b))
			return nil
		}
	}
	err := Walk(body, Visitor{note("R"), note("S"), func(item []byte) error { return note("I")(item, nil) }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"R resource url", "S scope scope url", "I item 1 ", "I item 2 ", "R  "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("visits (-want +got):\n%s", diff)
	}
}

func TestAttributeColumns(t *testing.T) {
	c := NewAttributeColumns()
	decode := func(attributes ...[]byte) []Attribute {
		all, err := Attributes(nil, resource(attributes...), 1)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	a, b := keyValue("a", text("1")), keyValue("b", varint(3, 2))
	for range 2 {
		c.Reset()
		c.Append(decode(a, b, keyValue("a", varint(2, 1))))
		c.Append(nil)
		c.Append(decode(b, a))
		var got [][2]string
		rows, err := nativetest.Rows(nativeBlock(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			line := ""
			for _, entry := range row["attributes"].([][2]string) {
				line += entry[0] + "=" + entry[1] + " "
			}
			got = append(got, [2]string{line, row["types"].(string)})
		}
		if diff := cmp.Diff([][2]string{{"b=2 a=true ", "ib"}, {"", ""}, {"b=2 a=1 ", "is"}}, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
}

func TestAttributesAreBounded(t *testing.T) {
	var many [][]byte
	for range MaxAttributes + 10 {
		many = append(many, keyValue("k", nil))
	}
	if got, err := Attributes(nil, resource(many...), 1); err != nil || len(got) != MaxAttributes {
		t.Errorf("%d attributes, %v", len(got), err)
	}
}

func TestWindow(t *testing.T) {
	at := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	w := NewWindow(at, 24*time.Hour)
	f := func(ns int64, want Reason) {
		t.Helper()
		if got := w.Check(uint64(ns)); got != want {
			t.Errorf("%d: %v, want %v", ns, got, want)
		}
	}
	f(0, TooOld)
	f(at.UnixNano()-24*int64(time.Hour)-1, TooOld)
	f(at.UnixNano()-24*int64(time.Hour), Accepted)
	f(at.UnixNano()+int64(time.Hour), Accepted)
	f(at.UnixNano()+int64(time.Hour)+1, InFuture)
	f(-1, InFuture)
	if w.At() != uint64(at.UnixNano()) {
		t.Errorf("received at %d", w.At())
	}
	if got := NewWindow(time.Unix(0, 0), time.Hour).Check(0); got != TooOld {
		t.Errorf("a missing time is %v at the epoch", got)
	}
}

func TestTally(t *testing.T) {
	var tally Tally
	if tally.Message() != "" {
		t.Errorf("an empty tally says %q", tally.Message())
	}
	labels := map[string]bool{}
	for _, r := range Reasons() {
		tally.Count(r)
		labels[r.String()] = true
	}
	tally.Count(Accepted)
	tally.Truncated = 3
	if tally.Rejected() != len(Reasons()) || len(labels) != len(Reasons()) || labels[""] {
		t.Errorf("%d rejected for %d reasons with the labels %v", tally.Rejected(), len(Reasons()), labels)
	}
	if n := strings.Count(tally.Message(), "; "); n != len(Reasons()) {
		t.Errorf("message %q", tally.Message())
	}
}

func FuzzValue(f *testing.F) {
	f.Add(object(keyValue("k", list(text("\xff"), double(4, math.Inf(1)), field(7, "b"), nested(3)))))
	f.Add(nested(70))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := DecodeValue(data, 0)
		if err != nil {
			return
		}
		if rendered := v.AppendJSON(nil); !json.Valid(rendered) {
			t.Errorf("%q is not JSON", rendered)
		}
		if text, _, _ := v.Text(nil); !utf8.Valid(text) {
			t.Errorf("%q is not UTF-8", text)
		}
	})
}

func nativeBlock(c *AttributeColumns) native.Block {
	return native.Block{{Name: "attributes", Column: c.Map}, {Name: "types", Column: c.Types}}
}
