package page

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

	"loadline/web/view"
)

func testPage() view.Page {
	return view.Page{
		Title: "Test", Path: "/slos", Query: url.Values{"range": {"1h"}}, Theme: "dark", Live: true, Now: time.Unix(1e9, 0),
		Asset: func(name string) string { return "/a/" + name }, Topics: view.Topics{},
	}
}

func document(t testing.TB, c templ.Component) (*goquery.Document, string) {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	doc, err := goquery.NewDocumentFromReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	return doc, text
}

// sample fills every page with a text.
func sample(text string) map[string]templ.Component {
	p := testPage()
	p.Title = text
	link := p.Link("/slos", "q", text)
	choice := []view.Choice{{Label: text, Href: link, Count: text, Current: true}, {Label: text, Href: link}}
	problems := []Problem{{Where: text, Text: text, Remedy: text}, {Text: text, Warning: true}}
	failure := &view.Failure{What: text, Detail: text}
	health := view.Health{State: "crit", Label: text, Why: text}
	chart := Chart{
		Chart: view.Chart{ID: "budget", Title: text, Sub: text, Unit: "pct", Series: []view.Series{{Label: text, Color: "c1"}}, Columns: view.Columns{T0: 10, Step: 10, Y: []view.Numbers{{1, 2, 3}}}},
		Lines: []Line{{1, text, "crit"}}, Zones: []Zone{{From: 0, To: 20, Color: "crit", Label: text}, {From: 90, To: 99}}, Dash: []int{0},
	}
	figures := []Figure{{ID: text, Label: text, Value: text, Unit: text, Note: text, Title: text, Spark: view.Spark([]float64{1, 2})}}
	plain := view.Plain{Title: text, Heads: []view.Column{{Label: text}}, Rows: [][]view.Cell{{{Text: text, Title: text}}}}
	row := Row{Key: text, Title: text, Href: link, Part: text, About: text, Promise: text, Objective: text, LeftText: text, Health: health, Owner: text}
	list := List{Meta: []string{text}, Filters: choice, Grouping: choice, Groups: []Group{{Title: text, Rows: []Row{row}}}, Problems: problems, New: link, Find: text, Searchable: true, Rest: []view.Param{{Name: text, Value: text}}, More: choice[0], Suggestions: []Suggestion{{Title: text, Text: text, Adjust: link, Fields: []view.Param{{Name: text, Value: text}}}}}
	detail := Detail{
		Title: text, Promise: text, Service: text, ServiceHref: link, Owner: text, Runbook: text, RunbookText: text, Labels: []string{text}, Health: health, Objectives: choice, Groups: choice, Tabs: choice,
		Headline: &view.Headline{State: "crit", Strong: text, Second: text}, Notices: []string{text}, Progress: &Progress{Share: 40, Text: text, Problem: text}, Edit: link, Report: link, YAML: link, Topic: text,
		Figures: figures, Budget: chart, Burn: chart, Rules: Rules{Sub: text, Topic: text, Period: text, Rows: []Rule{{Key: text, State: text, Icon: "flame", Severity: text, Threshold: text, Reason: text}}},
		Spenders: Spenders{Sub: text, Dimensions: choice, Spans: choice, Rest: text, Rows: []Spender{{Value: text, Href: link, Method: text, Title: text}, {Value: text}}},
		Examples: Examples{Sub: text, Rows: []Example{{Time: text, Href: link, Operation: text, Status: text, Kind: text, Where: text}}, More: choice[0]},
		Forecast: view.List{Title: text, Items: []view.Item{{Text: text, Sub: text}}},
	}
	with := func(tab string) Detail { d := detail; d.Tab = tab; return d }
	alerts, groups, corrections, definition := with("alerts"), with("groups"), with("corrections"), with("definition")
	alerts.Events, groups.GroupTable = plain, plain
	corrections.Corrections = Corrections{Rows: []Correction{{ID: text, From: text, To: text, Reason: text, Author: text}, {Withdrawn: true}}, From: text, Reason: text, Author: text, Problem: text, Action: link, Withdrawal: link}
	definition.Definition = Definition{Text: text, Formats: choice, Revisions: []Revision{{Number: text, At: text, Author: text, Source: text, Href: link, Deleted: true}}, Diff: []DiffLine{{"+", "add", text}}, DiffTitle: text, Source: text, Delete: link, Revision: text, Author: text, Problems: problems}
	failing := detail
	failing.Spenders.Error, failing.Examples.Error, failing.Budget.Error, failing.Forecast.Error = failure, failure, failure, failure
	preview := Preview{Title: text, Problems: problems, Facts: figures, Note: text, Budget: chart, Burn: chart, Alerts: plain, Incidents: plain, YAML: text, Promise: text, Took: text, Hints: []Hint{{text, text, true}}}
	form := Form{
		Title: text, Meta: text, Action: link, Cancel: link, Submit: text, Kind: text, Hidden: []view.Param{{Name: text, Value: text}}, Problems: problems, Conflict: text, Source: text, Preview: preview,
		Fields: []Field{{Name: "a", Label: text, Value: text, Hint: text, Placeholder: text, Problem: text, Suggestions: []string{text}}, {Name: "b", Label: text, Rows: 2, Value: text}, {Name: "c", Options: []Option{{text, text, true}}}},
		More:   []Field{{Name: "d", Type: "check", Label: text, Checked: true}},
	}
	broken, blank := form, form
	broken.Preview, blank.Preview = Preview{Title: text, Error: failure}, Preview{Title: text, Empty: text}
	report := Report{Title: text, Month: text, Promise: text, Earlier: link, Later: link, CSV: link, Back: link, Error: failure, Printed: text, Corrections: []Correction{{Reason: text, Author: text}}, Objectives: []ReportObjective{{Name: text, Verdict: health, Figures: figures, Days: plain, Alerts: plain}}}
	return map[string]templ.Component{
		"list": ListPage(p, list), "empty": ListPage(p, List{Table: view.Table{Empty: view.Empty{Text: text}}, SuggestErr: failure, New: link}), "failed": ListPage(p, List{Table: view.Table{Error: failure}, New: link}),
		"detail": DetailPage(p, detail), "failing": DetailPage(p, failing), "alerts": DetailPage(p, alerts), "groups": DetailPage(p, groups), "corrections": DetailPage(p, corrections), "definition": DetailPage(p, definition),
		"form": FormPage(p, form), "broken": FormPage(p, broken), "blank": FormPage(p, blank), "report": ReportPage(p, report),
	}
}

