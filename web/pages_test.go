package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"loadline/query"
	"loadline/query/filter"
	"loadline/query/trace"
)

// html parses a page.
func html(t testing.TB, body string) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// inline matches what the policy would refuse.
var inline = regexp.MustCompile(`(?i)\s(?:style|on[a-z]+)\s*=`)

// withQuery adds parameters to an address.
func withQuery(path, query string) string {
	if strings.Contains(path, "?") {
		return path + "&" + query
	}
	return path + "?" + query
}

// TestEveryPage holds for all pages: nothing inline, one h1, a title, and links that keep the range.
func TestEveryPage(t *testing.T) {
	f := newFixture(t, true)
	for name, path := range f.pages(t) {
		body, code := f.get(t, withQuery(path, "range=1h&env=production"))
		if want := map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[name == "not-found"]; code != want {
			t.Errorf("%s: status %d, want %d", name, code, want)
		}
		// Text that stands between tags cannot be an attribute.
		for _, tag := range regexp.MustCompile(`<[a-zA-Z][^>]*>`).FindAllString(body, -1) {
			if inline.MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, `""`)) {
				t.Errorf("%s: inline code or style: %s", name, tag)
			}
		}
		doc := html(t, body)
		if n := doc.Find("h1").Length(); n != 1 {
			t.Errorf("%s: %d h1", name, n)
		}
		if title := doc.Find("title").Text(); !strings.HasSuffix(title, " · Loadline") {
			t.Errorf("%s: title %q", name, title)
		}
		if n := doc.Find("*").Length(); n > 1500 {
			t.Errorf("%s: %d elements, more than 1,500", name, n)
		}
		doc.Find("script:not([src])").Each(func(_ int, s *goquery.Selection) {
			if kind, _ := s.Attr("type"); kind != "application/json" {
				t.Errorf("%s: inline script of type %q", name, kind)
			}
		})
		doc.Find("a[href]").Each(func(_ int, a *goquery.Selection) {
			href, _ := a.Attr("href")
			if !strings.HasPrefix(href, "/") {
				return // part of this page
			}
			u, err := url.Parse(href)
			if err != nil {
				t.Errorf("%s: link %q: %v", name, href, err)
				return
			}
			q := u.Query()
			if q.Get("env") != "production" && a.Closest("#envs").Length() == 0 {
				t.Errorf("%s: link %q loses the environment", name, href)
			}
			if q.Get("range") != "1h" && a.Closest("#range").Length() == 0 && q.Get("from") == "" && q.Get("range") != "7d" {
				t.Errorf("%s: link %q loses the range", name, href)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	f := newFixture(t, true)
	res, err := http.Get(f.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	csp := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'", "trusted-types loadline", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("policy %q lacks %q", csp, part)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "private, no-cache", "Content-Type": "text/html; charset=utf-8"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestBadParameters: an address with nonsense in it shows a page that says so.
func TestBadParameters(t *testing.T) {
	f := newFixture(t, true)
	g := func(path, says string) {
		t.Helper()
		doc := html(t, f.page(t, path))
		if got := doc.Find(".notice").Text(); !strings.Contains(got, says) {
			t.Errorf("%s: notice %q, want %q", path, got, says)
		}
	}
	g("/?range=5+parsecs", "showing the last 30 minutes")
	g("/services?from=x&to=y", "showing the last 30 minutes")
	g("/services/checkout-api?from=200&to=100", "showing the last 30 minutes")
	g("/traces?q=%3D%3D%3D", "expected a key")
	g("/traces?q="+url.QueryEscape("duration > tomorrow"), "duration")
	g("/traces?q="+url.QueryEscape("http.route =~ ("), "missing closing")
	for _, path := range []string{"/?unknown=1", "/services?sort=nonsense", "/services/checkout-api?tab=nonsense", "/traces?cursor=zzz", "/traces/" + f.someTrace(t) + "?span=zzz&view=nonsense", "/welcome?lang=cobol", "/services/no-such-service"} {
		f.page(t, path)
	}
	for path, want := range map[string]string{"/traces/xyz": "is no trace id", "/traces/" + strings.Repeat("ab", 16): "Trace not found"} {
		body, code := f.get(t, path)
		if code != http.StatusNotFound || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", path, code, want)
		}
	}
}

func TestTypedRangesBecomeShortAddresses(t *testing.T) {
	f := newFixture(t, true)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	g := func(path, want string) {
		t.Helper()
		res, err := client.Get(f.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusFound || !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %d to %q, want %q", path, res.StatusCode, got, want)
		}
	}
	g("/?range=last+90+minutes", `^/\?range=90m$`)
	g("/services?range=yesterday&env=x", `^/services\?env=x&from=\d+&to=\d+$`)
	g("/traces?q=status+%3D+error&add=duration+%3E+1s", `^/traces\?q=status\+%3D\+error\+AND\+duration\+%3E\+1s$`)
	g("/traces?add="+strings.Repeat("0f", 16), `^/traces/(0f){16}$`)
}

func TestOverview(t *testing.T) {
	f := newFixture(t, true)
	doc := html(t, f.page(t, "/"))
	if got := doc.Find(".headline strong").Text(); !strings.HasPrefix(got, "checkout-api fails") {
		t.Errorf("headline %q", got)
	}
	first := doc.Find("tbody[data-live^='services'] tr").First()
	if name, _ := first.Attr("data-k"); name != "checkout-api" {
		t.Errorf("first service %q, want the failing one", name)
	}
	if n := doc.Find("tbody[data-live^='services'] tr").Length(); n != 6 {
		t.Errorf("%d services, want 6", n)
	}
	for _, k := range []string{"kpi.rate", "kpi.err", "kpi.p50", "kpi.p95", "kpi.p99"} {
		if got := doc.Find(`[data-c="` + k + `"]`).Text(); got == "" || got == "–" {
			t.Errorf("%s is %q", k, got)
		}
	}
	var chart struct {
		Y  [][]*float64
		Ex []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(doc.Find("#lat-data").Text()), &chart); err != nil {
		t.Fatal(err)
	}
	if len(chart.Y) != 4 || len(chart.Y[0]) < 100 || len(chart.Ex) == 0 {
		t.Errorf("latency chart: %d series, %d exemplars", len(chart.Y), len(chart.Ex))
	}
	f.page(t, "/traces/"+chart.Ex[0].ID)
}

func TestNothingYet(t *testing.T) {
	f := newFixture(t, false)
	doc := html(t, f.page(t, "/")) // leads to the welcome page
	if got := doc.Find("h1").Text(); got != "Send your first trace" {
		t.Fatalf("h1 %q", got)
	}
	if doc.Find(".wait .spin").Length() != 1 {
		t.Error("the page does not wait")
	}
	if got := doc.Find("#snippet").Text(); !strings.Contains(got, `OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318"`) {
		t.Errorf("snippet %q", got)
	}
	checks := doc.Find("aside .list").Text()
	for _, want := range []string{"OTLP/gRPC is listening", "12 requests so far", "3 requests refused", "missing authorization header, from 10.0.3.7", "80.0 GB free", "Clock"} {
		if !strings.Contains(checks, want) {
			t.Errorf("checks lack %q: %s", want, checks)
		}
	}
	for _, path := range []string{"/services", "/traces", "/settings", "/services/anything"} {
		doc := html(t, f.page(t, path))
		if doc.Find(".failed").Length() > 0 {
			t.Errorf("%s: %s", path, doc.Find(".failed").Text())
		}
	}
	if got := html(t, f.page(t, "/services")).Find(".empty").Text(); !strings.Contains(got, "No service has sent spans") {
		t.Errorf("empty services: %q", got)
	}
}

func TestSorting(t *testing.T) {
	f := newFixture(t, true)
	names := func(path string) (out []string) {
		html(t, f.page(t, path)).Find("tbody tr").Each(func(_ int, tr *goquery.Selection) {
			name, _ := tr.Attr("data-k")
			out = append(out, name)
		})
		return out
	}
	up := names("/services?sort=name")
	if !slices.IsSorted(up) || len(up) != 6 {
		t.Errorf("by name: %v", up)
	}
	down := names("/services?sort=-name")
	slices.Reverse(down)
	if !slices.Equal(up, down) {
		t.Errorf("by name, reversed: %v", down)
	}
	if got := names("/services?sort=-rate")[0]; got != "edge-gateway" {
		t.Errorf("busiest: %q", got)
	}
	doc := html(t, f.page(t, "/services?sort=-p99"))
	if got := doc.Find("th[aria-sort=descending]").Text(); !strings.Contains(got, "p99") {
		t.Errorf("sorted column %q", got)
	}
}

func TestService(t *testing.T) {
	f := newFixture(t, true)
	doc := html(t, f.page(t, "/services/checkout-api"))
	if got := doc.Find("h1").Text(); got != "checkout-api" {
		t.Errorf("h1 %q", got)
	}
	if got := doc.Find(".ph .badge").Text(); !strings.Contains(got, "Failing") {
		t.Errorf("health %q", got)
	}
	calls := doc.Find("section:has(h2:contains('Calls to others'))").Text()
	for _, want := range []string{"postgresql:shop", "redis-main", "kafka:orders", "payments"} {
		if !strings.Contains(calls, want) {
			t.Errorf("calls lack %s: %s", want, calls)
		}
	}
	if got := html(t, f.page(t, "/services/no-such-service")).Find(".empty").Text(); !strings.Contains(got, "No span of no-such-service") {
		t.Errorf("unknown service: %q", got)
	}
}

func TestSearch(t *testing.T) {
	f := newFixture(t, true)
	doc := html(t, f.page(t, "/traces?q="+url.QueryEscape("service = checkout-api AND status = error")))
	if n := doc.Find(".chip").Length(); n != 2 {
		t.Errorf("%d chips", n)
	}
	without, _ := doc.Find(".chip a").First().Attr("href")
	if u, err := url.Parse(without); err != nil || u.Query().Get("q") != "status = error" {
		t.Errorf("without the first chip: %q", without)
	}
	doc.Find("#rows tr").Each(func(_ int, tr *goquery.Selection) {
		if got := tr.Find(".badge").Text(); got != "503" {
			t.Errorf("status %q", got)
		}
	})
	if doc.Find("#rows tr").Length() == 0 {
		t.Fatal("no row")
	}
	// A facet's value adds to the search, and takes itself off when it is on.
	on, _ := doc.Find(`.facet a[aria-current]`).First().Attr("href")
	if u, err := url.Parse(on); err != nil || strings.Contains(u.Query().Get("q"), "status = error") && strings.Contains(u.Query().Get("q"), "checkout-api") {
		t.Errorf("a facet that is on leads to %q", on)
	}
	// The next page continues.
	doc = html(t, f.page(t, "/traces"))
	more, ok := doc.Find("#more").Attr("href")
	if !ok {
		t.Fatal("no more")
	}
	var part struct{ HTML, More string }
	if err := json.Unmarshal([]byte(f.page(t, more+"&part=rows")), &part); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	doc.Find("#rows tr").Each(func(_ int, tr *goquery.Selection) { id, _ := tr.Attr("data-k"); seen[id] = true })
	html(t, "<table>"+part.HTML+"</table>").Find("tr").Each(func(_ int, tr *goquery.Selection) {
		if id, _ := tr.Attr("data-k"); seen[id] {
			t.Errorf("trace %s is on both pages", id)
		}
	})
	empty := html(t, f.page(t, "/traces?q="+url.QueryEscape("service = checkout-api AND duration > 90s")))
	if got := empty.Find(".hints").Text(); !strings.Contains(got, "without duration > 90s") {
		t.Errorf("hints %q", got)
	}
}

func TestSuggest(t *testing.T) {
	f := newFixture(t, true)
	g := func(text, want string, done bool) {
		t.Helper()
		var list []struct {
			Text, Show string
			Done       bool
		}
		if err := json.Unmarshal([]byte(f.page(t, "/api/ui/suggest?text="+url.QueryEscape(text))), &list); err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Text == want && s.Done == done {
				return
			}
		}
		t.Errorf("%q: %v lacks %q", text, list, want)
	}
	g("serv", "service = ", false)
	g("db.sys", "db.system.name = ", false)
	g("service = check", "service = checkout-api", true)
	g("operation = ", `operation = "POST /v1/checkout"`, true)
	g("", "status = ", false)
	var offers []struct{ T, H, G string }
	if err := json.Unmarshal([]byte(f.page(t, "/api/ui/palette?range=1h")), &offers); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(offers, func(o struct{ T, H, G string }) bool { return o.T == "payments" })
	if i < 0 || offers[i].H != "/services/payments?range=1h" {
		t.Errorf("palette: %v", offers)
	}
}

func TestTrace(t *testing.T) {
	f := newFixture(t, true)
	id := f.someTrace(t)
	doc := html(t, f.page(t, "/traces/"+id))
	if got := doc.Find("h1").Text(); got != "POST /v1/checkout" {
		t.Errorf("h1 %q", got)
	}
	if got := doc.Find(".headline").Text(); !strings.Contains(got, "SELECT line_items ran") {
		t.Errorf("verdict %q", got)
	}
	group := doc.Find(".wf-r[aria-expanded=false]")
	if group.Length() != 1 || !strings.Contains(group.Text(), "×") {
		t.Errorf("%d folded groups: %s", group.Length(), group.Text())
	}
	if doc.Find(".wf-r.member:not([hidden])").Length() > 0 {
		t.Error("members of a folded group are visible")
	}
	if doc.Find(".wf-r[data-cp]").Length() < 3 {
		t.Error("no critical path")
	}
	if got := doc.Find("#detail h2").Text(); got != "SELECT line_items" {
		t.Errorf("opened span %q", got)
	}
	// The panel alone, by id and by row.
	span, _ := doc.Find(".wf-r").First().Attr("data-id")
	for _, which := range []string{span, "@0"} {
		if got := f.page(t, "/traces/"+id+"/spans/"+which); !strings.Contains(got, "edge-gateway") || strings.Contains(got, "<html") {
			t.Errorf("panel of %s: %s", which, got)
		}
	}
	if _, code := f.get(t, "/traces/"+id+"/spans/@9999"); code != http.StatusNotFound {
		t.Errorf("panel of no row: %d", code)
	}
	if got := html(t, f.page(t, "/traces/"+id+"?view=table")).Find("table").Text(); !strings.Contains(got, "SELECT line_items") {
		t.Errorf("table %q", got)
	}
}

func TestTraceExport(t *testing.T) {
	f := newFixture(t, true)
	id := f.someTrace(t)
	var out struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					TraceID           string `json:"traceId"`
					StartTimeUnixNano string
					Attributes        []struct{ Key string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(f.page(t, "/traces/"+id+".json")), &out); err != nil {
		t.Fatal(err)
	}
	parsed, err := trace.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := query.New(f.db).Trace(context.Background(), parsed)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, rs := range out.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				n++
				if s.TraceID != id || len(s.StartTimeUnixNano) != 19 {
					t.Errorf("span %+v", s)
				}
			}
		}
	}
	if n != len(stored.Spans) {
		t.Errorf("%d spans exported, %d stored", n, len(stored.Spans))
	}
}

