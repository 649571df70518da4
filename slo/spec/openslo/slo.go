package openslo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/document"
	"loadline/slo/spec/native"
	"loadline/slo/spec/phrase"
)

// slo is an SLO before what it refers to is known.
type slo struct {
	base       spec.SLO
	indicator  sliOrRef
	objectives []objective
	composite  bool // several objectives with indicators of their own make one more
	policies   []policyOrRef
	alert      bool // the policy is in an annotation and in each objective already
	places     struct{ window, policies spec.Problem }
}

// objective is an objective without its indicator.
type objective struct {
	spec.Objective
	op        string
	value     float64
	valued    bool
	indicator sliOrRef
	weight    budget.Ratio
	at        spec.Problem
}

type sliOrRef struct {
	sli *sli
	ref reference
}

func (s sliOrRef) set() bool { return s.sli != nil || s.ref.name != "" }

type policyOrRef struct {
	policy *policy
	ref    reference
}

func readSLO(meta metadata, m *document.Map) *slo {
	s := &slo{}
	if meta.name != "" && !spec.ValidName(meta.name) {
		m.Value().Error(fmt.Sprintf("the name %q of the SLO is not allowed", meta.name), spec.NameRemedy)
	}
	native.Unreserved(m.Value(), meta.name)
	s.base = spec.SLO{
		Name: meta.name, DisplayName: meta.displayName, Labels: meta.labels, Annotations: meta.annotations,
		Description: describe(m), Service: m.Require("service", "name the service").Text(),
		Owner: meta.take("owner").Text(), Runbook: meta.take("runbook").Text(), Notify: words(meta.take("notify")),
	}
	s.indicator = readIndicator(m)
	window := readWindow(m.Require("timeWindow", "write a list of one window, as in - {duration: 30d, isRolling: true}"))
	s.places.window = m.Get("timeWindow").Problem()
	method := readMethod(m.Require("budgetingMethod", "write Occurrences, Timeslices or RatioTimeslices"))
	items := m.Require("objectives", "write at least one, as in - target: 0.999").Items()
	for _, item := range items {
		s.objectives = append(s.objectives, readObjective(item, method, window))
	}
	s.readNames(meta.take("objectives"))
	s.readEmpty(meta.take("slices"))
	policies := m.Get("alertPolicies")
	s.places.policies = policies.Problem()
	for _, item := range policies.Items() {
		s.policies = append(s.policies, readPolicyRef(item))
	}
	s.readAlert(meta.take("alert"), policies)
	s.readComposite(m.Value(), meta.take("composite"))
	meta.refuse()
	return s
}

