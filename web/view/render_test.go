package view

import (
	"bytes"
	"context"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
)

func testPage() Page {
	return Page{
		Title: "Test", Path: "/", Query: url.Values{"range": {"1h"}}, Theme: "dark", Live: true, Now: time.Unix(1e9, 0),
		Asset: func(name string) string { return "/a/" + name }, Topics: Topics{},
	}
}

func render(t testing.TB, c templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func document(t testing.TB, c templ.Component) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// sample fills every page with a text.
func sample(text string) map[string]templ.Component {
	p := testPage()
	p.Title, p.Env, p.Envs, p.Notices = text, text, []string{text}, []string{text}
	p.Crumbs = []Crumb{{Label: text, Href: p.Service(text)}, {Label: text}}
	failure := &Failure{What: text, Detail: text}
	chart := Chart{ID: "c", Title: text, Sub: text, Topic: text, Unit: "ms", Series: []Series{{Label: text, Color: "p50"}}, Columns: Columns{T0: 1, Step: 1, Y: []Numbers{{1, 2, 3}}, Ex: []Exemplar{{T: 1, V: 2, ID: text, Name: text}}}, Marks: []Mark{{T: 1, Label: text}}, Link: text}
	health := Health{State: "crit", Label: text, Why: text}
	table := Table{Columns: []Column{{Label: text, Href: p.With("sort", text)}}, Empty: Empty{Text: text, Action: Choice{Label: text, Href: p.Link("/")}}, Topic: text}
	services := Services{Table: table, Sub: text, Wide: true, Rows: []ServiceRow{{Name: text, Language: text, Href: p.Service(text), Health: health, Rate: text, Deploy: text, DeployTitle: text, Note: text, RateSpark: Spark([]float64{1, 2})}}}
	endpoints := Endpoints{Table: table, Title: text, Rows: []EndpointRow{{Key: text, Service: text, Method: text, Route: text, Href: p.Link("/traces", "q", text), SlowHref: p.Trace("1")}}, WithService: true}
	list := List{Title: text, Items: []Item{{Text: text, Sub: text, Right: text, Title: text, Href: p.Service(text)}, {Text: text}}, Empty: text}
	row := TraceRow{ID: text, Href: p.Trace("1"), Time: text, Service: text, Method: text, Operation: text, Status: text, StatusClass: "ok", Mix: []MixPart{{1, "0", "10"}}, MixText: text, Match: text, Version: text}
	facet := Facet{Title: text, Values: []FacetValue{{Value: text, Count: text, Href: p.With("q", text), On: true}}}
	traces := Traces{Meta: []string{text}, Chips: []Chip{{text, "=", text, p.With("q", "")}}, Query: text, Facets: []Facet{facet}, Rows: []TraceRow{row}, Legend: []Swatch{{1, text}}, Problem: text, More: p.With("cursor", text), MoreText: text, Heat: &Heatmap{ID: "h", Title: text, Link: text, Labels: []Tick{{"1%", text}}}}
	plain := Plain{Title: text, Heads: []Column{{Label: text}}, Rows: [][]Cell{{{Text: text, Title: text, Href: p.Link("/")}}}}
	headline := &Headline{State: "crit", Strong: text, Rest: text, Second: text, Tag: text, Actions: []Choice{{Label: text, Href: p.Link("/")}}}
	attribute := []Attribute{{Key: text, Value: text, Rest: text, Href: p.Link("/traces", "q", text)}}
	detail := &SpanDetail{ID: text, Title: text, Message: text, Facts: [][2]string{{text, text}}, Groups: []AttributeGroup{{text, attribute}}, Events: []SpanEvent{{At: text, Name: text, Values: attribute, Stack: text, Error: true}}, Links: []SpanLink{{text, p.Trace("1"), attribute}}, Logs: []LogRow{{Time: text, Severity: text, Body: text}}, Error: failure, Similar: p.Link("/"), LogsHref: p.Link("/"), Self: p.Link("/")}
	trace := Trace{ID: text, Title: text, Status: text, Meta: []string{text}, Errors: 2, Verdict: headline, Notices: []string{text}, Rows: []SpanRow{{ID: text, Href: p.Trace("1"), Service: text, Op: text, Label: text, Color: 1, Group: 3}}, Shares: []ServiceShare{{Name: text}}, Detail: detail}
	service := Service{Name: text, Language: text, Health: health, Meta: []string{text}, Notice: text, Tabs: []Choice{{Label: text, Href: p.Service(text)}}, TracesAt: p.Link("/traces"), Latency: chart, Rates: chart, Errors: chart, Heat: *traces.Heat, Endpoints: endpoints, Calls: Dependencies{Table: table, Title: text, Rows: []DependencyRow{{Name: text, Href: p.Service(text), PerRequest: text}}}, Slow: list, KPIs: []KPI{{ID: text, Label: text, Value: text, Href: p.Link("/")}}}
	failing := service
	failing.Tab, failing.ErrorGroups, failing.Failed = "errors", []Facet{facet}, traces
	instances := service
	instances.Tab, instances.Instances = "instances", plain
	logs := trace
	logs.View, logs.Logs = "logs", []LogRow{{Time: text, Severity: text, Service: text, Body: text, SpanHref: p.Link("/")}}
	operations := trace
	operations.View, operations.Table = "table", []OperationRow{{Service: text, Op: text}}
	explorer := Explorer{Meta: []string{text}, Expr: text, Views: []Choice{{Label: text, Href: p.With("view", "graph")}}, Chart: &chart, Heat: traces.Heat, Table: &plain, More: Choice{Label: text, Href: p.With("all", "1")}, Warnings: []string{text}, Functions: []PromFunction{{Name: text, Signature: text}}, Browser: MetricBrowser{Filter: text, Prefixes: facet.Values, Metrics: []MetricRow{{Name: text, Type: text, Unit: text, Help: text, OTelName: text, Href: p.With("q", text), Detail: p.With("metrics", text)}}, More: text, One: &plain}}
	unreadable := Explorer{Expr: text, Problem: &ExprProblem{Text: text, Before: text, Wrong: text, After: text}, Error: failure, Browser: MetricBrowser{Error: failure}}
	return map[string]templ.Component{
		"explorer": ExplorerPage(p, explorer), "unreadable": ExplorerPage(p, unreadable),
		"overview": OverviewPage(p, Overview{Meta: []string{text}, Headline: headline, KPIs: service.KPIs, Latency: chart, Rates: chart, Services: services, Endpoints: endpoints, Slow: list, Deploys: list}),
		"failing":  OverviewPage(p, Overview{KPIError: failure, Latency: Chart{ID: "a", Error: failure}, Rates: Chart{ID: "b", Error: failure}, Services: Services{Table: Table{Error: failure}}, Endpoints: Endpoints{Table: Table{Error: failure}}, Slow: List{Error: failure}}),
		"empty":    OverviewPage(p, Overview{Latency: chart, Rates: chart, Services: Services{Table: Table{Empty: table.Empty}}, Endpoints: Endpoints{Table: Table{Empty: table.Empty}}}),
		"services": ServicesPage(p, Overview{Services: services}), "service": ServicePage(p, service), "errors": ServicePage(p, failing), "instances": ServicePage(p, instances),
		"traces": TracesPage(p, traces), "trace": TracePage(p, trace), "logs": TracePage(p, logs), "operations": TracePage(p, operations),
		"welcome":  WelcomePage(p, Welcome{Languages: []Choice{{Label: text, Href: p.With("lang", text)}}, Snippet: templ.EscapeString(text), Note: text, Arrived: text, Listening: text, Checks: list.Items}),
		"settings": SettingsPage(p, Settings{Groups: []SettingsGroup{{text, list.Items}}, Tables: plain}),
		"message":  MessagePage(p, Message{Title: text, Text: text, Tips: []string{text}, Actions: []Choice{{Label: text, Href: p.Link("/")}}}),
	}
}

func TestTextsAreEscaped(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`
	for name, c := range sample(evil) {
		doc := document(t, c)
		if doc.Find("img").Length() > 0 || strings.Contains(doc.Find("script:not([src]):not([type])").Text(), "alert") {
			t.Errorf("%s: text became markup", name)
		}
		doc.Find("*").Each(func(_ int, s *goquery.Selection) {
			for _, a := range s.Nodes[0].Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
					t.Errorf("%s: attribute %s=%q on %s", name, a.Key, a.Val, s.Nodes[0].Data)
				}
			}
		})
	}
}

// TestStructure holds for all pages.
func TestStructure(t *testing.T) {
	for name, c := range sample("x") {
		doc := document(t, c)
		f := func(selector string, want int) {
			t.Helper()
			if n := doc.Find(selector).Length(); n != want {
				t.Errorf("%s: %d × %s, want %d", name, n, selector, want)
			}
		}
		f("h1", 1)
		f("main#main", 1)
		f("a.skip[href='#main']", 1)
		f("nav[aria-label=Main]", 1)
		f("html[lang=en][data-theme=dark]", 1)
		f("th:not([scope])", 0)
		f("svg:not([aria-hidden]):not([role])", 0)
		f("button:not([type]):not(form[method=dialog] button)", 0)
		ids := map[string]bool{}
		doc.Find("[id]").Each(func(_ int, s *goquery.Selection) {
			id, _ := s.Attr("id")
			// Charts of the sample share one id.
			if ids[id] && !strings.HasPrefix(id, "c-") && id != "rows" && !strings.HasPrefix(id, "h-") {
				t.Errorf("%s: id %q twice", name, id)
			}
			ids[id] = true
		})
		doc.Find("a[href^='/']").Each(func(_ int, s *goquery.Selection) {
			if href, _ := s.Attr("href"); !strings.Contains(href, "range=1h") && s.Closest("#range").Length() == 0 && !strings.HasPrefix(href, "/a/") {
				t.Errorf("%s: link %q loses the range", name, href)
			}
		})
	}
}

func TestFailuresStayInTheirPanel(t *testing.T) {
	doc := document(t, sample("broken")["failing"])
	if n := doc.Find(".failed").Length(); n != 6 {
		t.Errorf("%d failed panels, want 6", n)
	}
	if doc.Find(".failed details pre").First().Text() != "broken" {
		t.Error("no detail")
	}
}

// tags matches an opening tag outside of attribute values, as far as generated markup goes.
var tags = regexp.MustCompile(`<[a-zA-Z]`)

func FuzzRender(f *testing.F) {
	for _, s := range []string{"", "a", `"'><&`, "</script>", "{{.}}", "\x00\xff", "javascript:alert(1)", "<!--", "]]>"} {
		f.Add(s)
	}
	// How many tags pages have does not depend on their texts, but for parts that an empty text leaves out.
	count := map[string]int{}
	for name, c := range sample("a b=c") {
		count[name] = len(tags.FindAllString(render(f, c), -1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || strings.ContainsAny(text, "\n=#/") {
			return // snippets have lines, comments and assignments
		}
		for name, c := range sample(text) {
			if n := len(tags.FindAllString(render(t, c), -1)); n != count[name] {
				t.Errorf("%s: %d tags with text %q, %d with another", name, n, text, count[name])
			}
		}
	})
}

func BenchmarkRender(b *testing.B) {
	rows := make([]SpanRow, 200)
	for i := range rows {
		rows[i] = SpanRow{ID: "1", Href: "/traces/1", Depth: i % 8, Service: "checkout-api", Op: "SELECT line_items", Color: 1, X: "1%", W: "2%", Duration: "3 ms", Critical: []Bit{{"1%", "2%"}}}
	}
	c := TracePage(testPage(), Trace{Rows: rows})
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Render(context.Background(), &bytes.Buffer{}); err != nil {
			b.Fatal(err)
		}
	}
}
