package otlpjson

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"loadline/ingest"
)

// request is what the request types of pdata have in common.
type request interface {
	UnmarshalJSON([]byte) error
	UnmarshalProto([]byte) error
	MarshalJSON() ([]byte, error)
}

func requestOf(signal ingest.Signal) request {
	switch signal {
	case ingest.Traces:
		r := ptraceotlp.NewExportRequest()
		return &r
	case ingest.Metrics:
		r := pmetricotlp.NewExportRequest()
		return &r
	}
	r := plogotlp.NewExportRequest()
	return &r
}

func transcode(t testing.TB, signal ingest.Signal, doc string, into proto.Message) {
	t.Helper()
	encoded, err := Transcode(make([]byte, 0, 4*len(doc)+16), signal, []byte(doc))
	if err != nil {
		t.Fatalf("transcode %.200s: %v", doc, err)
	}
	if err := proto.Unmarshal(encoded, into); err != nil {
		t.Fatalf("transcode %.200s: not protobuf: %v", doc, err)
	}
}

// span transcodes a document with one span that has the given members.
func span(t testing.TB, members string) *tracepb.Span {
	t.Helper()
	var data tracepb.TracesData
	transcode(t, ingest.Traces, spanDoc(members), &data)
	return data.ResourceSpans[0].ScopeSpans[0].Spans[0]
}

func spanDoc(members string) string {
	return `{"resourceSpans":[{"scopeSpans":[{"spans":[{` + members + `}]}]}]}`
}

func attribute(t testing.TB, value string) *commonpb.AnyValue {
	t.Helper()
	return span(t, `"attributes":[{"key":"k","value":`+value+`}]`).Attributes[0].Value
}

func number(t testing.TB, members string) *metricspb.NumberDataPoint {
	t.Helper()
	var data metricspb.MetricsData
	transcode(t, ingest.Metrics, `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{`+members+`}]}}]}]}]}`, &data)
	return data.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].GetGauge().DataPoints[0]
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestSameAsCollector reads documents that follow the rules as the Collector does.
func TestSameAsCollector(t *testing.T) {
	for _, signal := range []ingest.Signal{ingest.Traces, ingest.Metrics, ingest.Logs} {
		doc, err := os.ReadFile("testdata/" + signal.String() + ".json")
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := Transcode(make([]byte, 0, len(doc)), signal, doc)
		if err != nil {
			t.Fatal(err)
		}
		got, want := requestOf(signal), requestOf(signal)
		if err := errors.Join(got.UnmarshalProto(encoded), want.UnmarshalJSON(doc)); err != nil {
			t.Fatal(err)
		}
		gotJSON, _ := got.MarshalJSON()
		wantJSON, _ := want.MarshalJSON()
		same(t, string(gotJSON), string(wantJSON))
	}
}

func TestEmpty(t *testing.T) {
	for signal, docs := range map[ingest.Signal][]string{
		ingest.Traces:  {`{}`, ` {"resourceSpans": [ ] } `, `{"resourceSpans":null}`, `{"resourceSpans":[{}]}`, `{"resourceSpans":[{"scopeSpans":[{"spans":[]}]}]}`},
		ingest.Metrics: {`{}`, `{"resourceMetrics":[{"resource":{},"scopeMetrics":[]}]}`},
		ingest.Logs:    {`{}`, "\n{}\n", `{"resourceLogs":[{"scopeLogs":[{}]}]}`},
	} {
		for _, doc := range docs {
			transcode(t, signal, doc, new(tracepb.TracesData))
		}
	}
}