// words reads names separated by commas.
func words(v document.Value) []string {
	var list []string
	for word := range strings.SplitSeq(v.Scalar(), ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

func readIndicator(m *document.Map) sliOrRef {
	var s sliOrRef
	inline, ref := m.Get("indicator"), m.Get("indicatorRef")
	if inline.Set() && ref.Set() {
		ref.Error("stands beside indicator", "keep one of them")
	}
	if ref.Set() {
		s.ref = refer(ref)
	}
	if inline.Set() {
		inlined(inline, "SLI", func(_ string, body *document.Map) { s.sli = readSLI(body) })
	}
	return s
}

func readPolicyRef(v document.Value) policyOrRef {
	var p policyOrRef
	if m := v.Map(); m.Has("alertPolicyRef") {
		p.ref = refer(m.Get("alertPolicyRef"))
		m.Done()
		return p
	}
	p.ref.at = v.Problem()
	inlined(v, "AlertPolicy", func(_ string, body *document.Map) { p.policy = readPolicy(body) })
	return p
}

func shorthandOf(v document.Value) (int, budget.Unit) {
	m := shorthand.FindStringSubmatch(v.Scalar())
	if m == nil {
		if v.Set() {
			v.Error(fmt.Sprintf("%q is no duration", v.Scalar()), shorthandRemedy)
		}
		return 0, 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n == 0 || n > 1_000_000 {
		v.Error(fmt.Sprintf("%q is out of range", v.Scalar()), shorthandRemedy)
		return 0, 0
	}
	return n, budget.Unit(m[2][0])
}

func readWindow(v document.Value) budget.Window {
	items := v.Items()
	if len(items) != 1 {
		if v.Set() {
			v.Error(fmt.Sprintf("has %d windows", len(items)), "write exactly one")
		}
		return budget.Window{}
	}
	m := items[0].Map()
	length, calendar, rolling := m.Require("duration", shorthandRemedy), m.Get("calendar"), m.Get("isRolling")
	defer m.Done()
	if !calendar.Set() {
		if !rolling.Bool(true) {
			rolling.Error("is false without a calendar", "write isRolling: true, or a calendar")
		}
		return budget.Window{Length: shortDuration(length)}
	}
	if rolling.Bool(false) {
		rolling.Error("is true beside a calendar", "leave one out")
	}
	body := calendar.Map()
	start, zone := body.Require("startTime", "write it as 2026-01-01 00:00:00"), body.Require("timeZone", "write it as Europe/Berlin")
	body.Done()
	c := &budget.Calendar{Zone: zone.Text()}
	c.N, c.Unit = shorthandOf(length)
	var err error
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if c.Start, err = time.Parse(layout, start.Scalar()); err == nil {
			break
		}
	}
	if err != nil && start.Set() {
		start.Error(fmt.Sprintf("%q is no date with time", start.Scalar()), "write it as 2026-01-01 00:00:00")
	}
	return budget.Window{Calendar: c}
}

func readMethod(v document.Value) budget.Method {
	for _, method := range []budget.Method{budget.Occurrences, budget.Timeslices, budget.RatioTimeslices} {
		if v.Text() == method.String() {
			return method
		}
	}
	if v.Set() {
		v.Error(fmt.Sprintf("%q is unknown", v.Text()), "write Occurrences, Timeslices or RatioTimeslices")
	}
	return budget.Occurrences
}

func readObjective(v document.Value, method budget.Method, window budget.Window) objective {
	m := v.Map()
	defer m.Done()
	o := objective{at: v.Problem(), weight: budget.Ratio{Num: 1, Den: 1}}
	o.DisplayName, o.Method, o.Window = m.Get("displayName").Text(), method, window
	o.indicator = readIndicator(m)
	o.Target = readTarget(v, m.Get("target"), m.Get("targetPercent"))
	op, value := m.Get("op"), m.Get("value")
	if o.valued = op.Set() || value.Set(); o.valued {
		o.value = value.Number()
		var ok bool
		if o.op, ok = map[string]string{"lte": "<=", "gte": ">=", "lt": "<", "gt": ">"}[op.Text()]; !ok {
			op.Error(fmt.Sprintf("%q is unknown", op.Text()), "write lte, gte, lt or gt")
		}
		if !value.Set() {
			value.Error("is missing", "write the value that op compares with")
		}
	}
	if weight := m.Get("compositeWeight"); weight.Set() {
		var err error
		if o.weight, err = budget.ParseRatio(weight.Scalar()); err != nil || o.weight.Num == 0 {
			weight.Error(fmt.Sprintf("%q is no number above 0", weight.Scalar()), "write for example 0.5")
		}
	}
	o.readSlices(m)
	return o
}

func readTarget(at, share, percent document.Value) budget.Target {
	if share.Set() == percent.Set() {
		at.Error("has both of target and targetPercent, or none", "write target: 0.999, or targetPercent: 99.9")
		return budget.Target{}
	}
	v, parse := share, budget.ParseTarget
	if percent.Set() {
		v, parse = percent, budget.ParsePercent
	}
	target, err := parse(v.Scalar())
	if err != nil {
		v.Error(spec.Explain(err))
	}
	return target
}

func (o *objective) readSlices(m *document.Map) {
	target, length := m.Get("timeSliceTarget"), m.Get("timeSliceWindow")
	if target.Set() && o.Method != budget.Timeslices {
		target.Error("is for the budgeting method Timeslices", "leave it out")
		return
	}
	if o.Method == budget.Occurrences {
		if length.Set() {
			length.Error("is for the budgeting methods Timeslices and RatioTimeslices", "leave it out")
		}
		return
	}
	if !length.Set() {
		length.Error("is missing", "write the length of a slice, as in timeSliceWindow: 1m")
		return
	}
	if minutes, err := strconv.Atoi(length.Scalar()); err == nil {
		o.Slices.Length = time.Duration(minutes) * time.Minute
	} else {
		o.Slices.Length = shortDuration(length)
	}
	if o.Method != budget.Timeslices || !target.Set() {
		return
	}
	var err error
	if o.Slices.Target, err = budget.ParseSliceTarget(target.Scalar()); err != nil {
		target.Error(spec.Explain(err))
	}
}

// readNames names the objectives: as the annotation says, or after their display names, or by number.
func (s *slo) readNames(v document.Value) {
	names := words(v)
	if v.Set() && len(names) != len(s.objectives) {
		v.Error(fmt.Sprintf("has %d names for %d objectives", len(names), len(s.objectives)), "name each of them once")
		names = nil
	}
	seen := map[string]bool{}
	for i := range s.objectives {
		o := &s.objectives[i]
		if names != nil {
			o.Name = names[i]
		} else {
			o.Name = ObjectiveName(o.DisplayName, i, len(s.objectives), seen)
		}
		if seen[o.Name] || !spec.ValidName(o.Name) {
			v.Error(fmt.Sprintf("%q is there twice, or no name", o.Name), spec.NameRemedy)
		}
		seen[o.Name] = true
	}
}

// ObjectiveName makes a name for the objective at i of an SLO that has of of them: after its display name, unless seen has
// it already, or by its number. The only one is called default.
func ObjectiveName(title string, i, of int, seen map[string]bool) string {
	if of == 1 {
		return "default"
	}
	name := strings.Join(strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
	if len(name) > 63 {
		name = strings.Trim(name[:63], "-")
	}
	if name == "" || seen[name] {
		return fmt.Sprintf("objective-%d", i+1)
	}
	return name
}

func (s *slo) readEmpty(v document.Value) {
	if !v.Set() {
		return
	}
	_, empty, err := phrase.ParseSlices(v.Scalar())
	phrase.Report(v, err)
	for i := range s.objectives {
		if s.objectives[i].Method == budget.Occurrences {
			v.Error("is for slices of time", "leave it out")
			return
		}
		s.objectives[i].Slices.Empty = empty
	}
}

// readAlert gives each objective the policy of the annotation, or the default one where there are no alert policies.
func (s *slo) readAlert(v, policies document.Value) {
	s.alert = len(s.policies) == 0
	if v.Set() && policies.Set() {
		v.Error("stands beside alertPolicies", "keep one of them")
		return
	}
	alert := v.Nested()
	for i := range s.objectives {
		if s.alert && s.objectives[i].Window.Validate() == nil {
			native.Policy(alert, &s.objectives[i].Objective)
		}
	}
}

// whole is the name of the objective that the others of a composite make.
const whole = "composite"

// readComposite decides whether objectives with indicators of their own make a composite, as OpenSLO has it.
func (s *slo) readComposite(at, v document.Value) {
	if v.Set() && v.Scalar() != "none" {
		v.Error(fmt.Sprintf("%q is unknown", v.Scalar()), "write none, or leave it out")
	}
	own := 0
	for _, o := range s.objectives {
		if o.indicator.set() {
			own++
		}
	}
	switch {
	case own > 0 && s.indicator.set():
		at.Error("has indicators of objectives beside one of the SLO", "write one, or one for each objective")
	case own > 0 && own < len(s.objectives):
		at.Error("has objectives with and without indicators", "write one for each objective, or one for all")
	case own == 0 && !s.indicator.set():
		at.Error("has no indicator", "write indicator or indicatorRef")
	}
	s.composite = own > 1 && !v.Set()
	if s.composite && slices.ContainsFunc(s.objectives, func(o objective) bool { return o.Name == whole }) {
		at.Error(fmt.Sprintf("an objective has the name of the composite, %q", whole), "name it otherwise in annotation "+Prefix+"objectives")
	}
}
