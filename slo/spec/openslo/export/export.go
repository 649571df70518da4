// Package export writes OpenSLO v1.
package export

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"loadline/query/promql/expression"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/native"
	"loadline/slo/spec/openslo"
	"loadline/slo/spec/phrase"
)

// Write writes an SLO as one object with its indicators inside. Package openslo reads it back as the same. What
// OpenSLO says once for all objectives has to be alike for them.
func Write(s spec.SLO) ([]byte, error) {
	if len(s.Objectives) == 0 {
		return nil, fmt.Errorf("SLO %q has no objective", s.Name)
	}
	if err := alike(s); err != nil {
		return nil, err
	}
	first := &s.Objectives[0]
	body := document.NewBuilder()
	body.Text("description", s.Description)
	body.Text("service", s.Service)
	shared := true
	for i := range s.Objectives {
		shared = shared && s.Objectives[i].Indicator.Threshold == nil && reflect.DeepEqual(s.Objectives[i].Indicator, first.Indicator)
	}
	shared = shared || len(s.Objectives) == 1
	if shared {
		body.Map("indicator", writeIndicator(s.Name, &first.Indicator))
	}
	window, err := writeWindow(first.Window)
	if err != nil {
		return nil, fmt.Errorf("SLO %q: %w", s.Name, err)
	}
	body.Maps("timeWindow", []*document.Builder{window})
	body.Text("budgetingMethod", first.Method.String())
	var objectives []*document.Builder
	for i := range s.Objectives {
		o, err := writeObjective(&s.Objectives[i])
		if err != nil {
			return nil, fmt.Errorf("SLO %q: %w", s.Name, err)
		}
		if !shared {
			o.Map("indicator", writeIndicator(s.Name+"-"+s.Objectives[i].Name, &s.Objectives[i].Indicator))
		}
		objectives = append(objectives, o)
	}
	body.Maps("objectives", objectives)
	b := document.NewBuilder()
	b.Text("apiVersion", openslo.Version)
	b.Text("kind", "SLO")
	b.Map("metadata", writeMetadata(s, shared))
	b.Map("spec", body)
	return b.YAML()
}

// alike refuses SLOs whose objectives differ in what OpenSLO says once.
func alike(s spec.SLO) error {
	first := &s.Objectives[0]
	for i := range s.Objectives {
		o := &s.Objectives[i]
		for _, part := range []struct {
			name string
			same bool
		}{
			{"windows", reflect.DeepEqual(o.Window, first.Window)},
			{"budgeting methods", o.Method == first.Method},
			{"alert policies", reflect.DeepEqual(o.Policy, first.Policy) && o.Preset == first.Preset},
			{"meanings of empty slices", o.Slices.Empty == first.Slices.Empty},
		} {
			if !part.same {
				return fmt.Errorf("SLO %q: objectives %q and %q have different %s, which OpenSLO does not allow: make two SLOs",
					s.Name, first.Name, o.Name, part.name)
			}
		}
	}
	return nil
}

func writeMetadata(s spec.SLO, shared bool) *document.Builder {
	annotations := map[string]string{}
	for key, value := range s.Annotations {
		annotations[key] = value
	}
	set := func(key, value string) {
		if value != "" {
			annotations[openslo.Prefix+key] = value
		}
	}
	first := &s.Objectives[0]
	set("owner", s.Owner)
	set("runbook", s.Runbook)
	set("notify", strings.Join(s.Notify, ", "))
	set("alert", native.FormatAlert(first))
	set("slices", phrase.FormatSlices(budget.Target{}, first.Slices.Empty))
	if !shared {
		set("composite", "none")
	}
	names, derived, seen := make([]string, len(s.Objectives)), true, map[string]bool{}
	for i, o := range s.Objectives {
		names[i] = o.Name
		derived = derived && o.Name == openslo.ObjectiveName(o.DisplayName, i, len(s.Objectives), seen)
		seen[o.Name] = true
	}
	if !derived {
		set("objectives", strings.Join(names, ", "))
	}
	b := document.NewBuilder()
	b.Text("name", s.Name)
	b.Text("displayName", s.DisplayName)
	b.Labels("labels", s.Labels)
	b.Sorted("annotations", annotations)
	return b
}

