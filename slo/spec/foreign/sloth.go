// Package foreign reads the definitions of Sloth (prometheus/v1 and its Kubernetes kind) and of Pyrra (v1alpha1). What
// they count by rules of a Prometheus is counted here by the same expressions each minute; what has no meaning here gives
// a warning.
package foreign

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"loadline/query/promql/expression"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/native"
	"loadline/slo/spec/phrase"
)

const (
	slothVersion = "prometheus/v1"
	slothAPI     = "sloth.slok.dev/v1"
)

// IsSloth reports whether a document is of Sloth.
func IsSloth(d *document.Document) bool {
	if !d.Root.IsMap() {
		return false
	}
	m := d.Root.Map()
	return m.Get("version").Scalar() == slothVersion || m.Get("apiVersion").Scalar() == slothAPI
}

// Sloth reads a document of Sloth. Its SLOs are named after the service and their own name, as Sloth does it. Problems are
// in the document.
func Sloth(d *document.Document) []spec.SLO {
	m := d.Root.Map()
	if m.Has("version") {
		m.Get("version")
		return slothGroup(m, func(snake, _ string) string { return snake })
	}
	m.Get("apiVersion")
	if kind := m.Get("kind"); kind.Scalar() != "PrometheusServiceLevel" {
		kind.Error(fmt.Sprintf("kind %q is unknown", kind.Scalar()), "write PrometheusServiceLevel")
	}
	m.Get("metadata")
	m.Get("status")
	body := m.Require("spec", "write service and slos").Map()
	m.Done()
	return slothGroup(body, func(_, camel string) string { return camel })
}

// slothGroup reads a service and its SLOs; called picks the spelling of a field.
func slothGroup(m *document.Map, called func(snake, camel string) string) []spec.SLO {
	r := slothReader{called: called, service: m.Require("service", "name the service").Text(), labels: native.Labels(m.Get("labels"))}
	ignore(m, called("slo_plugins", "sloPlugins"), "plugins of Sloth are not run")
	slos := m.Require("slos", "write at least one")
	var list []spec.SLO
	for _, item := range slos.Items() {
		list = append(list, r.slo(item))
	}
	m.Done()
	return list
}

type slothReader struct {
	called  func(snake, camel string) string
	service string
	labels  map[string][]string
}

func (r *slothReader) slo(v document.Value) spec.SLO {
	m := v.Map()
	name := m.Require("name", spec.NameRemedy)
	s := spec.SLO{
		Name: named(name, r.service+"-"+name.Text()), Description: m.Get("description").Text(), Service: r.service,
		Labels: merge(r.labels, native.Labels(m.Get("labels"))),
	}
	native.Unreserved(name, s.Name)
	if owner := s.Labels["owner"]; len(owner) == 1 {
		s.Owner = owner[0]
	}
	ignore(m, "plugins", "plugins of Sloth are not run")
	goal := m.Require("objective", "write a percentage such as 99.9")
	o := spec.Objective{Name: "default", Window: budget.Window{Length: 30 * budget.Day}}
	var err error
	if o.Target, err = budget.ParsePercent(goal.Scalar()); err != nil && goal.Set() {
		goal.Error(spec.Explain(err))
	}
	source := m.Require("sli", "write events with error_query and total_query")
	o.Indicator.Ratio = r.sli(source)
	alerting := m.Get("alerting")
	r.alerting(alerting, &s, &o)
	if o.Indicator.Ratio != nil {
		native.Report(&o, goal, goal, alerting, source)
	}
	s.Objectives = []spec.Objective{o}
	m.Done()
	return s
}

var (
	slothWindow = regexp.MustCompile(`\{\{-?\s*\.window\s*-?\}\}`)
	outside     = regexp.MustCompile(`[^a-z0-9]+`)
	rate        = regexp.MustCompile(`\brate\s*\(`)
)

