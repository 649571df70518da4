package promapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/prometheus/promql"

	"loadline/query/promql/store"
)

func TestNewChecksItsConfig(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{})
	f(Config{}, "engine")
	f(Config{Engine: engine}, "store")
	f(Config{Engine: engine, Store: sample()}, "parser")
	f(Config{Engine: engine, Store: sample(), Parser: testParser(), Timeout: -1}, "negative")
}

func TestMethods(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(method, path string, code int, allow string) {
		t.Helper()
		w := serve(a, httptest.NewRequest(method, path, nil))
		if w.Code != code || w.Header().Get("Allow") != allow {
			t.Errorf("%s %s: status %d, Allow %q, want %d %q", method, path, w.Code, w.Header().Get("Allow"), code, allow)
		}
		if code != http.StatusNoContent && w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: content type %q", method, path, w.Header().Get("Content-Type"))
		}
	}
	// Grafana asks with POST first and takes 405 as the sign to ask with GET.
	f("POST", "/api/v1/status/buildinfo", 405, "GET")
	f("POST", "/api/v1/metadata", 405, "GET")
	f("POST", "/api/v1/label/job/values", 405, "GET")
	f("GET", "/api/v1/read", 405, "POST")
	f("DELETE", "/api/v1/query", 405, "GET, POST")
	f("HEAD", "/api/v1/status/buildinfo", 200, "")
	f("GET", "/api/v1/nonsense", 404, "")
	f("GET", "/api/v1/", 404, "")
	f("GET", "/api/v1/label/a/b/values", 404, "")
	f("GET", "/api/v1/label/job", 404, "")
	f("POST", "/api/v1/write", 404, "")
	f("POST", "/api/v1/admin/tsdb/delete_series", 500, "")
	f("PUT", "/api/v1/admin/tsdb/snapshot", 500, "")
	f("OPTIONS", "/api/v1/query", 204, "")
	f("OPTIONS", "/api/v1/anything/else", 204, "")
}

func TestUnknownPathsAreEscaped(t *testing.T) {
	want(t, newAPI(t, sample(), nil), httptest.NewRequest("GET", "/api/v1/%3Cscript%3E", nil), 404,
		`{"status":"error","errorType":"not_found","error":"there is no /api/v1/<script>"}`)
	w := serve(newAPI(t, sample(), nil), httptest.NewRequest("GET", "/api/v1/%3Cscript%3E", nil))
	if strings.Contains(w.Body.String(), "<") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s, %v", w.Body, w.Header())
	}
}

func TestOrigins(t *testing.T) {
	f := func(pattern, origin, want string) {
		t.Helper()
		a := newAPI(t, sample(), func(c *Config) {
			if pattern != "" {
				c.CORSOrigin = regexp.MustCompile("^(?:" + pattern + ")$")
			}
		})
		r := getRequest("/api/v1/labels", nil)
		r.Header.Set("Origin", origin)
		if got := serve(a, r).Header().Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%q from %q: got %q, want %q", pattern, origin, got, want)
		}
	}
	f("", "https://a.example", "")
	f(".*", "https://a.example", "*")
	f(`https://[a-z]+\.example`, "https://a.example", "https://a.example")
	f(`https://[a-z]+\.example`, "https://a.example.evil", "")
	f(".*", "", "")
}

func TestCompression(t *testing.T) {
	m := sample()
	for i := range 500 {
		m.series = append(m.series, metric([]float64{1}, "__name__", "many", "i", fmt.Sprint(i)))
	}
	a := newAPI(t, m, nil)
	fetch := func(accept string) ([]byte, *httptest.ResponseRecorder) {
		r := postRequest("/api/v1/series", form("match[]", "many"))
		r.Header.Set("Accept-Encoding", accept)
		w := serve(a, r)
		return w.Body.Bytes(), w
	}
	plain, _ := fetch("")
	zipped, w := fetch("gzip, deflate")
	gz, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(gz); err != nil || !bytes.Equal(got, plain) || w.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip: %v, %d bytes of %d, %v", err, len(got), len(plain), w.Header())
	}
	zipped, w = fetch("gzip, zstd")
	zs, err := zstd.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	defer zs.Close()
	if got, err := io.ReadAll(zs); err != nil || !bytes.Equal(got, plain) || w.Header().Get("Content-Encoding") != "zstd" {
		t.Errorf("zstd: %v, %d bytes of %d, %v", err, len(got), len(plain), w.Header())
	}
}