// TestLongTrace is drawn by the script: the page has only its beginning, the rest are columns.
func TestLongTrace(t *testing.T) {
	f := newFixture(t, false)
	id := f.longTrace(t, 3000)
	doc := html(t, f.page(t, "/traces/"+id))
	big, ok := doc.Find("#wf").Attr("data-big")
	if !ok || big == "" {
		t.Fatal("no columns")
	}
	if n := doc.Find("*").Length(); n > 1500 {
		t.Errorf("%d elements", n)
	}
	var columns struct {
		P, S, W, O, V []int
		Names         []string
	}
	if err := json.Unmarshal([]byte(f.page(t, big)), &columns); err != nil {
		t.Fatal(err)
	}
	if n := len(columns.P); n < 3000 || len(columns.S) != n || len(columns.W) != n || len(columns.O) != n || len(columns.V) != n {
		t.Errorf("columns of %d, %d, %d, %d, %d rows", n, len(columns.S), len(columns.W), len(columns.O), len(columns.V))
	}
}

// longTrace stores a trace with many spans of different operations.
func (f *fixture) longTrace(t testing.TB, spans int) string {
	t.Helper()
	f.shop.begin()
	at, first := f.now.Add(-time.Minute), len(f.shop.spans)
	parents := []string{""}
	for i := range spans {
		parent := parents[f.shop.random.IntN(len(parents))]
		if i == 0 {
			parents = nil
		}
		s := f.shop.span(parent, []string{"edge-gateway", "catalog-api", "payments"}[i%3], "operation "+string(rune('a'+i%26))+string(rune('a'+i/26%26)), "internal", at.Add(time.Duration(i)*time.Millisecond), 20*time.Millisecond)
		s.Error = i%500 == 499
		if i == 0 {
			s.Duration = int64(time.Duration(spans) * time.Millisecond)
		}
		if len(parents) < 300 {
			parents = append(parents, s.Span)
		}
	}
	store(t, f.db, f.shop.spans[first:])
	return f.shop.trace
}

