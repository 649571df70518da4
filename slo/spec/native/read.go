package native

import (
	"fmt"
	"net/url"

	"loadline/internal/sli"
	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/phrase"
)

// Is reports whether a document is in the short form.
func Is(d *document.Document) bool { return d.Root.IsMap() && d.Root.Map().Has("slo") }

// Read reads a document. Problems are in the document; with an error among them the SLO is not to be used.
func Read(d *document.Document) spec.SLO {
	top := d.Root.Map()
	called := top.Require("slo", spec.NameRemedy)
	s := spec.SLO{
		Name:        name(called),
		DisplayName: top.Get("title").Text(),
		Description: top.Get("description").Text(),
		Service:     top.Require("service", "name the service that makes the promise, as in service: checkout-api").Text(),
		Owner:       top.Get("owner").Text(),
		Runbook:     link(top.Get("runbook")),
		Notify:      top.Get("notify").Texts(),
		Labels:      Labels(top.Get("labels")),
		Annotations: Annotations(top.Get("annotations")),
	}
	Unreserved(called, s.Name)
	d.Name(fmt.Sprintf("SLO %q", s.Name))
	r := reader{shared: top, service: s.Service}
	switch objectives := top.Get("objectives"); {
	case !objectives.Set():
		r.own = top
		s.Objectives = []spec.Objective{r.objective("default")}
	default:
		if top.Has("objective") {
			top.Get("objective").Error("stands beside objectives", "move it into the list, or leave objectives out")
		}
		s.Objectives = r.list(objectives)
	}
	r.askAll()
	top.Hint(instead)
	top.Done()
	return s
}

// name reads an RFC 1123 label.
func name(v document.Value) string {
	text := v.Text()
	if text != "" && !spec.ValidName(text) {
		v.Error(fmt.Sprintf("%q is no name", text), spec.NameRemedy)
	}
	return text
}

// Unreserved reports the name of an SLO that is reserved.
func Unreserved(v document.Value, name string) {
	if spec.Reserved(name) {
		v.Error(fmt.Sprintf("no SLO can be called %q, an address that Loadline has for something else", name), "choose another name, such as checkout-"+name)
	}
}

func link(v document.Value) string {
	text := v.Text()
	if u, err := url.Parse(text); text != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		v.Error(fmt.Sprintf("%q is no address", text), "write one that begins with https://")
	}
	return text
}

