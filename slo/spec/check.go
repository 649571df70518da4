package spec

import (
	"fmt"
	"regexp"
	"strings"

	"loadline/query/promql/expression"
	"loadline/slo/budget"
)

// Aspect is a part of an objective that a finding of [Objective.Check] is about. Readers know where it stands.
type Aspect string

// The aspects.
const (
	OfGoal      Aspect = "goal"
	OfSlices    Aspect = "slices"
	OfPolicy    Aspect = "policy"
	OfIndicator Aspect = "indicator"
)

// Finding is what Check has to say about an aspect.
type Finding struct {
	Aspect   Aspect
	Severity Severity
	Message  string
	Remedy   string
}

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// NameRemedy says what a name has to look like.
const NameRemedy = "write up to 63 lower-case letters, digits and -, such as checkout-availability"

// ValidName reports whether a name is an RFC 1123 label.
func ValidName(name string) bool { return label.MatchString(name) }

// Reserved reports whether no SLO can have a name since its page or the API has something else at that address: the form
// for a new SLO at /slos/new, and /api/v1/slos/suggestions.
func Reserved(name string) bool { return name == "new" || name == "suggestions" }

// Check reports whatever keeps an objective from being evaluated, and what it will do that is probably not meant.
func (o *Objective) Check() []Finding {
	var list []Finding
	fail := func(a Aspect, err error) {
		if err != nil {
			message, remedy := Explain(err)
			list = append(list, Finding{a, Error, message, remedy})
		}
	}
	if err := o.Window.Validate(); err != nil {
		fail(OfGoal, err)
		return list // what follows depends on it
	}
	if o.Indicator.Composite == nil || o.Slices.Target.Good.Num > 0 {
		fail(OfSlices, o.Slices.Validate(o.Method))
	}
	fail(OfPolicy, o.Policy.Validate(o.Window))
	list = append(list, o.Indicator.check()...)
	if failed(list) {
		return list
	}
	return append(list, o.lint()...)
}

// failed reports whether one of the findings is an error.
func failed(list []Finding) bool {
	for _, f := range list {
		if f.Severity == Error {
			return true
		}
	}
	return false
}

func (i *Indicator) check() []Finding {
	bad := func(message, remedy string) []Finding { return []Finding{{OfIndicator, Error, message, remedy}} }
	switch {
	case i.Spans != nil:
		if err := i.Spans.Validate(); err != nil {
			return bad(Explain(err))
		}
		if b := i.Spans.Bad; !b.Errors && len(b.HTTP) == 0 && len(b.GRPC) == 0 && b.Slower == 0 && len(b.Matchers) == 0 {
			return bad("nothing makes an event bad, so that the promise cannot be broken", "say what makes one good or bad")
		}
	case i.Ratio != nil:
		return i.Ratio.check()
	case i.Threshold != nil:
		if err := expression.Check(i.Threshold.Query); err != nil {
			return bad("PromQL: "+err.Error(), "")
		}
	case i.Composite != nil:
		if err := budget.ValidateComposite(i.Composite.Method); err != nil {
			return bad(Explain(err))
		}
	default:
		return bad("nothing is measured", "say which events are counted")
	}
	return nil
}

func (r *Ratio) check() []Finding {
	var list []Finding
	for _, q := range []struct{ name, text string }{{"good", r.Good}, {"bad", r.Bad}, {"total", r.Total}} {
		if q.text == "" {
			continue
		}
		if err := expression.Check(q.text); err != nil {
			list = append(list, Finding{OfIndicator, Error, "PromQL of " + q.name + ": " + err.Error(), ""})
		} else if expression.Selector(q.text) {
			list = append(list, Finding{
				OfIndicator, Warning, "PromQL of " + q.name + " is a counter's value, not its increase",
				"write sum(increase(" + q.text + "[$window]))",
			})
		}
	}
	if r.Total == "" || (r.Good == "") == (r.Bad == "") {
		list = append(list, Finding{OfIndicator, Error, "a ratio needs total, and one of good and bad", "write the queries that count them"})
	}
	return list
}

// lint reports what an objective will do that is probably not meant.
func (o *Objective) lint() []Finding {
	var list []Finding
	if o.Target.Good.Num == 0 {
		list = append(list, Finding{OfGoal, Warning, "a target of 0% promises nothing", "write a percentage such as 99.9%"})
	}
	if o.Policy.Clamp {
		return list
	}
	for _, t := range o.Policy.Tiers {
		c := budget.Compile(o.Target, t, o.Policy, o.Window.Nominal())
		if c.Reachable() {
			continue
		}
		list = append(list, Finding{
			OfPolicy, Warning,
			fmt.Sprintf("rule %q never fires: at a target of %s not even a total outage burns %sx", t.Name, o.Target, t.Burn),
			"lower its burn rate, or leave clamp on",
		})
	}
	return list
}

// shareEvents is what a share counts as each minute when it is all that is known.
const shareEvents = 1_000_000

// RatioOfShare makes a ratio of a query that gives the share of bad events, or of good ones: each minute that has a value
// counts alike, in millionths.
func RatioOfShare(query string, ofBad bool) *Ratio {
	query = strings.TrimSpace(query)
	share := fmt.Sprintf("%d * (%s)", shareEvents, query)
	r := &Ratio{Total: fmt.Sprintf("%d + 0 * (%s)", shareEvents, query)}
	if ofBad {
		r.Bad = share
	} else {
		r.Good = share
	}
	return r
}
