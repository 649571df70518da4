package rules

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

var at = time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC)

// groups are an alerting and a recording rule, and two groups with one rule each.
func groups() []Group {
	alert := Alert{
		Labels: labels.FromStrings("alertname", "Slow", "severity", "page"), Annotations: labels.FromStrings("summary", "<slow>"),
		State: "firing", ActiveAt: at, Value: 0.25,
	}
	kept := alert
	kept.KeepFiringSince = at.Add(time.Minute)
	return []Group{
		{Name: "checkout", File: "rules.yml", Interval: time.Minute, Limit: 5, EvaluationTime: 1500 * time.Microsecond, LastEvaluation: at, Rules: []Rule{
			{
				Name: "Slow", Query: "latency > 1", Labels: labels.FromStrings("severity", "page"), Health: "ok", EvaluationTime: time.Millisecond, LastEvaluation: at,
				Alerting: &Alerting{State: "firing", For: 5 * time.Minute, KeepFiringFor: time.Minute, Annotations: labels.FromStrings("summary", "x"), Alerts: []Alert{alert, kept}},
			},
			{Name: "job:up:sum", Query: "sum by (job) (up)", Health: "err", LastError: "too <many>", LastEvaluation: at},
		}},
		{Name: "second", File: "rules.yml", LastEvaluation: at, Rules: []Rule{{Name: "second", Query: "1", Health: "unknown", LastEvaluation: at}}},
		{Name: "third", File: "other.yml", LastEvaluation: at, Rules: []Rule{{Name: "third", Query: "1", Health: "unknown", LastEvaluation: at, Alerting: &Alerting{State: "inactive"}}}},
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestListHasAllFields(t *testing.T) {
	got, f := List(groups()[:1], nil, parser.NewParser(parser.Options{}))
	if f != nil {
		t.Fatal(f)
	}
	want := `{"groups":[{"name":"checkout","file":"rules.yml","rules":[` +
		`{"state":"firing","name":"Slow","query":"latency \u003e 1","duration":300,"keepFiringFor":60,"labels":{"severity":"page"},"annotations":{"summary":"x"},"alerts":[` +
		`{"labels":{"alertname":"Slow","severity":"page"},"annotations":{"summary":"\u003cslow\u003e"},"state":"firing","activeAt":"2027-01-15T08:00:00Z","value":"2.5e-01"},` +
		`{"labels":{"alertname":"Slow","severity":"page"},"annotations":{"summary":"\u003cslow\u003e"},"state":"firing","activeAt":"2027-01-15T08:00:00Z","keepFiringSince":"2027-01-15T08:01:00Z","value":"2.5e-01"}],` +
		`"health":"ok","evaluationTime":0.001,"lastEvaluation":"2027-01-15T08:00:00Z","type":"alerting"},` +
		`{"name":"job:up:sum","query":"sum by (job) (up)","labels":{},"health":"err","lastError":"too \u003cmany\u003e","evaluationTime":0,"lastEvaluation":"2027-01-15T08:00:00Z","type":"recording"}],` +
		`"interval":60,"limit":5,"evaluationTime":0.0015,"lastEvaluation":"2027-01-15T08:00:00Z"}]}`
	if diff := cmp.Diff(want, text(t, got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAlerts(t *testing.T) {
	want := `{"alerts":[` +
		`{"labels":{"alertname":"Slow","severity":"page"},"annotations":{"summary":"\u003cslow\u003e"},"state":"firing","activeAt":"2027-01-15T08:00:00Z","value":"2.5e-01"},` +
		`{"labels":{"alertname":"Slow","severity":"page"},"annotations":{"summary":"\u003cslow\u003e"},"state":"firing","activeAt":"2027-01-15T08:00:00Z","keepFiringSince":"2027-01-15T08:01:00Z","value":"2.5e-01"}]}`
	if diff := cmp.Diff(want, text(t, Alerts(groups()))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := text(t, Alerts(nil)); got != `{"alerts":[]}` {
		t.Errorf("got %s", got)
	}
}

func TestListSelects(t *testing.T) {
	// f wants the names of rules, with a slash after each group.
	f := func(query, want string) {
		t.Helper()
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, fail := List(groups(), form, parser.NewParser(parser.Options{}))
		if fail != nil {
			t.Fatal(fail)
		}
		var doc struct {
			Groups []struct {
				Rules []struct {
					Name   string
					Alerts *[]any
				}
			}
		}
		if err := json.Unmarshal([]byte(text(t, got)), &doc); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, g := range doc.Groups {
			for _, r := range g.Rules {
				b.WriteString(r.Name + " ")
			}
			b.WriteString("/")
		}
		if b.String() != want {
			t.Errorf("%s: got %q, want %q", query, b.String(), want)
		}
	}
	f("", "Slow job:up:sum /second /third /")
	f("type=alert", "Slow /third /")
	f("type=Record", "job:up:sum /second /")
	f("rule_name[]=second&rule_name[]=Slow", "Slow /second /")
	f("rule_group[]=second", "second /")
	f("file[]=other.yml", "third /")
	f("file[]=none", "")
	f(`match[]={severity="page"}`, "Slow /")
	f(`match[]={severity="page"}&match[]={none="x"}`, "Slow /")
	f("group_limit=2", "Slow job:up:sum /second /")
	f("group_limit=2&group_next_token="+token(groups()[2]), "third /")
}

func TestPages(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	got, _ := List(groups(), url.Values{"group_limit": {"1"}}, p)
	if next := got.(groupsDoc).Next; next != token(groups()[1]) {
		t.Errorf("next is %q", next)
	}
	got, _ = List(groups(), url.Values{"group_limit": {"3"}}, p)
	if next := got.(groupsDoc).Next; next != "" {
		t.Errorf("next is %q after the last", next)
	}
}

func TestExcludeAlerts(t *testing.T) {
	got, _ := List(groups(), url.Values{"exclude_alerts": {"TRUE"}}, parser.NewParser(parser.Options{}))
	if s := text(t, got); !strings.Contains(s, `"alerts":null`) || strings.Contains(s, "alertname") {
		t.Errorf("got %s", s)
	}
}

func TestListRefuses(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, fail := List(groups(), form, parser.NewParser(parser.Options{})); fail == nil || fail.Err.Error() != want {
			t.Errorf("%s: got %v, want %s", query, fail, want)
		}
	}
	f("type=x", `invalid parameter "type": not supported value "x"`)
	f("exclude_alerts=x", `invalid parameter "exclude_alerts": error converting exclude_alerts: strconv.ParseBool: parsing "x": invalid syntax`)
	f("group_limit=x", `invalid parameter "group_limit": group_limit needs to be a valid number: strconv.ParseInt: parsing "x": invalid syntax`)
	f("group_limit=0", `invalid parameter "group_limit": group_limit needs to be greater than 0`)
	f("group_next_token=x", `invalid parameter "group_next_token": group_limit needs to be present in order to paginate over the groups`)
	f("group_limit=1&group_next_token=x", `invalid parameter "group_next_token": invalid group_next_token 'x'. were rule groups changed?`)
	f("match[]={}", "match[] must contain at least one non-empty matcher")
}