func TestLabels(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(path, data string, pairs ...string) {
		t.Helper()
		want(t, a, getRequest("/api/v1/"+path, form(pairs...)), 200, `{"status":"success",`+data+`}`)
		if !strings.HasPrefix(path, "label/") {
			want(t, a, postRequest("/api/v1/"+path, form(pairs...)), 200, `{"status":"success",`+data+`}`)
		}
	}
	f("labels", `"data":["__name__","instance","job","service.name"]`)
	f("labels", `"data":["__name__","job"]`, "match[]", "up", "start", "1800000000", "end", "1800000060")
	f("labels", `"data":["__name__","instance","job"]`, "match[]", "up", "match[]", "requests_total")
	f("labels", `"data":[]`, "end", "5")
	f("labels", `"data":["__name__","instance"],"warnings":["results truncated due to limit"]`, "limit", "2")
	f("labels", `"data":["__name__","instance","job","service.name"]`, "limit", "4")
	f("label/job/values", `"data":["shop"]`)
	f("label/instance/values", `"data":["a","b"]`, "match[]", `requests_total`, "match[]", "up")
	f("label/instance/values", `"data":["a"],"warnings":["results truncated due to limit"]`, "limit", "1")
	f("label/none/values", `"data":[]`)
	f("label/__name__/values", `"data":["http.server.duration","latency_seconds","requests_total","up"]`)
	f("label/U__service_2e_name/values", `"data":["<shop> & \"co\""]`)
	f("label/service.name/values", `"data":["<shop> & \"co\""]`)
	f("label/"+url.PathEscape("service.name")+"/values", `"data":["<shop> & \"co\""]`, "match[]", `{"http.server.duration"}`)
	f("label/a%2Fb/values", `"data":[]`)
	f("series", `"data":[{"__name__":"requests_total","instance":"a","job":"shop"},{"__name__":"requests_total","instance":"b","job":"shop"},{"__name__":"up","job":"shop"}]`, "match[]", "up", "match[]", "requests_total", "match[]", `{job="shop",__name__=~"up|nothing"}`)
	f("series", `"data":[{"__name__":"requests_total","instance":"a","job":"shop"}],"warnings":["results truncated due to limit"]`, "match[]", "requests_total", "limit", "1")
	f("series", `"data":[]`, "match[]", "requests_total", "end", "-1")
}

func TestErrorsOfTheStore(t *testing.T) {
	m := sample()
	m.err = fmt.Errorf("gone")
	a := newAPI(t, m, nil)
	for _, path := range []string{"labels", "label/job/values", "series?match[]=up", "query_exemplars?query=up", "metadata", "status/tsdb", "search/metric_names", "search/label_values?label=x"} {
		want(t, a, httptest.NewRequest("GET", "/api/v1/"+path, nil), 422, `{"status":"error","errorType":"execution","error":"gone"}`)
	}
}

func TestMetadata(t *testing.T) {
	a := newAPI(t, sample(), nil)
	f := func(data string, pairs ...string) {
		t.Helper()
		want(t, a, getRequest("/api/v1/metadata", form(pairs...)), 200, `{"status":"success","data":`+data+`}`)
	}
	f(`{"requests_total":[{"type":"counter","unit":"","help":"Requests <served>."}],"up":[{"type":"gauge","unit":"","help":"One when there."},{"type":"gauge","unit":"","help":"Another text."}]}`)
	f(`{"requests_total":[{"type":"counter","unit":"","help":"Requests <served>."}]}`, "limit", "1")
	f(`{"up":[{"type":"gauge","unit":"","help":"One when there."}]}`, "metric", "up", "limit_per_metric", "1")
	f(`{}`, "metric", "nothing")
	f(`{}`, "limit", "0")
}

