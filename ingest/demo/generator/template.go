package generator

import (
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
)

// The load is that of 50 services of 10 routes and 3 pods. A request comes from a collector near six pods, so 25 kinds
// of request cover all pods.
const (
	loadServices    = 50
	loadPods        = 3
	loadRoutes      = 10
	podsInRequest   = 6
	requestKinds    = loadServices * loadPods / podsInRequest
	failingTraces   = 0.015
	traceAttributes = 9 // field number of Span.attributes
)

// encoder builds a message with holes. In a value, each # stands for a digit and each ~ for a hexadecimal digit that
// changes from request to request.
type encoder struct {
	b     []byte
	holes []hole
}

func (e *encoder) bytesField(n protowire.Number, v []byte) {
	e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
	e.b = protowire.AppendBytes(e.b, v)
}

func (e *encoder) stringField(n protowire.Number, v string) { e.bytesField(n, []byte(v)) }

func (e *encoder) varintField(n protowire.Number, v uint64) {
	e.b = protowire.AppendTag(e.b, n, protowire.VarintType)
	e.b = protowire.AppendVarint(e.b, v)
}

// fixedHole appends a fixed64 field and returns where its value is.
func (e *encoder) fixedHole(n protowire.Number) uint32 {
	e.b = protowire.AppendTag(e.b, n, protowire.Fixed64Type)
	e.b = protowire.AppendFixed64(e.b, 0)
	return uint32(len(e.b) - 8)
}

// bytesHole appends a bytes field of a size and returns where its value is.
func (e *encoder) bytesHole(n protowire.Number, size int) uint32 {
	e.bytesField(n, make([]byte, size))
	return uint32(len(e.b) - size)
}

func (e *encoder) hole(at uint32, kind holeKind, size int) {
	e.holes = append(e.holes, hole{at, kind, uint8(size)})
}

// message appends an inner message, its holes included, and returns by how much its offsets moved.
func (e *encoder) message(n protowire.Number, inner *encoder) uint32 {
	e.bytesField(n, inner.b)
	moved := uint32(len(e.b) - len(inner.b))
	for _, h := range inner.holes {
		h.at += moved
		e.holes = append(e.holes, h)
	}
	return moved
}

// attribute appends a KeyValue. A string may have holes; an int is constant; varint(n) is an int of n bytes that
// changes.
func (e *encoder) attribute(n protowire.Number, key string, value any) {
	var kv, v encoder
	kv.stringField(1, key)
	switch value := value.(type) {
	case string:
		v.stringField(1, value)
		v.markHoles(len(v.b) - len(value))
	case bool:
		v.varintField(2, protowire.EncodeBool(value))
	case int:
		v.varintField(3, uint64(value))
	case varint:
		v.b = protowire.AppendTag(v.b, 3, protowire.VarintType)
		v.hole(uint32(len(v.b)), holeVarint, int(value))
		v.b = append(v.b, make([]byte, value)...)
		putVarint(v.b[len(v.b)-int(value):], 0, int(value))
	default:
		panic(fmt.Sprintf("BUG: attribute of type %T", value))
	}
	kv.message(2, &v)
	e.message(n, &kv)
}

// attributes appends KeyValues from keys and values in turn.
func (e *encoder) attributes(n protowire.Number, pairs ...any) {
	for i := 0; i < len(pairs); i += 2 {
		e.attribute(n, pairs[i].(string), pairs[i+1])
	}
}

// varint is an int attribute with a new value in each request, encoded in so many bytes.
type varint int

func (e *encoder) markHoles(from int) {
	for i := from; i < len(e.b); i++ {
		c := e.b[i]
		if c != '#' && c != '~' {
			continue
		}
		size := 1
		for i+size < len(e.b) && e.b[i+size] == c && size < 16 {
			size++
		}
		kind := holeDigits
		if c == '~' {
			kind = holeHex
		}
		e.hole(uint32(i), kind, size)
		i += size - 1
	}
}

// loadPod is one process of the load.
type loadPod struct {
	service, pod int
	name         string // of the service
	host         string
	resource     encoder
}

var loadNames = [...]string{"account", "basket", "billing", "catalog", "delivery", "export", "fraud", "gateway", "identity", "ledger"}

// newPod is process number n of the load, with 19 resource attributes.
func newPod(seed uint64, n int) loadPod {
	p := loadPod{service: n % loadServices, pod: n / loadServices}
	p.name = fmt.Sprintf("%s-%s", loadNames[p.service%10], [...]string{"api", "worker", "sync", "edge", "store"}[p.service/10])
	h := mix(seed ^ mix(uint64(n)+100))
	p.host = fmt.Sprintf("%s-%08x-%05x", p.name, uint32(mix(seed^uint64(p.service))), h&0xfffff)
	language := [...]string{"go", "java", "nodejs", "python", "dotnet"}[p.service%5]
	p.resource.attributes(1,
		"service.name", p.name,
		"service.namespace", "bench",
		"service.version", fmt.Sprintf("%d.%d.%d", 1+p.service%4, p.service, h%9),
		"service.instance.id", fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", h>>32, h>>16&0xffff, h&0xfff, h>>8&0xfff, mix(h)>>16),
		"deployment.environment.name", "production",
		"telemetry.sdk.name", "opentelemetry",
		"telemetry.sdk.language", language,
		"telemetry.sdk.version", "1.47.0",
		"process.pid", 1+int(h%40),
		"process.runtime.name", language,
		"host.name", p.host,
		"host.arch", "amd64",
		"k8s.cluster.name", "bench-eu-west-1",
		"k8s.namespace.name", "bench",
		"k8s.deployment.name", p.name,
		"k8s.pod.name", p.host,
		"k8s.node.name", fmt.Sprintf("ip-10-0-%d-%d.eu-west-1.compute.internal", h%3, h>>8%250),
		"cloud.provider", "aws",
		"cloud.region", "eu-west-1",
	)
	return p
}

