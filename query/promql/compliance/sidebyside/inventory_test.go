package sidebyside

import (
	"flag"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"loadline/query/promql/compliance/workload"
	"loadline/query/promql/series"
)

var inventory = flag.Int("inventory", 1_000_000, "series of the benchmark of labels")

// BenchmarkLabels asks for labels and single series among very many.
func BenchmarkLabels(b *testing.B) {
	loadline, prometheus, victoria := start(b)
	all := []*system{loadline, prometheus, victoria}
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	batches := slices.Collect(slices.Chunk(workload.Inventory(*inventory, at), 20_000))
	feed(b, all, func() []*series.Series {
		if len(batches) == 0 {
			return nil
		}
		batch := batches[0]
		batches = batches[1:]
		return batch
	})
	for _, s := range all {
		s.calm(b)
		s.restart(b)
	}
	selector := `inventory_7{instance="host-123", shard="shard-0"}`
	within := "&start=" + strconv.FormatInt(at.Add(-time.Hour).Unix(), 10) + "&end=" + strconv.FormatInt(at.Add(time.Minute).Unix(), 10)
	requests := []struct{ name, path string }{
		{"label names", "/api/v1/labels?" + within},
		{"label names of a metric", "/api/v1/labels?match[]=inventory_7" + within},
		{"label values, 1,000", "/api/v1/label/instance/values?" + within},
		{"label values of a metric", "/api/v1/label/shard/values?match[]=inventory_7" + within},
		{"metric names", "/api/v1/label/__name__/values?" + within},
		{"series, one", "/api/v1/series?match[]=" + url.QueryEscape(selector) + within},
		{"query, one series", "/api/v1/query?query=" + url.QueryEscape(selector) + "&time=" + strconv.FormatInt(at.Add(time.Second).Unix(), 10)},
	}
	fmt.Printf("\nCPU milliseconds of one request, %d series in %d metrics: the first after a restart, and the mean of the next 20\n", *inventory, workload.Metrics)
	print(func(row func(...any)) {
		row("request", "Loadline first", "next", "Prometheus first", "next", "VictoriaMetrics first", "next")
		for _, request := range requests {
			cells := []any{request.name}
			for _, s := range all {
				s.restart(b)
				path := func(int) string { return request.path }
				s.ask(b, 3, func(int) string { return question{text: "up"}.path(at, "") })
				first, next := s.ask(b, 1, path), s.ask(b, 20, path)
				cells = append(cells, fmt.Sprintf("%.0f", first.Seconds()*1000), fmt.Sprintf("%.1f", next.Seconds()*1000))
			}
			row(cells...)
		}
	})
}