// Labels reads texts or lists of texts by name; nil when there are none.
func Labels(v document.Value) map[string][]string {
	if !v.Set() {
		return nil
	}
	m := v.Map()
	labels := map[string][]string{}
	for _, key := range m.Names() {
		value := m.Get(key)
		if !value.IsList() {
			labels[key] = []string{value.Scalar()}
			continue
		}
		for _, item := range value.Items() {
			labels[key] = append(labels[key], item.Scalar())
		}
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

// Annotations reads texts by name; nil when there are none.
func Annotations(v document.Value) map[string]string {
	if !v.Set() {
		return nil
	}
	m := v.Map()
	annotations := map[string]string{}
	for _, key := range m.Names() {
		annotations[key] = m.Get(key).Scalar()
	}
	if len(annotations) == 0 {
		return nil
	}
	return annotations
}

// reader reads one objective: fields of its own, and what it shares with the others of its SLO.
type reader struct {
	own, shared *document.Map
	service     string
}

// get returns a field of the objective, or else of the SLO.
func (r *reader) get(name string) document.Value {
	if r.own.Has(name) || r.own == r.shared {
		return r.own.Get(name)
	}
	r.own.Get(name)
	return r.shared.Get(name)
}

// kinds are the ways to measure, spans last.
func kinds() []string { return []string{"ratio", "gauge", "combine", "spans"} }

// fieldsOf are the fields that say what is counted, by the way to measure.
func fieldsOf(kind string) []string {
	switch kind {
	case "ratio":
		return []string{"ratio"}
	case "gauge":
		return []string{"gauge", "good"}
	case "combine":
		return []string{"combine"}
	}
	return []string{"spans_of", "env", "operations", "kinds", "where", "good", "bad", "group_by", "max_groups"}
}

// askAll makes all fields known that an objective may have from the top.
func (r *reader) askAll() {
	for _, kind := range kinds() {
		for _, field := range fieldsOf(kind) {
			r.shared.Get(field)
		}
	}
	for _, field := range []string{"objective", "slices", "alert"} {
		r.shared.Get(field)
	}
}

func (r *reader) list(v document.Value) []spec.Objective {
	items := v.Items()
	if len(items) == 0 {
		v.Error("is empty", "list at least one objective, or write objective: 99.9% over 30 days")
	}
	var list []spec.Objective
	seen := map[string]bool{}
	for _, item := range items {
		r.own = item.Map()
		at := r.own.Get("name")
		if len(items) > 1 {
			at = r.own.Require("name", "name each of several objectives, as in name: latency")
		}
		called := name(at)
		if called == "" {
			called = "default"
		}
		if seen[called] {
			at.Error(fmt.Sprintf("objective %q is there twice", called), "give each its own name")
		}
		seen[called] = true
		o := r.objective(called)
		o.DisplayName = r.own.Get("title").Text()
		r.own.Hint(instead)
		r.own.Done()
		list = append(list, o)
	}
	return list
}

func (r *reader) objective(called string) spec.Objective {
	o := spec.Objective{Name: called}
	at := r.get("objective")
	goal, err := phrase.ParseGoal(at.Scalar())
	if !at.Set() {
		at.Error("is missing", `say what is promised, as in objective: 99.9% over 30 days`)
	} else {
		phrase.Report(at, err)
	}
	if err != nil {
		goal = someGoal() // so that whatever else is wrong is found too
	}
	o.Target, o.Method, o.Window = goal.Target, goal.Method, goal.Window
	source := r.indicator(&o)
	if err == nil {
		r.slices(&o, goal)
	} else {
		r.get("slices")
	}
	alert := r.get("alert")
	Policy(alert, &o)
	Report(&o, at, r.get("slices"), alert, source)
	return o
}

// someGoal stands in for one that was not understood.
func someGoal() phrase.Goal {
	return phrase.Goal{Target: budget.Target{Good: budget.Ratio{Num: 99, Den: 100}}, Window: budget.Window{Length: 30 * budget.Day}}
}

// Report records what [spec.Objective.Check] finds at the values that it is about.
func Report(o *spec.Objective, goal, slices, policy, indicator document.Value) {
	for _, f := range o.Check() {
		at := map[spec.Aspect]document.Value{
			spec.OfGoal: goal, spec.OfSlices: slices, spec.OfPolicy: policy, spec.OfIndicator: indicator,
		}[f.Aspect]
		if f.Severity == spec.Warning {
			at.Warn(f.Message, f.Remedy)
			continue
		}
		at.Error(f.Message, f.Remedy)
	}
}

func (r *reader) slices(o *spec.Objective, goal phrase.Goal) {
	at := r.get("slices")
	if o.Indicator.Composite != nil {
		o.Method, o.Slices.Length = CompositeMethod(o.Indicator.Composite), goal.Slice
		if goal.Slice == 0 {
			o.Slices.Length = CompositeSlice
		}
	} else {
		o.Slices.Length = goal.Slice
	}
	if o.Method == budget.Occurrences {
		if r.own.Has("slices") {
			at.Error("is for slices of time, and the objective counts events", `write objective: "99.5% of minutes over 30 days", or leave slices out`)
		}
		return
	}
	if at.Set() {
		target, empty, err := phrase.ParseSlices(at.Scalar())
		phrase.Report(at, err)
		o.Slices.Target, o.Slices.Empty = target, empty
	} else if o.Method == budget.Timeslices && o.Indicator.Composite == nil {
		at.Error("is missing", `say when a slice of time is good, as in slices: good at 95%`)
		o.Slices.Target = budget.Target{Good: budget.Ratio{Num: 1, Den: 1}}
	}
}

// CompositeSlice is the slice of time of a composite that does not say.
const CompositeSlice = sli.Slot * 6

// CompositeMethod is how a composite counts its slices: those of "any" are good or bad as a whole.
func CompositeMethod(c *spec.Composite) budget.Method {
	if c.Method == budget.Any {
		return budget.Timeslices
	}
	return budget.RatioTimeslices
}

// instead explains fields that people expect and that are written another way.
func instead(field string) string {
	switch field {
	case "window", "calendar", "timeWindow":
		return `it is part of the objective: "99.9% over 30 days", or "99.9% each month in Europe/Berlin"`
	case "target":
		return `write objective: 99.9% over 30 days`
	case "alerts":
		return `write alert: page and ticket, page, ticket or none`
	case "latency":
		return `write good: within 400ms`
	case "threshold":
		return `write good: within 400ms for spans, or gauge: QUERY and good: below 30 for a metric`
	case "query":
		return `write gauge: QUERY and good: below 30, or ratio with total and bad`
	case "filter":
		return `write where: KEY = VALUE AND ...`
	case "route", "operation":
		return `write operations: [POST /v1/checkout]`
	case "metadata":
		return `the short form has no metadata: slo: NAME, title, labels and annotations stand at the top`
	case "spec":
		return `the short form has no spec: all fields stand at the top`
	}
	return ""
}
