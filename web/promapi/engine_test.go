package promapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"loadline/query/promql"
)

// TestOurEngineAnswersAsUpstreams asks the same of an API with Loadline's engine and of one with upstream's.
func TestOurEngineAnswersAsUpstreams(t *testing.T) {
	theirs := newAPI(t, sample(), nil)
	ours := newAPI(t, sample(), func(c *Config) { c.Engine, c.Parser = promql.NewEngine(promql.Config{}), promql.Parser() })
	for _, query := range []string{
		"1+1", "up", "requests_total", "rate(requests_total[30s])", "sum by (job) (rate(requests_total[1m]))", "rate(up[1m])", "histogram_quantile(0.5, rate(latency_seconds[1m]))",
		"topk(1, requests_total)", "requests_total / on (instance) group_left () max by (instance) (requests_total)", "max_over_time(requests_total[1m:15s])", "absent(nothing)", "sum(", `{"http.server.duration"}`,
		"up * on (job) requests_total", "sort(up)", "sum(count_values(\"v\", requests_total))", "last_over_time(up[5m]) unless up",
	} {
		for _, r := range []string{"/api/v1/query", "/api/v1/query_range", "/api/v1/query_exemplars", "/api/v1/parse_query"} {
			v := form("query", query, "time", "1800000060", "start", "1800000000", "end", "1800000060", "step", "15")
			a, b := serve(theirs, postRequest(r, v)), serve(ours, postRequest(r, v))
			if diff := cmp.Diff(a.Body.String(), b.Body.String()); diff != "" || a.Code != b.Code {
				t.Errorf("%s %s: status %d, ours %d, -upstream +ours:\n%s", r, query, a.Code, b.Code, diff)
			}
		}
	}
}
