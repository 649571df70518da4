// Package generator makes OTLP requests for benchmarks and crash tests: spans, data points and log records that are as
// varied as real ones and cost about 0.1 us each. A request is a function of a seed, its number and the time, and the
// ids in it of the first two alone, so that a test can compute what must be stored.
package generator

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Signal is what a request carries.
type Signal string

// The signals of OTLP.
const (
	Traces  Signal = "traces"
	Metrics Signal = "metrics"
	Logs    Signal = "logs"
)

// spanSizes is the cycle of spans a trace has, 9.3 on average. It is the same in every request, so that the trace of a
// span follows from the span's index alone.
var spanSizes = [...]int{9, 7, 10, 12, 9, 5, 15, 9, 10, 7}

// SpanID is the id of a generated span: the index-th of a request, from 0. Ids of one seed do not repeat as long as
// requests have fewer than 2^20 spans.
func SpanID(seed, request uint64, index int) (id [8]byte) {
	binary.LittleEndian.PutUint64(id[:], nonZero(mix(seed^mix(1)+request<<20+uint64(index))))
	return id
}

// TraceID is the id of the trace that a generated span belongs to.
func TraceID(seed, request uint64, index int) (id [16]byte) {
	putTraceID(id[:], seed, request, traceOf(index))
	return id
}

// traceOf is the number of the trace that the index-th span of a request is in.
func traceOf(index int) int {
	const cycle = 93
	n := index / cycle * len(spanSizes)
	rest := index % cycle
	for _, size := range spanSizes {
		if rest < size {
			break
		}
		rest -= size
		n++
	}
	return n
}

func putTraceID(b []byte, seed, request uint64, n int) {
	at := request<<20 + uint64(n)
	binary.LittleEndian.PutUint64(b, nonZero(mix(seed^mix(2)+at)))
	binary.LittleEndian.PutUint64(b[8:], mix(seed^mix(3)+at))
}

func nonZero(x uint64) uint64 {
	if x == 0 {
		return 1
	}
	return x
}

// mix is the finaliser of splitmix64, a bijection: different numbers stay different.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hole is a place in a template that gets a new value in each request.
type hole struct {
	at   uint32
	kind holeKind
	size uint8
}

type holeKind uint8

const (
	holeDigits  holeKind = iota // size decimal digits
	holeHex                     // size hexadecimal digits
	holeVarint                  // a varint of exactly size bytes
	holeTime                    // fixed64, a time of the record
	holeStart                   // fixed64, the start of a cumulative sum
	holeSteady                  // fixed64, a count that grows by size with each round of requests
	holeDouble                  // double, a gauge
	holeSum                     // double, a sum that grows with the requests
	holeTraceID                 // 16 bytes, the trace of span number index
	holeSpanID                  // 8 bytes, the id of span number index
)

// slot is one item of a template: a span, a data point, a log record. Offsets are into the template; 0 means absent.
type slot struct {
	trace, span, parent, start, end uint32
	// index is the item's place in the request, parentIndex its parent's.
	index, parentIndex int
	// from and to are the span's place inside its trace, as parts of the root's duration.
	from, to float32
	holes    []hole
}

// tree is a trace of a template; its slots stand together.
type tree struct {
	median float64 // of the root's duration in nanoseconds; 0 for data points, which are of the moment of sending
	slots  []slot
}

// template is an encoded request with holes.
type template struct {
	body  []byte
	trees []tree
	items int
	// failing counts failing spans.
	failing int
}

// Generator makes OTLP requests of one signal. Building it takes a moment, a request about 0.1 us an item: the bytes
// of a template are copied and ids, times and values put in. It is immutable and safe for concurrent use.
type Generator struct {
	signal    Signal
	seed      uint64
	templates []template
	durations [4097]float64
}

// New prepares requests of so many items: spans, data points or log records.
func New(signal Signal, seed uint64, items int) (*Generator, error) {
	if items < 1 || items >= 1<<20 {
		return nil, fmt.Errorf("items a request %d is out of range: choose 1 to %d", items, 1<<20-1)
	}
	g := &Generator{signal: signal, seed: seed}
	for i := range g.durations {
		g.durations[i] = durationFactor((float64(i) + 0.5) / float64(len(g.durations)))
	}
	for i := range requestKinds {
		switch signal {
		case Traces:
			g.templates = append(g.templates, traceTemplate(seed, i, items))
		case Metrics:
			g.templates = append(g.templates, metricTemplate(seed, i, items))
		case Logs:
			g.templates = append(g.templates, logTemplate(seed, i, items))
		default:
			return nil, fmt.Errorf("signal %q is unknown: choose %q, %q or %q", signal, Traces, Metrics, Logs)
		}
	}
	return g, nil
}