func writeWindow(w budget.Window) (*document.Builder, error) {
	b := document.NewBuilder()
	if w.Calendar == nil {
		length, err := writeDuration(w.Length)
		b.Text("duration", length)
		b.Bool("isRolling", true)
		return b, err
	}
	c := document.NewBuilder()
	c.Text("startTime", w.Calendar.Start.Format(time.DateTime))
	c.Text("timeZone", w.Calendar.Zone)
	b.Text("duration", strconv.Itoa(w.Calendar.N)+string(rune(w.Calendar.Unit)))
	b.Map("calendar", c)
	b.Bool("isRolling", false)
	return b, nil
}

// writeDuration writes a duration shorthand, which has one unit of at least a minute.
func writeDuration(d time.Duration) (string, error) {
	for _, u := range []struct {
		length time.Duration
		name   string
	}{{budget.Day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d%u.length == 0 {
			return strconv.Itoa(int(d/u.length)) + u.name, nil
		}
	}
	return "", fmt.Errorf("OpenSLO has no durations with seconds, such as %s", phrase.FormatDuration(d))
}

func writeObjective(o *spec.Objective) (*document.Builder, error) {
	b := document.NewBuilder()
	b.Text("displayName", o.DisplayName)
	if t := o.Indicator.Threshold; t != nil {
		b.Text("op", map[string]string{"<=": "lte", ">=": "gte", "<": "lt", ">": "gt"}[t.Op])
		b.Number("value", strconv.FormatFloat(t.Value, 'g', -1, 64))
	}
	b.Number("target", o.Target.Text())
	if o.Method == budget.Occurrences {
		return b, nil
	}
	if o.Slices.Target.Good.Num > 0 {
		b.Number("timeSliceTarget", o.Slices.Target.Text())
	}
	length, err := writeDuration(o.Slices.Length)
	b.Text("timeSliceWindow", length)
	return b, err
}

func writeIndicator(name string, i *spec.Indicator) *document.Builder {
	b := document.NewBuilder()
	meta := document.NewBuilder()
	meta.Text("name", name)
	b.Map("metadata", meta)
	body, metric := document.NewBuilder(), document.NewBuilder()
	switch {
	case i.Threshold != nil:
		metric.Map("metricSource", promSource(i.Threshold.Query))
		body.Map("thresholdMetric", metric)
		b.Map("spec", body)
		return b
	case i.Composite != nil:
		own := document.NewBuilder()
		own.Text("combine", phrase.FormatComposite(i.Composite))
		metric.Text("rawType", "success")
		metric.Map("raw", wrapped("loadline", own))
	case i.Ratio != nil:
		writeRatio(metric, i.Ratio)
	default:
		writeSpans(metric, i)
	}
	body.Map("ratioMetric", metric)
	b.Map("spec", body)
	return b
}

func writeRatio(b *document.Builder, r *spec.Ratio) {
	counter := expression.Ranged(r.Total)
	for _, query := range []string{r.Good, r.Bad} {
		counter = counter && (query == "" || expression.Ranged(query))
	}
	b.Bool("counter", counter)
	for _, q := range []struct{ name, query string }{{"good", r.Good}, {"bad", r.Bad}, {"total", r.Total}} {
		if q.query != "" {
			metric := document.NewBuilder()
			metric.Map("metricSource", promSource(q.query))
			b.Map(q.name, metric)
		}
	}
}

func writeSpans(b *document.Builder, i *spec.Indicator) {
	s := i.Spans
	part, total := document.NewBuilder(), document.NewBuilder()
	name := "good"
	if part.Text("good", phrase.FormatGood(s.Bad)); phrase.FormatGood(s.Bad) == "" {
		name = "bad"
	}
	part.Text("bad", phrase.FormatWhere(s.Bad.Matchers))
	total.Text("service", s.Service)
	total.Text("env", s.Env)
	total.Texts("operations", s.Operations)
	total.Texts("kinds", s.Kinds)
	total.Text("where", phrase.FormatWhere(s.Matchers))
	total.Text("group_by", s.GroupBy)
	if s.MaxGroups > 0 {
		total.Number("max_groups", strconv.Itoa(s.MaxGroups))
	}
	b.Bool("counter", true)
	b.Map(name, wrapped("loadline", part))
	b.Map("total", wrapped("loadline", total))
}

func wrapped(kind string, fields *document.Builder) *document.Builder {
	source, metric := document.NewBuilder(), document.NewBuilder()
	source.Text("type", kind)
	source.Map("spec", fields)
	metric.Map("metricSource", source)
	return metric
}

func promSource(query string) *document.Builder {
	fields, source := document.NewBuilder(), document.NewBuilder()
	fields.Text("query", query)
	source.Text("type", "prometheus")
	source.Map("spec", fields)
	return source
}
