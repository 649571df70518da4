package promapi

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"loadline/query/promql/store"
	"loadline/query/promql/store/cardinality"
	"loadline/web/promapi/rules"
)

func TestStatus(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(path, data string) {
		t.Helper()
		want(t, a, getRequest("/api/v1/"+path, nil), 200, `{"status":"success","data":`+data+`}`)
	}
	f("status/config", `{"yaml":""}`)
	f("status/flags", `{}`)
	f("status/walreplay", `{"min":0,"max":0,"current":0}`)
	f("status/tsdb/blocks", `{"blocks":[]}`)
	f("status/tsdb", `{"headStats":{"chunkCount":0,"maxTime":0,"minTime":0,"numLabelPairs":0,"numSeries":0},"labelValueCountByLabelName":[],"memoryInBytesByLabelName":[],"seriesCountByLabelValuePair":[],"seriesCountByMetricName":[]}`)
	f("targets", `{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}`)
	f("targets/metadata", `[]`)
	f("scrape_pools", `{"scrapePools":[]}`)
	f("alertmanagers", `{"activeAlertmanagers":[],"droppedAlertmanagers":[]}`)
	f("rules", `{"groups":[]}`)
	f("alerts", `{"alerts":[]}`)
	f("notifications", `[]`)
}

func TestConfiguredStatus(t *testing.T) {
	m := sample()
	m.stats = store.Stats{Series: 3, LabelPairs: 7, Chunks: 9, MinTime: 1, MaxTime: 2, SeriesByMetric: []cardinality.Count{{Name: "up", Value: 2}, {Name: "x", Value: 1}}, ValuesByLabel: []cardinality.Count{{Name: "job", Value: 2}}}
	a := newAPI(t, m, func(c *Config) {
		c.ConfigYAML = func() string { return "retention: 30d\n" }
		c.Flags = map[string]string{"http.addr": "127.0.0.1:9500"}
		c.Rules = func(context.Context) ([]rules.Group, error) {
			return []rules.Group{{Name: "g", File: "f", Rules: []rules.Rule{{Name: "r", Query: "1", Health: "ok"}}}}, nil
		}
	})
	f := func(path, data string) {
		t.Helper()
		want(t, a, getRequest("/api/v1/"+path, nil), 200, `{"status":"success","data":`+data+`}`)
	}
	f("status/config", `{"yaml":"retention: 30d\n"}`)
	f("status/flags", `{"http.addr":"127.0.0.1:9500"}`)
	want(t, a, getRequest("/api/v1/status/tsdb", form("limit", "1")), 200, `{"status":"success","data":{"headStats":{"chunkCount":9,"maxTime":2,"minTime":1,"numLabelPairs":7,"numSeries":3},
		"labelValueCountByLabelName":[{"name":"job","value":2}],"memoryInBytesByLabelName":[],"seriesCountByLabelValuePair":[],"seriesCountByMetricName":[{"name":"up","value":2}]}}`)
	f("rules", `{"groups":[{"name":"g","file":"f","rules":[{"name":"r","query":"1","labels":{},"health":"ok","evaluationTime":0,"lastEvaluation":"0001-01-01T00:00:00Z","type":"recording"}],"interval":0,"limit":0,"evaluationTime":0,"lastEvaluation":"0001-01-01T00:00:00Z"}]}`)
	want(t, a, getRequest("/api/v1/targets/metadata", form("match_target", "{")), 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"match_target\": 1:2: parse error: unexpected end of input inside braces"}`)
}

func TestErrorsOfStatus(t *testing.T) {
	a := newAPI(t, sample(), func(c *Config) {
		c.Rules = func(context.Context) ([]rules.Group, error) { return nil, errors.New("gone") }
	})
	for _, path := range []string{"rules", "alerts"} {
		want(t, a, getRequest("/api/v1/"+path, nil), 500, `{"status":"error","errorType":"internal","error":"gone"}`)
	}
}

func TestRuntimeInfo(t *testing.T) {
	w := serve(newAPI(t, sample(), func(c *Config) { c.Retention = "30d" }), getRequest("/api/v1/status/runtimeinfo", nil))
	var answer struct{ Data map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	keys := slices.Sorted(maps.Keys(answer.Data))
	wantKeys := []string{"CWD", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "corruptionCount", "goroutineCount", "hostname", "lastConfigTime", "reloadConfigSuccess", "serverTime", "startTime", "storageRetention"}
	if !slices.Equal(keys, wantKeys) || answer.Data["storageRetention"] != "30d" || answer.Data["serverTime"] != time.Unix(epoch+60, 0).UTC().Format(time.RFC3339) {
		t.Errorf("got %v", answer.Data)
	}
}

func TestFeatures(t *testing.T) {
	w := serve(newAPI(t, sample(), func(c *Config) {
		c.Features = map[string]map[string]bool{"promql": {"delayed_name_removal": true}, "loadline": {"exact": true}}
	}), getRequest("/api/v1/features", nil))
	var answer struct{ Data map[string]map[string]bool }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	f := func(category, name string, want bool) {
		t.Helper()
		if got, known := answer.Data[category][name]; !known || got != want {
			t.Errorf("%s %s: %v %v", category, name, got, known)
		}
	}
	f("api", "search", true)
	f("api", "admin", false)
	f("promql", "delayed_name_removal", true)
	f("promql", "at_modifier", true)
	f("promql_functions", "rate", true)
	f("promql_functions", "info", true)
	f("promql_operators", ">=", true)
	f("loadline", "exact", true)
	if !strings.Contains(w.Body.String(), `">=":true`) {
		t.Error("operators are escaped")
	}
}

func TestSearchAndFederationAreServed(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(path, want string) {
		t.Helper()
		if w := serve(a, getRequest(path, form("match[]", "up"))); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: status %d: %q", path, w.Code, w.Body)
		}
	}
	f("/api/v1/search/metric_names", "{\"results\":[{\"name\":\"up\"}]}\n{\"status\":\"success\",\"has_more\":false}\n")
	f("/api/v1/search/label_names", "{\"results\":[{\"name\":\"__name__\"},{\"name\":\"job\"}]}\n{\"status\":\"success\",\"has_more\":false}\n")
	f("/federate", "# TYPE up untyped\nup{job=\"shop\",instance=\"\"} 0.5 1800000060000\n")
	want(t, a, getRequest("/api/v1/search/label_values", nil), 400, `{"status":"error","errorType":"bad_data","error":"missing required parameter \"label\""}`)
}
