package definition

import (
	"fmt"
	"slices"

	"loadline/slo/budget"
	"loadline/slo/spec"
)

// resolveComposites checks what SLOs are made of. It returns those whose parts all exist, and the problems of others.
func resolveComposites(list []located) ([]spec.SLO, []spec.Problem) {
	var problems []spec.Problem
	broken := map[string]bool{}
	for _, l := range list {
		if l.known {
			continue
		}
		for i := range l.slo.Objectives {
			o := &l.slo.Objectives[i]
			if o.Indicator.Composite == nil {
				continue
			}
			found := members(list, l, o)
			problems = append(problems, found...)
			broken[l.slo.Name] = broken[l.slo.Name] || spec.Failed(found)
		}
	}
	var slos []spec.SLO
	for _, l := range list {
		if !broken[l.slo.Name] && !l.known {
			slos = append(slos, l.slo)
		}
	}
	return slos, problems
}

func members(list []located, l located, o *spec.Objective) []spec.Problem {
	var problems []spec.Problem
	fail := func(severity spec.Severity, remedy, format string, args ...any) {
		p := l.object.problem(fmt.Sprintf(format, args...), remedy)
		p.Severity = severity
		if p.Field = "combine"; len(l.slo.Objectives) > 1 {
			p.Field = "objectives." + o.Name + ".combine"
		}
		problems = append(problems, p)
	}
	var targets []budget.Target
	for _, m := range o.Indicator.Composite.Members {
		at, ok := slices.BinarySearchFunc(list, m.SLO, func(l located, name string) int {
			switch {
			case l.slo.Name < name:
				return -1
			case l.slo.Name > name:
				return 1
			}
			return 0
		})
		if !ok {
			fail(spec.Error, "name one that is defined", "SLO %q does not exist", m.SLO)
			continue
		}
		part, err := objectiveOf(&list[at].slo, m.Objective)
		switch {
		case err != nil:
			fail(spec.Error, "write slo/objective, as in "+m.SLO+"/"+list[at].slo.Objectives[0].Name, "%v", err)
		case part.Indicator.Composite != nil:
			fail(spec.Error, "name its parts instead", "%q is itself made of others", m.SLO)
		default:
			targets = append(targets, part.Target)
		}
	}
	if o.Indicator.Composite.Method == budget.Any && len(problems) == 0 && !budget.Feasible(o.Target, targets) {
		fail(spec.Warning, "lower it, or raise those of its parts",
			"target %s is above what its parts promise together, %.4g%%", o.Target, 100*budget.Series(targets))
	}
	return problems
}

// objectiveOf returns an objective by name, or the only one where the name is empty.
func objectiveOf(s *spec.SLO, name string) (*spec.Objective, error) {
	if name == "" {
		if len(s.Objectives) == 1 {
			return &s.Objectives[0], nil
		}
		return nil, fmt.Errorf("SLO %q has %d objectives", s.Name, len(s.Objectives))
	}
	i := slices.IndexFunc(s.Objectives, func(o spec.Objective) bool { return o.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("SLO %q has no objective %q", s.Name, name)
	}
	return &s.Objectives[i], nil
}
