package promapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// TestGrafana replays the requests of Grafana's Prometheus data source, with the methods and parameters that it uses,
// and compares the answers with testdata/grafana. A file has the status and the document.
func TestGrafana(t *testing.T) {
	server := httptest.NewServer(newMux(newAPI(t, sample(), nil)))
	defer server.Close()
	rangeOf := []string{"start", "1800000000", "end", "1800000060"}
	with := func(pairs ...string) url.Values { return form(append(pairs, rangeOf...)...) }
	f := func(golden, method, path string, v url.Values) {
		t.Helper()
		check(t, golden, send(t, server.URL, method, path, v))
	}
	// Saving the data source: does it answer at all, what is it, and of which version?
	f("health", "POST", "/api/v1/query", form("query", "1+1", "time", "4"))
	f("health", "GET", "/api/v1/query", form("query", "1+1", "time", "4", "timeout", "60s"))
	f("buildinfo_post", "POST", "/api/v1/status/buildinfo", nil)
	f("buildinfo", "GET", "/api/v1/status/buildinfo", nil)
	// The query editor: metrics, labels, values, metadata.
	f("metrics", "GET", "/api/v1/label/__name__/values", with("limit", "40000"))
	f("metrics_matching", "GET", "/api/v1/label/__name__/values", with("limit", "1000", "match[]", `{__name__=~".*req.*"}`))
	f("labels", "POST", "/api/v1/labels", with("limit", "40000", "match[]", `{__name__="requests_total"}`))
	f("labels", "GET", "/api/v1/labels", with("limit", "40000", "match[]", `{__name__="requests_total"}`))
	f("labels_limited", "POST", "/api/v1/labels", with("limit", "1"))
	f("values", "GET", "/api/v1/label/instance/values", with("limit", "40000", "match[]", `requests_total{job="shop"}`))
	f("values_utf8", "GET", "/api/v1/label/U__service_2e_name/values", with("limit", "40000", "match[]", `{"http.server.duration"}`))
	f("series", "POST", "/api/v1/series", with("limit", "40000", "match[]", `{__name__!=""}`))
	f("series", "GET", "/api/v1/series", with("limit", "40000", "match[]", `{__name__!=""}`))
	f("metadata", "GET", "/api/v1/metadata", form("limit", "40000"))
	f("metadata_post", "POST", "/api/v1/metadata", nil)
	// Panels and Explore.
	f("instant", "POST", "/api/v1/query", form("query", `requests_total{instance="a"}`, "time", "1800000060.123"))
	f("range", "POST", "/api/v1/query_range", with("query", `sum by (job) (rate(requests_total[30s]))`, "step", "15"))
	f("range", "GET", "/api/v1/query_range", with("query", `sum by (job) (rate(requests_total[30s]))`, "step", "15"))
	f("heatmap", "POST", "/api/v1/query_range", with("query", "latency_seconds", "step", "60"))
	f("quantile", "POST", "/api/v1/query_range", with("query", "histogram_quantile(0.9, latency_seconds)", "step", "30", "timeout", "30s"))
	f("infos", "POST", "/api/v1/query_range", with("query", "rate(up[1m])", "step", "60"))
	f("exemplars", "GET", "/api/v1/query_exemplars", with("query", "rate(requests_total[1m])"))
	f("exemplars", "POST", "/api/v1/query_exemplars", with("query", "rate(requests_total[1m])"))
	f("mistake", "POST", "/api/v1/query_range", with("query", "sum(", "step", "15"))
	f("mistake", "GET", "/api/v1/query_range", with("query", "sum(", "step", "15"))
	f("many_to_many", "POST", "/api/v1/query", form("query", "up * on (job) requests_total", "time", "1800000060"))
	// Alerting and annotations.
	f("rules", "GET", "/api/v1/rules", nil)
	f("alerts", "GET", "/api/v1/alerts", nil)
	f("rules_post", "POST", "/api/v1/rules", nil)
}

func newMux(a *API) *http.ServeMux {
	mux := http.NewServeMux()
	a.Register(mux)
	return mux
}

// send sends a request as Grafana does and returns the status and the body, which Go's transport decompresses.
func send(t *testing.T, base, method, path string, v url.Values) string {
	t.Helper()
	address, body := base+path, io.Reader(http.NoBody)
	if method == http.MethodPost {
		body = strings.NewReader(v.Encode())
	} else if len(v) > 0 {
		address += "?" + v.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("%s %s: content type %q", method, path, ct)
	}
	var doc bytes.Buffer
	if err := json.Indent(&doc, text, "", "  "); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return fmt.Sprintf("%d\n%s\n", resp.StatusCode, &doc)
}

// check compares an answer with a golden file. What depends on the build is left out.
func check(t *testing.T, name, got string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(got) {
		if !strings.Contains(line, `"goVersion"`) {
			lines = append(lines, line)
		}
	}
	got = strings.Join(lines, "")
	path := filepath.Join("testdata", "grafana", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}