func TestIDs(t *testing.T) {
	want, _ := hex.DecodeString("0af7651916cd43dd8448eb211c80319c")
	f := func(id string, want []byte) {
		t.Helper()
		same(t, span(t, `"traceId":`+id).TraceId, want)
		same(t, span(t, `"links":[{"traceId":`+id+`}]`).Links[0].TraceId, want)
		same(t, number(t, `"exemplars":[{"traceId":`+id+`}]`).Exemplars[0].TraceId, want)
		var data logspb.LogsData
		transcode(t, ingest.Logs, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":`+id+`}]}]}]}`, &data)
		same(t, data.ResourceLogs[0].ScopeLogs[0].LogRecords[0].TraceId, want)
	}
	f(`"0af7651916cd43dd8448eb211c80319c"`, want)
	f(`"0AF7651916CD43DD8448EB211C80319C"`, want)
	f(`"0AF7651916cd43dd8448EB211C80319c"`, want)
	f(`"abcd"`, []byte{0xab, 0xcd}) // too short: for the write path to reject
	f(`"CvdlGRbNQ92ESOshHIAxnA=="`, []byte{0})
	f(`"zzzzzzzzzzzzzzzz"`, []byte{0}) // 16 bytes of text must not pass as an id
	f(`"abc"`, []byte{0})

	got := span(t, `"traceId":"","spanId":"00F067AA0BA902B7","parentSpanId":"00f067aa0ba902b8"`)
	same(t, hex.EncodeToString(got.SpanId)+hex.EncodeToString(got.ParentSpanId), "00f067aa0ba902b700f067aa0ba902b8")
}

func TestIntegers(t *testing.T) {
	unsigned := func(text string, want uint64) {
		t.Helper()
		same(t, span(t, `"startTimeUnixNano":`+text).StartTimeUnixNano, want)
		same(t, span(t, `"startTimeUnixNano":"`+text+`"`).StartTimeUnixNano, want)
	}
	unsigned(`0`, 0)
	unsigned(`-0`, 0)
	unsigned(`1544712660000000000`, 1544712660000000000)
	unsigned(`1.544712660000000000e18`, 1544712660000000000)
	unsigned(`1.54471266E+18`, 1544712660000000000)
	unsigned(`1544712660000000001.0`, 1544712660000000001)
	unsigned(`15447126600000000010e-1`, 1544712660000000001)
	unsigned(`18446744073709551615`, math.MaxUint64)
	unsigned(`0e99`, 0)

	signed := func(text string, want int64) {
		t.Helper()
		same(t, attribute(t, `{"intValue":`+text+`}`).GetIntValue(), want)
		same(t, attribute(t, `{"intValue":"`+text+`"}`).GetIntValue(), want)
		same(t, number(t, `"asInt":`+text).GetAsInt(), want) // an sfixed64
	}
	signed(`-1`, -1)
	signed(`-9223372036854775808`, math.MinInt64)
	signed(`9223372036854775807`, math.MaxInt64)
	signed(`1e3`, 1000)
	signed(`-1.5e1`, -15)

	refused := func(members, reason string) {
		t.Helper()
		_, err := Transcode(make([]byte, 0, 1000), ingest.Traces, []byte(spanDoc(members)))
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: error %v, want %q", members, err, reason)
		}
	}
	refused(`"startTimeUnixNano":-1`, "negative")
	refused(`"startTimeUnixNano":18446744073709551616`, "out of range")
	refused(`"startTimeUnixNano":1e20`, "out of range")
	refused(`"startTimeUnixNano":1e99999999999999999999`, "out of range")
	refused(`"startTimeUnixNano":1.5`, "not an integer")
	refused(`"startTimeUnixNano":"soon"`, `"soon" is not a number`)
	refused(`"startTimeUnixNano":""`, "not a number")
	refused(`"startTimeUnixNano":true`, "true where a number")
	refused(`"startTimeUnixNano":01`, "a number")
	refused(`"flags":4294967296`, "limit is 4294967295")
	refused(`"kind":2147483648`, "limit is 2147483647")
	refused(`"attributes":[{"value":{"intValue":"9223372036854775808"}}]`, "limit is 9223372036854775807")
	refused(`"attributes":[{"value":{"intValue":"-9223372036854775809"}}]`, "limit is")
}