func podsOf(seed uint64, kind int) (pods [podsInRequest]loadPod) {
	for j := range pods {
		pods[j] = newPod(seed, kind*podsInRequest+j)
	}
	return pods
}

// node is a span in the plan of a trace: what it does, its parent in the plan, and which process of the trace it is in.
type node struct {
	op      string
	parent  int
	process int
}

// plan is the longest trace; shorter ones are its beginnings.
var plan = [...]node{
	{"server", -1, 0},
	{"internal", 0, 0},
	{"redis", 1, 0},
	{"sql", 1, 0},
	{"client", 0, 0},
	{"server", 4, 1},
	{"sql", 5, 1},
	{"redis", 5, 1},
	{"publish", 0, 0},
	{"internal", 5, 1},
	{"client", 5, 1},
	{"server", 10, 2},
	{"sql", 11, 2},
	{"redis", 11, 2},
	{"sql", 11, 2},
}

// spot is where a span lies inside its trace, as parts of the root's duration.
type spot struct{ from, to float64 }

// timing lays the spans of a trace out: children one after the other inside their parent.
func timing(size int, rng *rand.Rand) []spot {
	spots := make([]spot, size)
	spots[0] = spot{0, 1}
	for i := range size {
		var children []int
		for j := i + 1; j < size; j++ {
			if plan[j].parent == i {
				children = append(children, j)
			}
		}
		width := (spots[i].to - spots[i].from) / (float64(len(children)) + 0.3)
		cursor := spots[i].from + 0.1*width
		for _, j := range children {
			from := cursor + 0.2*width*rng.Float64()
			spots[j] = spot{from, from + width*(0.25+0.5*rng.Float64())}
			cursor += width
		}
	}
	return spots
}

// traceTemplate encodes a kind of request with so many spans.
func traceTemplate(seed uint64, kind, items int) template {
	rng := rand.New(rand.NewPCG(seed, uint64(kind)))
	pods := podsOf(seed, kind)
	t := template{items: items}
	var groups [podsInRequest]map[string][]encodedSpan
	for n, index := 0, 0; index < items; n++ {
		size := min(spanSizes[n%len(spanSizes)], items-index)
		route := (n/podsInRequest + 3*n + kind) % loadRoutes
		tr := tree{median: 3e6 * (1 + float64((n*13+kind*5)%37)), slots: make([]slot, size)}
		spots := timing(size, rng)
		failed := rng.Float64() < failingTraces
		for j := range size {
			pod := (n + plan[j].process*(1+n%2)) % podsInRequest
			callee := (n + (plan[j].process+1)*(1+n%2)) % podsInRequest
			s := spanSource{op: plan[j].op, root: j == 0, route: route, self: &pods[pod], other: &pods[callee], failed: failed && (j == 0 || j == size-1), rng: rng}
			if s.failed {
				t.failing++
			}
			enc, offsets := s.encode()
			offsets.index, offsets.parentIndex = index+j, index+plan[j].parent
			offsets.from, offsets.to = float32(spots[j].from), float32(spots[j].to)
			if groups[pod] == nil {
				groups[pod] = map[string][]encodedSpan{}
			}
			tr.slots[j] = offsets
			groups[pod][s.scope()] = append(groups[pod][s.scope()], encodedSpan{enc, len(t.trees), j})
		}
		t.trees = append(t.trees, tr)
		index += size
	}
	t.assemble(pods, groups)
	return t
}

// encodedSpan is a span and which slot of the template describes it.
type encodedSpan struct {
	enc        *encoder
	tree, slot int
}

// assemble puts encoded spans into ResourceSpans and ScopeSpans and moves the offsets of their slots along.
func (t *template) assemble(pods [podsInRequest]loadPod, groups [podsInRequest]map[string][]encodedSpan) {
	for p := range pods {
		if groups[p] == nil {
			continue
		}
		var resource encoder
		resource.bytesField(1, pods[p].resource.b)
		// The slots whose offsets still have to move, and by how much they moved inside the resource.
		var placed []placement
		for _, scope := range scopes {
			spans := groups[p][scope]
			if len(spans) == 0 {
				continue
			}
			var inner, name encoder
			name.stringField(1, scope)
			name.stringField(2, "1.24.0")
			inner.bytesField(1, name.b)
			first := len(placed)
			for _, s := range spans {
				inner.bytesField(2, s.enc.b)
				placed = append(placed, placement{s, uint32(len(inner.b) - len(s.enc.b))})
			}
			resource.bytesField(2, inner.b)
			moved := uint32(len(resource.b) - len(inner.b))
			for i := first; i < len(placed); i++ {
				placed[i].moved += moved
			}
		}
		resource.stringField(3, "https://opentelemetry.io/schemas/1.44.0")
		t.body = protowire.AppendTag(t.body, 1, protowire.BytesType)
		t.body = protowire.AppendBytes(t.body, resource.b)
		moved := uint32(len(t.body) - len(resource.b))
		for _, pl := range placed {
			t.trees[pl.span.tree].slots[pl.span.slot].move(pl.moved + moved)
		}
	}
}

type placement struct {
	span  encodedSpan
	moved uint32
}

func (s *slot) move(by uint32) {
	for _, offset := range []*uint32{&s.trace, &s.span, &s.parent, &s.start, &s.end} {
		if *offset != 0 {
			*offset += by
		}
	}
	for i := range s.holes {
		s.holes[i].at += by
	}
}
