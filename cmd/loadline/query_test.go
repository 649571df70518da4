package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loadline/cmd/loadline/fault"
)

// promAPI answers every request with a body, and keeps the last one.
type promAPI struct {
	*httptest.Server
	path string
	form url.Values
}

func newPromAPI(t *testing.T, status int, body string) *promAPI {
	t.Helper()
	api := &promAPI{}
	api.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		api.path, api.form = r.Method+" "+r.URL.Path, r.PostForm
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(api.Close)
	return api
}

func success(data string) string { return `{"status":"success","data":` + data + `}` }

func TestQueryPrints(t *testing.T) {
	f := func(name, body, want string, flags ...string) {
		t.Helper()
		api := newPromAPI(t, http.StatusOK, body)
		code, out, stderr := runCommand(t, append([]string{"query", "--url", api.URL + "/", "up"}, flags...)...)
		if diff := cmp.Diff(want, stderr+out); code != fault.OK || diff != "" {
			t.Errorf("%s: exit code %d (-want +got):\n%s", name, code, diff)
		}
	}
	const vector = `{"resultType":"vector","result":[
		{"metric":{"__name__":"up","job":"api","instance":"10.0.0.1:80"},"value":[1772352000.123,"1"]},
		{"metric":{"__name__":"up","job":"api","instance":"b","zone":"x\u001b[2J"},"value":[1772352000.123,"1234567.891"]},
		{"metric":{"__name__":"up","job":"api","instance":"später"},"value":[1772352000.123,"NaN"]},
		{"metric":{"__name__":"up","job":"api","instance":"d"},"value":[1772352000.123,"0.33333333333333331"]},
		{"metric":{"__name__":"up","job":"api","instance":"e"},"histogram":[1772352000.123,{"count":"12","sum":"3.5","buckets":[[0,"1","2","12"]]}]}]}`
	f("vector", success(vector), strings.Join([]string{
		`up{job="api"}`,
		`instance     zone                   value`,
		`10.0.0.1:80                             1`,
		`b            "x\x1b[2J"         1234567.9`,
		`später                                NaN`,
		`d                                0.333333`,
		`e                        count=12 sum=3.5`,
		``,
	}, "\n"))
	f("vector as CSV", success(vector), "__name__,instance,job,zone,time,value\n"+
		"up,10.0.0.1:80,api,,2026-03-01T08:00:00.123Z,1\n"+
		"up,b,api,x\x1b[2J,2026-03-01T08:00:00.123Z,1234567.891\n"+
		"up,später,api,,2026-03-01T08:00:00.123Z,NaN\n"+
		"up,d,api,,2026-03-01T08:00:00.123Z,0.33333333333333331\n"+
		"up,e,api,,2026-03-01T08:00:00.123Z,count=12 sum=3.5\n", "-o", "csv")
	f("one series", success(`{"resultType":"vector","result":[{"metric":{},"value":[1772352000,"-3"]}]}`), "{}\nvalue\n   -3\n")
	f("different metrics", success(`{"resultType":"vector","result":[
		{"metric":{"__name__":"a","A":"1"},"value":[1,"1"]},{"metric":{"__name__":"b","A":"1"},"value":[1,"1e300"]}]}`),
		"{A=\"1\"}\nmetric   value\na            1\nb       1e+300\n")
	f("nothing", success(`{"resultType":"vector","result":[]}`), "no series\n")
	f("JSON", success(`{"resultType":"vector","result":[]}`), "[]\n", "-o", "json")
	f("scalar", success(`{"resultType":"scalar","result":[4,"2"]}`), "2\n")
	f("string", success(`{"resultType":"string","result":[4,"hello"]}`), "hello\n")
	f("scalar as CSV", success(`{"resultType":"scalar","result":[4,"2"]}`), "time,value\n1970-01-01T00:00:04Z,2\n", "-o", "csv")
	f("matrix", success(`{"resultType":"matrix","result":[
		{"metric":{"job":"a"},"values":[[0,"0"],[60,"1"],[120,"2"],[180,"7"],[240,"3.5"]]},
		{"metric":{"job":"bb"},"values":[[60,"5"],[120,"5"],[240,"NaN"]]},
		{"metric":{"job":"h"},"histograms":[[0,{"count":"1","sum":"3"}],[60,{"count":"2","sum":"4"}]]}]}`), strings.Join([]string{
		`job  1970-01-01T00:00:00Z to 1970-01-01T00:04:00Z           last            min            max`,
		`a    ▁▂▃█▅                                                   3.5              0              7`,
		`bb    ▁▁                                                     NaN              5              5`,
		`h    ▁█                                            count=2 sum=4  count=1 sum=3  count=2 sum=4`,
		``,
	}, "\n"), "--since", "5m")
	f("one point", success(`{"resultType":"matrix","result":[{"metric":{},"values":[[60,"5"]]}]}`),
		"{}\n1970-01-01T00:01:00Z to 1970-01-01T00:01:00Z  last  min  max\n▁                                                5    5    5\n")
	f("warnings", `{"status":"success","warnings":["w1"],"infos":["i1","i2"],"data":{"resultType":"scalar","result":[4,"2"]}}`,
		"warning: w1\ninfo: i1\ninfo: i2\n2\n")
}

