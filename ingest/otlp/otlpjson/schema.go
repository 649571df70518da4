package otlpjson

import (
	"fmt"
	"strings"
	"sync"

	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"loadline/ingest"
)

// message is what the transcoder knows of one protobuf message: its fields by their lowerCamelCase name.
type message struct {
	fields map[string]*field
}

// field is one field of a message, with everything that is decided once per field instead of once per value.
type field struct {
	name     string
	kind     protoreflect.Kind
	number   protowire.Number
	tag      []byte // the encoded tag of one value, or of the packed list
	repeated bool
	packed   bool
	id       bool             // a trace or span id: hex in JSON, where other bytes are base64
	message  *message         // of a message field
	enum     map[string]int32 // of an enum field
}

// schemas returns the root message of each signal. They are derived from the descriptors of the OTLP release in
// go.mod, so that a new field of the protocol is transcoded as soon as the release is raised. TracesData has the same
// encoding as ExportTraceServiceRequest, and its package does not bring a gRPC stub with it; the same holds for
// metrics and logs.
var schemas = sync.OnceValue(func() map[ingest.Signal]*message {
	known := map[protoreflect.FullName]*message{}
	return map[ingest.Signal]*message{
		ingest.Traces:  newMessage((*tracepb.TracesData)(nil).ProtoReflect().Descriptor(), known),
		ingest.Metrics: newMessage((*metricspb.MetricsData)(nil).ProtoReflect().Descriptor(), known),
		ingest.Logs:    newMessage((*logspb.LogsData)(nil).ProtoReflect().Descriptor(), known),
	}
})

func newMessage(desc protoreflect.MessageDescriptor, known map[protoreflect.FullName]*message) *message {
	if m, ok := known[desc.FullName()]; ok {
		return m
	}
	m := &message{fields: map[string]*field{}}
	known[desc.FullName()] = m
	for i := range desc.Fields().Len() {
		f := newField(desc.Fields().Get(i), known)
		m.fields[f.name] = f
	}
	return m
}

func newField(desc protoreflect.FieldDescriptor, known map[protoreflect.FullName]*message) *field {
	f := &field{
		name:     desc.JSONName(),
		kind:     desc.Kind(),
		number:   desc.Number(),
		repeated: desc.IsList(),
		packed:   desc.IsPacked(),
	}
	wire, ok := wireTypes[f.kind]
	if !ok || desc.IsMap() {
		panic(fmt.Sprintf("BUG: OTLP field %q has kind %s, which the transcoder does not know", desc.FullName(), f.kind))
	}
	if f.packed {
		wire = protowire.BytesType
	}
	f.tag = protowire.AppendTag(nil, f.number, wire)
	switch f.kind {
	case protoreflect.MessageKind:
		f.message = newMessage(desc.Message(), known)
	case protoreflect.BytesKind:
		f.id = strings.HasSuffix(string(desc.Name()), "trace_id") || strings.HasSuffix(string(desc.Name()), "span_id")
	case protoreflect.EnumKind:
		f.enum = map[string]int32{}
		for i := range desc.Enum().Values().Len() {
			value := desc.Enum().Values().Get(i)
			f.enum[string(value.Name())] = int32(value.Number())
		}
	}
	return f
}

// wireTypes lists the kinds of field that OTLP uses.
var wireTypes = map[protoreflect.Kind]protowire.Type{
	protoreflect.BoolKind:     protowire.VarintType,
	protoreflect.EnumKind:     protowire.VarintType,
	protoreflect.Int32Kind:    protowire.VarintType,
	protoreflect.Sint32Kind:   protowire.VarintType,
	protoreflect.Uint32Kind:   protowire.VarintType,
	protoreflect.Int64Kind:    protowire.VarintType,
	protoreflect.Uint64Kind:   protowire.VarintType,
	protoreflect.Fixed32Kind:  protowire.Fixed32Type,
	protoreflect.Fixed64Kind:  protowire.Fixed64Type,
	protoreflect.Sfixed64Kind: protowire.Fixed64Type,
	protoreflect.DoubleKind:   protowire.Fixed64Type,
	protoreflect.StringKind:   protowire.BytesType,
	protoreflect.BytesKind:    protowire.BytesType,
	protoreflect.MessageKind:  protowire.BytesType,
}
