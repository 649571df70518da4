package promapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
)

func TestInstantQuery(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(query, at, document string) {
		t.Helper()
		v := form("query", query, "time", at)
		want(t, a, getRequest("/api/v1/query", v), 200, document)
		want(t, a, postRequest("/api/v1/query", v), 200, document)
	}
	f("1+1", "4", `{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}`)
	f(`"a<b"`, "4.5", `{"status":"success","data":{"resultType":"string","result":[4.5,"a\u003cb"]}}`)
	f("up", "1800000060.5", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"shop"},"value":[1800000060.500,"0.5"]}]}}`)
	f("up", "2027-01-15T08:01:00Z", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"shop"},"value":[1800000060,"0.5"]}]}}`)
	f("nothing", "4", `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	f("up[30s]", "1800000060", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"shop"},"values":[[1800000045,"1"],[1800000060,"0.5"]]}]}}`)
	f(`{"http.server.duration"}`, "1800000060", `{"status":"success","data":{"resultType":"vector","result":[
		{"metric":{"__name__":"http.server.duration","service.name":"<shop> & \"co\""},"value":[1800000060,"2"]}]}}`)
}

func TestRangeQuery(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(document string, pairs ...string) {
		t.Helper()
		v := form(append(pairs, "start", "1800000000", "end", "2027-01-15T08:01:00Z")...)
		want(t, a, getRequest("/api/v1/query_range", v), 200, document)
		want(t, a, postRequest("/api/v1/query_range", v), 200, document)
	}
	f(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"instance":"a"},"values":[[1800000030,"30"],[1800000060,"60"]]},{"metric":{"instance":"b"},"values":[[1800000030,"60"],[1800000060,"120"]]}]}}`,
		"query", `sum by (instance) (requests_total) > 0`, "step", "30")
	f(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"latency_seconds","job":"shop"},"histograms":[
		[1800000000,{"count":"4","sum":"7.5","buckets":[[3,"-0.001","0.001","1"],[0,"0.5","1","1"],[0,"1","2","2"]]}],
		[1800000060,{"count":"8","sum":"7.5","buckets":[[3,"-0.001","0.001","1"],[0,"0.5","1","1"],[0,"1","2","6"]]}]]}]}}`,
		"query", `latency_seconds`, "step", "1m")
	f(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1800000000,"1800000000"]]}]}}`, "query", "time()", "step", "1h")
	f(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"requests_total","instance":"a","job":"shop"},"values":[[1800000000,"0"]]}]},"warnings":["results truncated due to limit"]}`,
		"query", "requests_total", "step", "1h", "limit", "1")
	f(`{"status":"success","data":{"resultType":"matrix","result":[]}}`, "query", "up offset 1h", "step", "1h", "lookback_delta", "1ms")
}

