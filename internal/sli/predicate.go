package sli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"loadline/internal/attribute"
)

// Span is what a predicate looks at: a row of the table spans.
type Span struct {
	Env, Service, Version, Operation, Name string
	ErrorType, Peer, PeerType, Scope       string
	Kind                                   uint8 // as in OTLP, 1 internal to 5 consumer
	Status                                 uint8 // as in OTLP, 0 unset, 1 ok, 2 error
	Root                                   bool  // it has no parent
	Failed                                 bool  // RED counts it as an error
	HTTPStatus                             uint16
	Duration                               uint64 // in nanoseconds
	// Attribute returns the stored text of an attribute of the span, or of its resource.
	Attribute func(name string, ofResource bool) (string, bool)
}

// Predicate is an indicator that is ready to be asked. It does not change and may be used concurrently.
type Predicate struct {
	indicator  Indicator
	operations []*regexp.Regexp
	kinds      [6]bool // by number in OTLP; none set means inbound work
	where, bad []condition
	group      condition // only its key is used
	uses       map[string]bool
	tests      []*Test
}

// Compile returns the predicate of an indicator. The error is that of [Indicator.Canonical].
func Compile(i Indicator) (*Predicate, error) {
	i, err := i.Canonical()
	if err != nil {
		return nil, err
	}
	p := &Predicate{indicator: i, uses: map[string]bool{}}
	for _, pattern := range i.Operations {
		re, err := regexp.Compile(Glob(pattern))
		if err != nil {
			return nil, fmt.Errorf("operation %q: %w", pattern, err)
		}
		p.operations = append(p.operations, re)
	}
	p.uses["operation"] = len(p.operations) > 0
	for _, kind := range i.Kinds {
		p.kinds[slices.Index(kinds, kind)] = true
	}
	if p.where, err = p.conditions(i.Matchers); err != nil {
		return nil, err
	}
	if p.bad, err = p.conditions(i.Bad.Matchers); err != nil {
		return nil, err
	}
	if len(i.Bad.HTTP) > 0 {
		p.uses["http.response.status_code"] = true
	}
	if len(i.Bad.GRPC) > 0 {
		p.tests = append(p.tests, newGRPCTest(i.Bad.GRPC))
	}
	if column, ok := Column(i.GroupBy); ok {
		p.uses[column] = true
		p.group.column = column
	} else if i.GroupBy != "" {
		p.group.test = &Test{Key: attribute.Of(i.GroupBy)}
	}
	return p, nil
}

// Indicator returns the indicator in its canonical form.
func (p *Predicate) Indicator() Indicator { return p.indicator }

// Uses tells whether the answers depend on a column of spans besides env, service, kind, root, error and duration.
// Columns go by the names that [Column] returns.
func (p *Predicate) Uses(column string) bool { return p.uses[column] }

// Tests are the conditions on attributes. Two spans for which they all come out the same, and that are alike in the
// columns that the predicate uses, are judged the same.
func (p *Predicate) Tests() []*Test { return p.tests }

// GroupKey is the attribute whose values are the groups; ok is false where groups are a column's or there are none.
func (p *Predicate) GroupKey() (key attribute.Key, ok bool) {
	if p.group.test == nil {
		return attribute.Key{}, false
	}
	return p.group.test.Key, true
}

// Match says whether a span is an event and whether it is a bad one.
func (p *Predicate) Match(s *Span) (event, bad bool) {
	event, bad = p.Judge(s)
	slower := p.indicator.Bad.Slower
	return event, event && (bad || slower > 0 && s.Duration > uint64(slower))
}

// Judge is Match for a span of unknown duration: bad means that it is, whatever its duration.
func (p *Predicate) Judge(s *Span) (event, bad bool) {
	if !p.isEvent(s) {
		return false, false
	}
	return true, p.isBad(s)
}

func (p *Predicate) isEvent(s *Span) bool {
	i := &p.indicator
	if s.Service != i.Service || i.Env != "" && s.Env != i.Env || !p.MayBe(s.Kind, s.Root) {
		return false
	}
	named := func(re *regexp.Regexp) bool { return re.MatchString(s.Operation) }
	return (len(p.operations) == 0 || slices.ContainsFunc(p.operations, named)) && all(p.where, s)
}

// MayBe says whether spans of a kind, by its number in OTLP, may be events; root tells those without a parent.
func (p *Predicate) MayBe(kind uint8, root bool) bool {
	if kind == 0 || int(kind) >= len(kinds) {
		kind = 1
	}
	if len(p.indicator.Kinds) > 0 {
		return p.kinds[kind]
	}
	return kinds[kind] == "server" || kinds[kind] == "consumer" || root
}

func (p *Predicate) isBad(s *Span) bool {
	bad := &p.indicator.Bad
	if bad.Errors && s.Failed || len(p.bad) > 0 && all(p.bad, s) {
		return true
	}
	if s.HTTPStatus > 0 && len(bad.HTTP) > 0 {
		code := strconv.Itoa(int(s.HTTPStatus))
		if slices.Contains(bad.HTTP, code) || slices.Contains(bad.HTTP, code[:1]+"xx") {
			return true
		}
	}
	return len(bad.GRPC) > 0 && p.tests[len(p.tests)-1].holdsFor(s)
}

// Group is the group of an event, or the empty text where it has none.
func (p *Predicate) Group(s *Span) string {
	if p.indicator.GroupBy == "" {
		return ""
	}
	group := p.group.value(s)
	if len(group) > MaxGroupBytes {
		return ""
	}
	return group
}

func all(conditions []condition, s *Span) bool {
	for i := range conditions {
		if !conditions[i].holds(s) {
			return false
		}
	}
	return true
}

// conditions compiles matchers and notes what they depend on.
func (p *Predicate) conditions(list []Matcher) ([]condition, error) {
	var out []condition
	for _, m := range list {
		t, err := newTest(m)
		if err != nil {
			return nil, err
		}
		if column, ok := Column(m.Key); ok {
			p.uses[column] = true
			out = append(out, condition{column: column, test: t})
			continue
		}
		p.tests = append(p.tests, t)
		out = append(out, condition{test: t})
	}
	return out, nil
}
