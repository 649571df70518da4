package foreign

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"loadline/query/promql/expression"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/native"
	"loadline/slo/spec/phrase"
)

const pyrraAPI = "pyrra.dev/v1alpha1"

// IsPyrra reports whether a document is of Pyrra.
func IsPyrra(d *document.Document) bool {
	return d.Root.IsMap() && d.Root.Map().Get("apiVersion").Scalar() == pyrraAPI
}

// Pyrra reads a document of Pyrra, which is one SLO. Problems are in the document.
func Pyrra(d *document.Document) []spec.SLO {
	m := d.Root.Map()
	m.Get("apiVersion")
	if kind := m.Get("kind"); kind.Scalar() != "ServiceLevelObjective" {
		kind.Error(fmt.Sprintf("kind %q is unknown", kind.Scalar()), "write ServiceLevelObjective")
	}
	m.Get("status")
	s := spec.SLO{}
	readPyrraMetadata(m.Require("metadata", "write metadata with a name").Map(), &s)
	body := m.Require("spec", "write target, window and indicator").Map()
	m.Done()
	s.Description = body.Get("description").Text()
	o := spec.Objective{Name: "default"}
	target := body.Require("target", `write a percentage in quotes, such as "99.9"`)
	length := body.Require("window", "write a duration such as 28d")
	var err error
	if o.Target, err = budget.ParsePercent(target.Scalar()); err != nil && target.Set() {
		target.Error(spec.Explain(err))
	}
	if length.Set() {
		o.Window.Length, err = phrase.ParseDuration(length.Scalar())
		phrase.Report(length, err)
	}
	source := body.Require("indicator", "write ratio, latency, latencyNative or bool_gauge")
	o.Indicator.Ratio = pyrraIndicator(source)
	alerting := body.Get("alerting")
	pyrraAlerting(alerting, &o)
	for _, name := range []string{"partial_response_strategy", "performanceOverAccuracy", "ruleOutput"} {
		ignore(body, name, "no rules are generated")
	}
	body.Done()
	if o.Indicator.Ratio != nil && o.Window.Length > 0 {
		native.Report(&o, length, length, alerting, source)
	}
	s.Objectives = []spec.Objective{o}
	return []spec.SLO{s}
}

func readPyrraMetadata(m *document.Map, s *spec.SLO) {
	name := m.Require("name", spec.NameRemedy)
	s.Name = named(name, name.Text())
	native.Unreserved(name, s.Name)
	for key, values := range native.Labels(m.Get("labels")) {
		if s.Labels == nil {
			s.Labels = map[string][]string{}
		}
		s.Labels[strings.TrimPrefix(key, "pyrra.dev/")] = values
	}
	m.Names() // whatever else Kubernetes puts there
	one := func(key string) string {
		if values := s.Labels[key]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	s.Owner = cmp.Or(one("owner"), one("team"))
	if s.Service = one("service"); s.Service == "" {
		s.Service = s.Name
		m.Value().Warn("has no service, and takes its name for it", "write a label pyrra.dev/service")
	}
}

func pyrraIndicator(v document.Value) *spec.Ratio {
	m := v.Map()
	defer m.Done()
	found := []string{}
	for _, name := range []string{"ratio", "latency", "latencyNative", "bool_gauge"} {
		if m.Get(name).Set() {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		v.Error(fmt.Sprintf("has %d of ratio, latency, latencyNative and bool_gauge", len(found)), "write one of them")
		return nil
	}
	body := m.Get(found[0]).Map()
	defer body.Done()
	ignore(body, "grouping", "one budget is kept for all groups; group_by of the short form keeps one for each")
	r := &spec.Ratio{}
	switch found[0] {
	case "ratio":
		r.Bad, r.Total = pyrraIncrease(body, "errors"), pyrraIncrease(body, "total")
	case "latency":
		r.Good, r.Total = pyrraIncrease(body, "success"), pyrraIncrease(body, "total")
	case "latencyNative":
		return pyrraNative(body)
	default:
		metric := body.Require("metric", "write a selector of series")
		if !expression.Selector(metric.Text()) {
			metric.Error("is no selector of series", `write for example probe_success{job="web"}`)
			return nil
		}
		r.Good = "sum(sum_over_time(" + metric.Text() + "[" + expression.Window + "]))"
		r.Total = "sum(count_over_time(" + metric.Text() + "[" + expression.Window + "]))"
	}
	return r
}

// pyrraMetric reads a selector of series from {metric: SELECTOR}.
func pyrraMetric(m *document.Map, name string) (string, document.Value) {
	body := m.Require(name, "write metric: SELECTOR").Map()
	defer body.Done()
	v := body.Require("metric", `write a selector of series such as http_requests_total{job="api"}`)
	return v.Text(), v
}

func pyrraIncrease(m *document.Map, name string) string {
	text, v := pyrraMetric(m, name)
	increase, ok := expression.Increase(text)
	if !ok && text != "" {
		v.Error("is no selector of series", `write for example http_requests_total{job="api"}`)
	}
	return increase
}

// pyrraNative counts by a native histogram, which knows how many of its values are below a duration.
func pyrraNative(m *document.Map) *spec.Ratio {
	increase := pyrraIncrease(m, "total")
	latency := m.Require("latency", "write a duration such as 400ms")
	d, err := phrase.ParseDuration(latency.Scalar())
	phrase.Report(latency, err)
	seconds := strconv.FormatFloat(d.Seconds(), 'g', -1, 64)
	count := "histogram_count(" + increase + ")"
	return &spec.Ratio{Good: "histogram_fraction(0, " + seconds + ", " + increase + ") * " + count, Total: count}
}

func pyrraAlerting(v document.Value, o *spec.Objective) {
	m := v.Map()
	defer m.Done()
	on := !m.Get("disabled").Bool(false) && m.Get("burnrates").Bool(true)
	absent := m.Get("absent").Bool(true)
	m.Get("name") // of the alerts; they are told apart by SLO and severity here
	m.Get("absentName")
	body := m.Get("severities").Map()
	var severities []budget.Severity
	for i, name := range []string{"fastBurn", "mediumBurn", "slowBurn", "longTermBurn"} {
		severities = append(severities, pyrraSeverity(body.Get(name), []string{"critical", "critical", "warning", "warning"}[i]))
	}
	noData := pyrraSeverity(body.Get("absent"), "critical")
	body.Done()
	policy, _ := budget.Preset("pyrra", o.Window)
	o.Preset, o.Policy = "pyrra", policy
	tiers := slices.Clone(policy.Tiers)
	for i := range tiers {
		tiers[i].Severity = severities[min(i, len(severities)-1)]
	}
	if !slices.Equal(tiers, policy.Tiers) {
		o.Preset, o.Policy.Tiers = "", tiers
	}
	if absent {
		o.Policy.NoDataAlert = noData
	}
	if !on {
		keep(o, nil)
	}
}

// pyrraSeverity reads a severity of alerts; only critical ones wake people up.
func pyrraSeverity(v document.Value, otherwise string) budget.Severity {
	switch cmp.Or(v.Text(), otherwise) {
	case "critical", "page":
		return budget.Page
	}
	return budget.Ticket
}
