package openslo

import (
	"fmt"
	"slices"
	"strings"

	"loadline/slo/budget"
	"loadline/slo/spec"
	"loadline/slo/spec/native"
)

// resolver finds what objects refer to. Objects do not change.
type resolver struct {
	objects  map[[2]string]*Object
	problems []spec.Problem
	object   string // whose references are followed
}

// Resolve makes SLOs of the objects that are SLOs, in their order. An SLO with an error is left out.
func Resolve(objects []*Object) ([]spec.SLO, []spec.Problem) {
	r := &resolver{objects: map[[2]string]*Object{}}
	for _, o := range objects {
		r.objects[[2]string{o.Kind, o.Name}] = o
	}
	var list []spec.SLO
	for _, o := range objects {
		if o.slo == nil {
			continue
		}
		before := len(r.problems)
		r.object = o.place.Object
		s := r.slo(o)
		if !spec.Failed(r.problems[before:]) {
			list = append(list, s)
		}
	}
	return list, r.problems
}

func (r *resolver) add(at spec.Problem, message, remedy string) {
	at.Object, at.Message, at.Remedy = r.object, message, remedy
	if !slices.Contains(r.problems, at) { // objectives share what they refer to
		r.problems = append(r.problems, at)
	}
}

func (r *resolver) exists(ref reference, kind string) bool {
	if _, ok := r.objects[[2]string{kind, ref.name}]; ok {
		return true
	}
	r.add(ref.at, fmt.Sprintf("%s %q does not exist", kind, ref.name), "define it, or correct the name")
	return false
}

// find returns the part of an object that a reference is to.
func find[T any](r *resolver, ref reference, kind string, part func(*Object) *T) (*T, bool) {
	if !r.exists(ref, kind) {
		return nil, false
	}
	found := part(r.objects[[2]string{kind, ref.name}])
	return found, found != nil
}

func (r *resolver) slo(o *Object) spec.SLO {
	s := o.slo.base
	policy, notify := budget.Policy{}, s.Notify
	if !o.slo.alert && len(o.slo.objectives) > 0 {
		var more []string
		policy, more = r.merge(o.slo.policies, o.slo.objectives[0].Window)
		notify = append(slices.Clone(notify), more...)
	}
	s.Notify = notify
	for i := range o.slo.objectives {
		from := &o.slo.objectives[i]
		objective := from.Objective
		if !o.slo.alert {
			objective.Policy, objective.Preset = policy, ""
			if len(policy.Tiers) == 0 {
				objective.Preset, objective.Policy = "none", budget.Policy{NoDataAlert: policy.NoDataAlert}
			}
		}
		if r.indicator(o.slo, from, &objective) {
			r.check(o.slo, from, &objective)
		}
		s.Objectives = append(s.Objectives, objective)
	}
	if o.slo.composite {
		r.composite(o, &s)
	}
	return s
}

// indicator fills in what an objective measures and reports whether it could.
func (r *resolver) indicator(s *slo, from *objective, to *spec.Objective) bool {
	use := from.indicator
	if !use.set() {
		use = s.indicator
	}
	one := use.sli
	if one == nil {
		var ok bool
		if one, ok = find(r, use.ref, "SLI", func(o *Object) *sli { return o.sli }); !ok {
			return false
		}
	}
	for _, m := range []*metric{one.threshold, one.good, one.bad, one.total, one.raw} {
		if m != nil && !r.metric(m) {
			return false
		}
	}
	switch {
	case one.threshold != nil && !from.valued:
		r.add(from.at, "a thresholdMetric needs op and value", "write op: lte and the value that is good")
		return false
	case one.threshold == nil && from.valued:
		r.add(from.at, "op and value are for a thresholdMetric", "leave them out")
		return false
	case one.threshold != nil && len(s.objectives) > 1 && !from.indicator.set():
		r.add(from.at, "a thresholdMetric allows one objective", "make another SLO for each")
		return false
	}
	var err error
	if to.Indicator, err = one.indicator(s.base.Service, from.op, from.value); err != nil {
		message, remedy := spec.Explain(err)
		r.add(one.at, message, remedy)
		return false
	}
	if c := to.Indicator.Composite; c != nil {
		to.Method = native.CompositeMethod(c)
		if to.Slices.Length == 0 {
			to.Slices.Length = native.CompositeSlice
		}
	}
	return true
}

