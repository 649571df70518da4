package promql_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"loadline/query/promql"
)

// provisioning is what deploy offers for Grafana.
const provisioning = "../../deploy/grafana/provisioning"

// grafanaVariables fills in what Grafana fills in.
var grafanaVariables = strings.NewReplacer(
	"$__rate_interval", "1m", "$__range", "1h", "$__interval", "15s", "$service", "(a|b)", "$slo", "(c|d)", "$env", ".*")

var labelValues = regexp.MustCompile(`^label_values\((.*), ([a-z_]+)\)$`)

func TestGrafanaDashboards(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(provisioning, "dashboards", "*", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	type target struct{ RefID, Expr string }
	type dashboard struct {
		UID, Title string
		Templating struct {
			List []struct{ Name, Type, Definition string }
		}
		Panels []struct {
			ID      int
			Title   string
			Targets []target
		}
	}
	parse := func(file, where, expr string) {
		t.Helper()
		expr = grafanaVariables.Replace(expr)
		if strings.Contains(expr, "$") {
			t.Errorf("%s: %s has a variable that is not known: %s", file, where, expr)
		}
		// Users have the parser without experiments as well: ruler tools, other data sources.
		for _, p := range []parser.Parser{promql.Parser(), parser.NewParser(parser.Options{})} {
			if _, err := p.ParseExpr(expr); err != nil {
				t.Errorf("%s: %s: %s: %v", file, where, expr, err)
			}
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if d.UID == "" || d.Title == "" || len(d.Panels) == 0 {
			t.Errorf("%s: a dashboard with uid %q, title %q and %d panels", file, d.UID, d.Title, len(d.Panels))
		}
		names := map[string]bool{}
		for _, v := range d.Templating.List {
			names[v.Name] = true
			if v.Type != "query" {
				continue
			}
			if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
				parse(file, "variable "+v.Name, m[1])
			} else {
				t.Errorf("%s: variable %s has the query %q", file, v.Name, v.Definition)
			}
		}
		for _, name := range []string{"service", "env", "slo", "datasource"} {
			if used := strings.Contains(string(text), "$"+name) || strings.Contains(string(text), "${"+name+"}"); used != names[name] {
				t.Errorf("%s has the variables %v, and uses %s: %v", file, names, name, used)
			}
		}
		ids := map[int]bool{}
		for _, p := range d.Panels {
			if ids[p.ID] || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q has %d queries, or its id twice", file, p.ID, p.Title, len(p.Targets))
			}
			ids[p.ID] = true
			for _, q := range p.Targets {
				parse(file, p.Title+" "+q.RefID, q.Expr)
			}
		}
	}
}

func TestGrafanaDataSource(t *testing.T) {
	type destination struct{ Name, URL, URLDisplayLabel string }
	type settings struct {
		HTTPMethod, PrometheusType, PrometheusVersion string
		ManageAlerts                                  bool
		ExemplarTraceIDDestinations                   []destination
	}
	type source struct {
		UID, Type, Access, URL string
		JSON                   settings
	}
	text, err := os.ReadFile(filepath.Join(provisioning, "datasources", "loadline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// JSON matches keys whatever their case, as Grafana spells them.
	var file struct {
		Datasources []map[string]any `yaml:"datasources"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil || len(file.Datasources) != 1 {
		t.Fatalf("%d data sources, %v", len(file.Datasources), err)
	}
	raw := file.Datasources[0]
	raw["json"] = raw["jsonData"]
	encoded, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	var got source
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	want := source{
		UID: "loadline", Type: "prometheus", Access: "proxy", URL: "$LOADLINE_URL",
		JSON: settings{
			HTTPMethod: "POST", PrometheusType: "Prometheus", PrometheusVersion: "3.16.0",
			ExemplarTraceIDDestinations: []destination{
				{"trace_id", "$LOADLINE_PAGES/traces/$${__value.raw}", "Trace in Loadline"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestGrafanaProvider(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(provisioning, "dashboards", "loadline.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if p := file.Providers; len(p) != 1 || p[0].Type != "file" || p[0].Options.Path != "/etc/grafana/provisioning/dashboards/loadline" {
		t.Errorf("providers %+v", p)
	}
}