func TestCSV(t *testing.T) {
	f := newFixture(t, true)
	rows, err := csv.NewReader(strings.NewReader(f.page(t, "/services.csv?range=1h"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 7 || rows[0][0] != "service" {
		t.Errorf("rows %v", rows)
	}
}

// TestHostileNames: names come from anybody who can send a span.
func TestHostileNames(t *testing.T) {
	f := newFixture(t, false)
	const evil = `<img src=x onerror=alert(1)>"'&{{`
	f.shop.begin()
	s := f.shop.span("", evil, "GET /"+evil, "server", f.now.Add(-time.Minute), time.Millisecond)
	s.Version, s.HTTP = evil, 200
	s.Attributes = map[string]string{evil: evil, "url.full": "javascript:alert(1)"}
	s.Events = `[{"ts":1,"name":"` + strings.ReplaceAll(evil, `"`, `\"`) + `","attributes":{}}]`
	store(t, f.db, f.shop.spans)
	for _, path := range []string{"/", "/services", "/services/" + url.PathEscape(evil), "/services/" + url.PathEscape(evil) + "?tab=endpoints", "/traces", "/traces?q=" + url.QueryEscape(filter.Format([]filter.Matcher{{Key: "service", Op: filter.Equal, Value: evil}})), "/traces/" + f.shop.trace, "/welcome"} {
		body := f.page(t, path)
		doc := html(t, body)
		if doc.Find("img").Length() > 0 || strings.Contains(body, "<img src=x") {
			t.Errorf("%s: a name became markup", path)
		}
		doc.Find("a[href]").Each(func(_ int, a *goquery.Selection) {
			if href, _ := a.Attr("href"); strings.HasPrefix(strings.ToLower(href), "javascript:") {
				t.Errorf("%s: link %q", path, href)
			}
		})
	}
	link, _ := html(t, f.page(t, "/services")).Find("tbody a").First().Attr("href")
	if got := html(t, f.page(t, link)).Find("h1").Text(); got != evil {
		t.Errorf("the link of the service leads to %q", got)
	}
}

// TestFailingStorage: a panel that fails says so, and the page lives on.
func TestFailingStorage(t *testing.T) {
	f := newFixture(t, true)
	execute(t, f.db, "DROP TABLE deployments")
	doc := html(t, f.page(t, "/"))
	failed := doc.Find(".failed")
	if failed.Length() == 0 || !strings.Contains(failed.Text(), "could not be computed") {
		t.Fatalf("failures: %q", failed.Text())
	}
	if doc.Find("[data-chart=lat] .plot").Length() != 1 {
		t.Error("a chart that does not need the table is gone")
	}
}

// TestPageBudgets keeps pages small on the wire.
func TestPageBudgets(t *testing.T) {
	f := newFixture(t, true)
	for name, path := range f.pages(t) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, f.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "zstd")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, buffer := 0, make([]byte, 32<<10)
		for {
			m, err := res.Body.Read(buffer)
			n += m
			if err != nil {
				break
			}
		}
		res.Body.Close()
		t.Logf("%s: %d bytes", name, n)
		if res.Header.Get("Content-Encoding") != "zstd" || n > 16<<10 {
			t.Errorf("%s: %d bytes as %q, more than %d", name, n, res.Header.Get("Content-Encoding"), 16<<10)
		}
	}
}