// metric checks that a source is of a kind that can be asked.
func (r *resolver) metric(m *metric) bool {
	kind := m.kind
	if m.source.name != "" {
		source, ok := find(r, m.source, "DataSource", func(o *Object) *dataSource { return o.source })
		if !ok {
			return false
		}
		if kind == "" {
			kind = strings.ToLower(source.kind)
		}
	}
	switch {
	case m.ours && kind != "loadline":
		r.add(m.at, fmt.Sprintf("a source of type %q has no query", kind), "write spec with query")
		return false
	case !m.ours && !usesPromQL(kind):
		r.add(m.at, fmt.Sprintf("sources of type %q cannot be asked", kind), "use type prometheus with a PromQL query, or type loadline to count spans")
		return false
	}
	return true
}

func (r *resolver) check(s *slo, from *objective, o *spec.Objective) {
	if o.Method == budget.Timeslices && o.Slices.Target.Good.Num == 0 && o.Indicator.Composite == nil {
		r.add(from.at, "timeSliceTarget is missing", "write the share of good events at which a slice is good, as in timeSliceTarget: 0.95")
		return
	}
	for _, f := range o.Check() {
		at := map[spec.Aspect]spec.Problem{
			spec.OfGoal: s.places.window, spec.OfPolicy: s.places.policies, spec.OfSlices: from.at, spec.OfIndicator: from.at,
		}[f.Aspect]
		at.Severity = f.Severity
		r.add(at, f.Message, f.Remedy)
	}
}

// composite adds what the objectives with their own indicators make together. OpenSLO gives it no target of its own.
func (r *resolver) composite(o *Object, s *spec.SLO) {
	c := &spec.Composite{Method: budget.Weighted}
	if s.Objectives[0].Method == budget.Timeslices {
		c.Method = budget.Any
	}
	for i, part := range s.Objectives {
		m := spec.Member{SLO: s.Name, Objective: part.Name, Weight: budget.Ratio{Num: 1, Den: 1}}
		if c.Method == budget.Weighted {
			m.Weight = o.slo.objectives[i].weight
		}
		c.Members = append(c.Members, m)
	}
	target := together(s.Objectives, c.Method == budget.Any)
	first := s.Objectives[0]
	made := spec.Objective{
		Name: whole, Indicator: spec.Indicator{Composite: c}, Target: target, Window: first.Window,
		Method: native.CompositeMethod(c), Policy: first.Policy, Preset: first.Preset,
		Slices: budget.Slices{Length: max(first.Slices.Length, native.CompositeSlice)},
	}
	at := o.place
	at.Severity = spec.Warning
	r.add(at, fmt.Sprintf("the composite of the objectives has no target of its own and takes what they promise together, %s", target),
		"write annotation "+Prefix+"composite: none for objectives without a composite")
	s.Objectives = append(s.Objectives, made)
}

// maxDenominator is that of a target with nine decimals.
const maxDenominator = 1_000_000_000

// together is what objectives promise together: the lowest of their targets, or their product where all have to be good.
func together(list []spec.Objective, all bool) budget.Target {
	lowest, product := list[0].Target.Good, list[0].Target.Good
	for _, o := range list[1:] {
		if product = product.Mul(o.Target.Good); o.Target.Good.Cmp(lowest) < 0 {
			lowest = o.Target.Good
		}
	}
	if all && maxDenominator%product.Den == 0 {
		return budget.Target{Good: product}
	}
	return budget.Target{Good: lowest}
}
