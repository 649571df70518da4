package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
)

// server answers everything with one body and keeps the last form.
func server(t *testing.T, status int, body string) (*Engine, *string) {
	t.Helper()
	asked := new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, _ := io.ReadAll(r.Body)
		*asked = r.URL.Path + " " + string(form) + " " + r.Header.Get("X-Loadline-Exact")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return &Engine{HTTP: s.Client(), URL: func(storage.Queryable) string { return s.URL }}, asked
}

func TestAnswers(t *testing.T) {
	h := &histogram.FloatHistogram{Schema: 1, Count: 3, Sum: 2, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []float64{3}}
	binary, err := new(prompb.FromFloatHistogram(5, h)).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString(binary)
	f := func(kind, result, want string) {
		t.Helper()
		engine, _ := server(t, http.StatusOK, fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, result))
		q, _ := engine.NewInstantQuery(context.Background(), nil, nil, "q", time.Time{})
		got := q.Exec(context.Background())
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		if diff := cmp.Diff(want, got.Value.String()); diff != "" {
			t.Error(diff)
		}
	}
	f("scalar", `[1.5,"-0"]`, "scalar: -0 @[1500]")
	f("string", `[-0.001,"a\"b"]`, `a"b`)
	f("vector", `[]`, "")
	f("vector", `[{"metric":{"__name__":"m","a":"b"},"value":[3,"+Inf"]},{"metric":{},"value":[3.02,"NaN"]}]`, `{__name__="m", a="b"} => +Inf @[3000]`+"\n{} => NaN @[3020]")
	f("vector", `[{"metric":{},"histogram":[3,"`+encoded+`"]}]`, "{} => {count:3, sum:2, (0.7071067811865475,1]:3} @[3000]")
	f("matrix", `[{"metric":{"a":"b"},"values":[[0,"1"],[15,"2"]],"histograms":[[20,"`+encoded+`"]]}]`, "{a=\"b\"} =>\n1 @[0]\n2 @[15000]\n{count:3, sum:2, (0.7071067811865475,1]:3} @[20000]")
}

func TestRequests(t *testing.T) {
	engine, asked := server(t, http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL warning: w"],"infos":["PromQL info: i"]}`)
	q, _ := engine.NewRangeQuery(context.Background(), nil, nil, "a+b", time.UnixMilli(-1500), time.UnixMilli(60000), 15*time.Second+time.Millisecond)
	got := q.Exec(context.Background())
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	if want := "/api/v1/query_range end=60.000&query=a%2Bb&start=-1.500&step=15.001 1"; *asked != want {
		t.Errorf("asked %q, want %q", *asked, want)
	}
	if w, i := got.Warnings.CountWarningsAndInfo(); w != 1 || i != 1 {
		t.Errorf("%d warnings, %d infos", w, i)
	}
}

func TestErrors(t *testing.T) {
	f := func(status int, body, want string) {
		t.Helper()
		engine, _ := server(t, status, body)
		q, _ := engine.NewInstantQuery(context.Background(), nil, nil, "q", time.Time{})
		if err := q.Exec(context.Background()).Err; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f(400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:2: parse error: x"}`, "1:2: parse error: x")
	f(422, `{"status":"error","errorType":"execution","error":"found duplicate series"}`, "found duplicate series")
	f(502, `bad gateway`, `status 502: answer "bad gateway"`)
	f(200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1.0001,"1"]}]}}`, "more than milliseconds")
	f(200, `{"status":"success","data":{"resultType":"tensor","result":[]}}`, `unknown result type "tensor"`)
}