// slothQuery makes an expression that counts the events of a window of one that gives their rate.
func slothQuery(v document.Value) string {
	text := slothWindow.ReplaceAllLiteralString(v.Text(), expression.Window)
	if text != "" && !strings.Contains(text, expression.Window) {
		v.Warn("has no {{.window}}", "write the range of its selectors as [{{.window}}]")
	}
	return rate.ReplaceAllLiteralString(text, "increase(")
}

func (r *slothReader) sli(v document.Value) *spec.Ratio {
	m := v.Map()
	defer m.Done()
	events, raw := m.Get("events"), m.Get("raw")
	if plugin := m.Get("plugin"); plugin.Set() {
		plugin.Error("plugins of Sloth are not run", "write the queries that the plugin makes as events")
		return nil
	}
	if events.Set() == raw.Set() {
		v.Error("has both of events and raw, or none", "write one of them")
		return nil
	}
	if raw.Set() {
		body := raw.Map()
		query := body.Require(r.called("error_ratio_query", "errorRatioQuery"), "write the share of bad events as PromQL")
		text := slothWindow.ReplaceAllLiteralString(query.Text(), expression.Window)
		body.Done()
		return spec.RatioOfShare(text, true)
	}
	body := events.Map()
	out := &spec.Ratio{
		Bad:   slothQuery(body.Require(r.called("error_query", "errorQuery"), "write PromQL")),
		Total: slothQuery(body.Require(r.called("total_query", "totalQuery"), "write PromQL")),
	}
	body.Done()
	if out.Bad == "" || out.Total == "" {
		return nil
	}
	return out
}

func (r *slothReader) alerting(v document.Value, s *spec.SLO, o *spec.Objective) {
	m := v.Map()
	m.Get("name") // of the alert; alerts are told apart by SLO and severity here
	annotations := native.Annotations(m.Get("annotations"))
	s.Runbook = cmp.Or(annotations["runbook"], annotations["runbook_url"])
	ignore(m, "labels", "alerts carry the labels of the SLO")
	page := r.alert(m.Get(r.called("page_alert", "pageAlert")))
	ticket := r.alert(m.Get(r.called("ticket_alert", "ticketAlert")))
	m.Done()
	_, policy, err := phrase.ParsePreset("sloth", o.Window)
	if err != nil {
		panic("BUG: a preset is gone: " + err.Error())
	}
	o.Preset, o.Policy = "sloth", policy
	keep(o, map[budget.Severity]bool{budget.Page: page, budget.Ticket: ticket})
}

// alert reads one of the two alerts and reports whether it is on.
func (r *slothReader) alert(v document.Value) bool {
	m := v.Map()
	on := !m.Get("disable").Bool(false)
	ignore(m, "labels", "alerts carry the labels of the SLO")
	ignore(m, "annotations", "alerts carry the annotations of the SLO")
	m.Done()
	return on
}

// keep leaves the tiers of some severities. A policy that loses some has no name any more.
func keep(o *spec.Objective, severities map[budget.Severity]bool) {
	before := len(o.Policy.Tiers)
	o.Policy.Tiers = slices.DeleteFunc(o.Policy.Tiers, func(t budget.Tier) bool { return !severities[t.Severity] })
	switch len(o.Policy.Tiers) {
	case before:
	case 0:
		o.Preset, o.Policy = "none", budget.Policy{NoDataAlert: o.Policy.NoDataAlert}
	default:
		o.Preset = ""
	}
}

// ignore warns of a field that has no meaning here.
func ignore(m *document.Map, name, why string) {
	if v := m.Get(name); v.Set() && !v.IsEmpty() {
		v.Warn("is not read: "+why, "leave it out")
	}
}

// named makes an RFC 1123 label of a name.
func named(v document.Value, text string) string {
	name := strings.Trim(outside.ReplaceAllLiteralString(strings.ToLower(text), "-"), "-")
	if len(name) > 63 || name == "" {
		v.Error(fmt.Sprintf("%q makes no name", text), spec.NameRemedy)
	}
	return name
}

func merge(a, b map[string][]string) map[string][]string {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := map[string][]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}
