package generator

import (
	"fmt"
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
)

// loadBounds are the boundaries of the semantic conventions for durations in seconds.
var loadBounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// metricTemplate encodes a kind of request with so many data points: cumulative histograms of routes, and sums and
// gauges of processes. All requests of a kind carry the same series.
func metricTemplate(seed uint64, kind, items int) template {
	t := template{items: items}
	pods := podsOf(seed, kind)
	record := tree{slots: []slot{{}}}
	for p, left := 0, items; left > 0; p++ {
		points := left
		if p < len(pods)-1 {
			points = min(left, (items+len(pods)-1)/len(pods))
		}
		left -= points
		var metrics encoder
		histograms := points / 4
		metrics.family("http.server.request.duration", "s", 9, histograms, histogramPoint)
		metrics.family("process.cpu.time", "s", 7, (points-histograms)/2, sumPoint)
		metrics.family("process.memory.usage", "By", 5, points-histograms-(points-histograms)/2, gaugePoint)
		holes := t.resource(&pods[p], "com.example.bench/metrics", &metrics)
		record.slots[0].holes = append(record.slots[0].holes, holes...)
	}
	t.trees = []tree{record}
	return t
}

// resource appends one ResourceMetrics or ResourceLogs with one scope, and returns the holes of its items.
func (t *template) resource(p *loadPod, scope string, items *encoder) []hole {
	var name, group, resource encoder
	name.stringField(1, scope)
	group.message(1, &name)
	moved := uint32(len(group.b))
	group.b = append(group.b, items.b...)
	for _, h := range items.holes {
		h.at += moved
		group.holes = append(group.holes, h)
	}
	resource.bytesField(1, p.resource.b)
	resource.message(2, &group)
	all := encoder{b: t.body}
	all.message(1, &resource)
	t.body = all.b
	return all.holes
}

// family appends a Metric of a kind (the field number of its data) with so many points.
func (e *encoder) family(name, unit string, kind protowire.Number, points int, point func(e *encoder, i int)) {
	if points == 0 {
		return
	}
	var metric, data encoder
	metric.stringField(1, name)
	metric.stringField(3, unit)
	for i := range points {
		var p encoder
		point(&p, i)
		data.message(1, &p)
	}
	if kind != 5 {
		data.varintField(2, 2) // cumulative
	}
	if kind == 7 {
		data.varintField(3, 1) // monotonic
	}
	metric.message(kind, &data)
	e.message(2, &metric)
}

func (e *encoder) filled(n protowire.Number, kind holeKind, size int) {
	e.hole(e.fixedHole(n), kind, size)
}

func histogramPoint(e *encoder, i int) {
	r := loadPaths[i%loadRoutes]
	e.filled(2, holeStart, 8)
	e.filled(3, holeTime, 8)
	// Buckets grow by fixed steps, so that their sum is the count.
	size := len(loadBounds) + 1
	counts := make([]byte, 8*size)
	e.bytesField(6, counts)
	at := uint32(len(e.b) - len(counts))
	for b := range size {
		e.hole(at+uint32(8*b), holeSteady, 1+(b*7+i)%13)
	}
	total := 0
	for b := range size {
		total += 1 + (b*7+i)%13
	}
	e.hole(e.fixedHole(4), holeSteady, total)
	e.filled(5, holeSum, 8)
	bounds := make([]byte, 0, 8*len(loadBounds))
	for _, v := range loadBounds {
		bounds = protowire.AppendFixed64(bounds, math.Float64bits(v))
	}
	e.bytesField(7, bounds)
	e.attributes(9, "http.request.method", r[0], "http.route", fmt.Sprintf("%s/%d", r[1], i/(4*loadRoutes)), "http.response.status_code", [...]int{200, 201, 404, 500}[i/loadRoutes%4], "url.scheme", "https")
}

func sumPoint(e *encoder, i int) {
	e.filled(2, holeStart, 8)
	e.filled(3, holeTime, 8)
	e.filled(4, holeSum, 8)
	e.attributes(7, "cpu.mode", [...]string{"user", "system"}[i%2], "cpu.logical_number", i/2)
}

func gaugePoint(e *encoder, i int) {
	e.filled(3, holeTime, 8)
	e.filled(4, holeDouble, 8)
	e.attributes(7, "memory.pool", fmt.Sprintf("pool-%d", i))
}

// logTemplate encodes a kind of request with so many log records, each of a span of the trace request with the same
// number.
func logTemplate(seed uint64, kind, items int) template {
	t := template{items: items}
	pods := podsOf(seed, kind)
	rng := rand.New(rand.NewPCG(seed, uint64(kind)))
	next := 0
	for p := range pods {
		records := (items-next)/(len(pods)-p) + min(1, (items-next)%(len(pods)-p))
		if records == 0 {
			break
		}
		var all encoder
		var mark []int // where the holes of a record begin
		for i := range records {
			mark = append(mark, len(all.holes))
			one := logRecord(&pods[p], i, rng)
			all.message(2, one)
		}
		holes := t.resource(&pods[p], "com.example.bench/logs", &all)
		for i := range records {
			end := len(holes)
			if i+1 < records {
				end = mark[i+1]
			}
			t.trees = append(t.trees, tree{median: 20e6, slots: []slot{{index: next + i, holes: holes[mark[i]:end]}}})
		}
		next += records
	}
	return t
}

func logRecord(p *loadPod, i int, rng *rand.Rand) *encoder {
	const info, warn, failure = 9, 13, 17
	e := &encoder{}
	e.filled(1, holeTime, 8)
	severity, text := info, "INFO"
	switch u := rng.Float64(); {
	case u < 0.015:
		severity, text = failure, "ERROR"
	case u < 0.06:
		severity, text = warn, "WARN"
	}
	e.varintField(2, uint64(severity))
	e.stringField(3, text)
	body := [...]string{
		"request served in ##.#ms for user u-######, %d rows", "cache refreshed key=%d:######## size=####", "retrying call to %d after ###ms, attempt #",
		"order ######## accepted, amount ####.## EUR, route %d", "connection ~~~~~~~~ closed by peer after ####ms (%d)",
	}[i%5]
	var v encoder
	v.stringField(1, fmt.Sprintf(body, i%17))
	v.markHoles(2)
	e.message(5, &v)
	e.attributes(6, "code.function.name", fmt.Sprintf("com.example.bench.%s.handle%d", p.name, i%loadRoutes), "thread.name", "worker-##", "enduser.id", "u-########", "app.request.id", "~~~~~~~~~~~~~~~~")
	e.hole(e.bytesHole(9, 16), holeTraceID, 16)
	e.hole(e.bytesHole(10, 8), holeSpanID, 8)
	e.filled(11, holeTime, 8)
	return e
}
