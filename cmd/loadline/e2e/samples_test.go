package e2e

import (
	"strconv"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// samples encodes request n of metrics: a sample of a gauge and one of a counter for each of as many series as a request
// of spans has traces. No two requests have samples of one moment.
func (l load) samples(n int) []byte {
	at := uint64(l.began.Add(time.Duration(n) * 7 * time.Millisecond).UnixNano())
	var points []*metrics.NumberDataPoint
	for k := range l.traces(n) {
		points = append(points, &metrics.NumberDataPoint{
			TimeUnixNano: at,
			Attributes:   []*common.KeyValue{text("series", strconv.Itoa(k))},
			Value:        &metrics.NumberDataPoint_AsInt{AsInt: int64(n)},
		})
	}
	all := []*metrics.Metric{
		{Name: "e2e.depth", Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: points}}},
		{Name: "e2e.work", Data: &metrics.Metric_Sum{Sum: &metrics.Sum{
			DataPoints: points, IsMonotonic: true, AggregationTemporality: metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE,
		}}},
	}
	body, err := proto.Marshal(&collector.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{
		Resource:     &resource.Resource{Attributes: []*common.KeyValue{text("service.name", l.service)}},
		ScopeMetrics: []*metrics.ScopeMetrics{{Scope: &common.InstrumentationScope{Name: "e2e"}, Metrics: all}},
	}}})
	if err != nil {
		panic("BUG: encode request: " + err.Error())
	}
	return body
}
