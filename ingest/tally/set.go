// Package tally counts, while spans arrive, the events of service level indicators and how many of them are bad: which
// indicators count a span, what a segment of the log adds up to, and the rows of a batch of segments.
package tally

import (
	"fmt"
	"maps"
	"slices"

	"loadline/internal/attribute"
	"loadline/internal/sli"
)

// Set is what the write path counts. It belongs to one [Counter]: what it learns is the groups that it gives places to.
type Set struct {
	services map[string]*service
}

// service is what is counted of the spans of one service.
type service struct {
	indicators []*indicator
	kinds      [6]bool // of spans, by number in OTLP, that may be events
	roots      bool    // whether roots of any kind may be
	uses       uses
	slower     []uint64 // durations above which events are bad, upward
	tests      []test
	texts      []attribute.Key // what the tests are of
	groups     []grouping
}

// grouping is an attribute by which some of a service's indicators tell groups apart.
type grouping struct {
	key        attribute.Key
	indicators []*indicator
}

// counts says whether a group may be counted apart by any of the indicators.
func (g *grouping) counts(group string) bool {
	return len(group) > 0 && len(group) <= sli.MaxGroupBytes && slices.ContainsFunc(g.indicators, func(i *indicator) bool {
		return len(i.groups) < i.places || i.groups[group]
	})
}

// test is a condition on one of a service's texts.
type test struct {
	*sli.Test
	text int
}

// uses are the columns by which spans of a service are told apart.
type uses struct {
	env, version, operation, name, status, httpStatus, errorType, peer, peerType, scope bool
}

// indicator is one of a set.
type indicator struct {
	id        uint64
	since     uint32
	predicate *sli.Predicate
	slower    int // how many of the service's durations make no event of it bad; all of them where none does
	places    int // for groups
	groups    map[string]bool
}

// place says whether a group is counted apart, and makes it so while there are places left.
func (i *indicator) place(group string) bool {
	if group == "" {
		return false
	}
	if !i.groups[group] && len(i.groups) < i.places {
		i.groups[group] = true
	}
	return i.groups[group]
}

// NewSet compiles indicators. The error names one that cannot be counted by.
func NewSet(counted []sli.Counted) (*Set, error) {
	s := &Set{services: map[string]*service{}}
	for _, c := range counted {
		p, err := sli.Compile(c.Indicator)
		if err != nil {
			return nil, fmt.Errorf("indicator %016x: %w", c.ID, err)
		}
		name := p.Indicator().Service
		if s.services[name] == nil {
			s.services[name] = &service{}
		}
		i := &indicator{
			id: c.ID, since: uint32(max(0, c.Since)), predicate: p, places: p.Indicator().Groups(), groups: map[string]bool{},
		}
		if i.places > 0 {
			maps.Copy(i.groups, asSet(c.Groups))
		}
		s.services[name].add(i)
	}
	for _, service := range s.services {
		service.sortDurations()
	}
	return s, nil
}

func asSet(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

// add takes an indicator in and notes by what its events are told apart.
func (s *service) add(i *indicator) {
	p := i.predicate
	definition := p.Indicator()
	s.indicators = append(s.indicators, i)
	s.addKinds(p)
	if slower := definition.Bad.Slower; slower > 0 {
		s.slower = append(s.slower, uint64(slower))
	}
	s.uses.env = s.uses.env || definition.Env != ""
	for column, used := range map[string]*bool{
		"version": &s.uses.version, "operation": &s.uses.operation, "name": &s.uses.name, "status": &s.uses.status,
		"http.response.status_code": &s.uses.httpStatus, "error.type": &s.uses.errorType, "peer": &s.uses.peer,
		"peer.type": &s.uses.peerType, "scope": &s.uses.scope,
	} {
		*used = *used || p.Uses(column)
	}
	for _, t := range p.Tests() {
		same := func(known test) bool { return known.ID() == t.ID() }
		if !slices.ContainsFunc(s.tests, same) {
			s.tests = append(s.tests, test{t, keyIndex(&s.texts, t.Key)})
		}
	}
	if key, ok := p.GroupKey(); ok {
		s.addGrouping(key, i)
	}
}

// addKinds notes the kinds of spans that may be events of the predicate.
func (s *service) addKinds(p *sli.Predicate) {
	for kind := range s.kinds {
		s.kinds[kind] = s.kinds[kind] || p.MayBe(uint8(kind), false)
	}
	s.roots = s.roots || p.MayBe(1, true) && !p.MayBe(1, false)
}

func (s *service) addGrouping(key attribute.Key, i *indicator) {
	for g := range s.groups {
		if equal(s.groups[g].key, key) {
			s.groups[g].indicators = append(s.groups[g].indicators, i)
			return
		}
	}
	s.groups = append(s.groups, grouping{key, []*indicator{i}})
}

func equal(a, b attribute.Key) bool {
	return a.OfSpan == b.OfSpan && a.OfResource == b.OfResource && slices.Equal(a.Names, b.Names)
}

// keyIndex returns the place of a key in a list, at whose end it is put when it is new.
func keyIndex(list *[]attribute.Key, key attribute.Key) int {
	i := slices.IndexFunc(*list, func(k attribute.Key) bool { return equal(k, key) })
	if i < 0 {
		i = len(*list)
		*list = append(*list, key)
	}
	return i
}

// sortDurations gives each indicator its place among the durations.
func (s *service) sortDurations() {
	slices.Sort(s.slower)
	s.slower = slices.Compact(s.slower)
	for _, i := range s.indicators {
		i.slower = len(s.slower)
		if slower := i.predicate.Indicator().Bad.Slower; slower > 0 {
			i.slower, _ = slices.BinarySearch(s.slower, uint64(slower))
		}
	}
}