func TestHostileInput(t *testing.T) {
	a := newAPI(t, sample(), func(c *Config) { c.MaxFormBytes = 2 << 20 })
	f := func(r *http.Request, code int, message string) {
		t.Helper()
		w := serve(a, r)
		var answer struct{ Status, Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != code || !strings.Contains(answer.Error, message) {
			t.Errorf("status %d, want %d: %.200s, want %q", w.Code, code, w.Body, message)
		}
	}
	f(postRequest("/api/v1/query", form("query", strings.Repeat("x", 3<<20))), 400, "request body too large")
	f(postRequest("/api/v1/query", form("query", strings.Repeat("x", 1<<20+1))), 400, "is longer than 1048576")
	f(postRequest("/api/v1/query", form("query", strings.Repeat("(", 600_000))), 400, "more than 2000 operators")
	f(postRequest("/api/v1/query", form("query", strings.Repeat("ü.(", 200_000)+"1"+strings.Repeat(")", 20_000))), 400, "more than 2000 operators")
	f(postRequest("/api/v1/format_query", form("query", strings.Repeat("-", 500_000)+"1")), 400, "more than 2000 operators")
	f(postRequest("/api/v1/parse_query", form("query", strings.Repeat("1+", 200_000)+"1")), 400, "more than 2000 operators")
	f(postRequest("/api/v1/query_exemplars", form("query", strings.Repeat("abs(", 200_000))), 400, "more than 2000 operators")
	f(postRequest("/api/v1/query", form("query", `up{a="`+strings.Repeat("(+", 300_000)+`"} +`)), 400, "unexpected end of input")
	f(postRequest("/api/v1/query", form("query", "up\xff{")), 400, "parse error")
	f(getRequest("/api/v1/query", form("query", "up", "time", "1e400")), 400, "cannot parse")
	f(httptest.NewRequest("GET", "/api/v1/query?query=%zz", nil), 400, "error parsing form values: invalid URL escape")
	f(httptest.NewRequest("GET", "/api/v1/query?query=up;drop", nil), 400, "error parsing form values: invalid semicolon")
	f(httptest.NewRequest("GET", "/api/v1/label/%00%ff/values", nil), 400, "invalid label name")
	f(postRequest("/api/v1/labels", url.Values{"match[]": make([]string, 1001)}), 400, "1001 selectors are more than 1000")
	r := postRequest("/api/v1/query", nil)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=")
	f(r, 400, "error parsing form values")
}

func TestDeepButNotTooDeep(t *testing.T) {
	a := newAPI(t, sample(), nil)
	w := serve(a, postRequest("/api/v1/query", form("time", "4", "query", strings.Repeat("(", 900)+"1"+strings.Repeat(")", 900))))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `[4,"1"]`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestMultipartForms(t *testing.T) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range map[string]string{"query": "1", "time": "4"} {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/api/v1/query", &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	want(t, newAPI(t, sample(), nil), r, 200, `{"status":"success","data":{"resultType":"scalar","result":[4,"1"]}}`)
}

func TestLargeAnswersComeWhole(t *testing.T) {
	m := &memory{metadata: map[string][]store.Metadata{}}
	for i := range 3000 {
		m.series = append(m.series, metric(make([]float64, 40), "__name__", "many", "i", fmt.Sprint(i)))
	}
	w := serve(newAPI(t, m, nil), postRequest("/api/v1/query_range", form("query", "many", "start", "1800000000", "end", "1800000600", "step", "15")))
	var answer struct {
		Status string
		Data   struct {
			Result []struct{ Values [][]any }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Data.Result) != 3000 || len(answer.Data.Result[2999].Values) != 41 {
		t.Errorf("%v: %d bytes, %d series", err, w.Body.Len(), len(answer.Data.Result))
	}
}

func TestOptionalHandlers(t *testing.T) {
	taken := map[string]bool{}
	h := func(name string) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			taken[name+" "+string(b)] = true
		})
	}
	a := newAPI(t, sample(), func(c *Config) { c.Write, c.OTLP = h("write"), h("otlp") })
	for _, path := range []string{"write", "otlp/v1/metrics"} {
		r := httptest.NewRequest("POST", "/api/v1/"+path, strings.NewReader("a=b"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		serve(a, r)
	}
	if diff := cmp.Diff(map[string]bool{"write a=b": true, "otlp a=b": true}, taken); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzRequests looks for addresses and forms that crash the API or that it answers with something that is not JSON.
func FuzzRequests(f *testing.F) {
	f.Add("query", "query=up&time=4&stats=all")
	f.Add("query_range", "query=rate(up[1m])&start=0&end=10&step=1&limit=1&lookback_delta=1m")
	f.Add("query_exemplars", "query=up&start=-1")
	f.Add("label/U__a_2e_b/values", "match[]={a!=\"\"}")
	f.Add("label/%2F/values", "")
	f.Add("series", "match[]=up&match[]={__name__=~\".%2B\"}")
	f.Add("rules", "group_limit=1&group_next_token=a&type=alert")
	f.Add("parse_query", "query=sum(up) by (a) %2B ignoring(b) up @ 3")
	f.Add("status/tsdb", "limit=5")
	f.Add("query_range", "query=up&start=1&end=1.1&step=0.0001&stats=all")
	f.Add("search/metric_names", "search[]=u&limit=5")
	f.Add("read", "\x00")
	a := newAPI(f, sample(), nil)
	f.Fuzz(func(t *testing.T, path, form string) {
		otherFormat := strings.HasPrefix(path, "search/") || path == "read"
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r = r.Clone(t.Context())
			r.Method, r.URL, r.Body = method, &url.URL{Path: "/api/v1/" + path, RawQuery: form}, io.NopCloser(strings.NewReader(form))
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code != http.StatusNoContent && !otherFormat && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %q %q: status %d: %q", method, path, form, w.Code, w.Body)
			}
			if w.Code == http.StatusInternalServerError && !strings.HasPrefix(path, "admin/") {
				t.Errorf("%s %q %q: %s", method, path, form, w.Body)
			}
		}
	})
}