// inline matches what the policy would refuse.
var inline = regexp.MustCompile(`(?i)\s(?:style|on[a-z]+)\s*=`)

// TestPages holds for all pages: one h1, nothing inline, fields with labels, and links that keep the range.
func TestPages(t *testing.T) {
	for name, c := range sample("text") {
		doc, text := document(t, c)
		if n := doc.Find("h1").Length(); n != 1 {
			t.Errorf("%s: %d h1", name, n)
		}
		for _, tag := range regexp.MustCompile(`<[a-zA-Z][^>]*>`).FindAllString(text, -1) {
			if inline.MatchString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(tag, `""`)) {
				t.Errorf("%s: inline code or style: %s", name, tag)
			}
		}
		doc.Find("main a[href^='/']").Each(func(_ int, a *goquery.Selection) {
			if href, _ := a.Attr("href"); !strings.Contains(href, "range=1h") {
				t.Errorf("%s: link %q loses the range", name, href)
			}
		})
		doc.Find("main :is(input, select, textarea):not([type=hidden])").Each(func(_ int, e *goquery.Selection) {
			id, _ := e.Attr("id")
			_, labelled := e.Attr("aria-label")
			if !labelled && e.Closest("label").Length() == 0 && doc.Find("label[for='"+id+"']").Length() == 0 {
				t.Errorf("%s: field %q has no label", name, id)
			}
		})
		doc.Find("form[method=post]").Each(func(_ int, f *goquery.Selection) {
			if action, _ := f.Attr("action"); !strings.HasPrefix(action, "/slos") {
				t.Errorf("%s: a form goes to %q", name, action)
			}
		})
	}
}

// TestHostile: definitions and spans come from anybody who can send them.
func TestHostile(t *testing.T) {
	check := func(t *testing.T, evil string) {
		for name, c := range sample(evil) {
			doc, text := document(t, c)
			if n := doc.Find("img, iframe, object, main script:not([type='application/json'])").Length(); n > 0 {
				t.Errorf("%s: %d elements were made of %q", name, n, evil)
			}
			if strings.Contains(text, "<img") || strings.Contains(text, "<script>") {
				t.Errorf("%s: %q is not escaped", name, evil)
			}
			doc.Find("a[href]").Each(func(_ int, a *goquery.Selection) {
				href, _ := a.Attr("href")
				if u, err := url.Parse(strings.TrimSpace(href)); err == nil && strings.EqualFold(u.Scheme, "javascript") {
					t.Errorf("%s: link %q", name, href)
				}
			})
		}
	}
	for _, evil := range []string{`<img src=x onerror=alert(1)>"'&{{`, `</script><script>alert(1)</script>`, `javascript:alert(1)`, "\x00\xff\u202e</textarea><img>"} {
		check(t, evil)
	}
}

func TestBoxes(t *testing.T) {
	c := Chart{Chart: view.Chart{Columns: view.Columns{T0: 100, Step: 10, Y: []view.Numbers{make(view.Numbers, 11)}}}, Zones: []Zone{{From: 150, To: 175, Color: "crit"}, {From: 0, To: 120, Color: "idle"}, {From: 300, To: 400}}}
	got := c.boxes()
	if len(got) != 2 || got[0] != (Box{"300", "150", "z-crit"}) || got[1] != (Box{"0", "120", "z-idle"}) {
		t.Errorf("%+v", got)
	}
	if got := (Chart{Zones: c.Zones}).boxes(); got != nil {
		t.Errorf("without data: %+v", got)
	}
}

func BenchmarkDetail(b *testing.B) {
	c := sample("text")["detail"]
	var buffer bytes.Buffer
	for b.Loop() {
		buffer.Reset()
		if err := c.Render(context.Background(), &buffer); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buffer.Len()))
}