func TestDoubles(t *testing.T) {
	f := func(text string, want float64) {
		t.Helper()
		got := attribute(t, `{"doubleValue":`+text+`}`).GetDoubleValue()
		if math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	f(`1`, 1)
	f(`-0.5e-3`, -0.0005)
	f(`"2.5"`, 2.5)
	f(`"NaN"`, math.NaN())
	f(`"Infinity"`, math.Inf(1))
	f(`"-Infinity"`, math.Inf(-1))
	for _, text := range []string{`NaN`, `"inf"`, `"0x10"`, `"1_0"`, `1e999`, `.5`, `1.`, `+1`, `"1 "`, `{}`} {
		if _, err := Transcode(make([]byte, 0, 1000), ingest.Traces, []byte(spanDoc(`"attributes":[{"value":{"doubleValue":`+text+`}}]`))); err == nil {
			t.Errorf("%s is read as a number", text)
		}
	}
}

func TestAnyValue(t *testing.T) {
	same(t, attribute(t, `{}`), &commonpb.AnyValue{})
	same(t, attribute(t, `{"stringValue":null}`), &commonpb.AnyValue{})
	same(t, attribute(t, `{"stringValue":""}`), &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{}})
	same(t, attribute(t, `{"intValue":0}`), &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{}})
	same(t, attribute(t, `{"boolValue":false}`), &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{}})
	same(t, attribute(t, `{"bytesValue":""}`), &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{}})
	same(t, attribute(t, `{"arrayValue":{}}`), &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{}}})
	same(t, attribute(t, `{"arrayValue":{"values":[{"intValue":1},null,{"intValue":2}]}}`).GetArrayValue().Values, []*commonpb.AnyValue{
		{Value: &commonpb.AnyValue_IntValue{IntValue: 1}}, {}, {Value: &commonpb.AnyValue_IntValue{IntValue: 2}},
	})
	for text, want := range map[string][]byte{
		`+/+/`: {0xfb, 0xff, 0xbf}, `-_-_`: {0xfb, 0xff, 0xbf}, // both alphabets
		`+/8=`: {0xfb, 0xff}, `+/8`: {0xfb, 0xff}, `-_8=`: {0xfb, 0xff}, `-w`: {0xfb}, `-w==`: {0xfb}, // padding or none
	} {
		same(t, attribute(t, `{"bytesValue":"`+text+`"}`).GetBytesValue(), want)
	}
	same(t, attribute(t, `{"bytesValue":"AQID"}`).GetBytesValue(), []byte{1, 2, 3})
}

func TestEnums(t *testing.T) {
	same(t, span(t, `"kind":3`).Kind, tracepb.Span_SPAN_KIND_CLIENT)
	same(t, span(t, `"kind":"3"`).Kind, tracepb.Span_SPAN_KIND_CLIENT)
	same(t, span(t, `"kind":"SPAN_KIND_CLIENT"`).Kind, tracepb.Span_SPAN_KIND_CLIENT)
	same(t, int32(span(t, `"kind":99`).Kind), int32(99)) // unknown numbers are for the write path
	same(t, span(t, `"status":{"code":"STATUS_CODE_ERROR"}`).Status.Code, tracepb.Status_STATUS_CODE_ERROR)
	_, err := Transcode(make([]byte, 0, 1000), ingest.Traces, []byte(spanDoc(`"kind":"CLIENT"`)))
	same(t, fmt.Sprint(err), `OTLP/JSON: resourceSpans[0].scopeSpans[0].spans[0].kind: the string "CLIENT" is not a number at byte 59`)
}

func TestUnknownFields(t *testing.T) {
	same(t, span(t, `"name":"a","new":{"deep":[1,{"x":null},"y",true,false,-1.5e3,[]]},"kind":1`), &tracepb.Span{Name: "a", Kind: 1})
	same(t, span(t, `"trace_id":"0af7651916cd43dd8448eb211c80319c","start_time_unix_nano":"x","Name":"a"`), &tracepb.Span{})
	same(t, span(t, `"status":{"deprecatedCode":1,"code":1}`).Status.Code, tracepb.Status_STATUS_CODE_OK)
	var data tracepb.TracesData
	transcode(t, ingest.Traces, `{"resource_spans":[{"scopeSpans":7}],"unknown":"x"}`, &data)
	same(t, len(data.ResourceSpans), 0)
}

func TestNull(t *testing.T) {
	same(t, span(t, `"name":null,"kind":null,"traceId":null,"startTimeUnixNano":null,"attributes":null,"status":null,"flags":null`), &tracepb.Span{})
	same(t, span(t, `"attributes":[null,{"key":"a","value":null}]`).Attributes, []*commonpb.KeyValue{{}, {Key: "a"}})
	var data metricspb.MetricsData
	transcode(t, ingest.Metrics, `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[
		{"sum":null,"bucketCounts":[null,"2"],"explicitBounds":[null,1.5]}]}}]}]}]}`, &data)
	point := data.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].GetHistogram().DataPoints[0]
	same(t, point, &metricspb.HistogramDataPoint{BucketCounts: []uint64{0, 2}, ExplicitBounds: []float64{0, 1.5}})
}