func TestQueryRequest(t *testing.T) {
	now := time.Date(2026, 3, 1, 8, 0, 0, 250e6, time.UTC)
	f := func(o queryOptions, want string) {
		t.Helper()
		path, form, err := o.request(now)
		got := strings.TrimPrefix(path, "/api/v1/") + " " + form.Encode()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%+v: %q, want %q", o, got, want)
		}
	}
	f(queryOptions{}, "query time=1772352000.25")
	f(queryOptions{at: "4"}, "query time=4")
	f(queryOptions{at: "-1d", timeout: "1m"}, "query time=1772265600.25&timeout=60")
	f(queryOptions{at: "2026-03-01T09:00:00+01:00"}, "query time=1772352000")
	f(queryOptions{since: "1h"}, "query_range end=1772352000.25&start=1772348400.25&step=60")
	f(queryOptions{step: "500ms"}, "query_range end=1772352000.25&start=1772348400.25&step=0.5")
	f(queryOptions{since: "30d"}, "query_range end=1772352000.25&start=1769760000.25&step=43200")
	f(queryOptions{since: "365d"}, "query_range end=1772352000.25&start=1740816000.25&step=604800")
	f(queryOptions{start: "-2h", end: "-1h"}, "query_range end=1772348400.25&start=1772344800.25&step=60")
	f(queryOptions{start: "0", end: "59.5", step: "1s"}, "query_range end=59.5&start=0&step=1")
	f(queryOptions{end: "7200", since: "1m"}, "query_range end=7200&start=7140&step=1")
	f(queryOptions{at: "noon"}, `--time: cannot use "noon": want a time, such as 2026-03-01T08:00:00Z, 1772352000 or -90m`)
	f(queryOptions{end: "-x"}, `--end: cannot use "-x": want a time, such as 2026-03-01T08:00:00Z, 1772352000 or -90m`)
	f(queryOptions{start: "5", end: "4"}, "the range ends at 1970-01-01T00:00:04Z, before it begins at 1970-01-01T00:00:05Z")
	f(queryOptions{start: "5", since: "1h"}, "--start and --since both say where the range begins: want one of them")
	f(queryOptions{at: "5", since: "1h"}, "--time is one moment, and --start, --end, --since and --step are a range: want either")
	f(queryOptions{since: "-1h"}, `--since: cannot use "-1h": want a duration, such as 15d, 12h or 1m30s`)
	f(queryOptions{step: "0"}, `--step: cannot use "0": want more than 0`)
	f(queryOptions{timeout: "soon"}, `--timeout: cannot use "soon": want a duration, such as 15d, 12h or 1m30s`)
}

