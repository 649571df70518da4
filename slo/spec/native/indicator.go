package native

import (
	"fmt"
	"slices"

	"loadline/internal/sli"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/phrase"
)

// kind finds out what an objective is measured by: its own fields decide before those of the SLO, but for good, which says
// something of spans and of gauges.
func (r *reader) kind() string {
	for _, m := range []*document.Map{r.own, r.shared} {
		for _, kind := range []string{"ratio", "gauge", "combine"} {
			if m.Has(kind) {
				return kind
			}
		}
		if slices.ContainsFunc(fieldsOf("spans"), func(field string) bool { return field != "good" && m.Has(field) }) {
			return "spans"
		}
	}
	return "spans"
}

// indicator reads what is counted. It returns the value that names it, for findings about it.
func (r *reader) indicator(o *spec.Objective) document.Value {
	kind := r.kind()
	r.refuseOthers(kind)
	switch kind {
	case "ratio":
		at := r.get("ratio")
		m := at.Map()
		o.Indicator.Ratio = &spec.Ratio{Good: m.Get("good").Text(), Bad: m.Get("bad").Text(), Total: m.Get("total").Text()}
		m.Done()
		return at
	case "gauge":
		at := r.get("gauge")
		o.Indicator.Threshold = &spec.Threshold{Query: at.Text()}
		good := r.get("good")
		var err error
		o.Indicator.Threshold.Op, o.Indicator.Threshold.Value, err = phrase.ParseComparison(good.Scalar())
		phrase.Report(good, err)
		return at
	case "combine":
		at := r.get("combine")
		c, err := phrase.ParseComposite(at.Text())
		phrase.Report(at, err)
		if err != nil {
			c = &spec.Composite{Method: "any"}
		}
		o.Indicator.Composite = c
		return at
	}
	return r.spans(o)
}

// refuseOthers reports fields of the same level that belong to another kind of indicator.
func (r *reader) refuseOthers(kind string) {
	for _, other := range kinds() {
		for _, field := range fieldsOf(other) {
			if other == kind || slices.Contains(fieldsOf(kind), field) || !r.own.Has(field) {
				continue
			}
			r.own.Get(field).Error(fmt.Sprintf("does not go with %s", kindName(kind)), "keep one way to measure, or make two objectives")
		}
	}
}

func kindName(kind string) string {
	if kind == "spans" {
		return "counting spans"
	}
	return kind
}

func (r *reader) spans(o *spec.Objective) document.Value {
	i := &sli.Indicator{
		Service:    r.get("spans_of").Text(),
		Env:        r.get("env").Text(),
		Operations: r.get("operations").Texts(),
		Kinds:      r.get("kinds").Texts(),
		GroupBy:    r.get("group_by").Text(),
		MaxGroups:  int(r.get("max_groups").Uint(10_000, 0)),
	}
	at := r.get("good")
	bad := r.get("bad")
	if i.Service == "" {
		i.Service = r.service
	}
	if i.MaxGroups > 0 && i.GroupBy == "" {
		r.get("max_groups").Error("is there without group_by", "write group_by: version, operation, or the name of an attribute")
	}
	if v := r.get("where"); v.Set() {
		var err error
		i.Matchers, err = phrase.ParseWhere(v.Text())
		phrase.Report(v, err)
	}
	r.checkFields(i)
	ok := readBad(i, at, bad)
	if !ok || i.Service == "" {
		i.Bad.Errors, i.Service = true, "unknown" // that is reported; what else is wrong shall be found too
	}
	o.Indicator.Spans = i
	if !at.Set() {
		return bad
	}
	return at
}

// readBad reads what makes an event bad and reports whether it could.
func readBad(i *sli.Indicator, good, bad document.Value) bool {
	if !good.Set() && !bad.Set() {
		good.Error("is missing", `say what makes a request good, as in good: no errors and within 400ms`)
		return false
	}
	var ofGood, ofBad error
	if good.Set() {
		i.Bad, ofGood = phrase.ParseGood(good.Scalar())
		phrase.Report(good, ofGood)
	}
	if bad.Set() {
		i.Bad.Matchers, ofBad = phrase.ParseWhere(bad.Text())
		phrase.Report(bad, ofBad)
	}
	return ofGood == nil && ofBad == nil
}

// checkFields reports what cannot be counted by at the field that says it, and takes it out.
func (r *reader) checkFields(i *sli.Indicator) {
	const someone = "service"
	for _, part := range []struct {
		field     string
		indicator sli.Indicator
		remove    func()
	}{
		{"kinds", sli.Indicator{Service: someone, Kinds: i.Kinds}, func() { i.Kinds = nil }},
		{"operations", sli.Indicator{Service: someone, Operations: i.Operations}, func() { i.Operations = nil }},
		{"where", sli.Indicator{Service: someone, Matchers: i.Matchers}, func() { i.Matchers = nil }},
		{"max_groups", sli.Indicator{Service: someone, MaxGroups: i.MaxGroups}, func() { i.MaxGroups = 0 }},
		{"group_by", sli.Indicator{Service: someone, GroupBy: i.GroupBy}, func() { i.GroupBy = "" }},
	} {
		if err := part.indicator.Validate(); err != nil {
			phrase.Report(r.get(part.field), err)
			part.remove()
		}
	}
}