func TestDuplicateKeys(t *testing.T) {
	same(t, span(t, `"name":"a","name":"b","status":{"message":"m"},"status":{"code":2}`),
		&tracepb.Span{Name: "b", Status: &tracepb.Status{Message: "m", Code: 2}})
	same(t, attribute(t, `{"intValue":1,"stringValue":"x"}`).GetStringValue(), "x")
	same(t, len(span(t, `"attributes":[{"key":"a"},{"key":"a"}]`).Attributes), 2) // for the write path to merge
}

func TestStrings(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		same(t, span(t, `"name":"`+text+`"`).Name, want)
	}
	f(``, "")
	f(`é 漢 😀`, "é 漢 😀")
	f(`\"\\\/\b\f\n\r\t\u00e9\u6F22`, "\"\\/\b\f\n\r\té漢")
	f(`\ud83d\ude00\u0000`, "😀\x00")
	f(`a\ud800b`, "a\ufffdb")
	f(`\udc00\ud800`, "\ufffd\ufffd")
	f(`\ud800\u0041`, "\ufffdA")
	f(`\ud800\ud83d\ude00`, "\ufffd😀")
	f("a\xffb", "a\ufffdb")
	f("\\n\xc3\x28", "\n\ufffd(")
	f("\xed\xa0\x80", "\ufffd") // a surrogate in UTF-8
	same(t, span(t, `"n\u0061me":"escaped key"`).Name, "escaped key")
	for _, text := range []string{"a\nb", "a\x00b", `\x41`, `\u12`, `\u12g4`, `\`} {
		if _, err := Transcode(make([]byte, 0, 1000), ingest.Traces, []byte(spanDoc(`"name":"`+text+`"`))); err == nil {
			t.Errorf("%q is read as a string", text)
		}
	}
}

func TestDepth(t *testing.T) {
	nested := func(levels int) string {
		return `{"x":` + strings.Repeat(`[`, levels-1) + strings.Repeat(`]`, levels-1) + `}`
	}
	transcode(t, ingest.Traces, nested(MaxDepth), new(tracepb.TracesData))
	value := func(levels int) string {
		return `"attributes":[{"value":` + strings.Repeat(`{"arrayValue":{"values":[`, levels) + `{"intValue":1}` + strings.Repeat(`]}}`, levels) + `}]`
	}
	f := func(levels, want int) {
		t.Helper()
		got := 0
		for v := span(t, value(levels)).Attributes[0].Value; v.GetArrayValue() != nil; v = v.GetArrayValue().GetValues()[0] {
			got++
		}
		if got != want {
			t.Errorf("of %d levels %d are left, want %d", levels, got, want)
		}
	}
	f(90, 90)
	f(1000, 97) // more than the write path takes
	f(3000, 97)
	for name, doc := range map[string]string{
		"unknown field": nested(MaxDepth + 1),
		"value":         spanDoc(value(4000)),
		"open brackets": `{"x":` + strings.Repeat(`[`, 1<<20),
		"open objects":  strings.Repeat(`{"resourceSpans":[`, 1<<16),
	} {
		_, err := Transcode(make([]byte, 0, len(doc)), ingest.Traces, []byte(doc))
		if err == nil || !strings.Contains(err.Error(), "10000 levels") {
			t.Errorf("%s: %v, want the limit of 10000 levels", name, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		_, err := Transcode(make([]byte, 0, 1000), ingest.Traces, []byte(doc))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", doc, err, want)
		}
	}
	f(``, "the document ends where an object should stand at byte 0")
	f(`[]`, "a list where an object should stand")
	f(`{} {}`, "something follows the end")
	f(`{`, "the document ends")
	f(`{"a"}`, "a colon")
	f(`{"a":1,}`, "a string")
	f(`{"a":[1,]}`, "should stand")
	f(`{"a":[1 2]}`, "a comma or ']'")
	f(`{a:1}`, "'a' where a string")
	f(`{"a":nul}`, "should stand")
	f(`{"a":tru}`, "true or false")
	f(`{"resourceSpans":{}}`, "resourceSpans: an object where a list should stand")
	f(`{"resourceSpans":[{"scopeSpans":[{},{"spans":[{},{"name":7}]}]}]}`,
		"resourceSpans[0].scopeSpans[1].spans[1].name: a number where a string should stand")
	f(spanDoc(`"attributes":[{"value":{"bytesValue":"?"}}]`), "attributes[0].value.bytesValue: bytes are not base64")
	f(spanDoc(`"attributes":[{"value":{"boolValue":"true"}}]`), "a string where true or false should stand")
}

// TestShortBuffer grows the room until the encoding fits, as the receiver does.
func TestShortBuffer(t *testing.T) {
	doc := `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"explicitBounds":[` +
		strings.Repeat("0,", 1000) + `0]}]}}]}]}]}`
	size := len(doc)
	for {
		encoded, err := Transcode(make([]byte, 0, size), ingest.Metrics, []byte(doc))
		if err == nil {
			if len(encoded) > size {
				t.Errorf("%d bytes in a buffer of %d", len(encoded), size)
			}
			break
		}
		if !errors.Is(err, io.ErrShortBuffer) {
			t.Fatal(err)
		}
		size *= 2
	}
	if size != 4*len(doc) {
		t.Errorf("fits into %d bytes, want 4 times the %d of the document", size, len(doc))
	}
}

// FuzzTranscode checks on any input that what comes out is protobuf of valid strings, and on input that the Collector
// reads too, and means the same by, that it is the same telemetry.
func FuzzTranscode(f *testing.F) {
	for _, signal := range []ingest.Signal{ingest.Traces, ingest.Metrics, ingest.Logs} {
		doc, err := os.ReadFile("testdata/" + signal.String() + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(signal), doc)
	}
	f.Add(byte(ingest.Traces), []byte(spanDoc(`"name":"\ud800","kind":1e0,"flags":null,"traceId":"ab","status":{"code":"STATUS_CODE_OK"}`)))
	f.Add(byte(ingest.Metrics), []byte(`{"resourceMetrics":[null,{"x":[{}]}]}`))
	messages := map[ingest.Signal]proto.Message{
		ingest.Traces: &tracepb.TracesData{}, ingest.Metrics: &metricspb.MetricsData{}, ingest.Logs: &logspb.LogsData{},
	}
	f.Fuzz(func(t *testing.T, kind byte, doc []byte) {
		signal := ingest.Signal(kind%3 + 1)
		before := bytes.Clone(doc)
		encoded, err := Transcode(make([]byte, 0, 8*len(doc)), signal, doc)
		if !bytes.Equal(before, doc) {
			t.Fatal("the document was changed")
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error of type %T: %v", err, err)
			}
			if !utf8.ValidString(e.Path) {
				t.Fatalf("path %q", e.Path)
			}
			return
		}
		if err := proto.Unmarshal(encoded, messages[signal]); err != nil {
			t.Fatalf("not protobuf: %v", err)
		}
		// The Collector differs by design on these.
		if bytes.ContainsAny(doc, "\\_-") || bytes.Contains(doc, []byte("null")) || !utf8.Valid(doc) {
			return
		}
		got, want := requestOf(signal), requestOf(signal)
		if want.UnmarshalJSON(doc) != nil || got.UnmarshalProto(encoded) != nil {
			return
		}
		gotJSON, _ := got.MarshalJSON()
		wantJSON, _ := want.MarshalJSON()
		if !bytes.Equal(gotJSON, wantJSON) {
			t.Fatalf("%s\n got %s\nwant %s", doc, gotJSON, wantJSON)
		}
	})
}

// BenchmarkTranscode compares with the Collector's unmarshaller, which leaves the encoding still to do.
func BenchmarkTranscode(b *testing.B) {
	one, err := os.ReadFile("testdata/traces.json")
	if err != nil {
		b.Fatal(err)
	}
	before, rest, _ := bytes.Cut(one, []byte(`"spans": [`))
	span := rest[:bytes.LastIndexByte(rest[:bytes.LastIndex(rest, []byte(`"schemaUrl"`))], ']')]
	doc := slices.Concat(before, []byte(`"spans": [`), bytes.Repeat(append(bytes.Clone(span), ','), 999), rest)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		out := make([]byte, 0, len(doc))
		for b.Loop() {
			if _, err := Transcode(out, ingest.Traces, doc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("collector", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			if err := requestOf(ingest.Traces).UnmarshalJSON(doc); err != nil {
				b.Fatal(err)
			}
		}
	})
}