func TestLookbackDelta(t *testing.T) {
	a := newAPI(t, sample(), nil)
	v := form("query", "up", "time", "1800000065", "lookback_delta", "4")
	want(t, a, getRequest("/api/v1/query", v), 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	v.Set("lookback_delta", "6s")
	want(t, a, getRequest("/api/v1/query", v), 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"shop"},"value":[1800000065,"0.5"]}]}}`)
}

func TestParametersThatCannotBeUsed(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(path, message string, pairs ...string) {
		t.Helper()
		document := fmt.Sprintf(`{"status":"error","errorType":"bad_data","error":%q}`, message)
		want(t, a, getRequest("/api/v1/"+path, form(pairs...)), 400, document)
	}
	f("query", `invalid parameter "time": invalid time value for 'time': cannot parse "soon" to a valid timestamp`, "query", "up", "time", "soon")
	f("query", `invalid parameter "query": unknown position: parse error: no expression found in input`)
	f("query", `invalid parameter "query": 1:5: parse error: unexpected end of input`, "query", "up +")
	f("query", `invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax`, "query", "up", "limit", "x")
	f("query", `invalid parameter "limit": limit must be non-negative`, "query", "up", "limit", "-1")
	f("query", `invalid parameter "timeout": cannot parse "x" to a valid duration`, "query", "up", "timeout", "x")
	f("query", `invalid parameter "timeout": timeout must be positive, got 0s`, "query", "up", "timeout", "0")
	f("query", `error parsing lookback delta duration: cannot parse "x" to a valid duration`, "query", "up", "lookback_delta", "x")
	f("query_range", `invalid parameter "start": cannot parse "" to a valid timestamp`, "query", "up")
	f("query_range", `invalid parameter "end": cannot parse "" to a valid timestamp`, "query", "up", "start", "1")
	f("query_range", `invalid parameter "end": end timestamp must not be before start time`, "query", "up", "start", "2", "end", "1")
	f("query_range", `invalid parameter "step": cannot parse "" to a valid duration`, "query", "up", "start", "1", "end", "2")
	f("query_range", `invalid parameter "step": cannot parse "1e300" to a valid duration. It overflows int64`, "query", "up", "start", "1", "end", "2", "step", "1e300")
	f("query_range", `invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer`, "query", "up", "start", "1", "end", "2", "step", "0")
	f("query_range", `exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)`, "query", "up", "start", "0", "end", "11001", "step", "1")
	f("query_range", `invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector`, "query", "up[1m]", "start", "1", "end", "2", "step", "1")
	f("query_exemplars", `1:5: parse error: unexpected end of input`, "query", "up +")
	f("query_exemplars", `end timestamp must not be before start timestamp`, "query", "up", "start", "2", "end", "1")
	f("labels", `match[] must contain at least one non-empty matcher`, "match[]", `{job=~".*"}`)
	f("labels", `1:5: parse error: unexpected "}" in label matching, expected label matching operator`, "match[]", `{job}`)
	f("label/job/values", `invalid parameter "start": invalid time value for 'start': cannot parse "x" to a valid timestamp`, "start", "x")
	f("label/%ff/values", `invalid label name: "\xff"`)
	f("series", `no match[] parameter provided`)
	f("series", `invalid parameter "match[]": match[] must contain at least one non-empty matcher`, "match[]", `{}`)
	f("metadata", `limit must be a number`, "limit", "x")
	f("metadata", `limit_per_metric must be a number`, "limit_per_metric", "x")
	f("format_query", `invalid parameter "query": 1:4: parse error: unexpected end of input`, "query", "up+")
	f("parse_query", `invalid parameter "query": 1:4: parse error: unexpected end of input`, "query", "up+")
	f("status/tsdb", `limit must be a positive number`, "limit", "0")
	f("status/tsdb", `limit must not exceed 10000`, "limit", "10001")
	f("targets/metadata", `limit must be a number`, "limit", "x")
}

func TestElevenThousandPointsAreNotTooMany(t *testing.T) {
	w := serve(newAPI(t, sample(), nil), getRequest("/api/v1/query_range", form("query", "1", "start", "0", "end", "11000", "step", "1")))
	if w.Code != http.StatusOK {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestErrorsOfAQuery(t *testing.T) {
	f := func(query string, change func(*memory), code int, kind, message string) {
		t.Helper()
		m := sample()
		if change != nil {
			change(m)
		}
		want(t, newAPI(t, m, nil), getRequest("/api/v1/query", form("query", query)), code, fmt.Sprintf(`{"status":"error","errorType":%q,"error":%q}`, kind, message))
	}
	f("requests_total * on (job) up * on (job) requests_total", nil, 422, "execution", `multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)`)
	f("up", func(m *memory) { m.err = errors.New("disk <gone>") }, 422, "execution", `expanding series: disk <gone>`)
	f("up", func(m *memory) { m.err = promql.ErrStorage{Err: errors.New("gone")} }, 500, "internal", `expanding series: gone`)
	f("up", func(m *memory) { m.err = promql.ErrTooManySamples("here") }, 422, "execution", `expanding series: query processing would load too many samples into memory in here`)
	f("up", func(m *memory) { m.err = context.DeadlineExceeded }, 503, "timeout", `expanding series: context deadline exceeded`)
	f("up", func(m *memory) { m.err = context.Canceled }, 499, "canceled", `expanding series: context canceled`)
}

func TestSamplesAreLimited(t *testing.T) {
	a := newAPI(t, sample(), func(c *Config) { c.Engine = promql.NewEngine(promql.EngineOpts{MaxSamples: 3, Timeout: time.Minute}) })
	want(t, a, getRequest("/api/v1/query", form("query", "requests_total[1m]")), 422,
		`{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`)
}

func TestATimeoutStopsAQuery(t *testing.T) {
	m := sample()
	m.stuck = make(chan struct{})
	a := newAPI(t, m, nil)
	for _, r := range []*http.Request{
		getRequest("/api/v1/query", form("query", "up", "timeout", "1ms")),
		postRequest("/api/v1/query_range", form("query", "up", "start", "1", "end", "2", "step", "1", "timeout", "0.001")),
	} {
		if w := serve(a, r); w.Code != 503 || !strings.Contains(w.Body.String(), `"errorType":"timeout"`) {
			t.Errorf("%s: status %d: %s", r.URL, w.Code, w.Body)
		}
	}
	a = newAPI(t, m, func(c *Config) { c.Timeout = time.Millisecond })
	for _, path := range []string{"query?query=up&timeout=1h", "labels", "label/job/values", "series?match[]=up", "search/label_names", "search/label_values?label=job"} {
		if w := serve(a, httptest.NewRequest(http.MethodGet, "/api/v1/"+path, nil)); w.Code != 503 {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
}

func TestACanceledRequestStopsItsQuery(t *testing.T) {
	m := sample()
	m.stuck = make(chan struct{})
	a := newAPI(t, m, nil)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan *httptest.ResponseRecorder)
	go func() { answered <- serve(a, getRequest("/api/v1/query", form("query", "up")).WithContext(ctx)) }()
	cancel()
	if w := <-answered; w.Code != 499 || !strings.Contains(w.Body.String(), `"errorType":"canceled"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestQueriesWaitForASlot(t *testing.T) {
	m := sample()
	m.stuck = make(chan struct{})
	a := newAPI(t, m, func(c *Config) { c.MaxConcurrency = 1 })
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- serve(a, getRequest("/api/v1/query", form("query", "up"))) }()
	for len(a.slots) == 0 {
		runtime.Gosched()
	}
	want(t, a, getRequest("/api/v1/query", form("query", "1", "timeout", "1ms")), 503, `{"status":"error","errorType":"timeout","error":"query timed out in query queue"}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, a, getRequest("/api/v1/query", form("query", "1")).WithContext(ctx), 499, `{"status":"error","errorType":"canceled","error":"query was canceled in query queue"}`)
	second := make(chan *httptest.ResponseRecorder)
	go func() { second <- serve(a, getRequest("/api/v1/query", form("query", "1"))) }()
	close(m.stuck)
	for _, answered := range []chan *httptest.ResponseRecorder{first, second} {
		if w := <-answered; w.Code != 200 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	}
	if len(a.slots) != 0 {
		t.Error("a slot is not given back")
	}
}

func TestWarningsAndInfos(t *testing.T) {
	m := sample()
	for i := range 12 {
		m.warnings.Add(fmt.Errorf("warning %02d", i))
	}
	a := newAPI(t, m, nil)
	r := getRequest("/api/v1/query", form("query", "rate(up[1m])"))
	document := `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"shop"},"value":[1800000060,"0.01111111111111111"]}]},
		"warnings":["warning 00","warning 01","warning 02","warning 03","warning 04","warning 05","warning 06","warning 07","warning 08","warning 09"%s],
		"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:6)"]}`
	want(t, a, r, 200, fmt.Sprintf(document, `,"2 more warning annotations omitted"`))
	r.Header.Set("X-Loadline-Exact", "1")
	want(t, a, r, 200, fmt.Sprintf(document, `,"warning 10","warning 11"`))
}

func TestExactHistograms(t *testing.T) {
	a := newAPI(t, sample(), nil)
	r := getRequest("/api/v1/query", form("query", "latency_seconds"))
	r.Header.Set("X-Loadline-Exact", "1")
	w := serve(a, r)
	var answer struct {
		Data struct {
			Result []struct{ Histogram []any }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Data.Result) != 1 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	raw, err := base64.StdEncoding.DecodeString(answer.Data.Result[0].Histogram[1].(string))
	if err != nil {
		t.Fatal(err)
	}
	var h prompb.Histogram
	if err := h.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	if got := h.ToFloatHistogram(); got.Count != 8 || got.ZeroThreshold != 0.001 || h.Timestamp != 1_800_000_060_000 {
		t.Errorf("got %v at %d", got, h.Timestamp)
	}
}

func TestStats(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(param string, keys []string, warnings int) {
		t.Helper()
		w := serve(a, getRequest("/api/v1/query_range", form("query", "requests_total", "start", "1800000000", "end", "1800000030", "step", "30", "stats", param)))
		var answer struct {
			Data     struct{ Stats map[string]map[string]any }
			Warnings []string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(answer.Data.Stats["samples"])); !slices.Equal(got, keys) || len(answer.Warnings) != warnings {
			t.Errorf("stats=%s: %v, warnings %q", param, got, answer.Warnings)
		}
		if keys != nil && len(answer.Data.Stats["timings"]) != 6 {
			t.Errorf("timings: %v", answer.Data.Stats["timings"])
		}
	}
	f("", nil, 0)
	basic := []string{"peakSamples", "samplesRead", "seriesTouched", "totalQueryableSamples"}
	f("true", basic, 0)
	f("yes", basic, 1)
	f("all", []string{"peakSamples", "samplesRead", "samplesReadPerStep", "seriesTouched", "totalQueryableSamples", "totalQueryableSamplesPerStep"}, 0)
}

func TestExemplars(t *testing.T) {
	a := newAPI(t, sample(), nil)
	document := `{"status":"success","data":[{"seriesLabels":{"__name__":"requests_total","instance":"a","job":"shop"},"exemplars":[
		{"labels":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},"value":"15","timestamp":1800000015.250}]}]}`
	v := form("query", "rate(requests_total[1m]) / up", "start", "1800000000", "end", "1800000060")
	want(t, a, getRequest("/api/v1/query_exemplars", v), 200, document)
	want(t, a, postRequest("/api/v1/query_exemplars", v), 200, document)
	want(t, a, getRequest("/api/v1/query_exemplars", form("query", "nothing")), 200, `{"status":"success","data":[]}`)
	want(t, a, getRequest("/api/v1/query_exemplars", form("query", "1")), 204, "")
}

func TestFormatAndParse(t *testing.T) {
	a := newAPI(t, sample(), nil)
	v := form("query", `sum by(job)(rate(up{a="<"}[5m]))`)
	want(t, a, getRequest("/api/v1/format_query", v), 200, `{"status":"success","data":"sum by (job) (rate(up{a=\"\u003c\"}[5m]))"}`)
	want(t, a, postRequest("/api/v1/format_query", v), 200, `{"status":"success","data":"sum by (job) (rate(up{a=\"\u003c\"}[5m]))"}`)
	document := `{"status":"success","data":{"bool":false,"lhs":{"type":"numberLiteral","val":"1"},"matching":null,"op":"+","rhs":{"expr":{"type":"numberLiteral","val":"2"},"type":"parenExpr"},"type":"binaryExpr"}}`
	want(t, a, getRequest("/api/v1/parse_query", form("query", "1+(2)")), 200, document)
}