// durationFactor is the quantile function of durations over their median: lognormal, and above the 98.5th percentile
// a Pareto tail.
func durationFactor(u float64) float64 {
	const sigma, knee, alpha = 0.55, 0.985, 1.6
	normal := func(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }
	if u < knee {
		return math.Exp(sigma * normal(u))
	}
	return min(200, math.Exp(sigma*normal(knee))*math.Pow((1-u)/(1-knee), -1/alpha))
}

// Items is how many items each request has.
func (g *Generator) Items() int { return g.templates[0].items }

// Failing is how many spans of a request fail.
func (g *Generator) Failing(request uint64) int {
	return g.templates[request%uint64(len(g.templates))].failing
}

// Append appends the request of a number to dst. Spans end shortly before at. The ids depend on the seed and the number
// only, everything else on at as well.
func (g *Generator) Append(dst []byte, request uint64, at time.Time) []byte {
	t := &g.templates[request%uint64(len(g.templates))]
	base := len(dst)
	dst = append(dst, t.body...)
	b := dst[base:]
	now := uint64(at.UnixNano())
	round := request / uint64(len(g.templates))
	for i := range t.trees {
		tree := &t.trees[i]
		r := mix(g.seed ^ mix(4) + request<<20 + uint64(i))
		k := r & 4095
		part := float64(r>>12&0xffff) / (1 << 16)
		length := tree.median * (g.durations[k]*(1-part) + g.durations[k+1]*part)
		// Requests leave the batch processors of applications every so often: spans ended within the last 400 ms.
		start := now - uint64(length) - r>>28%400_000_000
		if tree.median == 0 {
			start = now
		}
		for j := range tree.slots {
			g.fill(b, &tree.slots[j], request, round, start, length)
		}
	}
	return dst
}

func (g *Generator) fill(b []byte, s *slot, request, round, start uint64, length float64) {
	r := mix(g.seed ^ mix(5) + request<<20 + uint64(s.index))
	if s.span != 0 {
		putTraceID(b[s.trace:], g.seed, request, traceOf(s.index))
		binary.LittleEndian.PutUint64(b[s.span:], nonZero(mix(g.seed^mix(1)+request<<20+uint64(s.index))))
		if s.parent != 0 {
			binary.LittleEndian.PutUint64(b[s.parent:], nonZero(mix(g.seed^mix(1)+request<<20+uint64(s.parentIndex))))
		}
		// The low bits that clocks add; a child keeps inside its parent but for these.
		jitter := r & 0x3fff
		binary.LittleEndian.PutUint64(b[s.start:], start+uint64(length*float64(s.from))+jitter)
		binary.LittleEndian.PutUint64(b[s.end:], start+uint64(length*float64(s.to))+jitter+r>>14&0x3fff)
	}
	for _, h := range s.holes {
		r = r*6364136223846793005 + 1442695040888963407
		x := r >> 20
		switch h.kind {
		case holeDigits:
			for i := h.at + uint32(h.size); i > h.at; {
				i--
				b[i] = byte('0' + x%10)
				x /= 10
			}
		case holeHex:
			const digits = "0123456789abcdef"
			for i := range uint32(h.size) {
				b[h.at+i] = digits[x>>(4*(i%10))&15]
			}
		case holeVarint:
			putVarint(b[h.at:], x, int(h.size))
		case holeTime:
			binary.LittleEndian.PutUint64(b[h.at:], start+uint64(length*float64(s.to)))
		case holeStart:
			binary.LittleEndian.PutUint64(b[h.at:], processStart)
		case holeSteady:
			binary.LittleEndian.PutUint64(b[h.at:], (round+1)*uint64(h.size))
		case holeDouble:
			binary.LittleEndian.PutUint64(b[h.at:], math.Float64bits(float64(x%4096)/8))
		case holeSum:
			binary.LittleEndian.PutUint64(b[h.at:], math.Float64bits(float64((round+1)*64+x%64)/16))
		case holeTraceID:
			putTraceID(b[h.at:], g.seed, request, traceOf(s.index))
		case holeSpanID:
			binary.LittleEndian.PutUint64(b[h.at:], nonZero(mix(g.seed^mix(1)+request<<20+uint64(s.index))))
		}
	}
}

// processStart is when the sums of generated metrics began: long ago, and the same in all requests.
const processStart = 1_750_000_000_000_000_000

// putVarint writes a varint of a given length: continuation bits in all bytes but the last, which is not zero. Three
// bytes stay below 65,536, so that they can be ports.
func putVarint(b []byte, x uint64, size int) {
	for i := range size {
		b[i] = byte(x) | 0x80
		x >>= 7
	}
	if last := &b[size-1]; size == 3 {
		*last = 1 + *last&0x7f%3
	} else {
		*last = *last&0x7f | 1
	}
}
