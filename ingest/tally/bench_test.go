package tally_test

import (
	"fmt"
	"testing"
	"time"

	"loadline/ingest/tally"
	"loadline/internal/sli"
)

// BenchmarkCount counts a segment of ten services, every eighth span of which is a server's.
func BenchmarkCount(b *testing.B) {
	var list []*example
	for i := range 20_000 {
		kind := uint8(1)
		if i%8 == 0 {
			kind = 2
		}
		list = append(list, &example{
			service: fmt.Sprintf("service-%d", i/8%10), env: "prod", version: "7", name: "GET", kind: kind, method: "GET",
			route: fmt.Sprintf("/v1/items/%d", i/80%20), code: 200 + i/8%7/6*300, start: begin.Add(time.Duration(i) * 100 * time.Microsecond),
			duration: time.Duration(i*12345) % time.Second, attributes: map[string]string{
				"tenant": fmt.Sprint("t", i/8%50), "user": fmt.Sprint(i), "url.path": "/v1/items/7", "server.address": "shop.example.com",
				"user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)", "network.protocol.version": "1.1",
			},
		})
	}
	view := build(b, list...).View()
	f := func(name string, perService int, change func(n int, i *sli.Indicator)) {
		var counted []sli.Counted
		for s := range 10 {
			for n := range perService {
				i := sli.Indicator{Service: fmt.Sprintf("service-%d", s), Bad: sli.Bad{Errors: true, Slower: time.Duration(n+1) * 40 * time.Millisecond}}
				change(n, &i)
				counted = append(counted, sli.Counted{ID: uint64(s*100 + n + 1), Indicator: i})
			}
		}
		set := mustSet(b, counted...)
		counter := tally.NewCounter()
		var record []byte
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				record, _ = counter.Count(set, view, record[:0])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/span")
		})
	}
	operation := func(n int, i *sli.Indicator) { i.Operations = []string{fmt.Sprintf("GET /v1/items/%d", n)} }
	f("none", 0, operation)
	f("one", 1, func(int, *sli.Indicator) {})
	f("operations=20", 20, operation)
	f("everything=20", 20, func(int, *sli.Indicator) {})
	f("attributes=20", 20, func(n int, i *sli.Indicator) {
		i.Matchers = []sli.Matcher{{Key: "tenant", Op: "=", Value: fmt.Sprint("t", n)}, {Key: "user_agent.original", Op: "!~", Value: ".*bot.*"}}
	})
	f("groups=20", 20, func(_ int, i *sli.Indicator) { i.GroupBy = "tenant" })
	f("users=20", 20, func(_ int, i *sli.Indicator) { i.GroupBy = "user" })
}