func TestQueryPosts(t *testing.T) {
	api := newPromAPI(t, http.StatusOK, success(`{"resultType":"matrix","result":[]}`))
	const expr = `rate(m{a="b"}[5m]) + 1`
	if code, out, _ := runCommand(t, "query", "--url", api.URL, "--start", "10", "--end", "20", "--step", "5s", expr); code != fault.OK || out != "no series\n" {
		t.Errorf("exit code %d and %q", code, out)
	}
	want := url.Values{"query": {expr}, "start": {"10"}, "end": {"20"}, "step": {"5"}}
	if diff := cmp.Diff(want, api.form); api.path != "POST /api/v1/query_range" || diff != "" {
		t.Errorf("%s (-want +got):\n%s", api.path, diff)
	}
}

func TestQueryFails(t *testing.T) {
	f := func(status int, body, expr string, wantCode int, wantErr string) {
		t.Helper()
		api := newPromAPI(t, status, body)
		code, out, stderr := runCommand(t, "query", "--url", api.URL, "--", expr)
		if got := strings.ReplaceAll(stderr, api.URL, "URL"); code != wantCode || got != wantErr || out != "" {
			t.Errorf("%s: exit code %d, output %q and\n%s, want %d and\n%s", expr, code, out, got, wantCode, wantErr)
		}
	}
	bad := func(message string) string {
		return `{"status":"error","errorType":"bad_data","error":"` + message + `"}`
	}
	f(400, bad(`invalid parameter \"query\": 1:8: parse error: unexpected <)>`), "sum(up ))", fault.Usage,
		"error: parse error: unexpected <)>\n  sum(up ))\n         ^\n")
	f(400, bad(`invalid parameter \"query\": 2:14: parse error: unclosed`), "up\n+ {a=\"größe\"\t", fault.Usage,
		"error: parse error: unclosed\n  + {a=\"größe\" \n             ^\n")
	f(400, bad(`1:1: parse error: no expression found in input`), "", fault.Usage, "error: parse error: no expression found in input\n  \n  ^\n")
	f(400, bad(`9:1: parse error: elsewhere`), "up", fault.Usage, "error: 9:1: parse error: elsewhere\n")
	f(400, bad(`exceeded maximum resolution of 11,000 points`), "up", fault.Usage, "error: exceeded maximum resolution of 11,000 points\n")
	f(422, `{"status":"error","errorType":"execution","error":"found duplicate series"}`, "up", fault.Failed, "error: found duplicate series\n")
	f(404, "not here", "up", fault.Unreachable,
		"error: URL/api/v1/query answers with status 404 and nothing of a PromQL API\nhint: --url names the server; `loadline doctor` checks it\n")
	f(200, success(`{"resultType":"tensor","result":[]}`), "up", fault.Unreachable,
		"error: the result has the unknown type \"tensor\"\nhint: the server's version may differ: `loadline version`\n")
	f(200, success(`{"resultType":"vector","result":[{"metric":{},"value":[1]}]}`), "up", fault.Unreachable,
		"error: decode a vector: a point of 1 elements\nhint: the server's version may differ: `loadline version`\n")

	api := newPromAPI(t, 200, "")
	api.Close()
	if code, _, stderr := runCommand(t, "query", "--url", api.URL, "up"); code != fault.Unreachable || !strings.Contains(stderr, "refused") {
		t.Errorf("nobody listens: exit code %d and %q", code, stderr)
	}
	for _, args := range [][]string{{"query"}, {"query", "a", "b"}, {"query", "-o", "xml", "up"}, {"query", "--time", "x", "up"}} {
		if code, _, stderr := runCommand(t, args...); code != fault.Usage || !strings.Contains(stderr, "\nhint: ") {
			t.Errorf("%v: exit code %d and %q", args, code, stderr)
		}
	}
}
